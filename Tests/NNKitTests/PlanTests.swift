import NNKit
import NNKitKernelTable
import Testing

@Suite struct PlanTests {
  private func network(_ layers: [(String, String)], _ input: Shape) throws -> Model {
    var graph = Graph()
    var x = graph.input("x", input)
    for (kind, options) in layers { x = graph.layer(kind, options, x) }
    graph.output("y", x)
    return try Model(graph, seed: 3)
  }

  @Test func theArenaIsMuchSmallerThanAllActivationsTogether() throws {
    let layers = (0..<10).map { _ in ("dense", "units=256 activation=tanh") }
    let model = try network(layers, [256])
    let plan = try model.plan(batch: 64, inputShapes: [[256]], purpose: .inference)
    let tensor = 64 * 256 * 4
    #expect(plan.arenaBytes >= 2 * tensor)
    #expect(plan.arenaBytes < 4 * tensor)
  }

  @Test func sessionBytesAreThoseOfThePlan() throws {
    let model = try network(
      [("conv2d", "filters=8 kernel=3 padding=same"), ("flatten", ""), ("dense", "units=2")], [8, 8, 1])
    let plan = try model.plan(batch: 4, inputShapes: [[8, 8, 1]], purpose: .inference)
    #expect(try Session.bytes(model, maximumBatch: 4) == plan.bytes)
    #expect(throws: NNKitError.self) { try Session(model, maximumBatch: 4, maximumBytes: plan.bytes - 1) }
    _ = try Session(model, maximumBatch: 4, maximumBytes: plan.bytes)
  }

  @Test(arguments: ["relu", "tanh", "gelu", "hard_swish"])
  func anActivationLayerGivesTheSameBitsAsTheOption(function: String) throws {
    let separate = try network([("conv2d", "filters=7 kernel=3"), ("activation", "function=\(function)")], [6, 6, 3])
    let together = try network([("conv2d", "filters=7 kernel=3 activation=\(function)")], [6, 6, 3])
    let samples = (0..<2 * 108).map { Float($0 % 17) / 8 - 1 }
    let a = try Session(separate, maximumBatch: 2).predict(samples)
    let b = try Session(together, maximumBatch: 2).predict(samples)
    #expect(a.map(\.bitPattern) == b.map(\.bitPattern))
  }

  /// The pool reads a copy of the convolution's output through a second output, which keeps the ReLU where it is.
  @Test func aReLUBehindAMaximumPoolGivesTheSameBitsAsBeforeIt() throws {
    try expectSameBitsWithAndWithoutASecondOutput([9, 9, 2]) { graph, x in
      let a = graph.layer("conv2d", "filters=6 kernel=3 activation=relu", x)
      return (graph.layer("maxpool2d", "size=3 stride=2 padding=1", a), a)
    }
  }

  /// What a program asks for as an output is written to memory; the same value between two layers is not.
  @Test(arguments: [
    "filters=5 kernel=3 padding=same", "filters=5 kernel=3 stride=2 padding=same", "filters=5 kernel=2 stride=2",
    "filters=20 kernel=3 padding=same", "filters=4 kernel=1",
  ])
  func aNormalisationOnTheWayIntoAConvolutionGivesTheSameBits(convolution: String) throws {
    for activation in ["relu", "linear", "tanh"] {
      try expectSameBitsWithAndWithoutASecondOutput([7, 8, 17]) { graph, x in
        let a = graph.layer("batchnorm", "activation=\(activation)", x)
        return (graph.layer("conv2d", convolution, a), a)
      }
    }
  }

  @Test(arguments: ["linear", "relu", "gelu"])
  func aNormalisationOnTheWayIntoASumGivesTheSameBits(activation: String) throws {
    for normalisesBoth in [false, true] {
      for isFirst in [false, true] {
        try expectSameBitsWithAndWithoutASecondOutput([5, 6, 19]) { graph, x in
          let a = graph.layer("batchnorm", "activation=relu", x)
          let b = normalisesBoth ? graph.layer("batchnorm", "", x) : graph.layer("activation", "function=tanh", x)
          return (graph.layer(Add(activation: .init(rawValue: activation) ?? .linear), isFirst ? [a, b] : [b, a]), a)
        }
      }
    }
  }

  /// Trains the network that `build` describes once, with the first value as its output and with the second one as an
  /// output, too, which has no gradient of its own.
  private func expectSameBitsWithAndWithoutASecondOutput(
    _ shape: [Int], _ build: (inout Graph, Value) -> (Value, Value)
  ) throws {
    func train(_ declaresOutput: Bool) throws -> (gradients: [UInt32], outputs: [UInt32]) {
      var graph = Graph()
      let (result, inner) = build(&graph, graph.input("x", Shape(shape)))
      graph.output("y", result)
      if declaresOutput { graph.output("a", inner) }
      let harness = try TrainingHarness(graph, shapes: [[2] + shape], loss: SeedLoss())
      let plan = harness.bound.plan
      let input = (0..<plan.inputs[0].count).map { Float($0 * 37 % 101) / 50 - 1 }
      let seed = (0..<plan.targets[0].count).map { Float($0 % 13) - 6 }
      input.withUnsafeBytes { harness.set(plan.inputs[0], $0) }
      seed.withUnsafeBytes { harness.set(plan.targets[0], $0) }
      for target in plan.targets.dropFirst() {
        let zeros = Array(repeating: Float(0), count: target.count)
        zeros.withUnsafeBytes { harness.set(target, $0) }
      }
      harness.bound.run()
      let gradients =
        harness.model.parameters.flatMap { harness.gradient($0) } + harness.read(try #require(plan.dInputs[0]))
      // Zero and minus zero are one value.
      return (gradients.map { ($0 + 0).bitPattern }, harness.read(plan.outputs[0]).map { ($0 + 0).bitPattern })
    }
    let (inside, declared) = (try train(false), try train(true))
    #expect(inside.outputs == declared.outputs)
    #expect(inside.gradients == declared.gradients)
    #expect(inside.gradients.contains { Float(bitPattern: $0) != 0 })
  }

  @Test func aValueWithTwoConsumersGetsTheSumOfTheirGradients() throws {
    var graph = Graph()
    let x = graph.input("x", [3])
    let a = graph.layer("activation", "function=tanh", x)
    graph.output("one", a)
    graph.output("two", graph.layer("activation", "function=sigmoid", a))
    let harness = try TrainingHarness(graph, shapes: [[1, 3]], loss: SeedLoss())
    let plan = harness.bound.plan
    let input: [Float] = [-0.5, 0.25, 2]
    let seeds: [[Float]] = [[1, 2, 3], [4, 5, 6]]
    input.withUnsafeBytes { harness.set(plan.inputs[0], $0) }
    for (target, seed) in zip(plan.targets, seeds) { seed.withUnsafeBytes { harness.set(target, $0) } }
    harness.bound.run()
    let dx = harness.read(try #require(plan.dInputs[0]))
    let one = harness.read(plan.outputs[0])
    let two = harness.read(plan.outputs[1])
    for i in 0..<3 {
      let expected = (seeds[0][i] + seeds[1][i] * two[i] * (1 - two[i])) * (1 - one[i] * one[i])
      #expect(abs(dx[i] - expected) <= 4 * abs(expected) * Float.ulpOfOne)
    }
  }

  @Test func branchesThatNoOutputNeedsAreNotPlanned() throws {
    var graph = Graph()
    let x = graph.input("x", [4])
    graph.layer("dense", "units=4096", x)
    graph.output("y", graph.layer("dense", "units=2", x))
    let model = try Model(graph)
    let plan = try model.plan(batch: 1, inputShapes: [[4]], purpose: .inference)
    #expect(plan.bytes < 4096)
  }

  @Test func openTimeIsPlannedForEachLength() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.open, 3])
    graph.output("y", graph.layer("lstm", "units=4 return_sequences=true", x))
    let model = try Model(graph)
    let short = try model.plan(batch: 2, inputShapes: [[5, 3]], purpose: .inference)
    let long = try model.plan(batch: 2, inputShapes: [[50, 3]], purpose: .inference)
    #expect(short.outputs[0].shape == [5, 4])
    #expect(long.outputs[0].shape == [50, 4])
    #expect(long.arenaBytes > 5 * short.arenaBytes)
  }

  @Test func plansBeyondAllMemoryAreErrorsBeforeAnythingIsAllocated() throws {
    let model = try network([("flatten", "")], [1 << 20])
    let error = #expect(throws: NNKitError.self) { try Session(model, maximumBatch: 1 << 24) }
    #expect(error?.code == .outOfMemory)
    let overflow = #expect(throws: NNKitError.self) { try Session(model, maximumBatch: 1 << 30) }
    #expect(overflow?.code == .shape)
  }
}
