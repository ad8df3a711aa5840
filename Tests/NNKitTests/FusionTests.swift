import NNKit
import NNKitKernelTable
import Testing

/// What a plan does not compute as it was described gives the described values.
@Suite struct FusionTests {
  /// The largest difference of `a` from `b`, as a share of the largest of `b`.
  private func difference(_ a: [Float], _ b: [Float]) -> Double {
    let largest = b.reduce(Float(0)) { max($0, abs($1)) }
    return zip(a, b).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) } / Double(largest)
  }

  /// Runs a graph with parameters that are all different, as it is and with the inner values as outputs, too, which
  /// keeps them from being fused away.
  private func expectSameValues(
    _ shape: [Int], bound: Double = 4e-6, _ build: (inout Graph, Value) -> (result: Value, inner: [Value])
  ) throws {
    func run(_ declaresInner: Bool) throws -> [Float] {
      var graph = Graph()
      let (result, inner) = build(&graph, graph.input("x", Shape(shape)))
      graph.output("y", result)
      if declaresInner { for (index, value) in inner.enumerated() { graph.output("inner\(index)", value) } }
      let model = try Model(graph, seed: 5)
      for (index, name) in model.parameterNames.enumerated() where !name.hasSuffix("/kernel") {
        try model.withParameter(name) { values, _ in
          for i in values.indices { values[i] = 0.5 + Float((i * 7 + index) % 13) / 8 }
        }
      }
      let plan = try model.plan(batch: 3, inputShapes: [Shape(shape)], purpose: .inference)
      let bound = try BoundPlan(plan, parameters: model.arena, gradients: nil, pool: model.runtime.pool)
      for i in 0..<plan.inputs[0].count { bound.floats(plan.inputs[0])[i] = Float(i * 37 % 101) / 50 - 1 }
      bound.run()
      return Array(UnsafeBufferPointer(start: bound.floats(plan.outputs[0]), count: plan.outputs[0].count))
    }
    let (fused, described) = (try run(false), try run(true))
    // One more rounding of each weight, and sums in another order: a few epsilons of the largest value, and a few more
    // by Winograd's algorithm.
    #expect(difference(fused, described) <= bound)
    #expect(described.contains { $0 != 0 })
  }

  private static let products: [(kind: String, options: String, shape: [Int])] = [
    ("conv2d", "filters=5 kernel=3 padding=same", [6, 7, 3]), ("conv2d", "filters=33 kernel=1", [6, 7, 3]),
    ("conv2d", "filters=20 kernel=3 padding=same bias=false", [8, 9, 17]),
    ("conv2d", "filters=18 kernel=2 stride=2 activation=linear", [6, 6, 4]), ("dense", "units=35", [4, 9]),
    ("dense", "units=3 bias=false", [9]), ("conv2d", "filters=18 kernel=3 groups=18 padding=same", [7, 7, 18]),
    ("conv2d", "filters=32 kernel=3 groups=2 bias=false", [6, 7, 16]),
  ]

  @Test(arguments: products.indices)
  func aNormalisationBehindAProductIsFoldedIntoIt(product: Int) throws {
    let (kind, options, shape) = Self.products[product]
    for activation in ["linear", "relu", "silu"] {
      try expectSameValues(shape) { graph, x in
        let a = graph.layer(kind, options, x)
        return (graph.layer("batchnorm", "activation=\(activation)", a), [a])
      }
    }
  }

  @Test(arguments: products.indices)
  func aSumIsFoldedIntoTheProductOfOneOfItsParts(product: Int) throws {
    let (kind, options, shape) = Self.products[product]
    for (position, activation) in [(0, "relu"), (1, "tanh")] {
      try expectSameValues(shape) { graph, x in
        let a = graph.layer(kind, options, x)
        let b = graph.layer("batchnorm", "", a)
        let other = graph.layer("activation", "function=sigmoid", graph.layer(kind, options, x))
        let sum = graph.layer(
          Add(activation: .init(rawValue: activation) ?? .linear), position == 0 ? [b, other] : [other, b])
        return (sum, [a, b])
      }
    }
  }

  /// Windows that fit into tiles of a convolution's rows and such that do not, all with the same bits.
  @Test(arguments: [
    ("maxpool2d", "size=2"), ("maxpool2d", "size=2 padding=same"), ("maxpool2d", "size=3 stride=2 padding=1"),
    ("maxpool2d", "size=1 stride=3"), ("avgpool2d", "size=2"), ("avgpool2d", "size=3,2"), ("avgpool2d", "size=5"),
  ])
  func aPoolBehindAConvolutionIsComputedWithItsTiles(kind: String, options: String) throws {
    let convolutions = [
      ("filters=5 kernel=3 padding=same", [9, 11, 3]), ("filters=70 kernel=3 padding=same", [21, 13, 16]),
      ("filters=33 kernel=3 stride=2", [40, 40, 2]), ("filters=20 kernel=1", [7, 6, 18]),
      ("filters=40 kernel=3 padding=same winograd=false", [28, 30, 17]),
      ("filters=24 kernel=3 padding=same", [64, 600, 1]),
    ]
    for (convolution, shape) in convolutions {
      for function in ["relu", "tanh"] {
        try expectSameValues(shape, bound: 0) { graph, x in
          let a = graph.layer("conv2d", convolution, x)
          let b = graph.layer("activation", "function=\(function)", a)
          return (graph.layer(kind, options, b), [a, b])
        }
        try expectSameValues(shape, bound: 0) { graph, x in
          let a = graph.layer("conv2d", convolution + " activation=\(function)", x)
          let b = graph.layer(kind, options, a)
          return (graph.layer("activation", "function=silu", b), [a, b])
        }
      }
    }
  }

  @Test(arguments: [
    ("filters=5 kernel=3 padding=same", [9, 11, 3]), ("filters=70 kernel=3 padding=same", [21, 13, 16]),
    ("filters=20 kernel=1", [8, 6, 18]),
  ])
  func aPoolBehindASumIsComputedWithTheConvolution(options: String, shape: [Int]) throws {
    for pool in ["size=2", "size=1", "size=3 stride=2"] {
      try expectSameValues(shape) { graph, x in
        let a = graph.layer("conv2d", options, x)
        let b = graph.layer("activation", "function=sigmoid", graph.layer("conv2d", options, x))
        let sum = graph.layer(Add(), [a, b])
        return (graph.layer("maxpool2d", pool, sum), [a, b, sum])
      }
    }
  }

  /// The second pool finds a convolution that has a pool already.
  @Test(arguments: [
    "maxpool2d size=2", "maxpool2d size=3 stride=1 padding=same", "avgpool2d size=2", "avgpool2d size=3 stride=2",
  ])
  func aPoolBehindAPoolIsNotForgotten(first: String) throws {
    func layer(_ text: String) -> (kind: String, options: String) {
      let parts = text.split(separator: " ", maxSplits: 1)
      return (String(parts[0]), String(parts[1]))
    }
    for second in ["maxpool2d size=2", "avgpool2d size=2", "maxpool2d size=2 stride=1", "avgpool2d size=2,1"] {
      for (options, shape) in [
        ("filters=5 kernel=3 padding=same activation=relu", [13, 12, 3]), ("filters=20 kernel=1", [12, 12, 18]),
        ("filters=24 kernel=3 padding=same", [24, 24, 16]),
      ] {
        try expectSameValues(shape, bound: 0) { graph, x in
          let a = graph.layer("conv2d", options, x)
          let b = graph.layer(layer(first).kind, layer(first).options, a)
          let c = graph.layer(layer(second).kind, layer(second).options, b)
          return (graph.layer("activation", "function=tanh", c), [a, b, c])
        }
      }
    }
  }

  @Test(arguments: [[64], [5, 7, 19], [3, 1]])
  func aNormalisedValueMayBeAddedToItself(shape: [Int]) throws {
    for activation in ["linear", "relu", "tanh"] {
      try expectSameValues(shape, bound: 0) { graph, x in
        let b = graph.layer("batchnorm", "activation=\(activation)", x)
        return (graph.layer(Add(), [b, b]), [b])
      }
      try expectSameValues(shape, bound: 0) { graph, x in
        let b = graph.layer("batchnorm", "activation=\(activation)", x)
        let c = graph.layer("batchnorm", "", x)
        return (graph.layer(Add(), [c, graph.layer(Add(), [b, c])]), [b, c])
      }
    }
  }

  /// The pool is no step of its own where it fits, and its input takes no memory.
  @Test func aFittingPoolHasNoStep() throws {
    func steps(_ pool: String) throws -> [String] {
      var graph = Graph()
      let a = graph.layer("conv2d", "filters=32 kernel=3 padding=same", graph.input("x", [28, 28, 1]))
      graph.output("y", graph.layer("maxpool2d", pool, a))
      let model = try Model(graph, seed: 1, runtime: Runtime(threads: 1))
      let plan = try model.plan(batch: 1, inputShapes: [[28, 28, 1]], purpose: .inference)
      #expect((plan.arenaBytes < 4 * 28 * 28 * 32) == (pool == "size=2"))
      let bound = try BoundPlan(plan, parameters: model.arena, gradients: nil, pool: model.runtime.pool)
      return bound.timeSteps { 0 }.map(\.name).filter { !$0.hasSuffix("pack weights") }
    }
    #expect(try steps("size=2") == ["conv2d: convolution"])
    #expect(try steps("size=3 stride=2") == ["conv2d: convolution", "conv2d: pool"])
  }

  /// Gradients are linear in the gradients of the outputs: those of both together are the sum of those of each.
  @Test func readersOfOneValueAddTheirGradients() throws {
    var graph = Graph()
    let x = graph.input("x", [8, 8, 16])
    let a = graph.layer("activation", "function=tanh", x)
    let readers = [
      "filters=16 kernel=3 padding=same", "filters=4 kernel=1", "filters=4 kernel=1 stride=2",
      "filters=5 kernel=3 stride=2 padding=same",
    ]
    for (index, options) in readers.enumerated() { graph.output("y\(index)", graph.layer("conv2d", options, a)) }
    graph.output("dense", graph.layer("dense", "units=3", a))
    let harness = try TrainingHarness(graph, shapes: [[2, 8, 8, 16]], loss: SeedLoss())
    let plan = harness.bound.plan
    func gradients(_ outputs: Set<Int>) throws -> [Float] {
      for tensor in plan.inputs + plan.targets {
        for i in 0..<tensor.count { harness.bound.floats(tensor)[i] = Float(i * 37 % 101) / 50 - 1 }
      }
      for index in plan.targets.indices where !outputs.contains(index) {
        harness.bound.floats(plan.targets[index]).update(repeating: 0, count: plan.targets[index].count)
      }
      harness.bound.run()
      return harness.read(try #require(plan.dInputs[0]))
    }
    var sum: [Float] = []
    for index in plan.targets.indices {
      let part = try gradients([index])
      sum = sum.isEmpty ? part : zip(sum, part).map(+)
    }
    #expect(difference(try gradients(Set(plan.targets.indices)), sum) <= 2e-6)
  }
}
