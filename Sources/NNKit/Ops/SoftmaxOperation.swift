import NNKitKernelTable

/// `y_i = exp(x_i) / Σ_j exp(x_j)` over the last axis, or its logarithm.
package struct SoftmaxOperation: Operation {
  package let logarithm: Bool

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    guard let last = inputs[0].shape.sizes.last, last != Shape.open else {
      throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected a last axis of known size")
    }
    return inputs
  }

  /// With one axis alone, time would be the axis that is gone through.
  package func actsPerStep(_ inputs: [ValueType]) -> Bool { inputs[0].shape.rank > 1 }

  private static let rowsPerTile = 64

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let y = try plan.tensor(x.type)
    let (rows, columns, logarithm, kernels) = (x.rows, x.columns, logarithm, plan.kernels)
    plan.step(
      "softmax", reads: [x], writes: [y], tiles: ceilDivide(rows, Self.rowsPerTile), work: [rows, columns, 16]
    ) { binding in
      let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
      return { tile, _ in
        let first = tile * Self.rowsPerTile
        kernels.softmaxForward(
          NNKitKernelTable.Softmax(
            x: input + first * columns, y: output + first * columns, rows: min(Self.rowsPerTile, rows - first),
            columns: columns, logarithm: logarithm))
      }
    }
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let y = node.outputs[0]
    let dx = try plan.tensor(y.type)
    let (rows, columns, logarithm, kernels) = (y.rows, y.columns, logarithm, plan.kernels)
    plan.step(
      "softmax gradient", reads: [y, dy], writes: [dx], tiles: ceilDivide(rows, Self.rowsPerTile),
      work: [rows, columns, 8]
    ) { binding in
      let (output, dOutput, dInput) = (
        UnsafePointer(binding.floats(y)), UnsafePointer(binding.floats(dy)), binding.floats(dx)
      )
      return { tile, _ in
        let first = tile * Self.rowsPerTile
        kernels.softmaxBackward(
          SoftmaxGradient(
            y: output + first * columns, dy: dOutput + first * columns, dx: dInput + first * columns,
            rows: min(Self.rowsPerTile, rows - first), columns: columns, logarithm: logarithm))
      }
    }
    return [dx]
  }
}
