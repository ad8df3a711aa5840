/// The sum of two values of one shape, with activation: `f(x + y)`.
public struct Add: Layer {
  public static let kind = "add"
  public let options: String
  public let name: String?

  /// The graph gives it two values: `graph.layer(Add(), [x, y])`.
  public init(activation: ActivationFunction = .linear, name: String? = nil) {
    options = "activation=\(activation.rawValue)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Add", summary: "the sum of two values of one shape, with activation", inputs: ["x", "y"],
    options: [CommonOption.activation()],
    make: { (options, _) throws(NNKitError) -> any Operation in AddOperation(activation: .init(options)) })
}
