/// Some neighbouring elements along an axis: `[..., A, ...]` becomes `[..., stop - start, ...]`.
public struct Slice: Layer {
  public static let kind = "slice"
  public let options: String
  public let name: String?

  /// From `start` to before `stop`, by default the end; negative ones count from the end.
  public init(start: Int = 0, stop: Int? = nil, axis: Int = -1, name: String? = nil) {
    options = "start=\(start) axis=\(axis)" + (stop.map { " stop=\($0)" } ?? "")
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Slice",
    summary: "some neighbouring elements along an axis: those from start to before stop",
    options: [
      OptionSpecification(
        "start", .int(-maximumSize...maximumSize), default: .int(0),
        "the first element; negative ones count from the end"),
      OptionSpecification(
        "stop", .int(-maximumSize...maximumSize), optional: true,
        "the element behind the last one; negative ones count from the end; without it all elements from start on"),
      CommonOption.axis,
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      let axis = try options.axis(of: inputs[0])
      let size = inputs[0].shape[axis]
      guard size != Shape.open else {
        throw NNKitError(
          .shape, "axis \(axis) of the input \(inputs[0].shape) is open; expected one whose size is known")
      }
      let (start, stop) = (options.int("start"), options.has("stop") ? options.int("stop") : size)
      let (first, end) = (start < 0 ? start + size : start, stop < 0 ? stop + size : stop)
      guard first >= 0, first < end, end <= size else {
        throw NNKitError(
          .shape,
          "start=\(start) and stop=\(stop) are the elements \(first) to before \(end) along axis \(axis) of the input "
            + "\(inputs[0].shape); expected at least one of 0 to before \(size)")
      }
      return SplitOperation(axis: axis, parts: [first..<end])
    })
}
