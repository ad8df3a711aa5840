/// `y = x / (1 - rate)` where the element's random word is at least `rate · 2³²`, else 0.
extension DropoutOperation {
  /// What each element is multiplied by.
  private func factors(_ node: ReferenceNode) -> [Double]? {
    guard case .training(let seed, let step, let random) = node.mode, rate > 0 else { return nil }
    let threshold = UInt32(min(rate * 0x1p32, 0x1p32 - 1))
    let words = random(seed, Random.Stream.dropout(node: node.index).number &+ step, node.x.values.count)
    return words.map { $0 >= threshold ? 1 / (1 - rate) : 0 }
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    guard let factors = factors(node) else { return ReferenceResult(outputs: [node.x]) }
    var y = node.x
    // Not a product: what is dropped is zero whatever it was.
    for i in y.values.indices { y.values[i] = factors[i] == 0 ? 0 : factors[i] * y.values[i] }
    return ReferenceResult(outputs: [y], saved: [factors])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    guard let factors = result.saved.first else { return ReferenceGradient(dInputs: [dOutputs[0]]) }
    return ReferenceGradient(dInputs: [zip(factors, dOutputs[0]).map { $0 * $1 }])
  }
}

/// `y[...] = E[x[...]]`.
extension EmbeddingOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    var y = ReferenceTensor(batch: node.x.batch, shape: node.outputTypes[0].shape)
    y.lengths = node.x.lengths
    for (i, index) in node.x.values.enumerated() {
      for u in 0..<units { y.values[i * units + u] = node.parameters[0][Int(index) * units + u] }
    }
    return ReferenceResult(outputs: [y])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    var dTable = Array(repeating: 0.0, count: vocabulary * units)
    for (i, index) in node.x.values.enumerated() {
      for u in 0..<units { dTable[Int(index) * units + u] += dOutputs[0][i * units + u] }
    }
    return ReferenceGradient(dInputs: [nil], dParameters: [dTable])
  }
}
