import NNKitKernelTable

/// What a loss leaves behind after a run.
package struct LossReport {
  /// Two doubles: the sum of the losses, and the sum of the metric.
  package let lossSum: Tensor
  /// What to divide both by for their means.
  package let count: Int

  package init(lossSum: Tensor, count: Int) {
    self.lossSum = lossSum
    self.count = count
  }
}

/// What a trainer minimises: a mean over a batch.
package protocol Loss: Sendable {
  /// What the target of such a prediction is. Throws: `.shape` where the loss cannot take the prediction.
  func targetType(_ prediction: ValueType) throws(NNKitError) -> ValueType
  /// The values that an int32 target may hold.
  func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>?
  /// Adds the steps of the loss and, with `gradient`, of the gradient of its mean.
  func addSteps(_ plan: PlanBuilder, prediction: Tensor, target: Tensor, gradient: Bool) throws(NNKitError) -> (
    report: LossReport, dPrediction: Tensor?
  )
  /// The loss and the gradient of its mean by plain loops in double precision.
  func reference(_ prediction: ReferenceTensor, _ target: [Double]) -> ReferenceLoss
}

/// A loss as programs choose it.
package struct LossDefinition: Sendable {
  package let name: String
  package let summary: String
  package let loss: any Loss
  /// The metrics that it computes along the way.
  package let metrics: [String]

  package static let all = [
    LossDefinition(
      name: "softmax_cross_entropy",
      summary: "-log softmax(prediction)[target], mean over the rows; int32 targets, one for each row of logits",
      loss: SoftmaxCrossEntropyLoss(), metrics: ["accuracy"]),
    LossDefinition(
      name: "mean_squared_error", summary: "(prediction - target)², mean over all elements",
      loss: MeanSquaredErrorLoss(), metrics: []),
  ]

  package static let metrics = [
    (name: "accuracy", summary: "the share of rows whose largest logit is the target's")
  ]
}

/// `-log softmax(x)_label`, mean over the rows of the batch.
package struct SoftmaxCrossEntropyLoss: Loss {
  package init() {}

  package func targetType(_ prediction: ValueType) throws(NNKitError) -> ValueType {
    guard prediction.dataType == .float32, let classes = prediction.shape.sizes.last, classes != Shape.open,
      classes <= Int(Int32.max)
    else {
      throw NNKitError(.shape, "softmax_cross_entropy takes float32 logits [..., classes], not \(prediction)")
    }
    return ValueType(.int32, Shape(Array(prediction.shape.sizes.dropLast())))
  }

  package func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>? {
    0...Int32(clamping: (prediction.shape.sizes.last ?? 1) - 1)
  }

  private static let rowsPerTile = 64

  package func addSteps(_ plan: PlanBuilder, prediction: Tensor, target: Tensor, gradient: Bool) throws(NNKitError) -> (
    report: LossReport, dPrediction: Tensor?
  ) {
    let (rows, classes, kernels) = (prediction.rows, prediction.columns, plan.kernels)
    let losses = try plan.floats([rows])
    let correct = try plan.tensor(ValueType(.int32, target.shape))
    let sums = try plan.doubles(2)
    let dPrediction = gradient ? try plan.tensor(prediction.type) : nil
    let scale = 1 / Float(rows)
    plan.step(
      "softmax cross-entropy", reads: [prediction, target],
      writes: [losses, correct] + (dPrediction.map { [$0] } ?? []),
      tiles: ceilDivide(rows, Self.rowsPerTile), work: [rows, classes, 16]
    ) { binding in
      let (logits, labels) = (UnsafePointer(binding.floats(prediction)), UnsafePointer(binding.integers(target)))
      let (rowLosses, rowCorrect) = (binding.floats(losses), binding.integers(correct))
      let dLogits = dPrediction.map { binding.floats($0) }
      return { tile, _ in
        let first = tile * Self.rowsPerTile
        kernels.softmaxCrossEntropy(
          SoftmaxCrossEntropy(
            logits: logits + first * classes, labels: labels + first, rows: min(Self.rowsPerTile, rows - first),
            classes: classes, scale: scale, losses: rowLosses + first, correct: rowCorrect + first,
            dLogits: dLogits.map { $0 + first * classes }))
      }
    }
    plan.step("sum of losses", reads: [losses, correct], writes: [sums], work: [rows]) { binding in
      let (rowLosses, rowCorrect, result) = (
        binding.floats(losses), binding.integers(correct), binding.doubles(sums)
      )
      return { _, _ in
        var (loss, hits) = (0.0, 0)
        for row in 0..<rows {
          loss += Double(rowLosses[row])
          hits &+= Int(rowCorrect[row])
        }
        result[0] = loss
        result[1] = Double(hits)
      }
    }
    return (LossReport(lossSum: sums, count: rows), dPrediction)
  }
}

/// `(prediction - target)²`, mean over all elements of the batch.
package struct MeanSquaredErrorLoss: Loss {
  package init() {}

  package func targetType(_ prediction: ValueType) throws(NNKitError) -> ValueType {
    guard prediction.dataType == .float32 else {
      throw NNKitError(.type, "mean_squared_error takes a float32 prediction, not \(prediction)")
    }
    return prediction
  }

  package func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>? { nil }

  private static let elementsPerTile = 8192

  package func addSteps(_ plan: PlanBuilder, prediction: Tensor, target: Tensor, gradient: Bool) throws(NNKitError) -> (
    report: LossReport, dPrediction: Tensor?
  ) {
    let (count, kernels) = (prediction.count, plan.kernels)
    let tiles = ceilDivide(count, Self.elementsPerTile)
    let partials = try plan.doubles(tiles)
    let sums = try plan.doubles(2)
    let dPrediction = gradient ? try plan.tensor(prediction.type) : nil
    let scale = 1 / Float(count)
    plan.step(
      "squared error", reads: [prediction, target], writes: [partials] + (dPrediction.map { [$0] } ?? []), tiles: tiles,
      work: [count, 4]
    ) { binding in
      let (values, targets) = (UnsafePointer(binding.floats(prediction)), UnsafePointer(binding.floats(target)))
      let tileSums = binding.doubles(partials)
      let dValues = dPrediction.map { binding.floats($0) }
      return { tile, _ in
        let first = tile * Self.elementsPerTile
        tileSums[tile] = kernels.squaredError(
          values + first, targets + first, min(Self.elementsPerTile, count - first), scale, dValues.map { $0 + first })
      }
    }
    plan.step("sum of losses", reads: [partials], writes: [sums], work: [tiles]) { binding in
      let (tileSums, result) = (binding.doubles(partials), binding.doubles(sums))
      return { _, _ in
        var total = 0.0
        for tile in 0..<tiles { total += tileSums[tile] }
        result[0] = total
        result[1] = 0
      }
    }
    return (LossReport(lossSum: sums, count: count), dPrediction)
  }
}
