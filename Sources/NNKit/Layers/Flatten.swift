/// Makes one axis of all axes: `[a, b, ...]` becomes `[a · b · ...]`.
public struct Flatten: Layer {
  public static let kind = "flatten"
  public let options = ""
  public let name: String?

  /// The sizes must be known.
  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "Flatten",
    summary: "makes one axis of all axes; of a sequence with lengths, with zeros behind them",
    options: [],
    make: { (_, inputs) throws(NNKitError) -> any Operation in
      guard !inputs[0].shape.isOpen else {
        throw NNKitError(.shape, "the input has shape \(inputs[0].shape); flatten needs every size to be known")
      }
      return try ReshapeOperation(inputs[0], to: [-1])
    })
}
