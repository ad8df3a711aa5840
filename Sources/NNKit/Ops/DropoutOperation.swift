import NNKitKernelTable

/// Inverted dropout: in training, `y = x / (1 - rate)` with probability `1 - rate`, else 0; otherwise `y = x`. The
/// mask is drawn again in the backward pass, from the same counters.
/// Source: Srivastava et al., Dropout (2014), section 10, inverted form.
package struct DropoutOperation: Operation {
  package let rate: Double

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    return inputs
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { true }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    guard plan.isTraining, rate > 0 else { return ForwardResult(outputs: [x]) }
    let y = try plan.tensor(x.type)
    addMask(plan, "dropout", node.index, x, to: y)
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0], rate > 0 else { return [node.dOutputs[0]] }
    let dx = try plan.tensor(dy.type)
    addMask(plan, "dropout gradient", node.index, dy, to: dx)
    return [dx]
  }

  private func addMask(_ plan: PlanBuilder, _ name: String, _ index: Int, _ x: Tensor, to y: Tensor) {
    let kernels = plan.kernels
    let threshold = UInt32(min(rate * 0x1p32, 0x1p32 - 1))
    let scale = Float(1 / (1 - rate))
    let stream = Random.Stream.dropout(node: index).number
    plan.elementwise(
      name, elementwise: [x], writes: [y], count: x.count, workPerElement: 16
    ) { binding in
      let (input, output, state) = (UnsafePointer(binding.floats(x)), binding.floats(y), binding.state)
      return { start, count in
        kernels.dropout(
          NNKitKernelTable.Dropout(
            x: input + start, y: output + start, count: count, key: state.pointee.seed,
            stream: stream &+ state.pointee.step, start: UInt64(start), threshold: threshold, scale: scale))
      }
    }
  }
}
