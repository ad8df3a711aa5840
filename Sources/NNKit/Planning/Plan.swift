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

  var loss: (any Loss)? {
    switch self {
    case .inference, .streamStep: nil
    case .evaluation(let loss), .training(let loss): loss
    }
  }

  var isStreamStep: Bool { if case .streamStep = self { true } else { false } }
  package var isTraining: Bool { if case .training = self { true } else { false } }
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
  /// Of each output: what its loss reports.
  package let lossReports: [LossReport]
  /// The gradients of the inputs, where they were asked for.
  package let dInputs: [Tensor?]
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

  package let arenaBytes: Int
  package let persistentBytes: Int
  /// The most bytes of the arena that any step needs at once: no layout can be smaller.
  package var peakBytes: Int { liveBytes.max() ?? 0 }
  /// The bytes of the arena that live at each step.
  let liveBytes: [Int]
  package var bytes: Int { arenaBytes + persistentBytes }

  let steps: [PlanBuilder.PlannedStep]
  let prologue: [PlanBuilder.PlannedStep]
  let buffers: [PlanBuilder.PlannedBuffer]
  /// Of each buffer, within its region.
  let offsets: [Int]
  /// How many steps come before those of the losses.
  let forwardSteps: Int
  /// What the backward pass could compute again.
  let candidates: [RecomputationCandidate]

  /// Whether steps of the plan copy the samples of float32 inputs from where the host keeps them.
  let loadsInputs: Bool

  /// Plans `graph` for `batch` samples whose inputs have `inputShapes`, in which no size is open.
  ///
  /// `recomputation`: how many times its usual work the backward pass may spend on computing again; 0: everything is kept.
  ///
  /// Throws: `.shape` where the shapes do not fit or a size overflows, `.outOfMemory` where the arena would.
  package init(
    _ graph: Graph, parameters: [[Parameter]], batch: Int, inputShapes: [Shape], purpose: PlanPurpose,
    kernels: KernelTable, threads: Int, inputGradients: Bool = false, loadsInputs: Bool = false,
    recomputation: Double = 1
  ) throws(NNKitError) {
    func plan(_ computedAgain: Set<Int>) throws(NNKitError) -> Plan {
      try Plan(
        graph, parameters, batch, inputShapes, purpose, kernels, threads, inputGradients, loadsInputs,
        computedAgain: computedAgain)
    }
    let plain = try plan([])
    var choice = Recomputation(
      plain.candidates, steps: plain.steps, buffers: plain.buffers, forwardSteps: plain.forwardSteps,
      live: plain.liveBytes)
    let nodes = purpose.isTraining ? choice.choose(recomputation) : []
    self = nodes.isEmpty ? plain : try plan(nodes)
  }

  private init(
    _ graph: Graph, _ parameters: [[Parameter]], _ batch: Int, _ inputShapes: [Shape], _ purpose: PlanPurpose,
    _ kernels: KernelTable, _ threads: Int, _ inputGradients: Bool, _ loadsInputs: Bool,
    computedAgain: Set<Int>
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
    if purpose.isTraining { try network.addBackward(builder, inputGradients: inputGradients) }

    for output in network.outputs { builder.keepToEnd(output) }
    let dInputs = network.dInputs
    for dInput in dInputs { if let dInput { builder.keepToEnd(dInput) } }

    self.batch = batch
    self.inputs = network.inputs
    self.outputs = network.outputs
    self.states = network.states
    self.targets = targets
    self.targetRanges = targetRanges
    self.lossReports = reports
    self.dInputs = inputGradients ? dInputs : []
    self.updatedState = network.updatedState
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
    (self.offsets, self.arenaBytes, self.persistentBytes, self.liveBytes) = try Plan.place(
      builder.buffers, builder.replacements, steps: builder.steps.count)
  }

  /// The first step during which the most memory is in use.
  private var peakStep: Int { liveBytes.firstIndex(of: peakBytes) ?? 0 }
  package var stepNames: [String] { steps.map(\.name) }
  package var peakStepName: String { steps[peakStep].name }

  /// What lives while the most memory is in use, the largest first: its bytes, and the first and the last step that use
  /// it; for benchmarks.
  package var liveAtPeak: [(bytes: Int, first: String, last: String)] {
    let arena = buffers.indices.filter { if case .arena = buffers[$0].region { true } else { false } }
    return arena.filter { buffers[$0].first <= peakStep && peakStep <= buffers[$0].last }
      .map { buffer in
        let last = buffers[buffer].last
        return (
          buffers[buffer].bytes, steps[buffers[buffer].first].name, last < steps.count ? steps[last].name : "the end"
        )
      }
      .sorted { $0.bytes > $1.bytes }
  }

  private static func place(
    _ buffers: [PlanBuilder.PlannedBuffer], _ replacements: [PlanBuilder.Replacement], steps: Int
  ) throws(NNKitError) -> (offsets: [Int], arenaBytes: Int, persistentBytes: Int, live: [Int]) {
    let (buffers, owners) = shareMemory(buffers, replacements)
    // A buffer that no step touches needs no memory; its lifetime is empty.
    let lifetimes = buffers.map { buffer in
      if case .arena = buffer.region, buffer.last >= 0 {
        return BufferLifetime(bytes: buffer.bytes, first: buffer.first, last: buffer.last)
      }
      return BufferLifetime(bytes: 0, first: 0, last: 0)
    }
    var (offsets, arenaBytes) = try layOut(lifetimes)
    var persistentBytes = 0
    for (index, buffer) in buffers.enumerated() {
      switch buffer.region {
      case .arena: offsets[index] = offsets[owners[index]]
      case .persistent:
        offsets[index] = persistentBytes
        persistentBytes += buffer.bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
      case .parameters(let offset), .gradients(let offset):
        offsets[index] = offset * MemoryLayout<Float>.stride
      }
    }
    return (offsets, arenaBytes, persistentBytes, bytesByStep(lifetimes, steps: steps))
  }

  /// Gives results the memory of what they replace, where that is not needed any more: their owner lives for both, and
  /// they need no memory of their own.
  private static func shareMemory(
    _ buffers: [PlanBuilder.PlannedBuffer], _ replacements: [PlanBuilder.Replacement]
  ) -> (buffers: [PlanBuilder.PlannedBuffer], owners: [Int]) {
    var (shared, owners) = (buffers, Array(buffers.indices))
    for replacement in replacements {
      let (source, result) = (owners[replacement.source], replacement.result)
      guard case .arena = buffers[source].region, case .arena = buffers[result].region,
        owners[result] == result, source != result, buffers[source].bytes == buffers[result].bytes,
        shared[source].last == replacement.step, buffers[result].first == replacement.step
      else { continue }
      owners[result] = source
      shared[source].last = buffers[result].last
      shared[result].last = -1
    }
    return (shared, owners)
  }
}
