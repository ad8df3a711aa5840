import FoundationEssentials
import Glibc
import NNKit
import NNKitKernelTable
import Testing

/// Running statistics: parameters that no optimizer changes.
@Suite struct BatchNormTests {
  private func bits(_ model: Model) -> [UInt32] {
    (0..<model.arena.count).map { model.arena.floats[$0].bitPattern }
  }

  private func values(_ model: Model, _ name: String) throws -> [Float] {
    try model.withParameter(name) { values, _ in Array(values) }
  }

  /// A residual network over images `[8, 8, 3]`, with all kinds of activation around its normalisations.
  private func residual(threads: Int) throws -> Model {
    var graph = Graph()
    let x = graph.input("x", [8, 8, 3])
    let stem = graph.layer(Conv2D(filters: 20, kernel: 3, padding: .same, bias: false), x)
    let first = graph.layer(BatchNorm(activation: .relu), stem)
    let inner = graph.layer(Conv2D(filters: 20, kernel: 3, padding: .same, bias: false), first)
    let second = graph.layer(BatchNorm(momentum: 0.8, activation: .gelu), inner)
    let sum = graph.layer(Add(activation: .relu), [second, first])
    let mean = graph.layer(GlobalAvgPool2D(), graph.layer(BatchNorm(), sum))
    graph.output("y", graph.layer(Dense(units: 4), mean))
    return try Model(graph, seed: 3, runtime: try Runtime(threads: threads))
  }

  private func images(_ count: Int) throws -> Dataset {
    let random = Random(seed: 12, kernels: try Runtime.shared().kernels)
    var pixels = Array(repeating: Float(0), count: count * 192)
    pixels.withUnsafeMutableBufferPointer {
      random.uniform(.initializer(parameter: 98), limit: 1, into: $0.baseAddress!, count: count * 192)
    }
    let labels = (0..<count).map { Int32($0 * 5 % 4) }
    for (sample, label) in labels.enumerated() {
      for pixel in 0..<16 { pixels[sample * 192 + (pixel * 4 + Int(label)) * 3] += 2 }
    }
    return try Dataset(
      inputs: [.float32(pixels, shape: [count, 8, 8, 3])], targets: [.int32(labels, shape: [count])])
  }

  @Test func residualWeightsAndStatisticsAreTheSameBitsForAnyNumberOfThreads() throws {
    let data = try images(150)
    var reference: [UInt32]?
    for threads in [1, 2, 3, 4, 8] {
      let model = try residual(threads: threads)
      let trainer = try Trainer(
        model, loss: .softmaxCrossEntropy, optimizer: .sgd(learningRate: 0.05, momentum: 0.9), clipNorm: 1)
      try trainer.fit(data, epochs: 3, batchSize: 40)
      let result = bits(model)
      #expect(result == reference ?? result, "\(threads) threads")
      reference = reference ?? result
    }
  }

  @Test func aResidualNetworkLearnsAndItsRunningStatisticsServeInference() throws {
    let model = try residual(threads: 2)
    let data = try images(200)
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01), metric: .accuracy)
    try trainer.fit(data, epochs: 8, batchSize: 20)
    #expect(try trainer.evaluate(data).metric ?? 0 > 0.95)
  }

  /// One normalisation of two channels over rows.
  private func single(_ options: String = "") throws -> Model {
    var graph = Graph()
    let x = graph.input("x", [2])
    graph.output("y", graph.layer("batchnorm", "name=norm \(options)", x))
    return try Model(graph)
  }

  private func rows(_ values: [Float]) throws -> Dataset {
    try Dataset(
      inputs: [.float32(values, shape: [values.count / 2, 2])],
      targets: [.float32(Array(repeating: 1, count: values.count), shape: [values.count / 2, 2])])
  }

  @Test func trainingMovesTheStatisticsAndTheOptimizerLeavesThemAlone() throws {
    let model = try single("momentum=0.75")
    let trainer = try Trainer(
      model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.5, momentum: 0.9, weightDecay: 0.5))
    // Means 3 and -2; unbiased variances 4 and 1.
    try trainer.fit(try rows([1, -3, 3, -2, 5, -1]), batchSize: 3)
    #expect(try values(model, "norm/moving_mean") == [0.75, -0.5])
    #expect(try values(model, "norm/moving_variance") == [1.75, 1])
    #expect(try values(model, "norm/gamma") != [1, 1])
  }

  @Test func aSingleRowSaysNothingAboutTheVariance() throws {
    let model = try single("momentum=0.5")
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0))
    try trainer.fit(try rows([4, 8]))
    #expect(try values(model, "norm/moving_mean") == [2, 4])
    #expect(try values(model, "norm/moving_variance") == [1, 1])
  }

  @Test func aStepThatFailsChangesNoStatistic() throws {
    let model = try single()
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam())
    let before = bits(model)
    // The third overflows in the variance alone: its loss is finite.
    for bad in [Float.nan, .infinity, 3e38] {
      let error = #expect(throws: NNKitError.self) { try trainer.fit(try rows([1, 2, bad, 4, 5, 6]), batchSize: 3) }
      #expect(error?.code == .numeric)
      #expect(bits(model) == before)
    }
  }

  @Test func statisticsMoveWhenTheGradientsAreAppliedAndOnlyOnce() throws {
    let model = try single("momentum=0")
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 0))
    let before = bits(model)
    var (input, target) = ([Float](arrayLiteral: 1, 5, 3, 9), [Float](repeating: 0, count: 4))
    let shape: [Int64] = [2, 2]
    try input.withUnsafeMutableBufferPointer { input in
      try target.withUnsafeMutableBufferPointer { target in
        try shape.withUnsafeBufferPointer { shape in
          func view(_ data: UnsafeMutableBufferPointer<Float>) -> TensorView {
            TensorView(data: data.baseAddress!, type: .float32, rank: 2, shape: shape.baseAddress!, strides: nil)
          }
          let (x, y) = (view(input), view(target))
          _ = try trainer.gradients(inputCount: 1, { _ in x }, targetCount: 1, { _ in y })
        }
      }
    }
    #expect(bits(model) == before)
    try trainer.apply()
    #expect(try values(model, "norm/moving_mean") == [2, 7])
    try model.withParameter("norm/moving_mean") { values, _ in values.update(repeating: 0) }
    let error = #expect(throws: NNKitError.self) { try trainer.apply() }
    #expect(error?.code == .invalidArgument)
    #expect(try values(model, "norm/moving_mean") == [0, 0])
  }

  @Test func aLayerThatNoOutputNeedsKeepsItsStatistics() throws {
    var graph = Graph()
    let x = graph.input("x", [2])
    graph.layer(BatchNorm(), x)
    graph.output("y", graph.layer(Dense(units: 2), x))
    let model = try Model(graph)
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd())
    try trainer.fit(try rows([1, 2, 3, 4]))
    #expect(try values(model, "batchnorm/moving_variance") == [1, 1])
  }

  @Test func trainableParametersLieFirst() throws {
    let model = try residual(threads: 1)
    for parameter in model.parameters {
      #expect(parameter.specification.trainable == (parameter.offset < model.arena.trainableCount))
    }
    #expect(model.arena.trainableCount < model.arena.count)
    #expect(ModelInfo(model).json.split(separator: "\"trainable\":false", omittingEmptySubsequences: false).count == 7)
  }

  @Test func aFileKeepsTheStatistics() throws {
    let model = try single()
    try model.withParameter("norm/moving_mean") { values, _ in _ = values.update(fromContentsOf: [3, -4]) }
    try model.withParameter("norm/moving_variance") { values, _ in _ = values.update(fromContentsOf: [4, 0.25]) }
    let path = FileManager.default.temporaryDirectory.appending(path: "nnkit-\(UUID().uuidString).nnkit").path
    defer { unlink(path) }
    try model.save(to: path)
    let loaded = try Model(contentsOf: path)
    #expect(bits(loaded) == bits(model))
    let y = try Session(loaded).predict([5, -3])
    #expect(abs(y[0] - 1) < 1e-5 && abs(y[1] - 2) < 1e-4)
  }
}
