/// What a trainer minimises, as Swift programs choose it.
public enum LossKind: String, Sendable, CaseIterable {
  /// `-log softmax(prediction)[target]`, mean over rows (of real steps, where sequences have lengths); int32 targets.
  case softmaxCrossEntropy = "softmax_cross_entropy"
  /// `(prediction - target)²`, mean over all elements (of real steps, where sequences have lengths).
  case meanSquaredError = "mean_squared_error"
}

/// What a trainer measures besides the loss.
public enum Metric: String, Sendable, CaseIterable {
  /// The share of rows whose largest logit is the target's; of `LossKind.softmaxCrossEntropy`.
  case accuracy
}

extension Trainer {
  /// `loss`: nil for a trainer of `forward`, `backward` and `apply` alone. `clipNorm`: the largest global norm of the
  /// gradients, which are scaled down to it; 0: any.
  ///
  /// Throws: as `init(_:options:)`.
  public convenience init(
    _ model: Model, loss: LossKind?, optimizer: Optimizer = .sgd(), metric: Metric? = nil, clipNorm: Double = 0
  ) throws(NNKitError) {
    // Through the options' text, so that every language has the same checks.
    try self.init(
      model,
      options: "loss=\(loss?.rawValue ?? Self.noLoss) clip_norm=\(clipNorm) \(optimizer.options)"
        + (metric.map { " metric=\($0.rawValue)" } ?? ""))
  }

  /// Trains for `epochs` over `dataset` and reports after each one. `shuffle`: whether each epoch has a new order, from
  /// the model's seed. `validationSplit`: the last fraction of the samples, which is held out and evaluated after each
  /// epoch.
  ///
  /// Throws: as `fit(_:_:_:)`, which can report more often and be stopped.
  public func fit(
    _ dataset: Dataset, epochs: Int = 1, batchSize: Int = 32, shuffle: Bool = true, validationSplit: Double = 0,
    _ report: (Progress) -> Void = { _ in }
  ) throws(NNKitError) {
    let options = FitOptions(
      epochs: epochs, batchSize: batchSize, shuffle: shuffle, validationSplit: validationSplit)
    try fit(dataset, options) { progress in
      report(progress)
      return true
    }
  }
}

// MARK: One batch by hand

extension Trainer {
  /// One optimizer step on one batch, whose inputs and targets are `[N, ...]` each: `gradients`, then `apply`. Returns
  /// the mean loss before it. Allocates nothing after the first call with the same shapes.
  ///
  /// Throws, and changes no parameter: `.invalidArgument`, `.shape` and `.type` where the tensors do not fit the model
  /// and for labels or indices that it does not know; `.outOfMemory`; `.numeric` for a loss, gradient or update that is
  /// not finite; `.busy`.
  @discardableResult
  public func step(inputs: [HostView], targets: [HostView]) throws(NNKitError) -> Double {
    try step(inputCount: inputs.count, { inputs[$0].view }, targetCount: targets.count, { targets[$0].view })
  }

  /// As `step(inputs:targets:)` of views, of a copy of the arrays.
  @discardableResult
  public func step(inputs: [HostArray], targets: [HostArray]) throws(NNKitError) -> Double {
    let (inputs, targets) = (try TensorCopies(inputs), try TensorCopies(targets))
    defer { withExtendedLifetime((inputs, targets)) {} }
    return try step(inputs: inputs.views, targets: targets.views)
  }

  /// The first half of a step: the gradients of one batch, which `withGradients` shows; no parameter changes. Returns
  /// the mean loss, which may be no finite number. Throws: as `step`, without `.numeric`.
  @discardableResult
  public func gradients(inputs: [HostView], targets: [HostView]) throws(NNKitError) -> Double {
    try gradients(inputCount: inputs.count, { inputs[$0].view }, targetCount: targets.count, { targets[$0].view })
  }

  /// As `gradients(inputs:targets:)` of views, of a copy of the arrays.
  @discardableResult
  public func gradients(inputs: [HostArray], targets: [HostArray]) throws(NNKitError) -> Double {
    let (inputs, targets) = (try TensorCopies(inputs), try TensorCopies(targets))
    defer { withExtendedLifetime((inputs, targets)) {} }
    return try gradients(inputs: inputs.views, targets: targets.views)
  }

  /// A step with a loss of the program's own, in three parts: this, `backward`, `apply`. Runs the model on `inputs`,
  /// `[N, ...]` each, as training does (dropout draws, batch norm takes the batch's statistics), writes `outputs`,
  /// whose shapes must be exactly those of the results, and keeps what `backward` needs, not the program's memory. A
  /// later call takes its place. Changes no parameter. Allocates nothing after the first call with the same shapes.
  ///
  /// Throws: `.invalidArgument` for a wrong number of tensors or an index out of range; `.shape`, `.type`;
  /// `.outOfMemory`; `.busy`.
  public func forward(_ inputs: [HostView], into outputs: [HostView]) throws(NNKitError) {
    try forward(inputCount: inputs.count, { inputs[$0].view }, outputCount: outputs.count, { outputs[$0].view })
  }

  /// As `forward(_:into:)`, and returns the outputs, `[N, ...]` each.
  public func forward(_ inputs: [HostArray]) throws(NNKitError) -> [HostArray] {
    let inputs = try TensorCopies(inputs)
    let (types, batch) = try outputsByHand(inputCount: inputs.views.count, { inputs.views[$0].view })
    let results = try TensorCopies(types, batch: batch)
    try forward(inputs.views, into: results.views)
    withExtendedLifetime(inputs) {}
    return try results.arrays()
  }

  /// The gradients of the last `forward`, which `withGradients` shows, from those of its outputs, which have the
  /// outputs' shapes. One that is nil counts as zero (that of an int32 output is), and so does what is behind the
  /// lengths of a sequence. The mean over a batch is the program's: nothing is divided by N. `inputGradients` has no
  /// elements, or one for each input: there the gradient of an input is written, where it is not nil (that of an int32
  /// input is). Without them, what they alone need is not computed. Each call needs a `forward` of its own, and the
  /// parameters it was run with.
  ///
  /// Throws: `.invalidArgument` for a wrong number of tensors, without a forward pass that was not used, and where
  /// parameters have changed since; `.shape`, `.type`; `.busy`.
  public func backward(
    _ outputGradients: [HostView?], into inputGradients: [HostView?] = []
  ) throws(NNKitError) {
    try backward(
      outputCount: outputGradients.count, { outputGradients[$0]?.view }, inputCount: inputGradients.count,
      { inputGradients[$0]?.view })
  }

  /// As `backward(_:into:)`, of a copy of the arrays. With `inputs` it returns the gradients of the inputs, `[N, ...]`
  /// each and nil for an int32 one; without, nothing.
  @discardableResult
  public func backward(_ outputGradients: [HostArray?], inputs: Bool = false) throws(NNKitError) -> [HostArray?] {
    let given = try TensorCopies(outputGradients.compactMap { $0 })
    defer { withExtendedLifetime(given) {} }
    let views = given.views(outputGradients.map { $0 != nil })
    guard inputs else {
      try backward(views)
      return []
    }
    let (types, batch) = try inputsOfForward()
    let areFloat = types.map { $0.dataType == .float32 }
    let results = try TensorCopies(types.filter { $0.dataType == .float32 }, batch: batch)
    try backward(views, into: results.views(areFloat))
    var arrays = try results.arrays().makeIterator()
    return areFloat.map { $0 ? arrays.next() : nil }
  }
}

// MARK: All gradients

extension Trainer {
  /// Calls `body` with all gradients, to read and to change: one float32 buffer in which a parameter's gradient lies
  /// where `Model.withParameters` has the parameter (`Model.info` says where that is). In the place of a parameter that
  /// is not trainable (a running statistic of batch norm) is its next value. `apply` may use what `body` leaves:
  /// gradients that were averaged with those of other processes, or summed over several batches. The report of a fit
  /// may look at them.
  ///
  /// Throws: `.busy`; what `body` throws.
  public func withGradients<Result>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws(NNKitError) -> Result
  ) throws(NNKitError) -> Result {
    try busy.read("trainer") { () throws(NNKitError) -> Result in
      defer { hasGradients = true }
      return try body(
        UnsafeMutableBufferPointer(
          start: gradients.base.assumingMemoryBound(to: Float.self), count: model.arena.count))
    }
  }

  /// Calls `body` with the gradient of one parameter, "<layer>/<parameter>", and its shape. Throws: `.invalidArgument`
  /// for an unknown name; as `withGradients`.
  public func withGradient<Result>(
    _ name: String, _ body: (UnsafeMutableBufferPointer<Float>, Shape) throws(NNKitError) -> Result
  ) throws(NNKitError) -> Result {
    let parameter = try model.parameter(name)
    return try withGradients { (all) throws(NNKitError) in
      try body(UnsafeMutableBufferPointer(rebasing: all[parameter.range]), parameter.shape)
    }
  }
}
