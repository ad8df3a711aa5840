/// `z = x ∘ y`, where an axis of size 1, or one that is missing in front, has the same numbers everywhere.
extension PairwiseOperation {
  /// Of each element of the result: the places of the numbers that it is made of.
  private func places(_ node: ReferenceNode) -> [(x: Int, y: Int)] {
    let sizes = node.outputTypes[0].shape.sizes
    func place(_ index: [Int], _ sample: Int, _ shape: Shape) -> Int {
      let own = index.suffix(shape.rank)
      return zip(own, shape.sizes).reduce(sample) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
    }
    let count = sizes.reduce(1, *)
    return (0..<node.x.batch * count).map { element in
      var (rest, index) = (element % count, sizes)
      for axis in sizes.indices.reversed() { (rest, index[axis]) = rest.quotientAndRemainder(dividingBy: sizes[axis]) }
      let sample = element / count
      return (place(index, sample, node.inputs[0].shape), place(index, sample, node.inputs[1].shape))
    }
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    let (x, y) = (node.inputs[0].values, node.inputs[1].values)
    let values = places(node).map { kind == .multiply ? x[$0.x] * y[$0.y] : x[$0.x] - y[$0.y] }
    return ReferenceResult(outputs: [
      ReferenceTensor(batch: node.x.batch, shape: node.outputTypes[0].shape, values: values)
    ])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let (x, y) = (node.inputs[0].values, node.inputs[1].values)
    var (dx, dy) = (Array(repeating: 0.0, count: x.count), Array(repeating: 0.0, count: y.count))
    for (place, dz) in zip(places(node), dOutputs[0]) {
      dx[place.x] += kind == .multiply ? dz * y[place.y] : dz
      dy[place.y] += kind == .multiply ? dz * x[place.x] : -dz
    }
    return ReferenceGradient(dInputs: [dx, dy])
  }
}
