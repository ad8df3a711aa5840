/// What a trainer minimises, as Swift programs choose it.
public enum LossKind: String, Sendable, CaseIterable {
  /// `-log softmax(prediction)[target]`, mean over rows (of real steps, where sequences have lengths); int32 targets.
  case softmaxCrossEntropy = "softmax_cross_entropy"
  /// `(prediction - target)²`, mean over all elements (of real steps, where sequences have lengths).
  case meanSquaredError = "mean_squared_error"
}

/// What a trainer measures besides the loss.
public enum Metric: String, Sendable, CaseIterable {
  case accuracy
}

extension Trainer {
  /// `loss`: nil for a trainer of `forward`, `backward` and `apply` alone. `clipNorm`: the largest global norm of the gradients; 0: any. Throws: as the C interface's `nnk_trainer_create`.
  public convenience init(
    _ model: Model, loss: LossKind?, optimizer: Optimizer, metric: Metric? = nil, clipNorm: Double = 0
  ) throws(NNKitError) {
    // Through the options' text, so that every language has the same checks.
    try self.init(
      model,
      options: "loss=\(loss?.rawValue ?? Self.noLoss) clip_norm=\(clipNorm) \(optimizer.options)"
        + (metric.map { " metric=\($0.rawValue)" } ?? ""))
  }

  /// Trains for `epochs` over `dataset` and reports after each one.
  /// Throws: as `fit(_:_:_:)`.
  public func fit(
    _ dataset: Dataset, epochs: Int = 1, batchSize: Int = 32, shuffle: Bool = true, validationSplit: Double = 0,
    _ report: (Progress) -> Void = { _ in }
  ) throws(NNKitError) {
    var options = FitOptions()
    options.epochs = epochs
    options.batchSize = batchSize
    options.shuffle = shuffle
    options.validationSplit = validationSplit
    try fit(dataset, options) { progress in
      report(progress)
      return true
    }
  }
}
