import NNKitKernelTable

/// What a plan is for.
package enum PlanPurpose {
  case inference
  /// One time step of streams: `T` is 1, and the recurrent layers go on from states.
  case streamStep
  /// Forward in inference mode, then the loss.
  case evaluation(any Loss)
  /// Forward in training mode, the loss, and all gradients.
  case training(any Loss)
  /// Forward in training mode; then, in a second part, all gradients for given gradients of the outputs.
  case trainingByHand

  var loss: (any Loss)? {
    switch self {
    case .inference, .streamStep, .trainingByHand: nil
    case .evaluation(let loss), .training(let loss): loss
    }
  }

  var isStreamStep: Bool { if case .streamStep = self { true } else { false } }
  var isTrainingByHand: Bool { if case .trainingByHand = self { true } else { false } }
  package var isTraining: Bool {
    switch self {
    case .inference, .streamStep, .evaluation: false
    case .training, .trainingByHand: true
    }
  }
}

/// One tensor of the state of all streams, `[U]` each: what is there before a step, and what the step leaves.
struct PlannedState {
  let previous: Tensor
  let next: Tensor
}

/// A model made concrete for one batch shape and one purpose: all steps, and where every buffer lies. Nothing is
/// allocated yet; the number of bytes is exact.
package struct Plan {
  package let batch: Int
  package let inputs: [Tensor]
  package let outputs: [Tensor]
  /// Of a step of streams: the states, in the order of the layers.
  let states: [PlannedState]
  package let targets: [Tensor]
  /// Of training by hand: the gradients of the outputs, which are filled between the two parts; nil: of an int32 output.
  package let outputGradients: [Tensor?]
  /// Of each output: what its loss reports.
  package let lossReports: [LossReport]
  /// The gradients of the inputs, where they were asked for.
  package let dInputs: [Tensor?]
  /// The offsets of the parameters that stay as they are, and of those whose gradients a run leaves all the same, because
  /// the step that makes them makes others too.
  let frozen: Set<Int>
  let frozenButWritten: [Range<Int>]
  /// Where in the arena parameters lie that are not trainable and whose next values a run leaves among the gradients.
  package let updatedState: [Range<Int>]
  /// The values that each int32 input may hold.
  package let inputRanges: [ClosedRange<Int32>?]
  package let targetRanges: [ClosedRange<Int32>?]
  /// Of each input and of each target: the position of the input that says how many of its steps are data; nil: all are.
  /// What is behind them is neither read nor checked.
  package let inputLengths: [Int?]
  package let targetLengths: [Int?]
  /// The positions of the inputs in an order in which lengths are loaded before what has them.
  let loadOrder: [Int]

  package var arenaBytes: Int { memory.arenaBytes }
  package var persistentBytes: Int { memory.persistentBytes }
  /// The most bytes of the arena that any step needs at once: no layout can be smaller.
  package var peakBytes: Int { liveBytes.max() ?? 0 }
  private var liveBytes: [Int] { memory.liveBytes }
  package var bytes: Int { arenaBytes + persistentBytes }

  package let steps: [PlanBuilder.PlannedStep]
  let prologue: [PlanBuilder.PlannedStep]
  let buffers: [PlanBuilder.PlannedBuffer]
  package var memory: PlanMemory
  /// How many steps come before those of the losses.
  let forwardSteps: Int
  /// What the backward pass could compute again.
  let candidates: [RecomputationCandidate]

  /// Whether steps of the plan copy the samples of float32 inputs from where the host keeps them.
  let loadsInputs: Bool

  /// Plans `graph` for `batch` samples whose inputs have `inputShapes`, in which no size is open.
  ///
  /// `recomputation`: how many times its usual work the backward pass may spend on computing again; 0: everything is kept.
  /// `sharesMemory`: whether buffers may take the memory of others; without, the same bits take more memory.
  ///
  /// Throws: `.shape` where the shapes do not fit or a size overflows, `.outOfMemory` where the arena would.
  package init(
    _ graph: Graph, parameters: [[Parameter]], batch: Int, inputShapes: [Shape], purpose: PlanPurpose,
    kernels: KernelTable, threads: Int, inputGradients: Bool = false, loadsInputs: Bool = false,
    frozen: Set<Int> = [], recomputation: Double = 1, sharesMemory: Bool = true
  ) throws(NNKitError) {
    func plan(_ computedAgain: Set<Int>) throws(NNKitError) -> Plan {
      try Plan(
        graph, parameters, batch, inputShapes, purpose, kernels, threads, inputGradients, loadsInputs, frozen,
        sharesMemory,
        computedAgain: computedAgain)
    }
    let plain = try plan([])
    try checkMemory(for: plain.buffers.count * PlanBuilder.bytesPerBuffer)
    var choice = Recomputation(
      plain.candidates, steps: plain.steps, buffers: plain.buffers, forwardSteps: plain.forwardSteps,
      live: plain.liveBytes)
    let nodes = purpose.isTraining ? choice.choose(recomputation) : []
    self = nodes.isEmpty ? plain : try plan(nodes)
  }

  private init(
    _ graph: Graph, _ parameters: [[Parameter]], _ batch: Int, _ inputShapes: [Shape], _ purpose: PlanPurpose,
    _ kernels: KernelTable, _ threads: Int, _ inputGradients: Bool, _ loadsInputs: Bool,
    _ frozen: Set<Int>, _ sharesMemory: Bool, computedAgain: Set<Int>
  ) throws(NNKitError) {
    let builder = PlanBuilder(kernels: kernels, threads: threads, batch: batch, isTraining: purpose.isTraining)
    var network = PlannedNetwork(graph, parameters, isTraining: purpose.isTraining, computedAgain: computedAgain)
    try network.addForward(builder, inputShapes, isStreamStep: purpose.isStreamStep, loadsInputs: loadsInputs)
    forwardSteps = builder.steps.count

    var targets: [Tensor] = []
    var targetRanges: [ClosedRange<Int32>?] = []
    var reports: [LossReport] = []
    if let loss = purpose.loss {
      for (index, (output, prediction)) in zip(graph.outputs, network.outputs).enumerated() {
        builder.owner = output.name
        do throws(NNKitError) {
          let target = try builder.tensor(try loss.targetType(prediction.type))
          builder.keepFromStart(target)
          targets.append(target)
          targetRanges.append(loss.targetRange(prediction.type))
          let (report, dPrediction) = try loss.addSteps(
            builder, prediction: prediction, target: target, lengths: network.lengths(ofOutput: index),
            gradient: purpose.isTraining)
          builder.keepToEnd(report.sums)
          reports.append(report)
          if let dPrediction { network.contribute(dPrediction, to: output.value) }
        } catch {
          throw error.at("output \"\(output.name)\"")
        }
      }
    }
    var outputGradients: [Tensor?] = []
    if purpose.isTrainingByHand {
      for (index, (output, prediction)) in zip(graph.outputs, network.outputs).enumerated() {
        guard prediction.type.dataType == .float32 else {
          outputGradients.append(nil)
          continue
        }
        let gradient = try builder.tensor(prediction.type)
        builder.keepFromStart(gradient, until: forwardSteps)
        // Loading the gradient reads them.
        if let lengths = network.lengths(ofOutput: index) { builder.keepToEnd(lengths.tensor) }
        outputGradients.append(gradient)
        network.contribute(gradient, to: output.value)
      }
    }
    if purpose.isTraining { try network.addBackward(builder, inputGradients: inputGradients) }
    try checkMemory(for: builder.buffers.count * PlanBuilder.bytesPerBuffer)

    for output in network.outputs { builder.keepToEnd(output) }
    let dInputs = network.dInputs
    for dInput in dInputs { if let dInput { builder.keepToEnd(dInput) } }
    if !frozen.isEmpty { builder.removeNeedlessSteps(from: forwardSteps, unwantedGradients: frozen) }

    self.batch = batch
    self.inputs = network.inputs
    self.outputs = network.outputs
    self.states = network.states
    self.targets = targets
    self.outputGradients = outputGradients
    self.targetRanges = targetRanges
    self.lossReports = reports
    self.dInputs = inputGradients ? dInputs : []
    self.updatedState = network.updatedState.filter { !frozen.contains($0.lowerBound) }
    self.frozen = frozen
    let written = Set(builder.steps.flatMap(\.accesses.written))
    var writtenOffsets: Set<Int> = []
    for buffer in written {
      if case .gradients(let offset) = builder.buffers[buffer].region { writtenOffsets.insert(offset) }
    }
    frozenButWritten = parameters.joined().map(\.range)
      .filter { frozen.contains($0.lowerBound) && writtenOffsets.contains($0.lowerBound) }
    self.inputRanges = network.inputRanges
    // A step of streams has no axis of time that could end early.
    let inputLengths: [Int?] = purpose.isStreamStep ? network.inputs.map { _ in nil } : network.inputLengths
    self.inputLengths = inputLengths
    self.targetLengths = network.outputLengths
    self.loadOrder =
      inputLengths.indices.filter { inputLengths[$0] == nil } + inputLengths.indices.filter { inputLengths[$0] != nil }
    self.steps = builder.steps
    self.prologue = builder.prologue
    self.buffers = builder.buffers
    self.loadsInputs = loadsInputs
    self.candidates = network.candidates
    memory = try PlanMemory(builder.buffers, builder.steps, sharesMemory: sharesMemory)
    if PlanVerifier.isEnabled {
      try FusionVerifier.verify(graph, network.nodes)
      try PlanVerifier.verify(self)
      PlanVerifier.count()
    }
  }

  /// Of each step: whether gradients of inputs alone need it.
  var isForInputGradients: [Bool] {
    neededSteps(steps, from: forwardSteps) { buffer in
      if case .gradients(let offset) = buffers[buffer].region { !frozen.contains(offset) } else { false }
    }.map { !$0 }
  }

  /// Whether a buffer may share memory with others.
  package func isInArena(_ buffer: Int) -> Bool { if case .arena = buffers[buffer].region { true } else { false } }

  /// The first step during which the most memory is in use.
  private var peakStep: Int { liveBytes.firstIndex(of: peakBytes) ?? 0 }
  package var stepNames: [String] { steps.map(\.name) }
  package var peakStepName: String { steps[peakStep].name }

  /// What lives while the most memory is in use, the largest first: its bytes, and the first and the last step that use
  /// it; for benchmarks.
  package var liveAtPeak: [(bytes: Int, first: String, last: String)] {
    buffers.indices.filter { isInArena($0) }.filter { buffers[$0].first <= peakStep && peakStep <= buffers[$0].last }
      .map { buffer in
        let last = buffers[buffer].last
        return (
          buffers[buffer].bytes, steps[buffers[buffer].first].name, last < steps.count ? steps[last].name : "the end"
        )
      }
      .sorted { $0.bytes > $1.bytes }
  }
}
