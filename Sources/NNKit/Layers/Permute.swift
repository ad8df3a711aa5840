/// The axes in another order.
public struct Permute: Layer {
  public static let kind = "permute"
  public let options: String
  public let name: String?

  /// `axes`: for each axis of the result, which one of the input it is; without the batch.
  public init(axes: [Int], name: String? = nil) {
    options = "axes=\(axes.map { String($0) }.joined(separator: ","))"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Permute", summary: "the axes in another order: axes=2,0,1 makes [C, H, W] of [H, W, C]",
    options: [
      OptionSpecification(
        "axes", .numbers(.axes, OptionSpecification.axes),
        "for each axis of the result, which one of the input it is; counted without the batch, negative ones from the end"
      )
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      let (axes, rank) = (options.list("axes"), inputs[0].shape.rank)
      let order = axes.map { $0 < 0 ? $0 + rank : $0 }
      guard order.sorted() == Array(0..<rank), rank > 0 else {
        throw NNKitError(
          .shape,
          "axes=\(axes.map { String($0) }.joined(separator: ",")) is no order of the \(rank) axes of the input "
            + "\(inputs[0].shape); expected each of them once, counted without the batch")
      }
      return PermuteOperation(order: order)
    })
}
