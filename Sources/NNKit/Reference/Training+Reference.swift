import Glibc

/// A loss over one output, as the reference computes it.
package struct ReferenceLoss {
  package internal(set) var lossSum: Double
  package let metricSum: Double
  /// What to divide both by for their means.
  package let count: Int
  /// Of the mean.
  package let dPrediction: [Double]
  /// How large a row's loss is before it cancels, which is what rounding is measured by.
  let rowSize: Double
  /// How far the nearest row is from another metric: the difference of its two largest logits.
  package let metricMargin: Double

  package init(
    lossSum: Double, metricSum: Double, count: Int, dPrediction: [Double], metricMargin: Double = .infinity,
    rowSize: Double = 0
  ) {
    self.rowSize = rowSize
    self.lossSum = lossSum
    self.metricSum = metricSum
    self.count = count
    self.dPrediction = dPrediction
    self.metricMargin = metricMargin
  }
}

extension SoftmaxCrossEntropyLoss {
  package func reference(_ prediction: ReferenceTensor, _ target: [Double]) -> ReferenceLoss {
    let (rows, classes) = (prediction.realRows, prediction.columns)
    var (loss, hits, margin) = (0.0, 0.0, Double.infinity)
    var dPrediction = Array(repeating: 0.0, count: prediction.values.count)
    for row in rows {
      let range = row * classes..<(row + 1) * classes
      let logits = prediction.values[range]
      let label = range.lowerBound + Int(target[row])
      let logSum = logSumExp(logits)
      loss += logSum - logits[label]
      // Of equal logits the first one.
      let largest = logits.max()
      let best = range.first { logits[$0] == largest } ?? label
      if best == label { hits += 1 }
      for i in range where i != best { margin = min(margin, logits[best] - logits[i]) }
      for i in range { dPrediction[i] = (exp(logits[i] - logSum) - (i == label ? 1 : 0)) / Double(rows.count) }
    }
    return ReferenceLoss(
      lossSum: loss, metricSum: hits, count: rows.count, dPrediction: dPrediction, metricMargin: margin, rowSize: 1)
  }
}

extension MeanSquaredErrorLoss {
  package func reference(_ prediction: ReferenceTensor, _ target: [Double]) -> ReferenceLoss {
    let real = prediction.values.indices.filter { prediction.isReal($0) }
    var sum = 0.0
    var dPrediction = Array(repeating: 0.0, count: prediction.values.count)
    for i in real {
      let difference = prediction.values[i] - target[i]
      sum += difference * difference
      dPrediction[i] = 2 * difference / Double(real.count)
    }
    return ReferenceLoss(lossSum: sum, metricSum: 0, count: real.count, dPrediction: dPrediction)
  }
}

/// An optimizer in double precision.
package struct ReferenceOptimizer {
  /// What becomes of a weight.
  package struct Change {
    package let weight: Double
    /// How large the parts of its step are together, which is what rounding is measured by.
    package let size: Double
  }

  private let optimizer: Optimizer
  private let clipNorm: Double
  private var step = 0
  /// The velocity, or the mean of the gradients.
  private var first: [Double]
  /// The mean of their squares.
  private var second: [Double]
  /// As `first`, of magnitudes.
  private var sizes: [Double]

  package init(_ optimizer: Optimizer, clipNorm: Double, count: Int) {
    self.optimizer = optimizer
    self.clipNorm = clipNorm
    first = Array(repeating: 0, count: count)
    (second, sizes) = (first, first)
  }

  /// What the weights become by their gradients.
  package mutating func apply(_ weights: [Double], _ gradients: [Double]) -> [Change] {
    step += 1
    let norm = gradients.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let scale = clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1
    return gradients.indices.map { i in
      switch optimizer {
      case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
        let g = scale * gradients[i] + weightDecay * weights[i]
        first[i] = momentum * first[i] + g
        sizes[i] = momentum * sizes[i] + scale * abs(gradients[i]) + weightDecay * abs(weights[i])
        let direction = nesterov && momentum > 0 ? g + momentum * first[i] : first[i]
        return Change(weight: weights[i] - learningRate * direction, size: learningRate * 2 * sizes[i])
      case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
        let g = scale * gradients[i] + weightDecay * weights[i]
        first[i] = beta1 * first[i] + (1 - beta1) * g
        second[i] = beta2 * second[i] + (1 - beta2) * g * g
        sizes[i] = beta1 * sizes[i] + (1 - beta1) * (scale * abs(gradients[i]) + weightDecay * abs(weights[i]))
        let correction = 1 - pow(beta1, Double(step))
        let divisor = (second[i] / (1 - pow(beta2, Double(step)))).squareRoot() + epsilon
        return Change(
          weight: weights[i] - learningRate * first[i] / correction / divisor,
          size: learningRate * sizes[i] / correction / divisor)
      }
    }
  }
}
