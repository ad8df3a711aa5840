/// In training, sets elements to zero at random and scales the others up; otherwise passes its input on.
public struct Dropout: Layer {
  public static let kind = "dropout"
  public let options: String
  public let name: String?

  /// `rate`: the probability that an element becomes zero, from 0 to below 1.
  public init(rate: Double = 0.5, name: String? = nil) {
    options = "rate=\(rate)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Dropout", summary: "in training, sets elements to zero at random (inverted dropout)",
    options: [
      OptionSpecification(
        "rate", .float(0, 1, upperOpen: true), default: .float(0.5), "the probability that an element becomes zero")
    ],
    make: { (options, _) throws(NNKitError) -> any Operation in DropoutOperation(rate: options.float("rate")) })
}
