import NNKit
import NNKitKernelTable
import Testing

/// Optimizers against double precision over many steps, with rates near one.
@Suite struct OptimizerPrecisionTests {
  /// The largest difference from the reference, relative to how far the reference has come from its start.
  private func difference(_ optimizer: Optimizer, steps: Int) throws -> Double {
    let model = try Model(input: [16], seed: 3) { Dense(units: 3) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: optimizer)
    let count = model.arena.trainableCount
    let start = (0..<count).map { model.arena.floats[$0] }
    var reference = PlainOptimizer(start)
    let random = Random(seed: 8, kernels: model.runtime.kernels)
    let gradients = trainer.showGradients().assumingMemoryBound(to: Float.self)
    for step in 1...steps {
      random.uniform(.initializer(parameter: step), limit: 1, into: gradients, count: count)
      for i in 0..<count { gradients[i] += 0.5 }
      reference.apply(optimizer, (0..<count).map { gradients[$0] })
      try trainer.apply()
    }
    var (error, distance) = (0.0, 0.0)
    for i in 0..<count {
      error = max(error, abs(Double(model.arena.floats[i]) - reference.weights[i]))
      distance = max(distance, abs(reference.weights[i] - Double(start[i])))
    }
    return error / distance
  }

  @Test(arguments: [0.9, 0.999, 0.99999, 0.99999999, 1 - 0x1p-53])
  func adamFollowsDoublePrecision(beta: Double) throws {
    // Weights of about 1 take steps of 1e-3 and more, each rounded to 6e-8.
    for steps in [1, 10, 3000] {
      let second = Optimizer.adam(learningRate: 0.01, beta2: beta)
      let error = try difference(second, steps: steps)
      #expect(error < 2e-5, "beta2=\(beta), \(steps) steps: \(error)")
      let first = Optimizer.adam(learningRate: 0.01, beta1: beta, beta2: beta)
      let both = try difference(first, steps: steps)
      #expect(both < 2e-5, "beta1=beta2=\(beta), \(steps) steps: \(both)")
    }
  }

  @Test(arguments: [0, 0.3, 0.9, 0.999, 0.99999, 0.99999999])
  func momentumFollowsDoublePrecision(momentum: Double) throws {
    for nesterov in [false, true] {
      for steps in [1, 10, 3000] {
        let error = try difference(
          .sgd(learningRate: 1e-3, momentum: momentum, nesterov: nesterov), steps: steps)
        #expect(error < 1e-4, "momentum=\(momentum), \(steps) steps: \(error)")
      }
    }
  }
}
