import NNKitKernelTable

/// A node of the graph as it is planned.
package struct PlannedNode {
  let name: String
  /// The graph's node that it came from.
  let graphIndex: Int
  /// The graph's nodes whose parameters it has, one after the other.
  var parameterNodes: [Int]
  package var operation: any Operation
  package var inputs: [Value]
  package var outputs: [Value]
}

/// An operation that can apply an activation to its output on the way to memory.
package protocol ActivationFusing: Operation {
  var activation: ActivationKind { get set }
}

/// A product that can take the batch normalisation that follows it at inference, whose parameters come behind its own.
protocol NormFolding: ActivationFusing {
  var foldedNorm: BatchNormOperation? { get set }
}

/// A product that can add a second input to its output.
protocol AddendFusing: ActivationFusing {
  var hasAddend: Bool { get set }
}

/// A product that can compute the pool that follows it at inference.
package protocol PoolFusing: ActivationFusing {
  var followingPool: PoolingOperation? { get set }
}

/// The nodes that the outputs depend on, rewritten.
///
/// Where the result has the same bits: an activation layer is folded into the layer before it, where that can take it
/// and nobody else reads its output; a ReLU before a maximum pool moves behind it, where there are fewer elements; an
/// embedding goes into the recurrent layer that alone reads it.
/// Where nothing is trained, too: a batch normalisation behind a product goes into its weights and bias, and a sum into
/// the product that computes one of its parts. Both round in another order. And a pool becomes a part of the
/// convolution before it, with the same bits.
package func fuse(_ graph: Graph, forInference: Bool) -> [PlannedNode] {
  var fusion = Fusion(graph)
  for (index, node) in graph.nodes.enumerated() where fusion.isLive[index] { fusion.add(node, index, forInference) }
  // At the end, when products and pools have their activations.
  if forInference { for index in fusion.planned.indices { fusion.joinPool(index) } }
  return fusion.planned.compactMap { $0 }
}

private struct Fusion {
  private(set) var isLive: [Bool]
  /// nil: has become part of a later one.
  private(set) var planned: [PlannedNode?] = []
  /// How many nodes and outputs read a value.
  private var readers: [Int]
  private var producer: [Value: Int] = [:]

  init(_ graph: Graph) {
    readers = Array(repeating: 0, count: graph.types.count)
    isLive = Array(repeating: false, count: graph.nodes.count)
    for output in graph.outputs { readers[output.value.index] += 1 }
    for (index, node) in graph.nodes.enumerated().reversed()
    where node.outputs.contains(where: { readers[$0.index] > 0 }) {
      isLive[index] = true
      for input in node.inputs { readers[input.index] += 1 }
    }
  }

  mutating func add(_ node: Graph.Node, _ index: Int, _ forInference: Bool) {
    var operation = node.operation
    if let (previous, before) = onlyProducer(of: node.inputs[0], as: (any ActivationFusing).self) {
      if let activation = operation as? ActivationOperation, before.activation == .linear {
        return extend(previous, before, activation.kind, node)
      }
      if var pool = operation as? PoolingOperation, pool.isMaximum, before.activation == .relu {
        var before = before
        before.activation = .linear
        planned[previous]?.operation = before
        pool.activation = .relu
        operation = pool
      }
    }
    if forInference {
      if let norm = operation as? BatchNormOperation,
        let (previous, product) = onlyProducer(of: node.inputs[0], as: (any NormFolding).self),
        product.activation == .linear, product.foldedNorm == nil, (product as? any AddendFusing)?.hasAddend != true
      {
        var before = product
        before.foldedNorm = norm
        planned[previous]?.parameterNodes.append(index)
        return extend(previous, before, norm.activation, node)
      }
      if let sum = operation as? AddOperation, absorb(sum, node) { return }
    }
    var (inputs, parameterNodes) = (node.inputs, [index])
    if let recurrent = operation as? any RecurrentOperation,
      let (previous, embedding) = onlyProducer(of: inputs[0], as: EmbeddingOperation.self),
      let before = planned[previous]
    {
      operation = EmbeddedOperation(embedding: embedding, recurrent: recurrent)
      inputs[0] = before.inputs[0]
      parameterNodes += before.parameterNodes
      planned[previous] = nil
    }
    for output in node.outputs { producer[output] = planned.count }
    planned.append(
      PlannedNode(
        name: node.name, graphIndex: index, parameterNodes: parameterNodes, operation: operation, inputs: inputs,
        outputs: node.outputs))
  }

  /// The planned node that computes `value` for one reader alone.
  private func onlyProducer<Kind>(of value: Value, as kind: Kind.Type) -> (Int, Kind)? {
    guard readers[value.index] == 1, let previous = producer[value],
      let operation = planned[previous]?.operation as? Kind
    else { return nil }
    return (previous, operation)
  }

  /// Lets the planned node `previous` end in `activation` and compute what `node` would.
  private mutating func extend(
    _ previous: Int, _ operation: any ActivationFusing, _ activation: ActivationKind, _ node: Graph.Node
  ) {
    var operation = operation
    operation.activation = activation
    planned[previous]?.operation = operation
    planned[previous]?.outputs = node.outputs
    producer[node.outputs[0]] = previous
  }

  /// Moves the product that computes one of a sum's parts to the place of the sum: both parts are there by then.
  private mutating func absorb(_ sum: AddOperation, _ node: Graph.Node) -> Bool {
    for position in 0..<2 where node.inputs[0] != node.inputs[1] {
      guard let (previous, before) = onlyProducer(of: node.inputs[position], as: (any AddendFusing).self),
        before.activation == .linear, !before.hasAddend, var product = planned[previous]
      else { continue }
      var operation = before
      operation.hasAddend = true
      operation.activation = sum.activation
      product.operation = operation
      product.inputs.append(node.inputs[1 - position])
      product.outputs = node.outputs
      planned[previous] = nil
      producer[node.outputs[0]] = planned.count
      planned.append(product)
      return true
    }
    return false
  }

  /// Moves the product that computes the input of the pool at `index` to its place.
  mutating func joinPool(_ index: Int) {
    guard let node = planned[index], var pool = node.operation as? PoolingOperation,
      let (previous, before) = onlyProducer(of: node.inputs[0], as: (any PoolFusing).self),
      before.followingPool == nil, var product = planned[previous]
    else { return }
    var operation = before
    // The product applies it on the way.
    if pool.isMaximum, pool.activation == .relu, operation.activation == .linear {
      (operation.activation, pool.activation) = (.relu, .linear)
    }
    operation.followingPool = pool
    product.operation = operation
    product.outputs = node.outputs
    planned[previous] = nil
    planned[index] = product
    producer[node.outputs[0]] = index
  }
}
