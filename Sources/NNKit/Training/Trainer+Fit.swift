import Glibc

/// How a fit, or an evaluation, is going.
public struct Progress: Sendable, CustomStringConvertible {
  /// What has happened.
  public enum Event: Int32, Sendable {
    /// An optimizer step has ended.
    case step
    /// An epoch has ended.
    case epoch
    /// A batch has been evaluated.
    case evaluation
  }

  /// Why it is reported.
  public var event: Event
  /// From 1; 0 where `Trainer.evaluate` reports, and so is `epochs`.
  public var epoch: Int
  /// How many there are to be.
  public var epochs: Int
  /// Of this epoch, or of the samples that are evaluated, from 1.
  public var step: Int
  /// In an epoch, or for the samples that are evaluated.
  public var steps: Int
  /// The mean over this epoch's training data so far; NaN where `Trainer.evaluate` reports.
  public var loss: Double
  /// Over this epoch's training data so far; nil without a metric.
  public var trainMetric: Double?
  /// nil without validation samples, and before the epoch's end. Of an evaluation: of the samples so far.
  public var validationLoss: Double?
  /// The same of the metric; nil without one, too.
  public var validationMetric: Double?
  /// Since the epoch, or the evaluation, began.
  public var seconds: Double

  /// "epoch 3/10  loss 0.1234  metric 0.9876  validation loss 0.2345  validation metric 0.9765"; within an epoch with
  /// "step 5/60" behind it, and of an evaluation "batch 5/60" in front.
  public var description: String {
    var text = epoch > 0 ? "epoch \(epoch)/\(epochs)" : "batch \(step)/\(steps)"
    if event == .step { text += "  step \(step)/\(steps)" }
    if epoch > 0 { text += "  loss \(fourDigits(loss))" }
    if let trainMetric { text += "  metric \(fourDigits(trainMetric))" }
    if let validationLoss { text += "  validation loss \(fourDigits(validationLoss))" }
    if let validationMetric { text += "  validation metric \(fourDigits(validationMetric))" }
    return text
  }
}

/// A number with four digits behind the point.
private func fourDigits(_ value: Double) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return String(value) }
  let scaled = Int((abs(value) * 10_000).rounded())
  let fraction = String(scaled % 10_000)
  return (value < 0 ? "-" : "") + "\(scaled / 10_000)." + String(repeating: "0", count: 4 - fraction.count) + fraction
}

/// How a fit goes over the data.
public struct FitOptions: Sendable {
  /// How often the data is gone through.
  public var epochs = 1
  /// Samples in one step; the last one of an epoch may have fewer.
  public var batchSize = 32
  /// A new order each epoch, from the model's seed.
  public var shuffle = true
  /// The last samples of the dataset, this fraction of it, are held out and evaluated after each epoch.
  public var validationSplit = 0.0
  /// How often progress is reported.
  public var report = Report.epoch

  /// What is reported.
  public enum Report: String, Sendable, CaseIterable {
    /// After each epoch.
    case epoch
    /// After each step, too.
    case step
    /// And after each batch of the validation samples as well.
    case batch
  }

  /// Values out of range are reported by `Trainer.fit`.
  public init(
    epochs: Int = 1, batchSize: Int = 32, shuffle: Bool = true, validationSplit: Double = 0, report: Report = .epoch
  ) {
    (self.epochs, self.batchSize, self.shuffle) = (epochs, batchSize, shuffle)
    (self.validationSplit, self.report) = (validationSplit, report)
  }

  package static let specifications = [
    OptionSpecification("epochs", .int(1...1 << 30), default: .int(1), "how often the data is gone through"),
    batchSize,
    OptionSpecification(
      "shuffle", .bool, default: .bool(true), "whether each epoch has a new order, from the model's seed"),
    OptionSpecification(
      "validation_split", .float(0, 1, upperOpen: true), default: .float(0),
      "the last fraction of the samples, which is held out"),
    OptionSpecification(
      "report", .choice(Report.allCases.map(\.rawValue)), default: .string(Report.epoch.rawValue),
      "how often the callback is called: after each epoch, step, or step and batch of the validation samples"),
  ]

  package static let batchSize = OptionSpecification(
    "batch_size", .int(1...1 << 30), default: .int(32), "samples in one step")

  package init(_ options: Options) {
    epochs = options.int("epochs")
    batchSize = options.int("batch_size")
    shuffle = options.bool("shuffle")
    validationSplit = options.float("validation_split")
    report = Report(rawValue: options.string("report")) ?? .epoch
  }
}

extension Trainer {
  /// Trains on `dataset`. `report` is called after each epoch (and step, if asked for) and returns whether to go on.
  ///
  /// All labels and indices are checked before the first step. A dataset may have any number of samples, since views may
  /// repeat one; what takes too long a report after each step can stop.
  ///
  /// Throws: `.invalidArgument` for options out of range, nothing to train on or to validate with, and labels or indices
  /// that the model does not know; `.shape`, `.type` where the data does not fit the model; `.outOfMemory`; `.numeric`
  /// for a loss, gradient or update that is not finite: that step changes nothing, and the message says which it was,
  /// what is to blame and what state the model is in; `.busy`.
  public func fit(_ dataset: Dataset, _ options: FitOptions, _ report: (Progress) -> Bool) throws(NNKitError) {
    try busy.enter("trainer") { () throws(NNKitError) in
      try fitAlone(dataset, options, report)
    }
  }

  private func fitAlone(_ dataset: Dataset, _ options: FitOptions, _ report: (Progress) -> Bool) throws(NNKitError) {
    guard options.epochs >= 1, options.batchSize >= 1, (0..<1).contains(options.validationSplit) else {
      throw NNKitError(
        .invalidArgument,
        "a fit needs at least 1 epoch, a batch size of at least 1 and a validation split from 0 to "
          + "below 1; it was given \(options.epochs), \(options.batchSize), \(options.validationSplit)")
    }
    let split = try split(dataset, options.validationSplit)
    let (trained, batchSize) = (split.trained.count, min(options.batchSize, split.trained.count))
    try check(dataset, split.trained, batchSize: batchSize, isTraining: true)
    if let (data, samples) = split.validation {
      do throws(NNKitError) {
        try check(data, samples, batchSize: options.batchSize, isTraining: false)
      } catch {
        throw error.at("the validation samples")
      }
    }
    let order = try AlignedMemory(byteCount: batchSize * MemoryLayout<Int>.stride)
    let samples = order.base.bindMemory(to: Int.self, capacity: batchSize)
    let random = Random(seed: model.seed, kernels: model.runtime.kernels)
    var position = FitPosition(steps: ceilDivide(trained, batchSize))
    var totals = LossTotals(outputs: model.graph.outputs.count)
    for epoch in 1...options.epochs {
      let start = seconds()
      // The order of an epoch depends on its number alone.
      let number = model.epochs.add(1, ordering: .relaxed).oldValue
      let permutation = options.shuffle ? random.permutation(.shuffle(epoch: number), count: trained) : nil
      totals.removeAll()
      var progress = Progress(
        event: .step, epoch: epoch, epochs: options.epochs, step: 0, steps: position.steps, loss: 0, seconds: 0)
      position.epoch = epoch
      for step in 0..<position.steps {
        let first = step * batchSize
        let batch = min(batchSize, trained - first)
        for slot in 0..<batch { samples[slot] = permutation?[first + slot] ?? first + slot }
        position.step = step + 1
        totals.add(try trainingStep(dataset, samples, batch: batch, position))
        position.updates &+= 1
        progress.step = step + 1
        progress.loss = totals.loss
        progress.trainMetric = countsMetric ? totals.metric : nil
        progress.seconds = seconds() - start
        if options.report != .epoch && !busy.callBack({ report(progress) }) { return }
      }
      if let (data, samples) = split.validation {
        let (result, isWhole) = try evaluateAlone(
          data, samples, batchSize: options.batchSize, progress
        ) { progress in options.report != .batch || busy.callBack { report(progress) } }
        guard isWhole else { return }
        progress.validationLoss = result.loss
        progress.validationMetric = countsMetric ? result.metric : nil
      }
      progress.event = .epoch
      progress.seconds = seconds() - start
      if !busy.callBack({ report(progress) }) { return }
    }
  }

  /// Which samples are trained on, and which are evaluated after each epoch. Throws: `.invalidArgument` where either is
  /// nothing.
  private func split(
    _ dataset: Dataset, _ fraction: Double
  ) throws(NNKitError) -> (trained: Range<Int>, validation: (Dataset, Range<Int>)?) {
    let samples = dataset.sampleCount
    guard samples >= 1 else {
      throw NNKitError(.invalidArgument, "the dataset has 0 samples; expected at least 1 to train on")
    }
    if let validation {
      guard validation.sampleCount >= 1 else {
        throw NNKitError(
          .invalidArgument, "the validation dataset has 0 samples; expected at least 1, or no validation dataset")
      }
      return (0..<samples, (validation, 0..<validation.sampleCount))
    }
    guard fraction > 0 else { return (0..<samples, nil) }
    let heldOut = Int((Double(samples) * fraction).rounded())
    guard heldOut >= 1, heldOut < samples else {
      throw NNKitError(
        .invalidArgument,
        "validation_split=\(fraction) of \(samples) samples holds out \(heldOut) and leaves \(samples - heldOut) to train "
          + "on; expected at least 1 of each. Use another fraction, more samples, or a validation dataset")
    }
    return (0..<samples - heldOut, (dataset, samples - heldOut..<samples))
  }

  /// Where a fit is, for messages.
  private struct FitPosition {
    var epoch = 1
    /// Of this epoch, from 1.
    var step = 1
    let steps: Int
    var updates = 0

    init(steps: Int) { self.steps = steps }

    var place: String { "epoch \(epoch), step \(step) of \(steps)" }

    /// What is left of the model's parameters when this step fails.
    var state: String {
      guard updates > 0 else { return "no parameter was changed" }
      let last = step > 1 ? "step \(step - 1) of this epoch" : "the last step of epoch \(epoch - 1)"
      let made = updates == 1 ? "1 update was made" : "\(updates) updates were made"
      return "the model keeps the parameters that \(last) left (\(made))"
    }
  }

  private func trainingStep(
    _ dataset: Dataset, _ samples: UnsafeMutablePointer<Int>, batch: Int, _ position: FitPosition
  ) throws(NNKitError) -> BoundPlan {
    let bound: BoundPlan
    do throws(NNKitError) {
      bound = try computeGradients(
        batch: batch, inputCount: dataset.inputCount, { dataset.input($0) }, targetCount: dataset.targetCount,
        { dataset.target($0) }, index: { samples[$0] })
    } catch {
      throw NNKitError(error.code, "\(position.place): \(error.message); \(position.state)")
    }
    do throws(NumericFault) {
      try requireFinite(bound, { dataset.input($0) }, { dataset.target($0) }, index: { samples[$0] })
      try applyGradients()
    } catch {
      throw error.error(position.state).at(position.place)
    }
    return bound
  }

  /// The mean loss over `dataset` and, where there is one, the metric; in inference mode. `report` is called after each
  /// batch and returns whether to go on: if not, the means are those over the samples until then.
  /// Throws: as `fit`, without `.numeric`.
  public func evaluate(
    _ dataset: Dataset, batchSize: Int = 32, report: (Progress) -> Bool = { _ in true }
  ) throws(NNKitError) -> (loss: Double, metric: Double?) {
    let result = try busy.enter("trainer") { () throws(NNKitError) -> LossTotals in
      guard dataset.sampleCount > 0, batchSize > 0 else {
        throw NNKitError(
          .invalidArgument,
          "there are \(dataset.sampleCount) samples and the batch size is \(batchSize); expected at "
            + "least 1 of each")
      }
      let samples = 0..<dataset.sampleCount
      try check(dataset, samples, batchSize: batchSize, isTraining: false)
      let progress = Progress(event: .evaluation, epoch: 0, epochs: 0, step: 0, steps: 0, loss: .nan, seconds: 0)
      return try evaluateAlone(dataset, samples, batchSize: batchSize, progress) { progress in
        busy.callBack { report(progress) }
      }.totals
    }
    return (result.loss, countsMetric ? result.metric : nil)
  }

  /// `isWhole`: whether all samples were evaluated, because no report stopped it.
  private func evaluateAlone(
    _ dataset: Dataset, _ samples: Range<Int>, batchSize: Int, _ progress: Progress, _ report: (Progress) -> Bool
  ) throws(NNKitError) -> (totals: LossTotals, isWhole: Bool) {
    let start = seconds()
    var (totals, progress) = (LossTotals(outputs: model.graph.outputs.count), progress)
    (progress.event, progress.step) = (.evaluation, 0)
    progress.steps = ceilDivide(samples.count, batchSize)
    let before = progress.seconds
    var first = samples.lowerBound
    while first < samples.upperBound {
      let batch = min(batchSize, samples.upperBound - first)
      totals.add(
        try evaluateBatch(
          batch: batch, inputCount: dataset.inputCount, { dataset.input($0) }, targetCount: dataset.targetCount,
          { dataset.target($0) }, index: { first + $0 }))
      first += batch
      progress.step += 1
      progress.validationLoss = totals.loss
      progress.validationMetric = countsMetric ? totals.metric : nil
      progress.seconds = before + seconds() - start
      if !report(progress) { return (totals, false) }
    }
    return (totals, true)
  }

  /// Ends a call that will never return, because the code that a fit reports to has left it by `longjmp` or the like.
  /// What that call holds stays.
  package func abandonCall() { busy.leave() }

  /// The validation samples of the next fits. Throws: `.busy`.
  public func setValidation(_ dataset: Dataset?) throws(NNKitError) {
    try busy.enter("trainer") { () throws(NNKitError) in validation = dataset }
  }

  // MARK: One batch by hand

  /// Loss and gradients of one batch. Throws: as `fit`, without `.numeric`.
  package func gradients(inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource)
    throws(NNKitError) -> Double
  {
    try busy.enter("trainer") { () throws(NNKitError) -> Double in
      try batchGradients(inputCount, input, targetCount, target).loss
    }
  }

  private static let nothingChanged = "no parameter was changed"

  /// One optimizer step on one batch; returns the loss before it. Throws: as `fit`.
  package func step(inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource)
    throws(NNKitError) -> Double
  {
    try busy.enter("trainer") { () throws(NNKitError) -> Double in
      let bound = try batchGradients(inputCount, input, targetCount, target)
      let loss = bound.loss
      do throws(NumericFault) {
        try requireFinite(bound, input, target, index: { $0 })
        try applyGradients()
      } catch {
        throw error.error(Self.nothingChanged)
      }
      return loss
    }
  }

  private func batchGradients(_ inputCount: Int, _ input: TensorSource, _ targetCount: Int, _ target: TensorSource)
    throws(NNKitError) -> BoundPlan
  {
    guard inputCount > 0 else { throw NNKitError(.invalidArgument, "a step needs at least one input") }
    let first = try input(0)
    guard first.rank >= 1 else { throw NNKitError(.shape, "the first input is a scalar; expected [N, ...]") }
    let batch = first.size(0)
    for position in 0..<inputCount + targetCount {
      let view = try position < inputCount ? input(position) : target(position - inputCount)
      guard view.rank >= 1, view.size(0) == batch else {
        // Where the first axis of an input is missing, this is what is wrong.
        if let declared = model.graph.inputs.first {
          try first.check(model.inputTypes[0], "input \"\(declared.name)\"")
        }
        throw NNKitError(
          .shape,
          "the batch has tensors of shapes \(first.shapeDescription) and \(view.shapeDescription); expected the "
            + "same number of samples")
      }
    }
    return try computeGradients(
      batch: batch, inputCount: inputCount, input, targetCount: targetCount, target, index: { $0 })
  }

  /// Lets the optimizer use the gradients. Throws: `.invalidArgument` where none wait; `.numeric`, `.busy`.
  public func apply() throws(NNKitError) {
    try busy.enter("trainer") { () throws(NNKitError) in
      guard hasGradients else {
        throw NNKitError(
          .invalidArgument,
          "there are no gradients that were not applied yet; compute some first (gradients, or forward and backward)")
      }
      do throws(NumericFault) { try applyGradients() } catch { throw error.error(Self.nothingChanged) }
    }
  }
}

/// Of a clock that only goes forward.
private func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
