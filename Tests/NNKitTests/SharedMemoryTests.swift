import NNKit
import Testing

/// Memory that is used twice changes no bit: plans are compared with those in which each buffer has its own.
@Suite struct SharedMemoryTests {
  /// One product whose result may be computed in the memory of what is added to it.
  private static let layers: [(kind: String, options: String, shape: [Int])] = [
    ("conv2d", "filters=4 kernel=3 padding=same", [16, 16, 4]),
    ("conv2d", "filters=16 kernel=5 padding=same", [32, 32, 16]),
    ("conv2d", "filters=64 kernel=1", [56, 56, 64]),
    ("conv2d", "filters=64 kernel=3 padding=same", [14, 14, 64]),
    ("conv2d", "filters=64 kernel=3 padding=same winograd=false", [14, 14, 64]),
    ("conv2d", "filters=1 kernel=3 padding=same groups=1", [28, 28, 1]),
    ("conv2d", "filters=32 kernel=3 padding=same groups=32", [28, 28, 32]),
    ("conv2d", "filters=32 kernel=3 padding=same dilation=2", [20, 20, 32]),
    ("conv2d", "filters=32 kernel=3 padding=same groups=4", [17, 9, 32]),
    ("dense", "units=256", [256]), ("dense", "units=64", [20, 64]), ("dense", "units=1100", [1100]),
    ("batchnorm", "", [9, 9, 24]), ("maxpool2d", "size=3 stride=1 padding=same", [15, 15, 20]),
    ("avgpool2d", "size=3 stride=1 padding=same", [15, 15, 20]), ("softmax", "", [30, 40]),
    ("activation", "function=gelu", [50, 70]), ("lstm", "units=32 return_sequences=true", [12, 32]),
    ("gru", "units=32 return_sequences=true", [12, 32]),
  ]

  /// `x + layer(x)` in both orders, alone, and with what comes before and behind.
  private static func graphs(_ layer: (kind: String, options: String, shape: [Int])) -> [Graph] {
    var graphs: [Graph] = []
    for variant in 0..<6 {
      var graph = Graph()
      var x = graph.input("x", Shape(layer.shape))
      if variant >= 2 { x = graph.layer("activation", "function=tanh", x) }
      let y = graph.layer(layer.kind, layer.options, x)
      let z = graph.layer(Add(activation: variant == 3 ? .relu : .linear), variant % 2 == 0 ? [x, y] : [y, x])
      graph.output("z", variant < 4 ? z : graph.layer(layer.kind, layer.options, z))
      if variant == 5 { graph.output("y", y) }
      graphs.append(graph)
    }
    return graphs
  }

  /// The bits of all outputs and gradients.
  private func bits(_ graph: Graph, batch: Int, isTraining: Bool, sharesMemory: Bool, threads: Int) throws -> [UInt32] {
    let model = try Model(graph, seed: 3, runtime: try Runtime(threads: threads))
    let gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let plan = try Plan(
      graph, parameters: model.parametersByNode, batch: batch, inputShapes: model.inputTypes.map(\.shape),
      purpose: isTraining ? .training(SeedLoss()) : .inference, kernels: model.runtime.kernels, threads: threads,
      inputGradients: isTraining, sharesMemory: sharesMemory)
    let bound = try BoundPlan(plan, parameters: model.arena, gradients: gradients, pool: model.runtime.pool)
    for (index, tensor) in (plan.inputs + plan.targets).enumerated() {
      for i in 0..<tensor.count { bound.floats(tensor)[i] = Float((i * 37 + index) % 101) / 50 - 1 }
    }
    bound.run()
    let results = plan.outputs + plan.dInputs.compactMap { $0 }
    var values = results.flatMap { Array(UnsafeBufferPointer(start: bound.floats($0), count: $0.count)) }
    if isTraining {
      let floats = gradients.base.assumingMemoryBound(to: Float.self)
      values += UnsafeBufferPointer(start: floats, count: model.arena.trainableCount)
    }
    return values.map(\.bitPattern)
  }

  private func differences(_ a: [UInt32], _ b: [UInt32]) -> Int {
    a.count == b.count ? zip(a, b).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) } : max(a.count, b.count)
  }

  @Test(arguments: layers.indices)
  func runsGiveTheBitsOfPlansWithoutSharedMemory(layer: Int) throws {
    for graph in Self.graphs(Self.layers[layer]) {
      for batch in [1, 3] {
        let own = try bits(graph, batch: batch, isTraining: false, sharesMemory: false, threads: 1)
        for threads in [1, 3] {
          let shared = try bits(graph, batch: batch, isTraining: false, sharesMemory: true, threads: threads)
          #expect(differences(shared, own) == 0, "\(Self.layers[layer])")
        }
      }
    }
  }

  @Test(arguments: layers.indices)
  func gradientsAreThoseOfPlansWithoutSharedMemory(layer: Int) throws {
    for graph in Self.graphs(Self.layers[layer]) {
      let own = try bits(graph, batch: 2, isTraining: true, sharesMemory: false, threads: 1)
      let shared = try bits(graph, batch: 2, isTraining: true, sharesMemory: true, threads: 3)
      #expect(differences(shared, own) == 0, "\(Self.layers[layer])")
    }
  }

  @Test(arguments: [64, 128, 256])
  func gradientsOfASumOfAValueAndItsProductAreRight(units: Int) throws {
    var graph = Graph()
    let a = graph.layer("dense", "units=\(units)", graph.input("x", [units]))
    let s = graph.layer(Add(), [a, graph.layer("dense", "units=\(units)", a)])
    graph.output("o", graph.layer("dense", "units=10", s))
    let own = try bits(graph, batch: 64, isTraining: true, sharesMemory: false, threads: 1)
    for threads in [1, 2, 4] {
      let shared = try bits(graph, batch: 64, isTraining: true, sharesMemory: true, threads: threads)
      #expect(differences(shared, own) == 0)
    }
  }
}
