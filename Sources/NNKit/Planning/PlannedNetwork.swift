/// Walks a graph, forward and then backward, and adds each node's steps to a plan: the gradient graph.
struct PlannedNetwork {
  private let graph: Graph
  /// The graph's nodes as they are planned, after fusion.
  let nodes: [PlannedNode]
  /// Of each planned node.
  private let parameters: [[Parameter]]
  /// Of each value: the planned nodes that read it, and which of their inputs it is.
  private let readers: [[(node: Int, position: Int)]]
  private let isOutput: [Bool]
  /// Of each value: see `carriedLengths`.
  private let lengths: [Value?]

  private(set) var inputs: [Tensor] = []
  private var inputOfBuffer: [Int: Int] = [:]
  private(set) var inputRanges: [ClosedRange<Int32>?] = []
  /// Of a step of streams.
  private(set) var states: [PlannedState] = []
  private var tensors: [Tensor?]
  /// Of each planned node: what it reads.
  private var nodeInputs: [[Tensor]]
  private var types: [ValueType?]
  private var saved: [[Tensor]]
  private var parameterTensors: [[Tensor]]
  /// Parameters that are not trainable, whose next values the backward steps write.
  private(set) var updatedState: [Range<Int>] = []
  /// Of each value: the gradients that its consumers have computed so far.
  private var contributions: [[Tensor]]
  /// The planned nodes whose outputs the backward pass computes again.
  private let computedAgain: Set<Int>
  /// What could be computed again.
  private(set) var candidates: [RecomputationCandidate] = []

  init(_ graph: Graph, _ parameters: [[Parameter]], isTraining: Bool, computedAgain: Set<Int>) {
    self.graph = graph
    self.computedAgain = computedAgain
    let nodes = fuse(graph, forInference: !isTraining)
    self.nodes = nodes
    self.parameters = nodes.map { $0.parameterNodes.flatMap { parameters[$0] } }
    var readers: [[(node: Int, position: Int)]] = Array(repeating: [], count: graph.types.count)
    for (index, node) in nodes.enumerated() {
      for (position, value) in node.inputs.enumerated() { readers[value.index].append((index, position)) }
    }
    self.readers = readers
    var isOutput = Array(repeating: false, count: graph.types.count)
    for output in graph.outputs { isOutput[output.value.index] = true }
    self.isOutput = isOutput
    lengths = carriedLengths(of: graph)
    tensors = Array(repeating: nil, count: graph.types.count)
    nodeInputs = Array(repeating: [], count: nodes.count)
    types = Array(repeating: nil, count: graph.types.count)
    contributions = Array(repeating: [], count: graph.types.count)
    saved = Array(repeating: [], count: nodes.count)
    parameterTensors = Array(repeating: [], count: nodes.count)
  }

  var outputs: [Tensor] { graph.outputs.compactMap { tensors[$0.value.index] } }

  /// The lengths that an output has.
  func lengths(ofOutput index: Int) -> SequenceLengths? { lengths(graph.outputs[index].value) }

  /// Of each input and of each output: the position of the input that holds its lengths.
  var inputLengths: [Int?] { graph.inputs.map { positionOfLengths($0.value) } }
  var outputLengths: [Int?] { graph.outputs.map { positionOfLengths($0.value) } }

  private func positionOfLengths(_ value: Value) -> Int? {
    lengths[value.index].flatMap { lengths in graph.inputs.firstIndex { $0.value == lengths } }
  }

  private func lengths(_ value: Value) -> SequenceLengths? {
    lengths[value.index].flatMap { tensors[$0.index] }.map { SequenceLengths(tensor: $0) }
  }

  /// The gradients of the inputs, after `addBackward` with `inputGradients`.
  var dInputs: [Tensor?] { graph.inputs.map { contributions[$0.value.index].first } }

  mutating func contribute(_ gradient: Tensor, to value: Value) {
    contributions[value.index].append(gradient)
  }

  /// Adds the inputs and the forward steps of every node that an output depends on.
  mutating func addForward(
    _ plan: PlanBuilder, _ inputShapes: [Shape], isStreamStep: Bool, loadsInputs: Bool
  ) throws(NNKitError) {
    for (input, shape) in zip(graph.inputs, inputShapes) {
      let type = ValueType(graph.types[input.value.index].dataType, shape)
      var tensor = try plan.tensor(type)
      tensor.isModelInput = true
      inputOfBuffer[tensor.buffer] = inputs.count
      inputs.append(tensor)
      types[input.value.index] = type
      tensors[input.value.index] = tensor
    }
    for (position, tensor) in inputs.enumerated() {
      if loadsInputs && tensor.type.dataType == .float32 {
        addLoading(plan, tensor, position)
      } else {
        plan.keepFromStart(tensor)
      }
    }
    inputRanges = Array(repeating: nil, count: inputs.count)

    for (index, node) in nodes.enumerated() {
      plan.owner = node.name
      do throws(NNKitError) {
        let nodeInputs = try inputTensors(node, plan)
        self.nodeInputs[index] = nodeInputs
        let inputTypes = nodeInputs.map(\.type)
        // With concrete sizes: a window may be larger than a time dimension that was open before.
        for (value, type) in zip(node.outputs, try node.operation.outputTypes(inputTypes)) { types[value.index] = type }
        try narrowRanges(node, inputTypes)
        parameterTensors[index] = parameters[index].map { plan.parameter($0) }
        let forwardNode = ForwardNode(
          index: node.graphIndex, inputs: nodeInputs, parameters: parameterTensors[index],
          lengths: lengths(node.outputs[0]), outputMayBePending: outputMayBePending(node, inputTypes))
        if isStreamStep, let operation = node.operation as? any StreamingOperation {
          tensors[node.outputs[0].index] = try addStep(plan, operation, forwardNode)
          continue
        }
        let firstStep = plan.steps.count
        let result = try node.operation.forward(plan, forwardNode)
        for (value, tensor) in zip(node.outputs, result.outputs) { tensors[value.index] = tensor }
        saved[index] = result.saved
        if node.operation.canComputeAgain {
          candidates.append(
            RecomputationCandidate(
              node: index, inputs: nodeInputs, output: result.outputs[0],
              steps: firstStep..<plan.steps.count))
        }
      } catch {
        throw error.at("layer \"\(node.name)\"")
      }
    }
  }

  /// What a node reads. One that mixes steps finds zeros behind the lengths.
  private func inputTensors(_ node: PlannedNode, _ plan: PlanBuilder) throws(NNKitError) -> [Tensor] {
    var inputs = node.inputs.compactMap { tensors[$0.index] }
    let mixes = mixesSteps(node)
    for (position, value) in node.inputs.enumerated() {
      guard let lengths = lengths(value), mixes[position] else { continue }
      inputs[position] = try plan.zeroBehindLengths(inputs[position], lengths)
    }
    return inputs
  }

  /// Of each input: whether a node's output has no steps of its own, or makes one of several of the input's, without
  /// knowing lengths.
  private func mixesSteps(_ node: PlannedNode) -> [Bool] {
    if node.operation is any StreamingOperation { return node.inputs.map { _ in false } }
    return node.operation.stepInputs(node.inputs.compactMap { tensors[$0.index]?.type }).map { !$0 }
  }

  /// Adds one time step of a recurrent layer and its state, which lies in the plan's memory during the step only.
  private mutating func addStep(
    _ plan: PlanBuilder, _ operation: any StreamingOperation, _ node: ForwardNode
  ) throws(NNKitError) -> Tensor {
    var previous: [Tensor] = []
    for size in operation.stateSizes {
      let state = try plan.tensor(ValueType(.float32, [size]))
      plan.keepFromStart(state)
      previous.append(state)
    }
    let result = try operation.forwardStep(plan, node, from: previous)
    for (previous, next) in zip(previous, result.state) {
      plan.keepToEnd(next)
      states.append(PlannedState(previous: previous, next: next))
    }
    return result.output
  }

  /// Adds the step that copies the samples of an input from where the host keeps them, which is done again where the
  /// input is not worth keeping.
  private mutating func addLoading(_ plan: PlanBuilder, _ tensor: Tensor, _ position: Int) {
    plan.owner = graph.inputs[position].name
    let firstStep = plan.steps.count
    let (count, lengths) = (tensor.sampleCount, lengths(graph.inputs[position].value))
    let reads = lengths.map { [$0.tensor] } ?? []
    plan.step("load", reads: reads, writes: [tensor], tiles: tensor.batch, work: [tensor.count, 16]) { binding in
      let (source, values) = (binding.source, binding.floats(tensor))
      let lengths = lengths.map { binding.integers($0.tensor) }
      return { slot, _ in
        source.load(position, slot: slot, steps: lengths.map { Int($0[slot]) }, count: count, to: values)
      }
    }
    // The lengths are not worth a choice: they stay as long as they are read.
    candidates.append(
      RecomputationCandidate(
        node: nodes.count + position, inputs: [], output: tensor,
        steps: firstStep..<plan.steps.count))
  }

  /// Whether all readers of a node's first output can normalise it on the way.
  private func outputMayBePending(_ node: PlannedNode, _ inputTypes: [ValueType]) -> Bool {
    guard let value = node.outputs.first, let type = types[value.index], !isOutput[value.index] else { return false }
    return readers[value.index].allSatisfy { nodes[$0.node].operation.readsPending($0.position, type) }
  }

  /// Every consumer of an int32 input may limit the values that it can hold.
  ///
  /// Throws: `.invalidArgument` where no value is left.
  private mutating func narrowRanges(_ node: PlannedNode, _ inputTypes: [ValueType]) throws(NNKitError) {
    for (position, value) in node.inputs.enumerated() {
      guard let range = node.operation.inputRange(position, inputTypes) else { continue }
      // An input seen with another shape is still the input.
      guard let buffer = tensors[value.index]?.buffer, let index = inputOfBuffer[buffer] else { continue }
      guard inputRanges[index]?.overlaps(range) ?? true else {
        throw NNKitError(
          .invalidArgument,
          "input \"\(graph.inputs[index].name)\" may hold \(range.lowerBound) to \(range.upperBound) here, which no "
            + "number does that another layer takes; give the layers inputs of their own")
      }
      inputRanges[index] = inputRanges[index]?.clamped(to: range) ?? range
    }
  }

  /// Adds the backward steps, last node first. By the time a node is reached, all consumers of its outputs have
  /// contributed to their gradients.
  mutating func addBackward(_ plan: PlanBuilder, inputGradients: Bool) throws(NNKitError) {
    for candidate in candidates where computedAgain.contains(candidate.node) {
      plan.computeAgain(candidate.output, by: candidate.steps)
    }
    let wanted = valuesThatNeedGradients(inputGradients)
    for (index, node) in nodes.enumerated().reversed() {
      var dOutputs: [Tensor?] = []
      plan.owner = node.name
      for output in node.outputs { dOutputs.append(try total(output, plan)) }
      let wantsInput = node.inputs.map { wanted[$0.index] }
      guard dOutputs.contains(where: { $0 != nil }), wantsInput.contains(true) || !parameters[index].isEmpty
      else { continue }
      // With the same input twice, the second gradient would have to wait for the first one.
      let mayAdd = Set(node.inputs).count == node.inputs.count
      var addends: [Tensor?] = []
      for (position, value) in node.inputs.enumerated() {
        let adds = mayAdd && wanted[value.index] && node.operation.addsToGradient(ofInput: position)
        addends.append(adds ? try total(value, plan) : nil)
      }
      let backward = BackwardNode(
        index: node.graphIndex, inputs: nodeInputs[index], outputs: node.outputs.compactMap { tensors[$0.index] },
        saved: saved[index],
        parameters: parameterTensors[index], lengths: lengths(node.outputs[0]),
        dParameters: parameters[index].map { plan.gradient(of: $0) },
        dOutputs: dOutputs, wantsInput: wantsInput, addends: addends)
      do throws(NNKitError) {
        let dInputs = try node.operation.backward(plan, backward)
        let mixes = mixesSteps(node)
        updatedState += parameters[index].filter { !$0.specification.trainable }.map(\.range)
        for (position, value) in node.inputs.enumerated() where wanted[value.index] {
          guard var dInput = dInputs[position] else { continue }
          if let lengths = lengths(value), mixes[position] {
            dInput = try plan.zeroBehindLengths(dInput, lengths)
          }
          if addends[position] != nil { contributions[value.index].removeAll() }
          contributions[value.index].append(dInput)
        }
      } catch {
        throw error.at("layer \"\(node.name)\"")
      }
    }
    for input in graph.inputs { _ = try total(input.value, plan) }
  }

  /// A value needs a gradient where a parameter comes before it, or where inputs' gradients are asked for.
  private func valuesThatNeedGradients(_ inputGradients: Bool) -> [Bool] {
    var wanted = Array(repeating: false, count: graph.types.count)
    if inputGradients {
      for input in graph.inputs where graph.types[input.value.index].dataType == .float32 {
        wanted[input.value.index] = true
      }
    }
    for (index, node) in nodes.enumerated() {
      let depends = !parameters[index].isEmpty || node.inputs.contains { wanted[$0.index] }
      for output in node.outputs { wanted[output.index] = depends }
    }
    return wanted
  }

  /// The sum of a value's contributions, in the order in which they came; nil where there is none.
  private mutating func total(_ value: Value, _ plan: PlanBuilder) throws(NNKitError) -> Tensor? {
    let parts = contributions[value.index]
    guard parts.count > 1, let first = parts.first else { return parts.first }
    let sum = try plan.tensor(first.type)
    plan.addSum(of: parts, to: sum)
    contributions[value.index] = [sum]
    return sum
  }
}
