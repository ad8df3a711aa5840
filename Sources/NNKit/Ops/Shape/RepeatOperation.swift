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
    let y = try plan.repeated("repeat", x.reshaped(Shape([1] + x.shape.sizes)), to: try outputTypes([x.type])[0].shape)
    return ForwardResult(outputs: [y])
  }

  /// Each element's gradients are added in the order of the axis.
  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let dx = try plan.tensor(node.inputs[0].type)
    plan.addColumnSums("repeat gradient", dy, to: dx)
    return [dx]
  }
}
