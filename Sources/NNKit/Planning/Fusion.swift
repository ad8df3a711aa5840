import NNKitKernelTable

/// A node of the graph as it is planned.
struct PlannedNode {
  let name: String
  /// Of the graph's node that holds the parameters.
  let graphIndex: Int
  var operation: any Operation
  let inputs: [Value]
  var outputs: [Value]
}

/// An operation that can apply an activation to its output on the way to memory.
package protocol ActivationFusing: Operation {
  var activation: ActivationKind { get set }
}

/// The nodes that the outputs depend on, rewritten where the result has the same bits:
/// an activation layer is folded into the layer before it, where that can take it and nobody else reads its output;
/// a ReLU before a maximum pool moves behind it, where there are fewer elements.
func fuse(_ graph: Graph) -> [PlannedNode] {
  var needed = Array(repeating: 0, count: graph.types.count)
  for output in graph.outputs { needed[output.value.index] += 1 }
  var live = Array(repeating: false, count: graph.nodes.count)
  for (index, node) in graph.nodes.enumerated().reversed() where node.outputs.contains(where: { needed[$0.index] > 0 })
  {
    live[index] = true
    for input in node.inputs { needed[input.index] += 1 }
  }

  var planned: [PlannedNode] = []
  var producer: [Value: Int] = [:]
  for (index, node) in graph.nodes.enumerated() where live[index] {
    var operation = node.operation
    if needed[node.inputs[0].index] == 1, let previous = producer[node.inputs[0]],
      var before = planned[previous].operation as? any ActivationFusing
    {
      if let activation = operation as? ActivationOperation, before.activation == .linear {
        before.activation = activation.kind
        planned[previous].operation = before
        planned[previous].outputs = node.outputs
        producer[node.outputs[0]] = previous
        continue
      }
      if var pool = operation as? PoolingOperation, pool.isMaximum, before.activation == .relu {
        before.activation = .linear
        planned[previous].operation = before
        pool.activation = .relu
        operation = pool
      }
    }
    for output in node.outputs { producer[output] = planned.count }
    planned.append(
      PlannedNode(name: node.name, graphIndex: index, operation: operation, inputs: node.inputs, outputs: node.outputs))
  }
  return planned
}
