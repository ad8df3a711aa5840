/// A fully connected layer on the last axis, with bias and activation: `[..., in]` becomes `[..., units]`.
public struct Dense: Layer {
  public static let kind = "dense"
  public let options: String
  public let name: String?

  /// `units`: how many outputs. `bias`: whether one is added. The initializers say how the first values of the kernel
  /// `[in, units]` and the bias `[units]` are drawn.
  public init(
    units: Int, bias: Bool = true, activation: ActivationFunction = .linear,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros, name: String? = nil
  ) {
    options =
      "units=\(units) bias=\(bias) activation=\(activation.rawValue) "
      + "kernel_initializer=\(kernelInitializer.rawValue) bias_initializer=\(biasInitializer.rawValue)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Dense", summary: "fully connected layer on the last axis, with bias and activation",
    options: [
      CommonOption.units("outputs"),
      CommonOption.bias,
      CommonOption.activation(),
      CommonOption.initializer("kernel_initializer", default: .glorotUniform),
      CommonOption.initializer("bias_initializer", default: .zeros),
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      guard let last = inputs[0].shape.sizes.last, last != Shape.open else {
        throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected a last axis of known size")
      }
      _ = try checkedProduct([last, options.int("units")], of: "its kernel")
      return DenseOperation(
        inputs: last, units: options.int("units"), hasBias: options.bool("bias"), activation: .init(options),
        kernelInitializer: options.initializer("kernel_initializer"),
        biasInitializer: options.initializer("bias_initializer"))
    })
}
