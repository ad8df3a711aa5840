import FoundationEssentials
import Glibc
import NNKit
import NNKitKernelTable
import Testing

/// What a model costs before it computes anything grows with its size, and not with its square. Ratios are measured, as
/// machines differ, and again where a busy one spoils them: no noise makes a square look like a line each time.
@Suite(.serialized) struct CostTests {
  /// What this thread has computed, in seconds: neither the tests beside this one nor the machine's other work count.
  private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// How many times as long `body` takes for `times * n` as for `n`; what is `limit` or more is measured again.
  private func growth(
    _ n: Int, times: Int = 2, limit: Double = limit, _ body: (Int) throws -> Void
  ) rethrows -> Double {
    func seconds(_ n: Int) throws -> Double {
      let start = threadSeconds()
      try body(n)
      return threadSeconds() - start
    }
    var least = Double.infinity
    for _ in 0..<5 where least >= limit {
      var (small, large) = (Double.infinity, Double.infinity)
      for _ in 0..<3 {
        small = min(small, try seconds(n))
        large = min(large, try seconds(times * n))
      }
      least = min(least, large / small)
    }
    return least
  }

  /// Twice the size takes twice as long; four times as long is a square. Between them there is room for a machine's caches.
  private static let limit = 3.2
  /// The same of four times the size.
  private static let limitOfFour = 7.0

  /// `layers` small layers one behind the other, without names.
  private func chain(_ layers: Int) -> Graph {
    var graph = Graph()
    var value = graph.input("x", [4])
    for _ in 0..<layers { value = graph.layer("dense", "units=4 activation=tanh", value) }
    graph.output("y", value)
    return graph
  }

  private func plan(_ graph: Graph, _ model: Model, _ purpose: PlanPurpose) throws {
    _ = try Plan(
      graph, parameters: model.parametersByNode, batch: 4,
      inputShapes: graph.inputs.map { graph.types[$0.value.index].shape },
      purpose: purpose, kernels: model.runtime.kernels, threads: 2)
  }

  @Test func chainsAreMadeInTimeThatGrowsWithTheirLength() {
    let growth = growth(3000) { _ = chain($0) }
    #expect(growth < Self.limit)
  }

  @Test func chainsArePlannedInTimeThatGrowsWithTheirLength() throws {
    let models = try [2000, 4000].map { try Model(chain($0)) }
    for purpose in [PlanPurpose.inference, .training(SeedLoss())] {
      let growth = try growth(2000) { length in
        let model = models[length / 2000 - 1]
        try plan(model.graph, model, purpose)
      }
      #expect(growth < Self.limit)
    }
  }

  /// Every kind of layer that can follow itself.
  private static let selfFollowing: [(kind: String, options: String, shape: Shape)] = [
    ("activation", "function=tanh", [4]), ("add", "activation=relu", [4]),
    ("avgpool2d", "size=3 stride=1 padding=same", image),
    ("batchnorm", "", [4]), ("batchnorm", "", image), ("conv2d", "filters=2 kernel=3 padding=same", image),
    ("conv2d", "filters=2 kernel=3 padding=same groups=2", image), ("dense", "units=4", [4]), ("dropout", "", [4]),
    ("flatten", "", [4]), ("gru", "units=3 return_sequences=true", [3, 3]), ("log_softmax", "", [4]),
    ("lstm", "units=3 return_sequences=true", [3, 3]), ("maxpool2d", "size=3 stride=1 padding=same", image),
    ("softmax", "", [4]), ("concat", "", [4]), ("split", "sizes=4", [4]), ("slice", "", [4]),
    ("permute", "axes=1,0", [3, 4]), ("reshape", "shape=4", [4]), ("multiply", "", [4]), ("subtract", "", [4]),
  ]
  private static let image: Shape = [4, 4, 2]

  @Test func chainsOfEveryKindArePlannedInTimeThatGrowsWithTheirLength() throws {
    #expect(
      Set(Self.selfFollowing.map(\.kind))
        == Set(LayerCatalog.kinds).subtracting(["embedding", "globalavgpool2d", "repeat"]))
    for (kind, options, shape) in Self.selfFollowing {
      let models = try [1, 4].map { factor in
        var graph = Graph()
        var value = graph.input("x", shape)
        for _ in 0..<factor * Self.links {
          value = try #require(graph.layer(kind, options, inputCount(kind) == 2 ? [value, value] : [value])?.first)
        }
        graph.output("y", value)
        return try Model(graph)
      }
      for purpose in [PlanPurpose.inference, .training(SeedLoss()), .trainingByHand] {
        let growth = try growth(1, times: 4, limit: Self.limitOfFour) { factor in
          let model = models[factor == 1 ? 0 : 1]
          try plan(model.graph, model, purpose)
        }
        #expect(growth < Self.limitOfFour, "\(kind) \(options), \(purpose)")
      }
    }
  }

  private func inputCount(_ kind: String) -> Int {
    LayerCatalog.definition(of: kind)?.inputs.count { $0.count == .one } ?? 0
  }

  private static let links = 150

  @Test func statesAreWrittenAndReadInTimeThatGrowsWithTheModel() throws {
    let values = (0..<16).map { Float($0 * 7 % 16) }
    let data = try Dataset(inputs: [.float32(values, shape: [4, 4])], targets: [.float32(values, shape: [4, 4])])
    // Each layer's next running statistics wait among the gradients.
    let trainers = try [1, 4].map { factor in
      var graph = Graph()
      var value = graph.input("x", [4])
      for _ in 0..<factor * Self.links { value = graph.layer("batchnorm", "", value) }
      graph.output("y", value)
      let trainer = try Trainer(try Model(graph), loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.1))
      _ = try trainer.gradients(inputCount: 1, { data.input($0) }, targetCount: 1, { data.target($0) })
      return trainer
    }
    let growth = try growth(1, times: 4, limit: Self.limitOfFour) { factor in
      let trainer = trainers[factor == 1 ? 0 : 1]
      let state = try trainer.state()
      try state.withUnsafeBytes { try trainer.restore($0) }
    }
    #expect(growth < Self.limitOfFour)
  }

  @Test func filesAreLoadedInTimeThatGrowsWithTheirSize() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "costs-\(UInt64.random(in: 0...UInt64.max))")
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for length in [1500, 3000] { try Model(chain(length)).save(to: "\(folder)/\(length)") }
    let growth = try growth(1500) { _ = try Model(contentsOf: "\(folder)/\($0)") }
    #expect(growth < Self.limit)
  }

  /// One value that very many layers read, very many inputs, and very many outputs.
  @Test func broadGraphsAreMadeAndPlannedInTimeThatGrowsWithTheirWidth() throws {
    func broad(_ width: Int) throws {
      var graph = Graph()
      let shared = graph.input("shared", [4])
      for i in 0..<width {
        let input = graph.input("x\(i)", [4])
        let sum = graph.layer("add", "", [graph.layer("dense", "units=4", shared), input])?.first
        graph.output("y\(i)", try #require(sum))
      }
      let model = try Model(graph)
      try plan(graph, model, .inference)
      try plan(graph, model, .training(SeedLoss()))
    }
    #expect(try growth(700, broad) < Self.limit)
  }

  @Test func recurrentStacksOfManyLayersAreStreamedInTimeThatGrowsWithTheirDepth() throws {
    // Time spreads from the recurrent layer at the end to the beginning.
    func stack(_ depth: Int) throws {
      var graph = Graph()
      var value = graph.input("x", [7, 4])
      for _ in 0..<depth { value = graph.layer("dense", "units=4", value) }
      graph.output("y", graph.layer("lstm", "units=4", value))
      let model = try Model(graph)
      #expect(ModelInfo(model).json.contains("\"step_shape\":[4]"))
    }
    #expect(try growth(2000, stack) < Self.limit)
  }

  @Test func longNamesAndWordsAreRefusedAtOnce() throws {
    let long = String(repeating: "dens", count: 1 << 20) + String(repeating: "\u{301}", count: 1 << 20)
    let model = try Model(chain(2000))
    let start = threadSeconds()
    for text in [long, String(long.unicodeScalars.suffix(1 << 20))] {
      var graph = Graph()
      let x = graph.input("x", [4])
      graph.layer(text, "", x)
      #expect((graph.firstError?.message.utf8.count ?? 0) < 2000)
      graph = Graph()
      graph.layer("dense", "units=4 name=\(text)", graph.input("x", [4]))
      #expect((graph.firstError?.message.utf8.count ?? 0) < 2000)
      let error = #expect(throws: NNKitError.self) { try model.withParameter(text) { _, _ in } }
      #expect((error?.message.utf8.count ?? 0) < 2000)
    }
    #expect(threadSeconds() - start < 10)
  }

  /// First fit by going through all that is placed, as it is defined.
  private func plainLayout(_ buffers: [BufferLifetime], by rank: (BufferLifetime) -> Double) -> ([Int], Int) {
    var offsets = Array(repeating: 0, count: buffers.count)
    var (placed, total): ([Int], Int) = ([], 0)
    let order = buffers.indices.sorted { (-rank(buffers[$0]), $0) < (-rank(buffers[$1]), $1) }
    for index in order where buffers[index].bytes > 0 {
      let buffer = buffers[index]
      let bytes = buffer.bytes.roundedUp(toMultipleOf: 64)
      let others = placed.filter { buffers[$0].first <= buffer.last && buffer.first <= buffers[$0].last }
      var offset = 0
      for other in others.sorted(by: { offsets[$0] < offsets[$1] }) {
        if offset + bytes <= offsets[other] { break }
        offset = max(offset, offsets[other] + buffers[other].bytes.roundedUp(toMultipleOf: 64))
      }
      offsets[index] = offset
      placed.append(index)
      total = max(total, offset + bytes)
    }
    return (offsets, total)
  }

  @Test func layoutsAreThoseOfAPlainSearch() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      let steps = Int.random(in: 1...60, using: &generator)
      let buffers = (0..<Int.random(in: 0...120, using: &generator)).map { _ in
        let first = Int.random(in: 0..<steps, using: &generator)
        let last = Bool.random(using: &generator) ? Int.random(in: first..<steps, using: &generator) : first
        return BufferLifetime(
          bytes: Int.random(in: 0...40, using: &generator) * Int.random(in: 1...100, using: &generator), first: first,
          last: Int.random(in: 0..<9, using: &generator) == 0 ? Int.max - 1 : last)
      }
      let bySize = plainLayout(buffers) { Double($0.bytes) }
      let byArea = plainLayout(buffers) { Double($0.bytes) * Double($0.last - $0.first + 1) }
      let expected = byArea.1 < bySize.1 ? byArea : bySize
      let ours = try layOut(buffers)
      #expect(ours.offsets == expected.0)
      #expect(ours.bytes == expected.1)
    }
  }

  /// Against plain loops: wide, square and tall, in one block of vectors and in several, for any number of threads.
  @Test(arguments: [[12, 48], [70, 280], [33, 33], [40, 100], [131, 67], [1, 9], [100, 250]])
  func orthogonalMatricesAreThoseOfGramAndSchmidt(shape: [Int]) throws {
    func values(_ initializer: String, threads: Int) throws -> [Float] {
      var graph = Graph()
      let x = graph.input("x", [shape[0]])
      graph.output("y", graph.layer("dense", "units=\(shape[1]) kernel_initializer=\(initializer) name=d", x))
      let model = try Model(graph, seed: 5, runtime: try Runtime(threads: threads))
      return try model.withParameter("d/kernel") { values, _ in Array(values) }
    }
    let ours = try values("orthogonal", threads: 1)
    for threads in [2, 3] {
      #expect(try values("orthogonal", threads: threads).map(\.bitPattern) == ours.map(\.bitPattern))
    }
    // The same stream of normal numbers, but for their deviation.
    let deviation = (2 / Double(shape[0] + shape[1])).squareRoot()
    let normal = try values("glorot_normal", threads: 1).map { Double($0) / deviation }
    let (rows, columns) = (shape[0], shape[1])
    let blockColumns = columns % rows == 0 ? rows : columns
    for first in stride(from: 0, to: columns, by: blockColumns) {
      let (vectors, length) = (min(rows, blockColumns), max(rows, blockColumns))
      func place(_ i: Int, _ k: Int) -> Int {
        rows <= blockColumns ? i * columns + first + k : k * columns + first + i
      }
      var basis: [[Double]] = []
      for i in 0..<vectors {
        var vector = (0..<length).map { normal[place(i, $0)] }
        for other in basis {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for k in 0..<length { vector[k] -= product * other[k] }
        }
        let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        basis.append(vector.map { $0 / norm })
        let isClose = (0..<length).allSatisfy { abs(Double(ours[place(i, $0)]) - basis[i][$0]) < 1e-4 }
        #expect(isClose, "vector \(i) of block \(first)")
        for j in 0...i {
          let product = (0..<length).reduce(0.0) { $0 + Double(ours[place(i, $1)]) * Double(ours[place(j, $1)]) }
          #expect(abs(product - (i == j ? 1 : 0)) < 1e-5)
        }
      }
    }
  }
}
