/// `y_k = x[starts_k ..< starts_k + sizes_k]` along one axis: all of it in parts, or one part.
package struct SplitOperation: Operation {
  /// Of a sample, from the front.
  let axis: Int
  let parts: [Range<Int>]

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    return parts.map { part in
      var shape = inputs[0].shape
      shape.sizes[axis] = part.count
      return ValueType(.float32, shape)
    }
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { axis > 0 }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    var outputs: [Tensor] = []
    for (part, type) in zip(parts, try outputTypes([x.type])) {
      let y = try plan.tensor(type)
      plan.assemble(
        "part", [CopyPiece(x, from: part.lowerBound, to: y.shape, axis: axis, size: part.count)], to: y)
      outputs.append(y)
    }
    return ForwardResult(outputs: outputs)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    let dx = try plan.tensor(node.inputs[0].type)
    var pieces: [CopyPiece] = []
    var end = 0
    func addZeros(to start: Int) {
      if end < start { pieces.append(CopyPiece(nil, to: dx.shape, at: end, axis: axis, size: start - end)) }
    }
    for (part, dy) in zip(parts, node.dOutputs) {
      guard let dy else { continue }
      addZeros(to: part.lowerBound)
      pieces.append(CopyPiece(dy, to: dx.shape, at: part.lowerBound, axis: axis, size: part.count))
      end = part.upperBound
    }
    addZeros(to: dx.shape[axis])
    plan.assemble("part gradient", pieces, to: dx)
    return [dx]
  }
}
