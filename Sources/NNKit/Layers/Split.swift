/// Several values of one, which lie side by side along an axis: the inverse of `Concat`.
public struct Split: Layer {
  public static let kind = "split"
  public let options: String
  public let name: String?

  /// `sizes`: of the parts, which add up to that of the axis.
  public init(sizes: [Int], axis: Int = -1, name: String? = nil) {
    options = "sizes=\(sizes.map { String($0) }.joined(separator: ",")) axis=\(axis)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Split",
    summary: "several values of one, which lie side by side along an axis: one for each size",
    outputs: [Port("y", .asMany("sizes"))],
    options: [
      OptionSpecification("sizes", .numbers(.parts, 1...maximumSize), "the parts' sizes, which add up to the axis's"),
      CommonOption.axis,
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      let axis = try options.axis(of: inputs[0])
      let size = inputs[0].shape[axis]
      var (parts, end) = ([Range<Int>](), 0)
      for part in options.list("sizes") {
        parts.append(end..<end + part)
        end += part
      }
      guard size == end else {
        throw NNKitError(
          .shape,
          size == Shape.open
            ? "axis \(axis) of the input \(inputs[0].shape) is open; expected one whose size is known"
            : "the sizes add up to \(end); axis \(axis) of the input \(inputs[0].shape) has \(size)")
      }
      return SplitOperation(axis: axis, parts: parts)
    })
}
