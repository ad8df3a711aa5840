/// The mean of each channel of an image: `[H, W, C]` becomes `[C]`.
public struct GlobalAvgPool2D: Layer {
  public static let kind = "globalavgpool2d"
  public let options = ""
  public let name: String?

  /// The sizes must be known.
  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "GlobalAvgPool2D", summary: "the mean of each channel of an image: [H, W, C] becomes [C]",
    options: [], make: { (_, _) throws(NNKitError) -> any Operation in GlobalAveragePoolingOperation() })
}
