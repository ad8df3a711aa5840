/// A second, plain way through a graph: node by node as it was written, in loops of double precision. Nothing is fused,
/// nothing shares memory, nothing is computed again; every value and every gradient is kept.
///
/// What the engine computes is compared with it: see the random graphs in Tests.
package struct ReferenceNetwork {
  private let graph: Graph
  /// Of each node, in the order of its operation.
  private let parameters: [[Parameter]]
  /// Of each value: the input that says how many of its steps are data.
  private let lengths: [Value?]

  /// What a pass begins with.
  package struct Data {
    package var inputs: [ReferenceTensor]
    /// Of each output; empty without a loss.
    package var targets: [[Double]]
    /// The arena of the model's parameters.
    package var parameters: [Double]

    package init(inputs: [ReferenceTensor], targets: [[Double]], parameters: [Double]) {
      self.inputs = inputs
      self.targets = targets
      self.parameters = parameters
    }
  }

  package init(_ model: Model) {
    graph = model.graph
    parameters = model.parametersByNode
    lengths = carriedLengths(of: graph)
  }

  /// Computes all values of the graph; with a loss also that, and in training mode all gradients of its mean.
  ///
  /// `noise`: changes every value and gradient by what rounding could. `choices`: of each node, the pieces to take.
  /// Throws: `.shape` where the inputs do not fit.
  package func run(
    _ data: Data, _ mode: ReferenceMode, loss: (any Loss)? = nil, noise: ReferenceNoise? = nil,
    choices: [PieceChoices?]? = nil
  ) throws(NNKitError) -> ReferencePass {
    var pass = ReferencePass(valueCount: graph.types.count, arenaCount: data.parameters.count)
    for (input, tensor) in zip(graph.inputs, data.inputs) {
      pass.values[input.value.index] = tensor
      pass.values[input.value.index]?.lengths = nil
      if graph.types[input.value.index].dataType == .float32 {
        noise?.change(&pass.values[input.value.index]!.values, roundings: 1)
      }
    }
    for input in graph.inputs {
      guard var tensor = pass.values[input.value.index] else { continue }
      tensor.lengths = realSteps(of: input.value, pass)
      // What the host has there is not read.
      for i in tensor.values.indices where !tensor.isReal(i) { tensor.values[i] = 0 }
      pass.values[input.value.index] = tensor
    }
    let isNeeded = nodesThatOutputsNeed()
    var steps: [(node: ReferenceNode, result: ReferenceResult)?] = []
    for (index, node) in graph.nodes.enumerated() {
      guard isNeeded[index] else {
        pass.choices.append(nil)
        steps.append(nil)
        continue
      }
      let inputs = inputs(of: node, pass)
      let types = zip(node.inputs, inputs).map { ValueType(graph.types[$0.index].dataType, $1.shape) }
      var weights = parameters[index].map { Array(data.parameters[$0.range]) }
      for i in weights.indices { noise?.changeEach(&weights[i], roundings: 1) }
      let context = ReferenceNode(
        index: index, inputs: inputs, parameters: weights, outputTypes: try node.operation.outputTypes(types),
        mode: mode, choices: choices?[index], noise: noise)
      var result = node.operation.reference(context)
      for (position, value) in node.outputs.enumerated() {
        noise?.change(&result.outputs[position].values, roundings: node.operation.roundings)
        result.outputs[position].lengths = realSteps(of: value, pass)
        pass.values[value.index] = result.outputs[position]
      }
      pass.choices.append(result.choices)
      steps.append((context, result))
    }
    guard let loss else { return pass }
    for (output, target) in zip(graph.outputs, data.targets) {
      guard var prediction = pass.values[output.value.index] else { continue }
      noise?.change(&prediction.values, roundings: 1)
      var report = loss.reference(prediction, target)
      report.lossSum += noise?.sum(count: report.count, size: report.rowSize) ?? 0
      pass.losses.append(report)
      var dPrediction = report.dPrediction
      // Probabilities are compared with 1.
      noise?.change(&dPrediction, roundings: 1, size: 1 / Double(report.count))
      if mode.isTraining { pass.add(dPrediction, to: output.value) }
    }
    if mode.isTraining { goBack(steps, &pass, noise) }
    return pass
  }

  private func nodesThatOutputsNeed() -> [Bool] {
    var needed = Set(graph.outputs.map(\.value))
    var isNeeded = Array(repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated().reversed() where !needed.isDisjoint(with: node.outputs) {
      isNeeded[index] = true
      needed.formUnion(node.inputs)
    }
    return isNeeded
  }

  /// How many steps each sequence of a value has; nil: all.
  private func realSteps(of value: Value, _ pass: ReferencePass) -> [Int]? {
    lengths[value.index].flatMap { pass.values[$0.index] }.map { $0.values.map { Int($0) } }
  }

  /// What a node reads. One that acts per step, or goes through time, does so with its output's lengths; one that mixes
  /// steps finds zeros behind those of its inputs.
  private func inputs(of node: Graph.Node, _ pass: ReferencePass) -> [ReferenceTensor] {
    zip(node.inputs, mixesSteps(node)).compactMap { value, mixes in
      guard var tensor = pass.values[value.index] else { return nil }
      if mixes {
        for i in tensor.values.indices where !tensor.isReal(i) { tensor.values[i] = 0 }
      }
      tensor.lengths = mixes ? nil : realSteps(of: node.outputs[0], pass)
      return tensor
    }
  }

  /// Of each input.
  private func mixesSteps(_ node: Graph.Node) -> [Bool] {
    if node.operation is any StreamingOperation { return node.inputs.map { _ in false } }
    return node.operation.stepInputs(node.inputs.map { graph.types[$0.index] }).map { !$0 }
  }

  /// Goes through the nodes from the last to the first: by then all readers of a node's outputs have added to their
  /// gradients.
  private func goBack(
    _ steps: [(node: ReferenceNode, result: ReferenceResult)?], _ pass: inout ReferencePass,
    _ noise: ReferenceNoise?
  ) {
    for (index, node) in graph.nodes.enumerated().reversed() {
      guard let (context, result) = steps[index],
        node.outputs.contains(where: { pass.gradients[$0.index] != nil })
      else { continue }
      let dOutputs = zip(node.outputs, result.outputs).map { value, output -> [Double] in
        var gradient = pass.gradients[value.index] ?? Array(repeating: 0, count: output.values.count)
        noise?.change(&gradient, roundings: 1)
        return gradient
      }
      let gradient = node.operation.referenceGradient(context, result, dOutputs)
      let mixes = mixesSteps(node)
      for (position, value) in node.inputs.enumerated() {
        guard var dInput = gradient.dInputs[position] else { continue }
        noise?.change(&dInput, roundings: node.operation.roundings)
        if mixes[position], let tensor = pass.values[value.index] {
          for i in dInput.indices where !tensor.isReal(i) { dInput[i] = 0 }
        }
        pass.add(dInput, to: value)
      }
      for (parameter, var dParameter) in zip(parameters[index], gradient.dParameters) {
        noise?.change(&dParameter, roundings: node.operation.parameterRoundings)
        pass.dParameters.replaceSubrange(parameter.range, with: dParameter)
      }
      for (position, next) in result.nextState { pass.nextState[parameters[index][position].offset] = next }
    }
  }
}

/// All that a pass of the reference has computed.
package struct ReferencePass {
  /// Of the graph's values.
  package fileprivate(set) var values: [ReferenceTensor?]
  /// Of the graph's values; nil: the loss does not depend on it.
  package fileprivate(set) var gradients: [[Double]?]
  /// The arena of the parameters' gradients.
  package fileprivate(set) var dParameters: [Double]
  /// The next values of parameters that are not trainable, by their offset in the arena.
  package fileprivate(set) var nextState: [Int: [Double]] = [:]
  /// Of each output.
  package fileprivate(set) var losses: [ReferenceLoss] = []
  /// Of each node.
  package fileprivate(set) var choices: [PieceChoices?] = []

  fileprivate init(valueCount: Int, arenaCount: Int) {
    values = Array(repeating: nil, count: valueCount)
    gradients = Array(repeating: nil, count: valueCount)
    dParameters = Array(repeating: 0, count: arenaCount)
  }

  fileprivate mutating func add(_ gradient: [Double], to value: Value) {
    guard let old = gradients[value.index] else {
      gradients[value.index] = gradient
      return
    }
    gradients[value.index] = zip(old, gradient).map { $0 + $1 }
  }

  /// The sum over the outputs of their mean losses.
  package var loss: Double { losses.reduce(0) { $0 + $1.lossSum / Double($1.count) } }
  /// The mean over the outputs of their mean metrics.
  package var metric: Double {
    losses.reduce(0) { $0 + $1.metricSum / Double($1.count) } / Double(max(1, losses.count))
  }
}

/// What rounding could do to a pass, drawn at random: each value, gradient and parameter is changed by some epsilons.
/// How far the results move says how much of a difference rounding explains.
package final class ReferenceNoise {
  private var state: UInt64
  private static let epsilon = 0x1p-23

  package init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  /// Uniform in -1 ... 1. Source: Vigna, xorshift64*.
  private func next() -> Double {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Double(Int64(bitPattern: state &* 0x2545_F491_4F6C_DD1D)) * 0x1p-63
  }

  /// Adds up to `roundings` epsilons of the largest value to each value: sums of products round by their parts' size.
  /// `size`: of the parts, where they are larger than the whole.
  func change(_ values: inout [Double], roundings: Double, size: Double = 0) {
    let largest = values.reduce(size) { $1.isFinite ? max($0, abs($1)) : $0 }
    for i in values.indices {
      values[i] += next() * roundings * Self.epsilon * largest
    }
  }

  /// The sum of so many roundings of numbers of this size.
  func sum(count: Int, size: Double) -> Double {
    (0..<count).reduce(0) { sum, _ in sum + next() * size * Self.epsilon }
  }

  /// Changes each value by up to `roundings` epsilons of its own.
  func changeEach(_ values: inout [Double], roundings: Double) {
    for i in values.indices { values[i] *= 1 + next() * roundings * Self.epsilon }
  }
}

extension Operation {
  /// How many epsilons of its largest output an operation's roundings make: a few for sums of products, whose parts are
  /// as large as the whole; some times as many where Winograd's algorithm or products in pairs may be chosen, which
  /// add numbers before they multiply; through time roundings come in at each step.
  fileprivate var roundings: Double {
    switch self {
    case let convolution as ConvolutionOperation: convolution.mayUseWinograd ? 24 : 3
    case let recurrent as any RecurrentOperation: recurrent.sequence.allowsPairs ? 24 : 6
    case is DenseOperation, is GroupedConvolutionOperation: 3
    case is DropoutOperation, is EmbeddingOperation, is ConcatOperation, is SplitOperation, is PermuteOperation,
      is ReshapeOperation:
      0
    default: 1
    }
  }
}

extension Operation {
  /// The same of parameters' gradients. That of a row of a table adds up as many gradients as it was read: equal ones,
  /// which are rounded in one direction, up to 256 of them before they are added in double precision.
  fileprivate var parameterRoundings: Double { self is EmbeddingOperation ? 8 : roundings }
}

extension ConvolutionOperation {
  fileprivate var mayUseWinograd: Bool { allowsWinograd && window.size == (3, 3) && window.stride == (1, 1) }
}
