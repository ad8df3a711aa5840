/// The product of two values, elementwise. Axes of size 1, or missing in front, are repeated: `[H, W, C]` times `[C]`.
public struct Multiply: Layer {
  public static let kind = "multiply"
  public let options = ""
  public let name: String?

  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "Multiply",
    summary: "the product of two values, elementwise; axes of size 1, or missing in front, are repeated",
    inputs: ["x", "y"], options: [],
    make: { (_, inputs) throws(NNKitError) -> any Operation in try PairwiseOperation(.multiply, inputs) })
}

/// The difference of two values, `x - y`, elementwise. Axes of size 1, or missing in front, are repeated.
public struct Subtract: Layer {
  public static let kind = "subtract"
  public let options = ""
  public let name: String?

  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "Subtract",
    summary: "the difference of two values, x - y, elementwise; axes of size 1, or missing in front, are repeated",
    inputs: ["x", "y"], options: [],
    make: { (_, inputs) throws(NNKitError) -> any Operation in try PairwiseOperation(.subtract, inputs) })
}
