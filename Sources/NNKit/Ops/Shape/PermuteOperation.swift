/// `y[i_0, i_1, ...] = x[...]` where axis `k` of `y` is axis `order[k]` of `x`.
package struct PermuteOperation: Operation {
  let order: [Int]

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    return [ValueType(.float32, Shape(order.map { inputs[0].shape[$0] }))]
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { order[0] == 0 && order.count > 1 }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let y = try plan.tensor(try outputTypes([x.type])[0])
    plan.assemble("permute", [CopyPiece(x, order: order, to: y.shape)], to: y)
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let dx = try plan.tensor(node.inputs[0].type)
    let inverse = order.indices.map { axis in order.firstIndex(of: axis) ?? 0 }
    plan.assemble("permute gradient", [CopyPiece(dy, order: inverse, to: dx.shape)], to: dx)
    return [dx]
  }
}
