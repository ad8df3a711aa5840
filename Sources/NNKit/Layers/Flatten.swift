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
    make: { (_, _) throws(NNKitError) -> any Operation in FlattenOperation() })
}
