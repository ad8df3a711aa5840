import NNKit
import NNKitKernelTable
import Testing

@Suite struct TrainerSettingsTests {
  /// Trains by gradients that are made up, and lets the reference do the same.
  private func largestDifference(
    _ first: Optimizer, then changes: [(text: String, optimizer: Optimizer)], steps: Int = 40
  ) throws -> Double {
    let model = try Model(input: [37], seed: 3) { Dense(units: 5) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: first)
    let count = model.arena.trainableCount
    var reference = PlainOptimizer((0..<count).map { model.arena.floats[$0] })
    let random = Random(seed: 8, kernels: model.runtime.kernels)
    let gradients = trainer.showGradients().assumingMemoryBound(to: Float.self)
    var number = 0
    func train(_ optimizer: Optimizer) throws {
      for _ in 0..<steps {
        number += 1
        random.normal(.initializer(parameter: number), deviation: 1, into: gradients, count: count)
        reference.apply(optimizer, (0..<count).map { gradients[$0] })
        try trainer.apply()
      }
    }
    try train(first)
    for change in changes {
      try trainer.set(change.text)
      try train(change.optimizer)
    }
    return (0..<count).map { abs(Double(model.arena.floats[$0]) - reference.weights[$0]) }.max() ?? 0
  }

  /// Weights stay below 8, and 120 steps round a few times each.
  private let allowed = 2e-5

  @Test func settingsWorkFromTheNextStepOnAndLoseNoState() throws {
    let adam = Optimizer.adam(learningRate: 0.01)
    #expect(
      try largestDifference(adam, then: [("learning_rate=3e-4", .adam(learningRate: 3e-4))]) < allowed)
    #expect(
      try largestDifference(
        adam,
        then: [
          ("beta1=0.5 beta2=0.9", .adam(learningRate: 0.01, beta1: 0.5, beta2: 0.9)),
          ("beta1=0 epsilon=1e-3", .adam(learningRate: 0.01, beta1: 0, beta2: 0.9, epsilon: 1e-3)),
          (
            "beta1=0.99 weight_decay=0.1",
            .adam(learningRate: 0.01, beta1: 0.99, beta2: 0.9, epsilon: 1e-3, weightDecay: 0.1)
          ),
        ]) < allowed)
    let momentum = Optimizer.sgd(learningRate: 0.01, momentum: 0.9)
    #expect(
      try largestDifference(
        momentum,
        then: [
          ("learning_rate=0.001", .sgd(learningRate: 0.001, momentum: 0.9)),
          ("nesterov=true", .sgd(learningRate: 0.001, momentum: 0.9, nesterov: true)),
          ("momentum=0", .sgd(learningRate: 0.001, momentum: 0, nesterov: true)),
          ("momentum=0.5", .sgd(learningRate: 0.001, momentum: 0.5, nesterov: true)),
        ]) < allowed)
  }

  @Test func aMomentumThatWasZeroStartsFromNothing() throws {
    let model = try Model(input: [37], seed: 3) { Dense(units: 5) }
    let count = model.arena.trainableCount
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.01))
    let gradients = trainer.showGradients().assumingMemoryBound(to: Float.self)
    for i in 0..<count { gradients[i] = Float(i % 7) - 3 }
    for _ in 0..<5 { try trainer.apply() }
    var reference = PlainOptimizer((0..<count).map { model.arena.floats[$0] })
    try trainer.set("momentum=0.9")
    for _ in 0..<20 {
      try trainer.apply()
      reference.apply(.sgd(learningRate: 0.01, momentum: 0.9), (0..<count).map { gradients[$0] })
    }
    for i in 0..<count { #expect(abs(Double(model.arena.floats[i]) - reference.weights[i]) < allowed) }
  }

  @Test func settingsChangeFromTheReportOfAFit() throws {
    let model = try Model(input: [1], seed: 2) { Dense(units: 1) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam(learningRate: 0.1))
    let data = try Dataset(inputs: [.float32([1], shape: [1, 1])], targets: [.float32([5], shape: [1, 1])])
    var (weights, rates): ([Float], [Double]) = ([], [])
    try trainer.fit(data, epochs: 6) { progress in
      weights.append(model.arena.floats[0])
      do {
        rates.append(try trainer.get("learning_rate"))
        try trainer.set("learning_rate=\(progress.epoch < 3 ? 0.01 : 0)")
      } catch {
        Issue.record(error)
      }
    }
    #expect(rates == [0.1, 0.01, 0.01, 0, 0, 0])
    #expect(abs(weights[1] - weights[0]) < 0.011 && weights[1] != weights[0])
    #expect(weights[3] == weights[2] && weights[5] == weights[2])
  }

  @Test func aTextThatIsRefusedChangesNothing() throws {
    let model = try Model(input: [1]) { Dense(units: 1) }
    let trainer = try Trainer(
      model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.5, momentum: 0.25), clipNorm: 3)
    for (text, word) in [
      ("learning_rat=1", "did you mean learning_rate?"), ("learning_rate=-1", "learning_rate=-1 is not valid"),
      ("clip_norm=7 momentum=1", "momentum=1 is not valid"), ("clip_norm=7 learning_rate=1 learning_rate=2", "twice"),
      ("beta1=0.5", "a trainer with optimizer=sgd has no option \"beta1\""),
      ("clip_norm=7 loss=mean_squared_error", "chosen"), ("optimizer=adam", "chosen when it is created"),
      ("metric=accuracy", "chosen"), ("clip_norm=nan", "clip_norm=nan"),
      ("learning_rate", "write key=value"), ("learning_rate=", "learning_rate="),
    ] {
      let error = #expect(throws: NNKitError.self) { try trainer.set(text) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains(word) == true, "\(text): \(error?.message ?? "")")
      #expect(try trainer.get("learning_rate") == 0.5 && trainer.get("momentum") == 0.25)
      #expect(try trainer.get("clip_norm") == 3 && trainer.get("nesterov") == 0)
    }
    for name in ["beta1", "", "loss", "optimizer", "learning_rates"] {
      let error = #expect(throws: NNKitError.self) { _ = try trainer.get(name) }
      #expect(error?.code == .invalidArgument)
    }
    try trainer.set("")
    try trainer.set(" nesterov=true\tclip_norm=0 ")
    #expect(try trainer.get("clip_norm") == 0 && trainer.get("nesterov") == 1 && trainer.get("momentum") == 0.25)
  }
}
