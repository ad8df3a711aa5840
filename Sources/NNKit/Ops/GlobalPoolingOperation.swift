import NNKitKernelTable

/// The mean of each channel of an image: `x` `[H, W, C]`, `y[c] = Σ_hw x[h, w, c] / (H · W)`.
package struct GlobalAveragePoolingOperation: Operation {
  private static let layout = "[H, W, C]"

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    try requireRank(inputs[0], 3, Self.layout)
    try requireClosed(inputs[0], axes: 0..<3, Self.layout)
    return [ValueType(.float32, [inputs[0].shape[2]])]
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let y = try plan.tensor(try outputTypes([x.type])[0])
    let (kernels, channels, pixels) = (plan.kernels, x.columns, x.shape[0] * x.shape[1])
    plan.step("global average pool", reads: [x], writes: [y], tiles: plan.batch, work: [x.count]) { binding in
      let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
      return { image, _ in
        kernels.globalAveragePoolForward(
          GlobalAveragePool(
            input: input + image * pixels * channels, output: output + image * channels, pixels: pixels,
            channels: channels))
      }
    }
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard node.wantsInput[0], let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let dx = try plan.tensor(x.type)
    let (kernels, channels, pixels) = (plan.kernels, x.columns, x.shape[0] * x.shape[1])
    plan.step(
      "global average pool gradient", reads: [dy], writes: [dx], tiles: plan.batch, work: [x.count]
    ) { binding in
      let (dOutput, dInput) = (UnsafePointer(binding.floats(dy)), binding.floats(dx))
      return { image, _ in
        kernels.globalAveragePoolBackward(
          GlobalAveragePoolGradient(
            dOutput: dOutput + image * channels, dInput: dInput + image * pixels * channels, pixels: pixels,
            channels: channels))
      }
    }
    return [dx]
  }
}
