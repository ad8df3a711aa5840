/// One value of several, side by side along an axis: `[..., A, ...]` and `[..., B, ...]` become `[..., A + B, ...]`.
public struct Concat: Layer {
  public static let kind = "concat"
  public let options: String
  public let name: String?

  /// `axis`: of a sample, without the batch; negative ones count from the end.
  public init(axis: Int = -1, name: String? = nil) {
    options = "axis=\(axis)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Concat",
    summary: "one value of several, side by side along an axis; along all other axes they have the same sizes",
    inputs: [Port("x", .many)], options: [CommonOption.axis],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      ConcatOperation(axis: try options.axis(of: inputs[0]))
    })
}
