/// `y[k, ...] = x[...]` for `k < count`: a new first axis along which all is equal.
package struct RepeatOperation: Operation {
  let count: Int

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    guard inputs[0].shape.rank < Shape.maximumRank - 1 else {
      throw NNKitError(
        .shape, "the input has shape \(inputs[0].shape); expected at most \(Shape.maximumRank - 2) axes")
    }
    return [ValueType(.float32, Shape([count] + inputs[0].shape.sizes))]
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let y = try plan.tensor(try outputTypes([x.type])[0])
    let axes = [
      CopyAxis(size: count, source: 0, target: x.sampleCount), CopyAxis(size: x.sampleCount, source: 1, target: 1),
    ]
    plan.assemble("repeat", [CopyPiece(x, axes: axes)], to: y)
    return ForwardResult(outputs: [y])
  }

  /// Each element's gradients are added in the order of the axis.
  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let dx = try plan.tensor(node.inputs[0].type)
    let (kernels, count, columns) = (plan.kernels, count, dx.sampleCount)
    let columnsPerTile = min(columns, 1024)
    let parts = ceilDivide(columns, columnsPerTile)
    plan.step("repeat gradient", reads: [dy], writes: [dx], tiles: dx.batch * parts, work: [dy.count]) { binding in
      let (source, target) = (UnsafePointer(binding.floats(dy)), binding.floats(dx))
      return { tile, _ in
        let (sample, part) = tile.quotientAndRemainder(dividingBy: parts)
        let start = part * columnsPerTile
        kernels.columnSum(
          source + sample * count * columns + start, count, min(columnsPerTile, columns - start), columns,
          target + sample * columns + start, false)
      }
    }
    return [dx]
  }
}
