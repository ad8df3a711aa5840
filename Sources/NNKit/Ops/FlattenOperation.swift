/// `[a, b, ...]` becomes `[a · b · ...]`: the same memory under another shape.
package struct FlattenOperation: Operation {
  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    let shape = inputs[0].shape
    guard !shape.isOpen else {
      throw NNKitError(.shape, "the input has shape \(shape); flatten needs every size to be known")
    }
    return [ValueType(inputs[0].dataType, [try shape.count()])]
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    return ForwardResult(outputs: [x.reshaped([x.sampleCount])])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    [node.dOutputs[0]?.reshaped(node.inputs[0].shape)]
  }
}
