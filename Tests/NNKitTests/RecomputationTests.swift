import NNKit
import Testing

@Suite struct RecomputationTests {
  /// A first layer with large outputs, then blocks in each of which a sum goes on past two convolutions.
  private func residual(
    blocks: Int, channels: Int, stem: String? = nil, function: String = "relu", declaresSums: Bool = false
  ) -> Graph {
    var graph = Graph()
    var x = graph.input("x", [16, 16, stem == nil ? channels : 3])
    if let stem {
      x = graph.layer("conv2d", "filters=\(4 * channels) kernel=3 padding=same bias=false", x)
      x = graph.layer("batchnorm", "activation=relu", x)
      x = graph.layer("maxpool2d", stem, x)
      x = graph.layer("conv2d", "filters=\(channels) kernel=1 bias=false", x)
    }
    for block in 0..<blocks {
      var y = graph.layer("conv2d", "filters=\(channels) kernel=3 padding=same bias=false", x)
      y = graph.layer("batchnorm", "activation=relu", y)
      y = graph.layer("batchnorm", "", graph.layer("conv2d", "filters=\(channels) kernel=3 padding=same bias=false", y))
      x = graph.layer(Add(activation: .init(rawValue: function) ?? .linear), [y, x])
      if declaresSums { graph.output("sum\(block)", x) }
    }
    graph.output("y", graph.layer("dense", "units=3", graph.layer("globalavgpool2d", "", x)))
    return graph
  }

  private struct Result: Equatable {
    var output: [UInt32]
    var gradients: [UInt32]
  }

  private func train(_ graph: Graph, batch: Int, threads: Int = 2, recomputation: Double) throws -> (Result, Plan) {
    let shape = graph.types[graph.inputs[0].value.index].shape.sizes
    let harness = try TrainingHarness(
      graph, shapes: [[batch] + shape], loss: SeedLoss(), threads: threads, recomputation: recomputation)
    let plan = harness.bound.plan
    let input = (0..<plan.inputs[0].count).map { Float($0 * 37 % 101) / 50 - 1 }
    let seed = (0..<plan.targets[0].count).map { Float($0 % 13) - 6 }
    input.withUnsafeBytes { harness.set(plan.inputs[0], $0) }
    seed.withUnsafeBytes { harness.set(plan.targets[0], $0) }
    // The second run begins with what the first one left in memory.
    harness.bound.run()
    input.withUnsafeBytes { harness.set(plan.inputs[0], $0) }
    seed.withUnsafeBytes { harness.set(plan.targets[0], $0) }
    harness.bound.run()
    let gradients =
      harness.model.parameters.flatMap { harness.gradient($0) } + harness.read(try #require(plan.dInputs[0]))
    return (
      Result(output: harness.read(plan.outputs[0]).map(\.bitPattern), gradients: gradients.map(\.bitPattern)), plan
    )
  }

  /// Without the numbers in the message.
  private func isSame(_ a: Result, _ b: Result) -> Bool {
    a == b
  }

  @Test(arguments: ["relu", "linear", "gelu", "tanh"])
  func sumsThatAreComputedAgainGiveTheSameBits(function: String) throws {
    let graph = residual(blocks: 4, channels: 17, function: function)
    let (kept, plain) = try train(graph, batch: 12, recomputation: 0)
    #expect(!plain.stepNames.contains { $0.hasSuffix("again") })
    #expect(kept.gradients.contains { Float(bitPattern: $0) != 0 })
    for threads in [1, 2, 5] {
      let (result, plan) = try train(graph, batch: 12, threads: threads, recomputation: .infinity)
      // Every thread has scratch memory, beside which the sums must not be too small.
      #expect(isSame(result, kept))
      #expect(threads > 2 || plan.stepNames.contains { $0.hasSuffix("add, again") })
    }
  }

  /// Pooled with windows of 4 places, and with windows of more than 256, whose maxima need words for their places.
  @Test(arguments: ["size=2 stride=2", "size=17 stride=1 padding=8"])
  func aFirstLayerThatIsComputedAgainGivesTheSameBits(pool: String) throws {
    let graph = residual(blocks: pool.contains("17") ? 1 : 3, channels: 8, stem: pool)
    let (kept, plain) = try train(graph, batch: 2, recomputation: 0)
    let (result, plan) = try train(graph, batch: 2, recomputation: .infinity)
    #expect(isSame(result, kept))
    if pool.contains("17") { return }
    #expect(plan.stepNames.contains { $0.hasSuffix("convolution, again") })
    #expect(plan.arenaBytes < plain.arenaBytes)
  }

  /// Of n blocks' 2 n convolutions and n sums, all but a few sums are kept no more.
  @Test func aResidualNetworkKeepsItsConvolutionsButNotItsSums() throws {
    let (blocks, channels, batch) = (8, 16, 8)
    let model = try Model(residual(blocks: blocks, channels: channels))
    let tensor = 4 * batch * 16 * 16 * channels
    func bytes(_ recomputation: Double) throws -> Int {
      try Plan(
        model.graph, parameters: model.parametersByNode, batch: batch, inputShapes: [[16, 16, channels]],
        purpose: .training(SeedLoss()), kernels: model.runtime.kernels, threads: 2, recomputation: recomputation
      ).arenaBytes
    }
    let (kept, again) = (try bytes(0), try bytes(.infinity))
    #expect(kept >= 3 * blocks * tensor)
    #expect(again <= kept - blocks / 3 * tensor)
  }

  /// A trainer's plan copies its inputs itself from where the host keeps them.
  @Test func inputsThatThePlanLoadsGiveTheSameBits() throws {
    let graph = residual(blocks: 2, channels: 8, stem: "size=2 stride=2")
    let model = try Model(graph, seed: 1)
    let definition = try #require(LossDefinition.all.first { $0.loss is MeanSquaredErrorLoss })
    let x: [Float] = (0..<3072).map { (index: Int) -> Float in Float(index * 37 % 101) / 50 - 1 }
    let y: [Float] = (0..<12).map { (index: Int) -> Float in Float(index % 5) }
    let harness = try TrainingHarness(graph, shapes: [[4, 16, 16, 3]], loss: definition.loss, recomputation: 0)
    x.withUnsafeBytes { harness.set(harness.bound.plan.inputs[0], $0) }
    y.withUnsafeBytes { harness.set(harness.bound.plan.targets[0], $0) }
    harness.bound.run()

    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd(learningRate: 1))
    let data = try Dataset(
      inputs: [.float32(x, shape: [4, 16, 16, 3])], targets: [.float32(y, shape: [4, 3])])
    _ = try trainer.gradients(inputCount: 1, { data.input($0) }, targetCount: 1, { data.target($0) })
    for parameter in harness.model.parameters {
      let ours = trainer.gradients.base.assumingMemoryBound(to: Float.self) + parameter.offset
      let theirs = harness.gradient(parameter)
      let isSame = theirs.indices.allSatisfy { theirs[$0].bitPattern == ours[$0].bitPattern }
      #expect(isSame, "\(parameter.name)")
    }
  }

  /// An output that the program reads after the run stays where it is.
  @Test func outputsAreNotComputedAgain() throws {
    let graph = residual(blocks: 3, channels: 5, declaresSums: true)
    let model = try Model(graph)
    let plan = try model.plan(batch: 3, inputShapes: [[16, 16, 5]], purpose: .training(SeedLoss()))
    #expect(!plan.stepNames.contains { $0.hasSuffix("again") })
  }
}
