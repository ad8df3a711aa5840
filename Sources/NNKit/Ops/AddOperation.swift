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

  package func readsPending(_ index: Int, _ input: ValueType) -> Bool { true }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { true }
  package var canComputeAgain: Bool { true }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    // A sum has no order: a normalisation that is pending comes first.
    let (x, y) = node.inputs[0].pending == nil ? (node.inputs[1], node.inputs[0]) : (node.inputs[0], node.inputs[1])
    let z = try ActivatedOutput(plan, x.type, activation)
    let kernels = plan.kernels
    let pending = (x.pending?.tensors ?? []) + (y.pending?.tensors ?? [])
    plan.elementwise(
      // The first pass over two pending inputs writes the sum while `x` is still to be read.
      "add", reads: y.pending == nil ? pending : pending + [x], elementwise: y.pending == nil ? [x, y] : [y],
      writes: [z.product], count: x.count, rowLength: pending.isEmpty ? 1 : x.columns
    ) { binding in
      let (first, second, sum) = (
        UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(y)), binding.floats(z.product)
      )
      let (firstNorm, secondNorm) = (x.pending?.bind(binding), y.pending?.bind(binding))
      return { start, count in
        var addend = second + start
        if let secondNorm {
          kernels.batchNormForward(
            NNKitKernelTable.BatchNorm(
              normalization: secondNorm, x: addend, y: sum + start, rows: count / secondNorm.channels))
          addend = UnsafePointer(sum + start)
        }
        if let firstNorm {
          kernels.batchNormForward(
            NNKitKernelTable.BatchNorm(
              normalization: firstNorm, x: first + start, addend: addend, relu: z.fused == .relu, y: sum + start,
              rows: count / firstNorm.channels))
        } else {
          kernels.add(
            Addition(x: first + start, y: addend, sum: sum + start, count: count, relu: z.fused == .relu))
        }
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
