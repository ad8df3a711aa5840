/// What a stream of a graph looks like: the tensors of one time step, and the state that is carried from step to step.
///
/// Time is the first axis of a value that comes from an open one or goes to a recurrent layer. A graph can be streamed
/// where each layer that such a value passes either acts on every time step by itself or goes through time from the
/// first step to the last. Layers behind a last state, and beside the sequences, can be any.
package struct StreamShapes {
  /// The types of a step's inputs and outputs, without time.
  package let inputs: [ValueType]
  package let outputs: [ValueType]
  /// The shapes of the inputs for a plan: with one time step.
  let plannedInputs: [Shape]
  /// Of each tensor of the state, in the order of the layers: its floats.
  let stateSizes: [Int]

  /// Throws: `.unsupported` for a graph that cannot be streamed; the message names the layer.
  init(_ graph: Graph) throws(NNKitError) {
    let nodes = liveNodes(of: graph)
    let hasTime = try timeAxes(graph, nodes)
    try check(graph, nodes, hasTime)

    func stepType(_ value: Value) -> ValueType {
      var type = graph.types[value.index]
      if hasTime[value.index] { type.shape.sizes.removeFirst() }
      return type
    }
    inputs = graph.inputs.map { stepType($0.value) }
    outputs = graph.outputs.map { stepType($0.value) }
    plannedInputs = graph.inputs.map { input in
      let shape = stepType(input.value).shape
      return hasTime[input.value.index] ? Shape([1] + shape.sizes) : shape
    }
    stateSizes = nodes.flatMap { ($0.operation as? any StreamingOperation)?.stateSizes ?? [] }
  }
}

/// The nodes that the outputs depend on.
private func liveNodes(of graph: Graph) -> [Graph.Node] {
  var isRead = Array(repeating: false, count: graph.types.count)
  for output in graph.outputs { isRead[output.value.index] = true }
  var nodes: [Graph.Node] = []
  for node in graph.nodes.reversed() where node.outputs.contains(where: { isRead[$0.index] }) {
    for input in node.inputs { isRead[input.index] = true }
    nodes.append(node)
  }
  return nodes.reversed()
}

/// Which values have time as their first axis. Throws: `.unsupported` where time is open elsewhere.
private func timeAxes(_ graph: Graph, _ nodes: [Graph.Node]) throws(NNKitError) -> [Bool] {
  var hasTime = graph.types.map { $0.shape.sizes.first == Shape.open }
  for input in graph.inputs where graph.types[input.value.index].shape.sizes.dropFirst().contains(Shape.open) {
    throw NNKitError(
      .unsupported,
      "input \"\(input.name)\" of shape \(graph.types[input.value.index].shape) cannot be streamed: its open axis is not "
        + "the first one")
  }
  // From the recurrent layers, and from values that have it, time spreads both ways: each node is asked once.
  let timed = nodes.map { timedTogether($0, graph) }
  var nodesOfValue: [[Int]] = Array(repeating: [], count: graph.types.count)
  for (index, values) in timed.enumerated() {
    for value in values { nodesOfValue[value.index].append(index) }
  }
  var next = nodes.indices.filter { index in
    nodes[index].operation is any StreamingOperation || timed[index].contains { hasTime[$0.index] }
  }
  var isAsked = Array(repeating: false, count: nodes.count)
  while let index = next.popLast() {
    if isAsked[index] { continue }
    isAsked[index] = true
    for value in timed[index] {
      hasTime[value.index] = true
      next += nodesOfValue[value.index].filter { !isAsked[$0] }
      nodesOfValue[value.index] = []
    }
  }
  return hasTime
}

/// The inputs and outputs of a node that all have time as soon as one of them has.
private func timedTogether(_ node: Graph.Node, _ graph: Graph) -> [Value] {
  if let operation = node.operation as? any StreamingOperation {
    return operation.returnsSequences ? [node.inputs[0], node.outputs[0]] : [node.inputs[0]]
  }
  let steps = node.operation.stepInputs(node.inputs.map { graph.types[$0.index] })
  return steps.contains(true) ? zip(node.inputs, steps).filter(\.1).map(\.0) + node.outputs : []
}

private func check(_ graph: Graph, _ nodes: [Graph.Node], _ hasTime: [Bool]) throws(NNKitError) {
  guard nodes.contains(where: { $0.operation is any StreamingOperation }) else {
    throw NNKitError(
      .unsupported, "the model has no recurrent layer, so that a stream would have no state; run it in a session")
  }
  // What is made of a whole sequence, a last state say, is there at its end only: no step can be made of it.
  var comesOfSequence = hasTime
  for node in nodes {
    let timed = timedTogether(node, graph)
    let readsEnd = node.inputs.contains { comesOfSequence[$0.index] && !hasTime[$0.index] }
    for output in node.outputs where node.inputs.contains(where: { comesOfSequence[$0.index] }) {
      comesOfSequence[output.index] = true
    }
    let makesSteps = node.outputs.contains { hasTime[$0.index] }
    let isMixed = (node.inputs + node.outputs).contains { hasTime[$0.index] && !timed.contains($0) }
    guard !isMixed, !(readsEnd && makesSteps) else {
      throw NNKitError(
        .unsupported,
        "layer \"\(node.name)\" (\(node.kind)) needs the whole sequence: it cannot be streamed, where one time step comes "
          + "at a time")
    }
  }
}
