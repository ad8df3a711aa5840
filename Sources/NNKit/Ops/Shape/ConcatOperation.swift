/// `y = [x_0, x_1, ...]` along one axis; all inputs have the same sizes along the others.
package struct ConcatOperation: Operation {
  /// Of a sample, from the front.
  let axis: Int

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    var sizes = inputs[0].shape.sizes
    for (position, input) in inputs.enumerated().dropFirst() {
      try requireFloat(input)
      var others = input.shape.sizes
      if others.count == sizes.count { others[axis] = sizes[axis] }
      guard others == sizes else {
        throw NNKitError(
          .shape,
          "the inputs 0 and \(position) have shapes \(inputs[0].shape) and \(input.shape); expected the same sizes along all "
            + "axes but axis \(axis)")
      }
    }
    try requireFloat(inputs[0])
    let along = inputs.map(\.shape.sizes[axis])
    guard inputs.count == 1 || !along.contains(Shape.open) else {
      throw NNKitError(.shape, "axis \(axis) of an input is open; expected one whose size is known in all inputs")
    }
    sizes[axis] = inputs.count == 1 ? along[0] : try sum(along)
    return [ValueType(.float32, Shape(sizes))]
  }

  private func sum(_ sizes: [Int]) throws(NNKitError) -> Int {
    var total = 0
    for size in sizes {
      total += size
      guard total <= 1 << 46 else { throw NNKitError(.shape, "the inputs together are too large along axis \(axis)") }
    }
    return total
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { axis > 0 }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let y = try plan.tensor(try outputTypes(node.inputs.map(\.type))[0])
    var pieces: [CopyPiece] = []
    var start = 0
    for x in node.inputs {
      pieces.append(CopyPiece(x, to: y.shape, at: start, axis: axis, size: x.shape[axis]))
      start += x.shape[axis]
    }
    plan.assemble("concat", pieces, to: y)
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return node.inputs.map { _ in nil } }
    var gradients: [Tensor?] = []
    var start = 0
    for (x, wanted) in zip(node.inputs, node.wantsInput) {
      var gradient: Tensor?
      if wanted {
        let dx = try plan.tensor(x.type)
        plan.assemble(
          "concat gradient", [CopyPiece(dy, from: start, to: dx.shape, axis: axis, size: x.shape[axis])], to: dx)
        gradient = dx
      }
      gradients.append(gradient)
      start += x.shape[axis]
    }
    return gradients
  }
}
