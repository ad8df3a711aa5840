import NNKit
import RandomGraphs
import Testing

/// Runs all checks of random graphs on one program: see `GraphCheck`.
func expectAllChecksPass(_ program: GraphProgram) throws {
  _ = try GraphCheck.run(program, try Runtimes())
}

/// Programs that random graphs found, each the smallest of its kind, and what keeps the generator honest. The graphs
/// themselves are run by `random-graphs`.
@Suite struct RandomGraphTests {
  @Test func everyKindAndEveryOptionOfTheCatalogueIsDrawn() throws {
    var coverage = GraphCoverage()
    var values: [String: Set<String>] = [:]
    for seed in 1...1500 as ClosedRange<UInt64> {
      let program = GraphGenerator.program(seed: seed)
      coverage.add(program)
      for layer in program.layers {
        for option in layer.options { values["\(layer.kind).\(option.name)", default: []].insert(option.value) }
      }
    }
    for definition in LayerCatalog.definitions {
      #expect(coverage.kinds[definition.kind] ?? 0 >= 20, "\(definition.kind) is drawn too seldom")
      for option in definition.options {
        let drawn = values["\(definition.kind).\(option.name)"] ?? []
        #expect(drawn.count >= 2, "\(definition.kind) has the option \(option.name), drawn as \(drawn)")
        if case .choice(let choices) = option.kind {
          let missing = Set(choices).subtracting(drawn)
          #expect(missing.isEmpty, "\(definition.kind): \(option.name) is never one of \(missing)")
        }
      }
    }
  }

  @Test func aSeedIsTheSameGraphEveryTime() {
    for seed in [1, 2, 99, 12_345] as [UInt64] {
      #expect(GraphGenerator.program(seed: seed).swiftTest("") == GraphGenerator.program(seed: seed).swiftTest(""))
    }
  }

  /// A check that cannot fail would pass here: the comparison with a reference whose data is another one.
  @Test func aDifferenceOfOnePartInAThousandIsFound() throws {
    var program = GraphProgram(seed: 3)
    program.input(0, [6])
    program.layer("dense", "units=5 activation=tanh", [0], to: [1])
    program.outputs = [1]
    program.batch = 3
    try expectAllChecksPass(program)
    #expect(throws: GraphFailure.self) { try GraphCheck.run(program, try Runtimes(), spoiling: 1e-3) }
  }

  @Test func shrinkingFindsTheSmallestGraphThatFails() throws {
    var program = GraphProgram(seed: 5)
    program.input(0, [7, 9, 6])
    program.layer("conv2d", "filters=8 kernel=3 padding=same", [0], to: [1])
    program.layer("batchnorm", "momentum=0.5", [1], to: [2])
    program.layer("add", "activation=relu", [2, 1], to: [3])
    program.layer("globalavgpool2d", "", [3], to: [4])
    program.layer("dense", "units=12 activation=tanh", [4], to: [5])
    program.outputs = [5, 2]
    program.batch = 8
    let smallest = program.shrunk { program in
      program.layers.contains { $0.kind == "batchnorm" } ? GraphFailure(check: "has a norm", detail: "") : nil
    }
    #expect(smallest.layers.map(\.kind) == ["batchnorm"])
    #expect(smallest.outputs.count == 1 && smallest.batch == 1)
    #expect(smallest.inputs.allSatisfy { $0.sizes.reduce(1, *) == 1 })
  }

  /// A row of a table that is read 980 times: so many nearly equal gradients are added, each rounded like the one before.
  @Test func aSumOfEqualGradientsMayBeOffByTheirRoundings() throws {
    var program = GraphProgram(seed: 5_002_112)
    program.input(1, [35, 4], .int32)
    program.input(6, [1])
    program.layer("embedding", "vocabulary=1 units=32", [1], to: [2])
    program.layer("split", "sizes=18,14", [2], to: [3, 4])
    program.layer("reshape", "shape=42,4,5,3", [3], to: [14])
    program.outputs = [6, 14]
    program.batch = 7
    program.loss = "softmax_cross_entropy"
    try expectAllChecksPass(program)
  }

  /// What is made of a whole sequence is no part of a stream's step.
  @Test func noStreamUsesALastStateBeforeItsEnd() throws {
    var program = GraphProgram(seed: 5631)
    program.input(1, [-1, 1])
    program.layer("lstm", "units=1", [1], to: [3])
    program.layer("multiply", "", [3, 1], to: [5])
    program.outputs = [5]
    program.time = 2
    try expectAllChecksPass(program)
    #expect(throws: NNKitError.self) { try RecurrentStream(Model(try program.graph().graph)) }
  }

  /// A value on the border of a ReLU, up to rounding: the engine may take either piece, and must take one.
  @Test func aValueNearABorderMayLieOnEitherSide() throws {
    var graph = Graph()
    let x = graph.input("x", [1])
    graph.output("y", graph.layer("dense", "units=1 bias=false activation=relu", x))
    let model = try Model(graph)
    func comparison(_ x: Double) throws -> ReferenceComparison {
      let data = ReferenceNetwork.Data(
        inputs: [ReferenceTensor(batch: 2, shape: [1], values: [x, 1])], targets: [[1, 1]],
        parameters: [1] + Array(repeating: 0, count: model.arena.count - 1))
      return try ReferenceComparison(
        ReferenceNetwork(model), data, .training(seed: 0, step: 0) { _, _, _ in [] },
        loss: LossDefinition.all.first { $0.name == "mean_squared_error" }?.loss)
    }
    func expect(_ comparison: ReferenceComparison, _ dInput: [Float]) throws {
      try comparison.expect("gradient", "dx", dInput) { $0.gradients[x.index] ?? [] }
    }
    // The other row has a loss of 0; the gradient of the first one is 2 (y - 1) / 2 on the right of 0.
    for near in [1e-9, -1e-9] {
      try expect(try comparison(near), [-1, 0])
      try expect(try comparison(near), [0, 0])
      #expect(throws: GraphFailure.self) { try expect(try comparison(near), [-3, 0]) }
    }
    try expect(try comparison(0.1), [-0.9, 0])
    #expect(throws: GraphFailure.self) { try expect(try comparison(0.1), [0, 0]) }
  }

  // MARK: What was found

  /// Indices that reach an embedding with another shape are checked as those that reach it at once.
  @Test func indicesBehindAFlattenAreChecked() throws {
    var graph = Graph()
    let indices = graph.input("indices", [2, 3], .int32)
    let flat = graph.layer("flatten", "", indices)
    graph.output("y", graph.layer("embedding", "vocabulary=4 units=2", flat))
    let plan = try Model(graph).plan(batch: 1, inputShapes: [[2, 3]], purpose: .inference)
    #expect(plan.inputRanges == [0...3])
  }

  /// One input for lengths, which are at least 1, and for indices of a table of one row: no number is both.
  @Test func rangesWithoutACommonNumberAreRefused() throws {
    for embeddingFirst in [true, false] {
      var graph = Graph()
      let x = graph.input("x", [3, 1])
      let number = graph.input("number", [], .int32)
      var outputs: [Value] = []
      if embeddingFirst { outputs.append(graph.layer("embedding", "vocabulary=1 units=1", number)) }
      outputs += graph.layer("gru", "units=1", [x, number]) ?? []
      if !embeddingFirst { outputs.append(graph.layer("embedding", "vocabulary=1 units=1", number)) }
      for (index, output) in outputs.enumerated() { graph.output("y\(index)", output) }
      let model = try Model(graph)
      #expect(throws: NNKitError.self) {
        try model.plan(batch: 1, inputShapes: [[3, 1], []], purpose: .inference)
      }
    }
  }
}
