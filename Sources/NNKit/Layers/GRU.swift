/// A gated recurrent unit over a sequence `[T, I]`: its last state `[U]` or all states `[T, U]`. With a second input, int32
/// `[]`, only so many time steps are data: see `RecurrentSequence`.
public struct GRU: Layer {
  public static let kind = "gru"
  public let options: String
  public let name: String?

  /// `returnSequences`: whether all states are returned or the last one only. `resetAfter`: whether the reset gate acts
  /// behind the recurrent product (PyTorch, cuDNN) and not before it. `winograd`: whether training may compute large
  /// products by Winograd's inner product, faster and with rounding errors a few times as large.
  public init(
    units: Int, returnSequences: Bool = false, resetAfter: Bool = false, bias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal,
    winograd: Bool = true, name: String? = nil
  ) {
    options =
      "units=\(units) return_sequences=\(returnSequences) reset_after=\(resetAfter) bias=\(bias) "
      + "kernel_initializer=\(kernelInitializer.rawValue) recurrent_initializer=\(recurrentInitializer.rawValue) "
      + "winograd=\(winograd)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "GRU",
    summary: "gated recurrent unit over a sequence [T, I]: the last state [U], or all states [T, U]; "
      + "h' = (1 - z) h + z g (PyTorch and Keras call 1 - z their z), gates lie in the order z, r, g; "
      + CommonOption.lengthsSummary,
    inputs: ["x", LayerDefinition.lengths],
    options: [
      CommonOption.units("hidden units"),
      CommonOption.returnSequences,
      OptionSpecification(
        "reset_after", .bool, default: .bool(false),
        "whether the reset gate acts behind the recurrent product (PyTorch, Keras) and not before it"),
      CommonOption.bias,
      CommonOption.initializer("kernel_initializer", default: .glorotUniform),
      CommonOption.initializer("recurrent_initializer", default: .orthogonal),
      CommonOption.winograd,
    ],
    make: { (options, inputs) throws(NNKitError) -> any Operation in
      GRUOperation(
        sequence: try RecurrentSequence(options, inputs[0], gates: 3), resetsAfter: options.bool("reset_after"),
        hasBias: options.bool("bias"), kernelInitializer: options.initializer("kernel_initializer"),
        recurrentInitializer: options.initializer("recurrent_initializer"))
    })
}
