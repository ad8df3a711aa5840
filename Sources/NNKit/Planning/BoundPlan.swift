/// A plan with memory: runs its steps in order. Making one allocates everything that runs need; a run allocates
/// nothing.
package final class BoundPlan {
  private struct BoundStep {
    let name: String
    let code: StepCode
    let tiles: Int
    let small: Bool
    /// Whether its data stay in the caches from run to run, if each thread has the same tiles each time.
    let sharesOut: Bool
    let patience: TeamPatience
    /// Whether gradients of inputs alone need it.
    let isForInputGradients: Bool
  }

  /// What loading a sample of an input or a target needs. It and the two below hold nothing whose references would be
  /// counted, which takes as long as the copies of a small model.
  struct LoadPlace {
    let base: UnsafeMutableRawPointer
    /// The elements of a sample.
    let count: Int
    let isFloat: Bool
    /// What whole numbers may be; nil: any.
    let range: ClosedRange<Int32>?
    /// Where the lengths lie, loaded before, that say how many of a sample's steps to read; nil: all.
    let lengths: UnsafePointer<Int32>?
  }

  struct OutputPlace {
    let floats: UnsafePointer<Float>
    let count: Int
  }

  struct StatePlace {
    let previous: UnsafeMutablePointer<Float>
    let next: UnsafePointer<Float>
    let count: Int
  }

  package let plan: Plan
  let inputPlaces: [LoadPlace]
  let targetPlaces: [LoadPlace]
  let outputGradientPlaces: [LoadPlace?]
  let outputPlaces: [OutputPlace]
  let statePlaces: [StatePlace]
  private let arena: AlignedMemory
  private let persistent: AlignedMemory
  private let parameters: ParameterArena
  private let gradients: AlignedMemory?
  private let state: UnsafeMutablePointer<RunState>
  private let binding: Binding
  private let steps: [BoundStep]
  private let prologue: [BoundStep]
  private let pool: ThreadPool
  /// Where a plan that loads its inputs itself finds them.
  let source: BatchSource
  /// The version of the parameters that the persistent memory was made from.
  private var packedVersion = 0

  /// A step with less work than this, in multiply-adds, runs on the calling thread: waking the pool takes longer.
  private static let smallWork = 32_768
  /// A step with more work goes through more memory than the caches of the cores hold.
  private static let cachedWork = 1 << 24

  /// To wake a worker takes the caller a few microseconds, and the worker some fifty until it is there. 2¹⁸ multiply-adds
  /// take ten, 2²⁵ several hundred.
  private static func patience(_ work: Int) -> TeamPatience {
    work < 1 << 18 ? .none : work < 1 << 25 ? .forLater : .forSleepers
  }

  /// Throws: `.outOfMemory`.
  package init(_ plan: Plan, parameters: ParameterArena, gradients: AlignedMemory?, pool: ThreadPool)
    throws(NNKitError)
  {
    self.plan = plan
    self.parameters = parameters
    self.gradients = gradients
    self.pool = pool
    try checkMemory(for: plan.buffers.count * PlanBuilder.bytesPerBuffer)
    arena = try AlignedMemory(byteCount: plan.arenaBytes)
    persistent = try AlignedMemory(byteCount: plan.persistentBytes)
    state = .allocate(capacity: 1)
    state.initialize(to: RunState(seed: 0, step: 0))

    var addresses: [UnsafeMutableRawPointer] = []
    addresses.reserveCapacity(plan.buffers.count)
    for (buffer, offset) in zip(plan.buffers, plan.memory.offsets) {
      switch buffer.region {
      case .arena: addresses.append(arena.base + offset)
      case .persistent: addresses.append(persistent.base + offset)
      case .parameters: addresses.append(parameters.memory.base + offset)
      // A plan without gradients never touches them.
      case .gradients: addresses.append((gradients?.base ?? parameters.memory.base) + offset)
      }
      if !buffer.contents.isEmpty, let address = addresses.last {
        buffer.contents.withUnsafeBytes { address.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
      }
    }
    source = BatchSource(inputs: plan.inputs.count, batch: plan.batch)
    let binding = Binding(addresses: addresses, state: state, audit: BindingAudit(), source: source)
    self.binding = binding
    func place(_ tensor: Tensor, _ range: ClosedRange<Int32>?, _ lengths: Int?) -> LoadPlace {
      LoadPlace(
        base: UnsafeMutableRawPointer(binding.floats(tensor)), count: tensor.sampleCount,
        isFloat: tensor.type.dataType == .float32, range: range,
        lengths: lengths.map { UnsafePointer(binding.integers(plan.inputs[$0])) })
    }
    inputPlaces = plan.inputs.indices.map { place(plan.inputs[$0], plan.inputRanges[$0], plan.inputLengths[$0]) }
    targetPlaces = plan.targets.indices.map { place(plan.targets[$0], plan.targetRanges[$0], plan.targetLengths[$0]) }
    outputGradientPlaces = plan.outputGradients.enumerated().map { index, gradient in
      gradient.map { place($0, nil, plan.targetLengths[index]) }
    }
    outputPlaces = plan.outputs.map { OutputPlace(floats: binding.floats($0), count: $0.sampleCount) }
    statePlaces = plan.states.map {
      StatePlace(
        previous: binding.floats($0.previous), next: binding.floats($0.next), count: $0.previous.sampleCount)
    }
    let isForInputGradients = plan.isForInputGradients
    steps = try plan.steps.indices.map { (index) throws(NNKitError) in
      try Self.bind(plan.steps[index], isForInputGradients: isForInputGradients[index], binding)
    }
    prologue = try plan.prologue.map { step throws(NNKitError) in
      try Self.bind(step, isForInputGradients: false, binding)
    }
    try checkMemory()
  }

  private static func bind(
    _ step: PlanBuilder.PlannedStep, isForInputGradients: Bool, _ binding: Binding
  ) throws(NNKitError) -> BoundStep {
    binding.audit.declared = step.buffers
    defer { binding.audit.declared = nil }
    var binding = binding
    binding.substitutes = step.substitutes
    let code = step.bind(binding)
    guard !binding.audit.isViolated else {
      throw NNKitError(.internal, "the step \"\(step.name)\" uses memory that it does not declare")
    }
    return BoundStep(
      name: step.name, code: code, tiles: step.tiles, small: step.tiles < 2 || step.work < BoundPlan.smallWork,
      sharesOut: step.sharesOut || step.work < BoundPlan.cachedWork,
      patience: patience(step.work), isForInputGradients: isForInputGradients)
  }

  deinit { state.deallocate() }

  package func floats(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { binding.floats(tensor) }
  package func integers(_ tensor: Tensor) -> UnsafeMutablePointer<Int32> { binding.integers(tensor) }
  package func doubles(_ tensor: Tensor) -> UnsafeMutablePointer<Double> { binding.doubles(tensor) }

  /// Runs all steps, on one state of the parameters. `seed` and `step` choose the random numbers of a training step.
  package func run(seed: UInt64 = 0, step: UInt64 = 0) { runAll(seed: seed, step: step, call: nil) }

  /// Runs all steps for inference, or ends between two of them where the call that is inside of `call` is cancelled.
  /// Throws: `.cancelled` then.
  func run(in call: BusyFlag) throws(NNKitError) {
    runAll(seed: 0, step: 0, call: call)
    if call.isCancelled { throw NNKitError(.cancelled, "the call was cancelled; no output was written") }
  }

  private func runAll(seed: UInt64, step: UInt64, call: BusyFlag?) {
    // Steps that run on the calling thread must see the floating-point environment that the workers have.
    withDefaultFloatEnvironment {
      state.pointee = RunState(seed: seed, step: step)
      parameters.lock.read {
        let version = parameters.version
        if version != packedVersion {
          run(prologue[...])
          packedVersion = version
        }
        run(steps[...], call: call)
      }
    }
  }

  /// Runs the first part of a plan for training by hand: forward.
  func runForward(seed: UInt64, step: UInt64) {
    withDefaultFloatEnvironment {
      state.pointee = RunState(seed: seed, step: step)
      parameters.lock.read { run(steps[..<plan.forwardSteps]) }
    }
  }

  /// Runs the second part, after the first and with the same parameters. Without `inputGradients` what they alone need is
  /// left out.
  func runBackward(inputGradients: Bool) {
    withDefaultFloatEnvironment {
      parameters.lock.read { run(steps[plan.forwardSteps...], inputGradients: inputGradients) }
    }
  }

  private func run(_ steps: ArraySlice<BoundStep>, inputGradients: Bool = true, call: BusyFlag? = nil) {
    for step in steps where inputGradients || !step.isForInputGradients {
      if let call, call.isCancelled { return }
      switch step.code {
      case .tiles(let body) where step.small:
        for tile in 0..<step.tiles { body(tile, 0) }
      case .tiles(let body): pool.run(tiles: step.tiles, sharesOut: step.sharesOut, body)
      case .team(let body) where step.small: body(ThreadTeam())
      case .team(let body): pool.runTeam(members: step.tiles, step.patience, body)
      }
    }
  }

  /// Runs all steps once, one after another, and says how long each took; for benchmarks. `packs`: whether weights are
  /// packed before.
  package func timeSteps(packs: Bool = true, clock: () -> Double) -> [(name: String, seconds: Double)] {
    ((packs ? prologue : []) + steps).map { step in
      let start = clock()
      run([step][...])
      return (step.name, clock() - start)
    }
  }
}
