/// A trainable vector for each index: int32 `[...]` becomes `[..., units]`.
public struct Embedding: Layer {
  public static let kind = "embedding"
  public let options: String
  public let name: String?

  /// `vocabulary` vectors of `units` numbers.
  public init(vocabulary: Int, units: Int, name: String? = nil) {
    options = "vocabulary=\(vocabulary) units=\(units)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Embedding", summary: "a trainable vector for each index: int32 [...] becomes [..., units]",
    options: [
      OptionSpecification("vocabulary", .int(1...maximumSize), "how many indices there are, from 0"),
      CommonOption.units("numbers in each vector"),
    ],
    make: { (options, _) throws(NNKitError) -> any Operation in
      _ = try checkedProduct([options.int("vocabulary"), options.int("units")], of: "its table")
      return EmbeddingOperation(vocabulary: options.int("vocabulary"), units: options.int("units"))
    })
}
