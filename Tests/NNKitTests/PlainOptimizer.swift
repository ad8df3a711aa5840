import NNKit

/// SGD and Adam in double precision, one loop each; every update may have other settings, and rates may be near one.
struct PlainOptimizer {
  private(set) var weights: [Double]
  private var first: [Double]
  private var second: [Double]
  /// The weights that the moments have so far: `1 - Πβ`.
  private var (total1, total2) = (0.0, 0.0)

  init(_ weights: [Float]) {
    self.weights = weights.map(Double.init)
    first = weights.map { _ in 0 }
    second = first
  }

  mutating func apply(_ optimizer: Optimizer, _ gradients: [Float]) {
    switch optimizer {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      for i in weights.indices {
        let g = Double(gradients[i]) + weightDecay * weights[i]
        first[i] = momentum * first[i] + g
        weights[i] -= learningRate * (nesterov ? g + momentum * first[i] : first[i])
      }
    case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
      total1 += (1 - beta1) * (1 - total1)
      total2 += (1 - beta2) * (1 - total2)
      for i in weights.indices {
        let g = Double(gradients[i]) + weightDecay * weights[i]
        first[i] += (1 - beta1) * (g - first[i])
        second[i] += (1 - beta2) * (g * g - second[i])
        weights[i] -= learningRate * (first[i] / total1) / ((second[i] / total2).squareRoot() + epsilon)
      }
    }
  }
}
