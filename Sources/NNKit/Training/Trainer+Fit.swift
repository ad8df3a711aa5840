import Glibc

/// How a fit is going.
public struct Progress: Sendable, CustomStringConvertible {
  public enum Event: Int32, Sendable {
    case step
    case epoch
  }

  public var event: Event
  /// From 1.
  public var epoch: Int
  public var epochs: Int
  /// Of this epoch, from 1.
  public var step: Int
  public var steps: Int
  /// The mean over this epoch's training data so far.
  public var loss: Double
  /// nil without a metric.
  public var trainMetric: Double?
  /// nil without validation samples, and before the epoch's end.
  public var validationLoss: Double?
  public var validationMetric: Double?
  public var seconds: Double

  /// "epoch 3/10  loss 0.1234  metric 0.9876  validation loss 0.2345  validation metric 0.9765"
  public var description: String {
    var text = "epoch \(epoch)/\(epochs)  loss \(fourDigits(loss))"
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
  public var epochs = 1
  public var batchSize = 32
  /// A new order each epoch, from the model's seed.
  public var shuffle = true
  /// The last samples of the dataset, this fraction of it, are held out and evaluated after each epoch.
  public var validationSplit = 0.0
  /// Whether progress is reported after each step, too.
  public var reportsSteps = false

  public init() {}

  package static let specifications = [
    OptionSpecification("epochs", .int(1...1 << 30), default: .int(1), "how often the data is gone through"),
    batchSize,
    OptionSpecification(
      "shuffle", .bool, default: .bool(true), "whether each epoch has a new order, from the model's seed"),
    OptionSpecification(
      "validation_split", .float(0, 1, upperOpen: true), default: .float(0),
      "the last fraction of the samples, which is held out"),
    OptionSpecification(
      "report", .choice(["epoch", "step"]), default: .string("epoch"), "how often the callback is called"),
  ]

  package static let batchSize = OptionSpecification(
    "batch_size", .int(1...1 << 30), default: .int(32), "samples in one step")

  package init(_ options: Options) {
    epochs = options.int("epochs")
    batchSize = options.int("batch_size")
    shuffle = options.bool("shuffle")
    validationSplit = options.float("validation_split")
    reportsSteps = options.string("report") == "step"
  }
}

extension Trainer {
  /// Trains on `dataset`. `report` is called after each epoch (and step, if asked for) and returns whether to go on.
  ///
  /// Throws: `.invalidArgument` for options out of range and labels or indices that the model does not know; `.shape`,
  /// `.type` where the data does not fit the model; `.outOfMemory`; `.numeric` for a loss or gradient that is not
  /// finite; `.busy`.
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
    let samples = dataset.sampleCount
    let heldOut = validation == nil ? Int((Double(samples) * options.validationSplit).rounded()) : 0
    let trained = samples - heldOut
    guard trained >= 1 else {
      throw NNKitError(
        .invalidArgument,
        "the dataset has \(samples) samples, of which \(heldOut) are held out; none is left to train on")
    }
    let random = Random(seed: model.seed, kernels: model.runtime.kernels)
    let steps = ceilDivide(trained, options.batchSize)
    var order = Array(0..<trained)
    var totals = LossTotals(outputs: model.graph.outputs.count)
    for epoch in 1...options.epochs {
      let start = seconds()
      // Each epoch shuffles the ordered samples, so that its order depends on its number alone.
      for index in 0..<trained { order[index] = index }
      let number = model.epochs.add(1, ordering: .relaxed).oldValue
      if options.shuffle { random.shuffle(.shuffle(epoch: number), &order) }
      totals.removeAll()
      var progress = Progress(
        event: .step, epoch: epoch, epochs: options.epochs, step: 0, steps: steps, loss: 0, seconds: 0)
      for step in 0..<steps {
        let first = step * options.batchSize
        let batch = min(options.batchSize, trained - first)
        let bound = try order.withUnsafeBufferPointer { order throws(NNKitError) -> BoundPlan in
          try computeGradients(
            batch: batch, inputCount: dataset.inputCount, { dataset.input($0) }, targetCount: dataset.targetCount,
            { dataset.target($0) }, index: { order[first + $0] })
        }
        try requireFinite(bound.loss)
        try applyGradients()
        totals.add(bound)
        progress.step = step + 1
        progress.loss = totals.loss
        progress.trainMetric = countsMetric ? totals.metric : nil
        progress.seconds = seconds() - start
        if options.reportsSteps && !busy.callBack({ report(progress) }) { return }
      }
      if let validation {
        let result = try evaluateAlone(validation, 0..<validation.sampleCount, batchSize: options.batchSize)
        progress.validationLoss = result.loss
        progress.validationMetric = countsMetric ? result.metric : nil
      } else if heldOut > 0 {
        let result = try evaluateAlone(dataset, trained..<samples, batchSize: options.batchSize)
        progress.validationLoss = result.loss
        progress.validationMetric = countsMetric ? result.metric : nil
      }
      progress.event = .epoch
      progress.seconds = seconds() - start
      if !busy.callBack({ report(progress) }) { return }
    }
  }

  /// The mean loss over `dataset` and, where there is one, the metric; in inference mode.
  /// Throws: as `fit`, without `.numeric`.
  public func evaluate(_ dataset: Dataset, batchSize: Int = 32) throws(NNKitError) -> (loss: Double, metric: Double?) {
    let result = try busy.enter("trainer") { () throws(NNKitError) -> LossTotals in
      guard dataset.sampleCount > 0, batchSize > 0 else {
        throw NNKitError(
          .invalidArgument,
          "there are \(dataset.sampleCount) samples and the batch size is \(batchSize); expected at "
            + "least 1 of each")
      }
      return try evaluateAlone(dataset, 0..<dataset.sampleCount, batchSize: batchSize)
    }
    return (result.loss, countsMetric ? result.metric : nil)
  }

  private func evaluateAlone(_ dataset: Dataset, _ samples: Range<Int>, batchSize: Int) throws(NNKitError)
    -> LossTotals
  {
    var totals = LossTotals(outputs: model.graph.outputs.count)
    var first = samples.lowerBound
    while first < samples.upperBound {
      let batch = min(batchSize, samples.upperBound - first)
      totals.add(
        try evaluateBatch(
          batch: batch, inputCount: dataset.inputCount, { dataset.input($0) }, targetCount: dataset.targetCount,
          { dataset.target($0) }, index: { first + $0 }))
      first += batch
    }
    return totals
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
      try batchGradients(inputCount, input, targetCount, target)
    }
  }

  /// One optimizer step on one batch; returns the loss before it. Throws: as `fit`.
  package func step(inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource)
    throws(NNKitError) -> Double
  {
    try busy.enter("trainer") { () throws(NNKitError) -> Double in
      let loss = try batchGradients(inputCount, input, targetCount, target)
      try requireFinite(loss)
      try applyGradients()
      return loss
    }
  }

  private func batchGradients(_ inputCount: Int, _ input: TensorSource, _ targetCount: Int, _ target: TensorSource)
    throws(NNKitError) -> Double
  {
    guard inputCount > 0 else { throw NNKitError(.invalidArgument, "a step needs at least one input") }
    let first = try input(0)
    guard first.rank >= 1 else { throw NNKitError(.shape, "the first input is a scalar; expected [N, ...]") }
    let batch = first.size(0)
    for position in 0..<inputCount + targetCount {
      let view = try position < inputCount ? input(position) : target(position - inputCount)
      guard view.rank >= 1, view.size(0) == batch else {
        throw NNKitError(
          .shape,
          "the batch has tensors of shapes \(first.shapeDescription) and \(view.shapeDescription); expected the "
            + "same number of samples")
      }
    }
    return try computeGradients(
      batch: batch, inputCount: inputCount, input, targetCount: targetCount, target, index: { $0 }
    ).loss
  }

  /// Lets the optimizer use the gradients. Throws: `.numeric`, `.busy`.
  public func apply() throws(NNKitError) {
    try busy.enter("trainer") { () throws(NNKitError) in try applyGradients() }
  }
}

/// Of a clock that only goes forward.
private func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
