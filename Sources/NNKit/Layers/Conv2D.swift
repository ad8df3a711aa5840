/// A 2-D convolution (cross-correlation) with bias and activation, over images `[H, W, C]`.
///
/// With `groups`, channels and filters are dealt to as many groups in their order, and a filter sees its group's
/// channels alone; with as many groups as channels the convolution is depthwise.
public struct Conv2D: Layer {
  public static let kind = "conv2d"
  public let options: String
  public let name: String?

  /// `filters` kernels of `kernel × kernel` places each.
  public init(
    filters: Int, kernel: Int, stride: Int = 1, padding: LayerPadding = .valid, dilation: Int = 1,
    groups: Int = 1, bias: Bool = true, activation: ActivationFunction = .linear,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros, winograd: Bool = true,
    name: String? = nil
  ) {
    self.init(
      filters: filters, kernel: (kernel, kernel), stride: (stride, stride), padding: padding,
      dilation: (dilation, dilation), groups: groups, bias: bias, activation: activation,
      kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, winograd: winograd, name: name)
  }

  /// `filters` kernels of `kernel.height × kernel.width` places each. `winograd`: whether 3 × 3 windows with stride 1
  /// may use Winograd's algorithm, faster and with larger rounding errors (the catalog says how large).
  public init(
    filters: Int, kernel: (height: Int, width: Int), stride: (height: Int, width: Int) = (1, 1),
    padding: LayerPadding = .valid, dilation: (height: Int, width: Int) = (1, 1), groups: Int = 1, bias: Bool = true,
    activation: ActivationFunction = .linear, kernelInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, winograd: Bool = true, name: String? = nil
  ) {
    options =
      "filters=\(filters) kernel=\(kernel.height),\(kernel.width) stride=\(stride.height),\(stride.width) "
      + "padding=\(padding) dilation=\(dilation.height),\(dilation.width) groups=\(groups) bias=\(bias) "
      + "activation=\(activation.rawValue) kernel_initializer=\(kernelInitializer.rawValue) "
      + "bias_initializer=\(biasInitializer.rawValue) winograd=\(winograd)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Conv2D",
    summary: "2-D convolution (cross-correlation) over images [H, W, C], with bias and activation",
    options: [
      OptionSpecification("filters", .int(1...maximumSize), "output channels"),
      CommonOption.sizes("kernel", "height and width of the window"),
      CommonOption.sizes("stride", default: .list([1, 1]), "pixels from one window to the next"),
      CommonOption.padding(),
      CommonOption.sizes("dilation", default: .list([1, 1]), "pixels from one place of the window to the next"),
      OptionSpecification(
        "groups", .int(1...maximumSize), default: .int(1),
        "groups of channels and filters that see each other alone; as many as channels: depthwise"),
      CommonOption.bias,
      CommonOption.activation(),
      CommonOption.initializer("kernel_initializer", default: .glorotUniform),
      CommonOption.initializer("bias_initializer", default: .zeros),
      OptionSpecification(
        "winograd", .bool, default: .bool(true),
        "whether 3x3 windows with stride 1 may use Winograd's algorithm, but for the model's own input: faster, rounding "
          + "errors up to 2e-6 of the largest input of a tile of 6x6 pixels times the sum of the magnitudes of a filter's "
          + "weights, in every output of the tile"),
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      try requireFloat(inputs[0])
      try requireRank(inputs[0], 3, "[H, W, C]")
      try requireClosed(inputs[0], axes: 0..<3, "[H, W, C]")
      let kernel = options.list("kernel")
      let (channels, filters) = (inputs[0].shape[2], options.int("filters"))
      let groups = options.int("groups")
      guard channels % groups == 0 else {
        throw NNKitError(.shape, "groups=\(groups) does not divide the input's \(channels) channels")
      }
      guard filters % groups == 0 else {
        throw NNKitError(.invalidArgument, "groups=\(groups) does not divide filters=\(filters)")
      }
      _ = try checkedProduct(kernel + [channels / groups, filters], of: "its kernel")
      let window = Window2D(
        size: kernel, stride: options.list("stride"), dilation: options.list("dilation"), padding: Padding(options))
      if groups > 1 {
        return GroupedConvolutionOperation(
          window: window, channels: channels, filters: filters, groups: groups, hasBias: options.bool("bias"),
          activation: .init(options), kernelInitializer: options.initializer("kernel_initializer"),
          biasInitializer: options.initializer("bias_initializer"))
      }
      return ConvolutionOperation(
        window: window, channels: channels, filters: filters, hasBias: options.bool("bias"),
        activation: .init(options), kernelInitializer: options.initializer("kernel_initializer"),
        biasInitializer: options.initializer("bias_initializer"), allowsWinograd: options.bool("winograd"))
    })
}
