import NNKitKernelTable
import Synchronization

/// A model with a loss, an optimizer and gradients. A trainer serves one call at a time.
public final class Trainer: @unchecked Sendable {
  /// The model that is trained, which the trainer keeps alive.
  public let model: Model
  /// nil: none; the trainer works with the host's gradients alone.
  let loss: LossDefinition?
  let metric: String?
  let settings: TrainerSettings
  /// The settings that steps use, and their version.
  private var values: TrainerSettings.Values
  private var valuesVersion: Int
  let optimizer: OptimizerState
  package let gradients: AlignedMemory
  private let norm: VectorNorm
  let busy = BusyFlag()
  var trainingPlans = PlanCache()
  private var evaluationPlans = PlanCache()
  var plansByHand = PlanCache()
  /// The offsets of the parameters that stay as they are, and where their gradients lie.
  var frozen: Set<Int> = []
  var frozenGradients: [Range<Int>] = []
  /// Whose first part has run, and the version of the parameters then.
  var forwardPass: (bound: BoundPlan, version: Int)?
  /// Whether there was one, until something was frozen or unfrozen.
  var freezingEndedPass = false
  var validation: Dataset?
  /// Whose next values of running statistics wait among the gradients.
  var pendingState: [Range<Int>] = []
  /// Whether `apply` may still use what lies among the gradients: a batch's that have not been used, or the host's.
  var hasGradients: Bool {
    get { batchGradientsWait || gradientsAreShown.load(ordering: .relaxed) }
    set { batchGradientsWait = newValue }
  }
  private var batchGradientsWait = false
  private let gradientsAreShown = Atomic<Bool>(false)

  var countsMetric: Bool { metric != nil }

  /// The options that are chosen once.
  static let fixedOptions = [
    OptionSpecification(
      "loss", .choice(LossDefinition.all.map(\.name) + [noLoss]),
      "what is minimised; none: the gradients of the outputs come from the program"),
    OptionSpecification(
      "optimizer", .choice(OptimizerDefinition.all.map(\.name)), default: .string("sgd"),
      "how parameters follow their gradients"),
    OptionSpecification(
      "metric", .choice(LossDefinition.metrics.map(\.name)), optional: true, "what is measured besides the loss"),
  ]

  static let noLoss = "none"

  package static let options = fixedOptions + [TrainerSettings.clipNorm]

  /// Throws: `.invalidArgument` where the loss cannot give the metric; `.shape` or `.type` where it cannot take the
  /// model's outputs; `.outOfMemory`.
  private init(_ model: Model, loss: LossDefinition?, optimizer: OptimizerDefinition, _ options: Options)
    throws(NNKitError)
  {
    let metric = options.has("metric") ? options.string("metric") : nil
    if let metric, loss?.metrics.contains(metric) != true {
      let losses = LossDefinition.all.filter { $0.metrics.contains(metric) }.map(\.name)
      throw NNKitError(
        .invalidArgument,
        "the metric \(metric) cannot be measured with the loss \(loss?.name ?? Self.noLoss); expected "
          + losses.joined(separator: " or "))
    }
    for (output, type) in zip(model.graph.outputs, model.outputTypes) {
      guard let loss else { break }
      do throws(NNKitError) {
        _ = try loss.loss.targetType(type)
      } catch {
        throw error.at("output \"\(output.name)\"")
      }
    }
    self.model = model
    self.loss = loss
    self.metric = metric
    gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    settings = try TrainerSettings(optimizer, options, slotCount: model.arena.trainableCount)
    values = settings.values
    valuesVersion = settings.version
    self.optimizer = try OptimizerState(model.arena, gradients: gradients, runtime: model.runtime)
    norm = VectorNorm(
      count: model.arena.trainableCount, runtime: model.runtime,
      of: gradients.base.assumingMemoryBound(to: Float.self))
  }

  /// Reads `loss=... optimizer=...`, the chosen optimizer's own options, `metric` and `clip_norm`, as the catalog lists
  /// them.
  ///
  /// Throws: `.invalidArgument` for an unknown option, a value out of range, and a metric that the loss does not have;
  /// `.shape` or `.type` where the loss cannot take the model's outputs; `.outOfMemory`.
  public convenience init(_ model: Model, options text: String) throws(NNKitError) {
    // The optimizer is read first, because it says which other options there are.
    let words = text.split(whereSeparator: { $0.isWhitespace })
    let chosen = words.last { $0.hasPrefix("optimizer=") }.map { String($0.dropFirst("optimizer=".count)) } ?? "sgd"
    let optimizer = OptimizerDefinition.all.first { $0.name == chosen } ?? OptimizerDefinition.all[0]
    let options = try Options(text, Trainer.options + optimizer.options, owner: "the trainer")
    let lossName = options.string("loss")
    let loss = LossDefinition.all.first { $0.name == lossName }
    guard loss != nil || lossName == Self.noLoss else {
      throw NNKitError(.internal, "the loss \(lossName) is listed but not there")
    }
    try self.init(model, loss: loss, optimizer: optimizer, options)
  }

  /// All gradients, for the host to read and to write: from now on they are part of the trainer's state.
  package func showGradients() -> UnsafeMutableRawPointer {
    gradientsAreShown.store(true, ordering: .relaxed)
    return gradients.base
  }

  // MARK: One batch

  /// Computes loss and gradients of one batch, whose sample `i` is sample `index(i)` of the views; changes no parameter.
  /// Returns the plan that did, which has the losses.
  func computeGradients(
    batch: Int, inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource, index: (Int) -> Int
  ) throws(NNKitError) -> BoundPlan {
    let bound = try plan(
      &trainingPlans, .training(try requireLoss()), batch: batch, inputCount: inputCount, input,
      targetCount: targetCount)
    try load(bound, input, target, index: index)
    // In a child that is forked meanwhile, they are half a batch's.
    hasGradients = false
    bound.run(seed: model.seed, step: model.passes.add(1, ordering: .relaxed).oldValue)
    tookGradients(bound.plan)
    return bound
  }

  /// The plan has left its gradients.
  func tookGradients(_ plan: Plan) {
    let values = gradients.base.assumingMemoryBound(to: Float.self)
    for range in plan.frozenButWritten { (values + range.lowerBound).update(repeating: 0, count: range.count) }
    pendingState = plan.updatedState
    hasGradients = true
  }

  /// Computes the losses of one batch, in inference mode, and returns the plan that has them.
  func evaluateBatch(
    batch: Int, inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource, index: (Int) -> Int
  ) throws(NNKitError) -> BoundPlan {
    let bound = try plan(
      &evaluationPlans, .evaluation(try requireLoss()), batch: batch, inputCount: inputCount, input,
      targetCount: targetCount)
    try load(bound, input, target, index: index)
    bound.run()
    return bound
  }

  /// Throws: `.invalidArgument` for a trainer without a loss.
  private func requireLoss() throws(NNKitError) -> any Loss {
    guard let loss else {
      throw NNKitError(
        .invalidArgument,
        "the trainer was created with loss=none; use forward, backward and apply, or create a trainer with a loss")
    }
    return loss.loss
  }

  /// Lets the optimizer use the gradients, clipped, and gives running statistics the values that the last batch left:
  /// both between two states that others see. Throws, and changes nothing, where a number is not finite or would not
  /// be, that of a frozen parameter too.
  func applyGradients() throws(NumericFault) {
    let version = settings.version
    if version != valuesVersion { (values, valuesVersion) = (settings.values, version) }
    let next = gradients.base.assumingMemoryBound(to: Float.self)
    let (kernels, arena) = (model.runtime.kernels, model.arena)
    // The host may have written something else.
    for range in frozenGradients { (next + range.lowerBound).update(repeating: 0, count: range.count) }
    let norm = norm(next)
    guard norm.isFinite else { throw gradientFault(false) }
    for range in pendingState where !kernels.sumOfSquares(next + range.lowerBound, range.count).isFinite {
      throw gradientFault(true)
    }
    let clips = values.clipNorm > 0 && norm > values.clipNorm
    let scale = clips ? Float(values.clipNorm / norm) : 1
    let statistics = arena.trainableCount..<arena.count
    let bad = arena.lock.write { () -> Int? in
      if !kernels.sumOfSquares(arena.floats + statistics.lowerBound, statistics.count).isFinite {
        return arena.firstNonFinite(in: statistics)
      }
      let bad = optimizer.apply(values.optimizer, slots: values.slots, gradientScale: scale, gradientNorm: norm)
      guard bad == nil else { return bad }
      for range in pendingState {
        (arena.floats + range.lowerBound).update(from: next + range.lowerBound, count: range.count)
      }
      return nil
    }
    if let bad { throw updateFault(bad) }
    pendingState = []
    hasGradients = false
  }

  /// The plan for batches of a dataset.
  func plan(_ dataset: Dataset, batch: Int, isTraining: Bool) throws(NNKitError) -> BoundPlan {
    let loss = try requireLoss()
    return isTraining
      ? try plan(
        &trainingPlans, .training(loss), batch: batch, inputCount: dataset.inputCount, { dataset.input($0) },
        targetCount: dataset.targetCount)
      : try plan(
        &evaluationPlans, .evaluation(loss), batch: batch, inputCount: dataset.inputCount, { dataset.input($0) },
        targetCount: dataset.targetCount)
  }

  private func plan(
    _ plans: inout PlanCache, _ purpose: PlanPurpose, batch: Int, inputCount: Int, _ input: TensorSource,
    targetCount: Int
  ) throws(NNKitError) -> BoundPlan {
    let graph = model.graph
    guard inputCount == graph.inputs.count, targetCount == graph.outputs.count else {
      throw NNKitError(
        .invalidArgument,
        "the data has \(inputCount) inputs and \(targetCount) targets; the model has "
          + "\(graph.inputs.count) inputs and \(graph.outputs.count) outputs")
    }
    for position in 0..<inputCount {
      try input(position).check(
        graph.types[graph.inputs[position].value.index], "input \"\(graph.inputs[position].name)\"")
    }
    return try plan(&plans, purpose, batch: batch, input)
  }

  /// The plan for a batch of inputs that have been checked.
  func plan(
    _ plans: inout PlanCache, _ purpose: PlanPurpose, batch: Int, _ input: TensorSource
  ) throws(NNKitError) -> BoundPlan {
    if let bound = plans.find(batch: batch, size: { index, axis in (try? input(index).size(axis + 1)) ?? -1 }) {
      return bound
    }
    var shapes: [Shape] = []
    for position in model.graph.inputs.indices {
      let view = try input(position)
      shapes.append(Shape((1..<view.rank).map { view.size($0) }))
    }
    // By hand the inputs' memory may be gone, and their gradients be wanted, when the second part runs.
    let plan = try model.plan(
      batch: batch, inputShapes: shapes, purpose: purpose, inputGradients: purpose.isTrainingByHand,
      loadsInputs: purpose.isTraining && !purpose.isTrainingByHand, frozen: purpose.isTraining ? frozen : [])
    let bound = try BoundPlan(plan, parameters: model.arena, gradients: gradients, pool: model.runtime.pool)
    plans.add(bound)
    return bound
  }

  private func load(_ bound: BoundPlan, _ input: TensorSource, _ target: TensorSource, index: (Int) -> Int)
    throws(NNKitError)
  {
    let graph = model.graph
    for (position, tensor) in bound.plan.targets.enumerated() {
      try target(position).check(tensor.type, "the target of output \"\(graph.outputs[position].name)\"")
    }
    for position in bound.plan.loadOrder {
      let (view, place) = (try input(position), bound.inputPlaces[position])
      for slot in 0..<bound.plan.batch {
        if bound.plan.loadsInputs && place.isFloat {
          bound.source.set(view, sample: index(slot), position: position, slot: slot)
          continue
        }
        try place.load(
          view, sample: index(slot), slot: slot, "input \"\(graph.inputs[position].name)\"")
      }
    }
    for (position, place) in bound.targetPlaces.enumerated() {
      let view = try target(position)
      for slot in 0..<bound.plan.batch {
        try place.load(
          view, sample: index(slot), slot: slot, "the target of output \"\(graph.outputs[position].name)\"")
      }
    }
  }
}
