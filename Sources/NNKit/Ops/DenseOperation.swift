import NNKitKernelTable

/// `y = f(x K + b)` on the last axis, `K` `[in, units]`; with `W = Kᵀ` this is `y = f(x Wᵀ + b)`.
package struct DenseOperation: NormFolding, AddendFusing {
  package let inputs: Int
  package let units: Int
  package let hasBias: Bool
  package var activation: ActivationKind
  package let kernelInitializer: Initializer
  package let biasInitializer: Initializer
  var foldedNorm: BatchNormOperation?
  var hasAddend = false

  package var parameters: [ParameterSpecification] {
    let kernel = ParameterSpecification("kernel", [inputs, units], kernelInitializer, fanIn: inputs, fanOut: units)
    let bias = ParameterSpecification("bias", [units], biasInitializer, fanIn: inputs, fanOut: units)
    return hasBias ? [kernel, bias] : [kernel]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    let shape = inputs[0].shape
    guard shape.rank >= 1, shape.sizes[shape.rank - 1] == self.inputs else {
      throw NNKitError(.shape, "the input has shape \(shape); expected [..., \(self.inputs)]")
    }
    return [ValueType(.float32, Shape(shape.sizes.dropLast() + [units]))]
  }

  package func addsToGradient(ofInput index: Int) -> Bool { true }

  /// With one axis alone, time would be the axis that is gone through.
  package func actsPerStep(_ inputs: [ValueType]) -> Bool { inputs[0].shape.rank > 1 }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let type = try outputTypes([x.type])[0]
    let y = try ActivatedOutput(plan, type, activation)
    let epilogue = try ProductEpilogue(plan, node.parameters, hasBias: hasBias, foldedNorm)
    let weights = try plan.packMatrix(node.parameters[0], depth: inputs, columns: units, scale: epilogue.scale)
    try plan.deepMatrixProduct(
      "dense", x, rows: x.rows, weights, bias: epilogue.bias, y.fused, to: y.product,
      addend: hasAddend ? node.inputs[1] : nil)
    return y.finish(plan)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let dz = try plan.activationGradient(activation, saved: node.saved[0], dy)
    // dK = xᵀ dz, db = Σ dz, dx = dz Kᵀ
    let loops = DepthLoops(
      outer: 1, inner: x.rows, aOuterStep: 0, aInnerStep: inputs, bOuterStep: 0, bInnerStep: units)
    try plan.weightGradient(
      "dense kernel gradient", x, dz, loops, rows: inputs, columns: units, to: node.dParameters[0],
      bias: hasBias ? node.dParameters[1] : nil)
    guard node.wantsInput[0] else { return [nil] }
    let dx = try plan.tensor(x.type)
    let transposed = try plan.packTransposed(node.parameters[0], depth: units, columns: inputs)
    try plan.deepMatrixProduct(
      "dense input gradient", dz, rows: x.rows, transposed, bias: nil, .linear, to: dx, addend: node.addends[0])
    return [dx]
  }
}
