/// The same elements in the same order under another shape.
public struct Reshape: Layer {
  public static let kind = "reshape"
  public let options: String
  public let name: String?

  /// `shape`: without the batch; one size may be -1, what remains, or an open axis.
  public init(shape: [Int], name: String? = nil) {
    options = "shape=\(shape.map { String($0) }.joined(separator: ","))"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Reshape", summary: "the same elements in the same order under another shape",
    options: [
      OptionSpecification(
        "shape", .numbers(.shape, -1...maximumSize),
        "the sizes without the batch; one may be -1: what remains, or, of an input with an open axis, that axis")
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      let sizes = options.list("shape")
      guard sizes.count < Shape.maximumRank, !sizes.contains(0), sizes.count(where: { $0 == -1 }) < 2 else {
        throw NNKitError(
          .shape,
          "shape=\(sizes.map { String($0) }.joined(separator: ",")) is not valid; expected 1 to \(Shape.maximumRank - 1) sizes "
            + "of at least 1, of which one may be -1")
      }
      if inputs[0].shape.sizes.count(where: { $0 == Shape.open }) > 1 {
        throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected at most one open axis")
      }
      return try ReshapeOperation(inputs[0], to: sizes)
    })
}
