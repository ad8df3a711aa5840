import NNKit
import NNKitKernelTable
import Testing

@Suite struct TrainerTests {
  /// Images of four classes that a small network can tell apart.
  private func images(_ count: Int) throws -> Dataset {
    let random = Random(seed: 11, kernels: try Runtime.shared().kernels)
    var pixels = Array(repeating: Float(0), count: count * 64)
    pixels.withUnsafeMutableBufferPointer {
      random.uniform(.initializer(parameter: 99), limit: 0.5, into: $0.baseAddress!, count: count * 64)
    }
    var labels: [Int32] = []
    for sample in 0..<count {
      let label = (sample * 7 + sample / 5) % 4
      labels.append(Int32(label))
      for row in 0..<4 {
        for column in 0..<4 { pixels[sample * 64 + (row + label / 2 * 4) * 8 + column + label % 2 * 4] += 1 }
      }
    }
    return try Dataset(
      inputs: [.float32(pixels, shape: [count, 8, 8, 1])], targets: [.int32(labels, shape: [count])])
  }

  private func convolutional(threads: Int, seed: UInt64 = 5) throws -> Model {
    try Model(input: [8, 8, 1], seed: seed, runtime: try Runtime(threads: threads)) {
      Conv2D(filters: 20, kernel: 3, padding: .same, activation: .relu)
      MaxPool2D()
      Conv2D(filters: 9, kernel: 3, activation: .gelu)
      Flatten()
      Dropout(rate: 0.3)
      Dense(units: 4)
    }
  }

  private func bits(_ model: Model) -> [UInt32] {
    (0..<model.arena.count).map { model.arena.floats[$0].bitPattern }
  }

  @Test func trainingLearnsAndReportsProgress() throws {
    let model = try convolutional(threads: 2)
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01), metric: .accuracy)
    let data = try images(200)
    var losses: [Double] = []
    try trainer.fit(data, epochs: 4, batchSize: 32) { losses.append($0.loss) }
    #expect(losses.count == 4)
    #expect(losses[3] < losses[0] / 4)
    #expect(try trainer.evaluate(data).metric ?? 0 > 0.95)
  }

  @Test func convolutionalWeightsAreTheSameBitsForAnyNumberOfThreads() throws {
    let data = try images(320)
    var reference: [UInt32]?
    for threads in [1, 2, 3, 4, 8] {
      let model = try convolutional(threads: threads)
      let trainer = try Trainer(
        model, loss: .softmaxCrossEntropy, optimizer: .sgd(learningRate: 0.05, momentum: 0.9), clipNorm: 1)
      try trainer.fit(data, epochs: 5, batchSize: 32)
      let result = bits(model)
      #expect(result == reference ?? result, "\(threads) threads")
      reference = reference ?? result
    }
  }

  @Test func recurrentWeightsAreTheSameBitsForAnyNumberOfThreads() throws {
    let (count, time) = (60, 9)
    let tokens = (0..<count * time).map { Int32(($0 * $0 + $0 / 7) % 23) }
    let lengths = (0..<count).map { Int32($0 % time + 1) }
    let targets = (0..<count).map { Float(lengths[$0]) / 9 }
    let data = try Dataset(
      inputs: [.int32(tokens, shape: [count, time]), .int32(lengths, shape: [count])],
      targets: [.float32(targets, shape: [count, 1])])
    var reference: [UInt32]?
    for threads in [1, 2, 3, 4, 8] {
      var graph = Graph()
      let x = graph.input("tokens", [time], .int32)
      let l = graph.input("lengths", [], .int32)
      let e = graph.layer("embedding", "vocabulary=23 units=40", x)
      let h = graph.layer("lstm", "units=70 return_sequences=true", [e, l])?[0] ?? e
      let g = graph.layer("gru", "units=50 return_sequences=true", [h, l])?[0] ?? e
      let a = graph.layer("gru", "units=29 return_sequences=true reset_after=true", [g, l])?[0] ?? e
      let y = graph.layer("lstm", "units=33", [a, l])?[0] ?? e
      graph.output("y", graph.layer("dense", "units=1", y))
      let model = try Model(graph, seed: 4, runtime: try Runtime(threads: threads))
      let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam(), clipNorm: 0.5)
      try trainer.fit(data, epochs: 13, batchSize: 16)
      let result = bits(model)
      #expect(result == reference ?? result, "\(threads) threads")
      reference = reference ?? result
    }
  }

  @Test func theSeedDecidesTheFirstWeights() throws {
    #expect(bits(try convolutional(threads: 1, seed: 5)) == bits(try convolutional(threads: 1, seed: 5)))
    #expect(bits(try convolutional(threads: 1, seed: 5)) != bits(try convolutional(threads: 1, seed: 6)))
  }

  @Test func aLossThatIsNotFiniteChangesNoWeight() throws {
    let model = try Model(input: [2]) { Dense(units: 1) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam())
    let before = bits(model)
    for bad in [Float.nan, .infinity, -.infinity] {
      let data = try Dataset(inputs: [.float32([1, bad], shape: [1, 2])], targets: [.float32([0], shape: [1, 1])])
      let error = #expect(throws: NNKitError.self) { try trainer.fit(data) }
      #expect(error?.code == .numeric)
      #expect(bits(model) == before)
    }
  }

  @Test func labelsOutOfRangeAreErrorsThatNameTheSample() throws {
    let model = try Model(input: [2]) { Dense(units: 3) }
    let trainer = try Trainer(model, loss: .softmaxCrossEntropy, optimizer: .sgd())
    for bad: Int32 in [3, -1, .max, .min] {
      let data = try Dataset(
        inputs: [.float32([1, 2, 3, 4], shape: [2, 2])], targets: [.int32([0, bad], shape: [2])])
      let error = #expect(throws: NNKitError.self) { try trainer.fit(data) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains("sample 1 holds \(bad)") == true, "\(error?.message ?? "")")
    }
  }

  @Test func clippingBoundsTheStep() throws {
    let model = try Model(input: [2]) { Dense(units: 1) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 1), clipNorm: 0.25)
    let before = (0..<model.arena.count).map { model.arena.floats[$0] }
    let data = try Dataset(
      inputs: [.float32([300, -200], shape: [1, 2])], targets: [.float32([1000], shape: [1, 1])])
    try trainer.fit(data)
    var square = 0.0
    for (index, value) in before.enumerated() {
      let step = Double(model.arena.floats[index] - value)
      square += step * step
    }
    #expect(abs(square.squareRoot() - 0.25) < 1e-6)
  }

  @Test func theValidationSplitIsTheLastPartOfTheData() throws {
    let model = try Model(input: [1]) { Dense(units: 1) }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 1e-6))
    // The last two samples have targets that nothing else has.
    let data = try Dataset(
      inputs: [.float32(Array(repeating: 0, count: 10), shape: [10, 1])],
      targets: [.float32(Array(repeating: 0, count: 8) + [100, 100], shape: [10, 1])])
    var validation: Double?
    try trainer.fit(data, batchSize: 3, validationSplit: 0.2) { validation = $0.validationLoss }
    #expect(abs((validation ?? 0) - 10_000) < 1)
  }

  @Test func aSessionSeesWhatTheTrainerLearned() throws {
    let model = try Model(input: [1], seed: 2) { Dense(units: 1) }
    let session = try Session(model)
    let before = try session.predict([1])
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.3))
    try trainer.fit(
      try Dataset(inputs: [.float32([1], shape: [1, 1])], targets: [.float32([5], shape: [1, 1])]), epochs: 50)
    let after = try session.predict([1])
    #expect(abs(after[0] - 5) < abs(before[0] - 5) / 100)
  }
}
