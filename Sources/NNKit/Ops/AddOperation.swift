import NNKitKernelTable

/// `z = f(x + y)` for `x` and `y` of one shape.
package struct AddOperation: Operation, ActivationFusing {
  package var activation: ActivationKind

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    try requireFloat(inputs[1])
    guard inputs[0].shape == inputs[1].shape else {
      throw NNKitError(
        .shape, "the inputs have shapes \(inputs[0].shape) and \(inputs[1].shape); expected two inputs of one shape")
    }
    return [inputs[0]]
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let (x, y) = (node.inputs[0], node.inputs[1])
    let z = try ActivatedOutput(plan, x.type, activation)
    let kernels = plan.kernels
    plan.elementwise("add", reads: [x, y], writes: [z.product], count: x.count, inPlace: [x, y]) { binding in
      let (first, second, sum) = (
        UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(y)), binding.floats(z.product)
      )
      return { start, count in
        kernels.add(
          Addition(
            x: first + start, y: second + start, sum: sum + start, count: count, relu: z.fused == .relu))
        if z.fused != .relu && z.fused != .linear {
          kernels.activationForward(z.fused, sum + start, sum + start, count)
        }
      }
    }
    return z.finish(plan)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dz = node.dOutputs[0] else { return [nil, nil] }
    // Both inputs have the same gradient; tensors of gradients are written once and then only read.
    let dSum = try plan.activationGradient(activation, saved: node.saved[0], dz)
    return [dSum, dSum]
  }
}
