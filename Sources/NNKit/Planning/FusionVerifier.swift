import NNKitKernelTable

/// Shows that planned nodes compute what the graph describes: each planned node is taken apart into the layers that it
/// says it has taken in, in the order in which products apply them (normalisation, sum, activation, pool), and the term
/// that these make of the graph's inputs must be the term of the value in the graph.
///
/// Two terms are one value where they differ in the order of a sum's parts, or in whether a ReLU comes before or behind a
/// maximum.
package struct FusionVerifier {
  /// Throws: `.internal`, naming the first output that is something else.
  package static func verify(_ graph: Graph, _ planned: [PlannedNode]) throws(NNKitError) {
    var verifier = FusionVerifier()
    // Of each value of the graph.
    var described: [Int?] = Array(repeating: nil, count: graph.types.count)
    for (index, input) in graph.inputs.enumerated() {
      described[input.value.index] = verifier.term("input \(index)", [])
    }
    var computed = described
    for (index, node) in graph.nodes.enumerated() {
      let inputs = node.inputs.map { described[$0.index] ?? -1 }
      for (position, output) in node.outputs.enumerated() {
        described[output.index] = verifier.result(node.operation, [index], inputs, output: position)
      }
    }
    for node in planned {
      let inputs = node.inputs.map { computed[$0.index] }
      guard !inputs.contains(where: { $0 == nil }) else {
        throw NNKitError(.internal, "the plan is wrong: layer \"\(node.name)\" comes before what it reads")
      }
      for (position, output) in node.outputs.enumerated() {
        computed[output.index] = verifier.result(
          node.operation, node.parameterNodes, inputs.map { $0 ?? -1 }, output: position)
      }
    }
    for output in graph.outputs where computed[output.value.index] != described[output.value.index] {
      let (result, value) = (computed[output.value.index], described[output.value.index])
      throw NNKitError(
        .internal,
        "the plan is wrong: as it is planned, output \"\(output.name)\" is \(verifier.text(result)); the graph describes "
          + "\(verifier.text(value))")
    }
  }

  private struct Term {
    let head: String
    let parts: [Int]
  }

  private var terms: [Term] = []
  private var known: [String: Int] = [:]

  private static let relu = "activation relu"

  private mutating func term(_ head: String, _ parts: [Int]) -> Int {
    let key = "\(head) \(parts)"
    if let term = known[key] { return term }
    terms.append(Term(head: head, parts: parts))
    known[key] = terms.count - 1
    return terms.count - 1
  }

  /// What an operation with all that it has taken in makes of its inputs. `nodes`: the graph's nodes that it comes from, in
  /// the order of its parameters.
  private mutating func result(_ operation: any Operation, _ nodes: [Int], _ inputs: [Int], output: Int) -> Int {
    if let activation = operation as? ActivationOperation { return activated(activation.kind, inputs[0]) }
    if let embedded = operation as? EmbeddedOperation {
      let embedding = term("\(nodes.last ?? -1) \(embedded.embedding)", [inputs[0]])
      return term("\(nodes[0]) \(embedded.recurrent) \(output)", [embedding] + inputs.dropFirst())
    }
    if let embedding = operation as? EmbeddingOperation { return term("\(nodes[0]) \(embedding)", inputs) }
    var inputs = inputs
    let addend = (operation as? any AddendFusing)?.hasAddend == true ? inputs.removeLast() : nil
    var result: Int
    if operation is AddOperation {
      result = term("sum", inputs.sorted())
    } else if let pool = operation as? PoolingOperation {
      result = pooled(pool, inputs[0])
    } else if let norm = operation as? BatchNormOperation {
      result = normalized(norm, nodes[0], inputs[0])
    } else {
      result = term("\(nodes[0]) \(plain(operation)) \(output)", inputs)
    }
    if let norm = (operation as? any NormFolding)?.foldedNorm {
      result = normalized(norm, nodes.last ?? -1, result)
    }
    if let addend { result = term("sum", [result, addend].sorted()) }
    if let activation = (operation as? any ActivationFusing)?.activation { result = activated(activation, result) }
    if let pool = (operation as? any PoolFusing)?.followingPool {
      result = activated(pool.activation, pooled(pool, result))
    }
    return result
  }

  /// The operation without anything that it has taken in.
  private func plain(_ operation: any Operation) -> any Operation {
    var operation = operation
    if var fusing = operation as? any ActivationFusing {
      fusing.activation = .linear
      operation = fusing
    }
    if var folding = operation as? any NormFolding {
      folding.foldedNorm = nil
      operation = folding
    }
    if var fusing = operation as? any AddendFusing {
      fusing.hasAddend = false
      operation = fusing
    }
    if var fusing = operation as? any PoolFusing {
      fusing.followingPool = nil
      operation = fusing
    }
    return operation
  }

  private mutating func activated(_ kind: ActivationKind, _ x: Int) -> Int {
    kind == .linear ? x : term("activation \(kind.name)", [x])
  }

  private mutating func normalized(_ norm: BatchNormOperation, _ node: Int, _ x: Int) -> Int {
    term("\(node) \(plain(norm))", [x])
  }

  /// A ReLU before a maximum is one behind it.
  private mutating func pooled(_ pool: PoolingOperation, _ x: Int) -> Int {
    if pool.isMaximum, x >= 0, terms[x].head == Self.relu {
      return activated(.relu, term("\(plain(pool))", terms[x].parts))
    }
    return term("\(plain(pool))", [x])
  }

  private func text(_ index: Int?) -> String {
    guard let index, terms.indices.contains(index) else { return "nothing" }
    let parts = terms[index].parts.map { text($0) }.joined(separator: ", ")
    let head = terms[index].head.prefix { $0 != "(" }
    return parts.isEmpty ? "\(head)" : "\(head)(\(parts))"
  }
}
