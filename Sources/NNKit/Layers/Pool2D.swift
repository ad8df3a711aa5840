/// The largest value of each window of an image `[H, W, C]`.
public struct MaxPool2D: Layer {
  public static let kind = "maxpool2d"
  public let options: String
  public let name: String?

  /// Windows of `size × size` pixels, `stride` pixels apart (nil: side by side).
  public init(size: Int = 2, stride: Int? = nil, padding: LayerPadding = .valid, name: String? = nil) {
    self.init(size: (size, size), stride: stride.map { ($0, $0) }, padding: padding, name: name)
  }

  /// Windows of `size.height × size.width` pixels, `stride` pixels apart (nil: side by side).
  public init(
    size: (height: Int, width: Int), stride: (height: Int, width: Int)? = nil, padding: LayerPadding = .valid,
    name: String? = nil
  ) {
    options = windowText(size, stride, padding)
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "MaxPool2D", summary: "the largest value of each window of an image [H, W, C]",
    options: poolingOptions,
    make: { (options, _) throws(NNKitError) -> any Operation in
      PoolingOperation(kind: .maximum, window: poolingWindow(options))
    })
}

/// The mean of each window of an image `[H, W, C]`.
public struct AvgPool2D: Layer {
  public static let kind = "avgpool2d"
  public let options: String
  public let name: String?

  /// Windows of `size × size` pixels, `stride` pixels apart (nil: side by side). `countPadding`: whether places in the
  /// padding count in the divisor.
  public init(
    size: Int = 2, stride: Int? = nil, padding: LayerPadding = .valid, countPadding: Bool = false, name: String? = nil
  ) {
    self.init(
      size: (size, size), stride: stride.map { ($0, $0) }, padding: padding, countPadding: countPadding, name: name)
  }

  /// Windows of `size.height × size.width` pixels, `stride` pixels apart (nil: side by side).
  public init(
    size: (height: Int, width: Int), stride: (height: Int, width: Int)? = nil, padding: LayerPadding = .valid,
    countPadding: Bool = false, name: String? = nil
  ) {
    options = windowText(size, stride, padding) + " count_padding=\(countPadding)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "AvgPool2D", summary: "the mean of each window of an image [H, W, C]",
    options: poolingOptions + [
      OptionSpecification(
        "count_padding", .bool, default: .bool(false), "whether places in the padding count in the divisor")
    ],
    make: { (options, _) throws(NNKitError) -> any Operation in
      PoolingOperation(
        kind: .average(countsPadding: options.bool("count_padding")), window: poolingWindow(options))
    })
}

/// The options of a pooling layer's window.
private func windowText(
  _ size: (height: Int, width: Int), _ stride: (height: Int, width: Int)?, _ padding: LayerPadding
) -> String {
  "size=\(size.height),\(size.width) padding=\(padding)"
    + (stride.map { " stride=\($0.height),\($0.width)" } ?? "")
}

private let poolingOptions = [
  CommonOption.sizes("size", default: .list([2, 2]), "height and width of the window"),
  CommonOption.sizes("stride", optional: true, "pixels from one window to the next; by default the window's size"),
  CommonOption.padding("places around the input that belong to no window's maximum or sum"),
]

private func poolingWindow(_ options: Options) -> Window2D {
  let size = options.list("size")
  return Window2D(
    size: size, stride: options.has("stride") ? options.list("stride") : size, dilation: [1, 1],
    padding: Padding(options))
}
