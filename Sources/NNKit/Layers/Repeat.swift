/// A new first axis along which all is equal: `[...]` becomes `[count, ...]`. A vector becomes a sequence of equal steps.
public struct Repeat: Layer {
  public static let kind = "repeat"
  public let options: String
  public let name: String?

  public init(count: Int, name: String? = nil) {
    options = "count=\(count)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Repeat",
    summary: "a new first axis along which all is equal: [C] becomes [count, C], a sequence of equal steps",
    options: [OptionSpecification("count", .int(1...maximumSize), "the size of the new axis")],
    make: { (options, _) throws(NNKitError) -> any Operation in RepeatOperation(count: options.int("count")) })
}
