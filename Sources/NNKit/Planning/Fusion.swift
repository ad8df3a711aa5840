import NNKitKernelTable

/// A node of the graph as it is planned.
struct PlannedNode {
  let name: String
  /// Of the graph's node that holds the parameters.
  let graphIndex: Int
  let operation: any Operation
  let inputs: [Value]
  let outputs: [Value]
}

/// An operation that can apply an activation to its output on the way to memory.
package protocol ActivationFusing: Operation {
  /// The same operation with the activation behind it; nil where it has one already.
  func fusing(_ activation: ActivationKind) -> (any Operation)?
}

/// The nodes that the outputs depend on, with each activation layer folded into the layer before it where that
/// layer can take it and nobody else reads its output.
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
    if let activation = node.operation as? ActivationOperation, needed[node.inputs[0].index] == 1,
      let previous = producer[node.inputs[0]], let fusing = planned[previous].operation as? any ActivationFusing,
      let fused = fusing.fusing(activation.kind)
    {
      let before = planned[previous]
      planned[previous] = PlannedNode(
        name: before.name, graphIndex: before.graphIndex, operation: fused, inputs: before.inputs,
        outputs: node.outputs)
      producer[node.outputs[0]] = previous
      continue
    }
    for output in node.outputs { producer[output] = planned.count }
    planned.append(
      PlannedNode(
        name: node.name, graphIndex: index, operation: node.operation, inputs: node.inputs, outputs: node.outputs))
  }
  return planned
}
