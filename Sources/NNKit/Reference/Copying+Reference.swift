/// The places of a tensor's elements: the index along each axis, the batch in front.
private func forEachIndex(_ batch: Int, _ shape: Shape, _ body: (_ place: Int, _ index: [Int]) -> Void) {
  let sizes = [batch] + shape.sizes
  for place in 0..<sizes.reduce(1, *) {
    var (index, rest) = (sizes, place)
    for axis in sizes.indices.reversed() { (rest, index[axis]) = rest.quotientAndRemainder(dividingBy: sizes[axis]) }
    body(place, index)
  }
}

/// Where the element with this index lies.
private func place(_ index: [Int], _ shape: Shape) -> Int {
  zip(index.dropFirst(), shape.sizes).reduce(index[0]) { $0 * $1.1 + $1.0 }
}

/// The gradients of an operation that gives each element of its outputs one element of its inputs: what lies at `source`
/// of an output's index, an input and a place.
private func scattered(
  _ node: ReferenceNode, _ dOutputs: [[Double]], source: (_ output: Int, _ index: [Int]) -> (input: Int, place: Int)
) -> ReferenceGradient {
  var dInputs = node.inputs.map { Array(repeating: 0.0, count: $0.values.count) }
  for (output, type) in node.outputTypes.enumerated() {
    forEachIndex(node.x.batch, type.shape) { place, index in
      let (input, from) = source(output, index)
      dInputs[input][from] += dOutputs[output][place]
    }
  }
  return ReferenceGradient(dInputs: dInputs)
}

private func gathered(
  _ node: ReferenceNode, source: (_ output: Int, _ index: [Int]) -> (input: Int, place: Int)
) -> ReferenceResult {
  ReferenceResult(
    outputs: node.outputTypes.enumerated().map { output, type in
      var y = ReferenceTensor(batch: node.x.batch, shape: type.shape)
      forEachIndex(node.x.batch, type.shape) { place, index in
        let (input, from) = source(output, index)
        y.values[place] = node.inputs[input].values[from]
      }
      return y
    })
}

/// An element with index `i` along the axis comes from the input in whose part `i` lies.
extension ConcatOperation {
  private func source(_ node: ReferenceNode, _ index: [Int]) -> (input: Int, place: Int) {
    var (index, input) = (index, 0)
    while index[axis + 1] >= node.inputs[input].shape[axis] {
      index[axis + 1] -= node.inputs[input].shape[axis]
      input += 1
    }
    return (input, place(index, node.inputs[input].shape))
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { gathered(node) { source(node, $1) } }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  { scattered(node, dOutputs) { source(node, $1) } }
}

/// `y_k[..., i, ...] = x[..., start_k + i, ...]`.
extension SplitOperation {
  private func source(_ node: ReferenceNode, _ output: Int, _ index: [Int]) -> (input: Int, place: Int) {
    var index = index
    index[axis + 1] += parts[output].lowerBound
    return (0, place(index, node.x.shape))
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { gathered(node) { source(node, $0, $1) } }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  { scattered(node, dOutputs) { source(node, $0, $1) } }
}

/// `y[i] = x[j]` with `j[order[k]] = i[k]`.
extension PermuteOperation {
  private func source(_ node: ReferenceNode, _ index: [Int]) -> (input: Int, place: Int) {
    var from = index
    for (axis, other) in order.enumerated() { from[other + 1] = index[axis + 1] }
    return (0, place(from, node.x.shape))
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { gathered(node) { source(node, $1) } }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  { scattered(node, dOutputs) { source(node, $1) } }
}

/// `y[k, ...] = x[...]`.
extension RepeatOperation {
  private func source(_ node: ReferenceNode, _ index: [Int]) -> (input: Int, place: Int) {
    (0, place([index[0]] + index.dropFirst(2), node.x.shape))
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { gathered(node) { source(node, $1) } }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  { scattered(node, dOutputs) { source(node, $1) } }
}

/// The same numbers under another shape.
extension ReshapeOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    ReferenceResult(outputs: [
      ReferenceTensor(batch: node.x.batch, shape: node.outputTypes[0].shape, values: node.x.values)
    ])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  { ReferenceGradient(dInputs: [dOutputs[0]]) }
}
