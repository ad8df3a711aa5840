/// A long short-term memory over a sequence `[T, I]`: its last state `[U]` or all states `[T, U]`. With a second input, int32
/// `[]`, only so many time steps are data: see `RecurrentSequence`.
public struct LSTM: Layer {
  public static let kind = "lstm"
  public let options: String
  public let name: String?

  /// `returnSequences`: whether all states are returned or the last one only. `forgetBias`: the forget gates' first
  /// bias. `winograd`: whether training may compute large products by Winograd's inner product, faster and with
  /// rounding errors a few times as large.
  public init(
    units: Int, returnSequences: Bool = false, bias: Bool = true, forgetBias: Double = 1,
    kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal,
    winograd: Bool = true, name: String? = nil
  ) {
    options =
      "units=\(units) return_sequences=\(returnSequences) bias=\(bias) forget_bias=\(forgetBias) "
      + "kernel_initializer=\(kernelInitializer.rawValue) recurrent_initializer=\(recurrentInitializer.rawValue) "
      + "winograd=\(winograd)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "LSTM",
    summary: "long short-term memory over a sequence [T, I]: the last state [U], or all states [T, U]; "
      + "gates lie in the order i, f, g, o; "
      + CommonOption.lengthsSummary,
    inputs: ["x", LayerDefinition.lengths],
    options: [
      CommonOption.units("hidden units"),
      CommonOption.returnSequences,
      CommonOption.bias,
      OptionSpecification(
        "forget_bias", .float(-100, 100, upperOpen: false), default: .float(1), "the forget gates' first bias"),
      CommonOption.initializer("kernel_initializer", default: .glorotUniform),
      CommonOption.initializer("recurrent_initializer", default: .orthogonal),
      CommonOption.winograd,
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      LSTMOperation(
        sequence: try RecurrentSequence(options, inputs[0], gates: 4),
        hasBias: options.bool("bias"), forgetBias: options.float("forget_bias"),
        kernelInitializer: options.initializer("kernel_initializer"),
        recurrentInitializer: options.initializer("recurrent_initializer"))
    })
}

extension RecurrentSequence {
  /// From the options of a recurrent layer whose cell has `gates` gates. Throws: `.shape`.
  init(_ options: Options, _ input: ValueType, gates: Int) throws(NNKitError) {
    try requireRank(input, 2, "[T, I]")
    try requireClosed(input, axes: 1..<2, "[T, I]")
    let units = options.int("units")
    _ = try checkedProduct([max(input.shape[1], units), gates * units], of: "its kernel")
    self.init(
      inputs: input.shape[1], units: units, returnsSequences: options.bool("return_sequences"),
      allowsPairs: options.bool("winograd"))
  }
}
