import NNKitKernelTable

/// What a trainer minimises: a mean over a batch.
package protocol Loss: Sendable {
  /// What the target of such a prediction is. Throws: `.shape` where the loss cannot take the prediction.
  func targetType(_ prediction: ValueType) throws(NNKitError) -> ValueType
  /// The values that an int32 target may hold.
  func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>?
  /// Adds the steps of the loss and, with `gradient`, of the gradient of its mean. With `lengths` both are of the real
  /// steps of the prediction, `[T, ...]`, alone: the gradient is zero behind them, and the target is not read there.
  func addSteps(
    _ plan: PlanBuilder, prediction: Tensor, target: Tensor, lengths: SequenceLengths?, gradient: Bool
  ) throws(NNKitError) -> (report: LossReport, dPrediction: Tensor?)
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
      summary: "-log softmax(prediction)[target], mean over the rows, of sequences with lengths over those of real "
        + "steps; int32 targets, one for each row of logits",
      loss: SoftmaxCrossEntropyLoss(), metrics: ["accuracy"]),
    LossDefinition(
      name: "mean_squared_error",
      summary: "(prediction - target)², mean over all elements, of sequences with lengths over those of real steps",
      loss: MeanSquaredErrorLoss(), metrics: []),
  ]

  package static let metrics = [
    (
      name: "accuracy",
      summary: "the share of rows whose largest logit is the target's; of sequences with lengths, of rows of real steps"
    )
  ]
}

/// `-log softmax(x)_label`, mean over the rows of the batch; with lengths, over those of real steps.
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

  package func addSteps(
    _ plan: PlanBuilder, prediction: Tensor, target: Tensor, lengths: SequenceLengths?, gradient: Bool
  ) throws(NNKitError) -> (report: LossReport, dPrediction: Tensor?) {
    let (classes, kernels) = (prediction.columns, plan.kernels)
    let mean = try LossMean(plan, prediction, elements: prediction.rows, lengths)
    let (rows, allRows) = (mean.rows, prediction.rows)
    let losses = try plan.floats([allRows])
    let correct = try plan.tensor(ValueType(.int32, target.shape))
    let report = try LossReport(plan)
    let dPrediction = gradient ? try plan.tensor(prediction.type) : nil
    plan.step(
      "softmax cross-entropy", reads: [prediction, target] + mean.tensors,
      writes: [losses, correct] + (dPrediction.map { [$0] } ?? []),
      tiles: ceilDivide(allRows, Self.rowsPerTile), work: [allRows, classes, 16]
    ) { binding in
      let (logits, labels) = (UnsafePointer(binding.floats(prediction)), UnsafePointer(binding.integers(target)))
      let (rowLosses, rowCorrect) = (binding.floats(losses), binding.integers(correct))
      let dLogits = dPrediction.map { binding.floats($0) }
      let mean = mean.bind(binding)
      return { tile, _ in
        let first = tile * Self.rowsPerTile
        let scale = mean.scale
        rows.forEachRun(in: first..<min(first + Self.rowsPerTile, allRows), mean.lengths) { run, areReal in
          let (start, count) = (run.lowerBound, run.count)
          if areReal {
            kernels.softmaxCrossEntropy(
              SoftmaxCrossEntropy(
                logits: logits + start * classes, labels: labels + start, rows: count, classes: classes, scale: scale,
                losses: rowLosses + start, correct: rowCorrect + start, dLogits: dLogits.map { $0 + start * classes }))
          } else {
            (rowLosses + start).update(repeating: 0, count: count)
            (rowCorrect + start).update(repeating: 0, count: count)
            dLogits.map { ($0 + start * classes).update(repeating: 0, count: count * classes) }
          }
        }
      }
    }
    plan.step(
      "sum of losses", reads: [losses, correct] + mean.tensors, writes: [report.sums], work: [allRows]
    ) { binding in
      let (rowLosses, rowCorrect, result) = (
        binding.floats(losses), binding.integers(correct), binding.doubles(report.sums)
      )
      let mean = mean.bind(binding)
      return { _, _ in
        var (loss, hits) = (0.0, 0)
        for row in 0..<allRows {
          loss += Double(rowLosses[row])
          hits &+= Int(rowCorrect[row])
        }
        result[0] = loss
        result[1] = Double(hits)
        result[2] = mean.count
      }
    }
    return (report, dPrediction)
  }
}

/// `(prediction - target)²`, mean over all elements of the batch; with lengths, over those of real steps.
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

  package func addSteps(
    _ plan: PlanBuilder, prediction: Tensor, target: Tensor, lengths: SequenceLengths?, gradient: Bool
  ) throws(NNKitError) -> (report: LossReport, dPrediction: Tensor?) {
    let (elements, kernels) = (prediction.count, plan.kernels)
    let mean = try LossMean(plan, prediction, elements: elements, lengths)
    // Sums of whole sequences do not depend on how far they are padded.
    let elementsPerPart = lengths == nil ? Self.elementsPerTile : prediction.sampleCount
    let parts = ceilDivide(elements, elementsPerPart)
    let partsPerTile = max(1, Self.elementsPerTile / elementsPerPart)
    let partials = try plan.doubles(parts)
    let report = try LossReport(plan)
    let dPrediction = gradient ? try plan.tensor(prediction.type) : nil
    plan.step(
      "squared error", reads: [prediction, target] + mean.tensors,
      writes: [partials] + (dPrediction.map { [$0] } ?? []), tiles: ceilDivide(parts, partsPerTile),
      work: [elements, 4]
    ) { binding in
      let (values, targets) = (UnsafePointer(binding.floats(prediction)), UnsafePointer(binding.floats(target)))
      let sums = binding.doubles(partials)
      let dValues = dPrediction.map { binding.floats($0) }
      let mean = mean.bind(binding)
      return { tile, _ in
        let scale = mean.scale
        for part in tile * partsPerTile..<min((tile + 1) * partsPerTile, parts) {
          let first = part * elementsPerPart
          let count = min(elementsPerPart, elements - first)
          let real = mean.lengths.map { Int($0[part]) * mean.elementsPerStep } ?? count
          sums[part] = kernels.squaredError(
            values + first, targets + first, real, scale, dValues.map { $0 + first })
          dValues.map { ($0 + first + real).update(repeating: 0, count: count - real) }
        }
      }
    }
    plan.step("sum of losses", reads: [partials] + mean.tensors, writes: [report.sums], work: [parts]) { binding in
      let (sums, result) = (binding.doubles(partials), binding.doubles(report.sums))
      let mean = mean.bind(binding)
      return { _, _ in
        var total = 0.0
        for part in 0..<parts { total += sums[part] }
        result[0] = total
        result[1] = 0
        result[2] = mean.count
      }
    }
    return (report, dPrediction)
  }
}
