/// Normalises each channel (the last axis), then scales, shifts and activates it: `f(γ (x - μ) / √(σ² + ε) + β)`.
public struct BatchNorm: Layer {
  public static let kind = "batchnorm"
  public let options: String
  public let name: String?

  /// `momentum`: the share of the running statistics that each training step keeps. `epsilon`: added to the variance.
  public init(
    momentum: Double = 0.9, epsilon: Double = 1e-5, activation: ActivationFunction = .linear, name: String? = nil
  ) {
    options = "momentum=\(momentum) epsilon=\(epsilon) activation=\(activation.rawValue)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "BatchNorm",
    summary: "normalises each channel (the last axis) over the batch (its real steps, of sequences with lengths), then "
      + "scales, shifts and activates it",
    options: [
      OptionSpecification(
        "momentum", .float(0, 1, upperOpen: false), default: .float(0.9),
        "the share of the running statistics that each training step keeps; the running variance is unbiased, while "
          + "training normalises with the biased one"),
      OptionSpecification(
        "epsilon", .float(1e-12, 1, upperOpen: false), default: .float(1e-5), "added to the variance"),
      CommonOption.activation(),
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      guard let channels = inputs[0].shape.sizes.last, channels != Shape.open else {
        throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected a last axis of known size")
      }
      return BatchNormOperation(
        channels: channels, momentum: options.float("momentum"), epsilon: options.float("epsilon"),
        activation: .init(options))
    })
}
