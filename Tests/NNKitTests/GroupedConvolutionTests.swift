import FoundationEssentials
import NNKit
import NNKitKernelTable
import Testing

@Suite struct GroupedConvolutionTests {
  struct Shape: CustomTestStringConvertible {
    var input: [Int]
    var filters: Int
    var groups: Int
    var options: String
    var testDescription: String { "\(input) filters=\(filters) groups=\(groups) \(options)" }
  }

  /// Images of many tiles, with and without padding in them; channels of one block and of several; planes.
  static let shapes = [
    Shape(input: [2, 40, 41, 32], filters: 32, groups: 32, options: "kernel=3 padding=1"),
    Shape(input: [1, 37, 70, 20], filters: 20, groups: 20, options: "kernel=3 stride=2 padding=same"),
    Shape(input: [1, 33, 20, 64], filters: 64, groups: 64, options: "kernel=5 padding=2"),
    Shape(input: [1, 41, 39, 24], filters: 24, groups: 24, options: "kernel=3 dilation=9 padding=9"),
    Shape(input: [1, 9, 10, 600], filters: 600, groups: 600, options: "kernel=3 stride=2 padding=0,1,1,0"),
    Shape(input: [2, 20, 21, 24], filters: 48, groups: 24, options: "kernel=3 padding=1"),
    Shape(input: [1, 20, 40, 32], filters: 64, groups: 8, options: "kernel=3 padding=1 stride=1,2"),
    Shape(input: [2, 13, 14, 64], filters: 96, groups: 2, options: "kernel=3 padding=same"),
    Shape(input: [3, 14, 14, 72], filters: 48, groups: 3, options: "kernel=1"),
  ]

  private func run(_ shape: Shape, groups: Int, kernel: [Float]?, threads: Int = 2) throws -> (
    output: [Float], dInput: [Float], dKernel: [Float], dBias: [Float], kernel: [Float]
  ) {
    var graph = Graph()
    let x = graph.input("x", NNKit.Shape(Array(shape.input.dropFirst())))
    let options = "filters=\(shape.filters) \(shape.options) groups=\(groups) winograd=false activation=softplus name=c"
    graph.output("y", graph.layer("conv2d", options, x))
    let harness = try TrainingHarness(graph, shapes: [shape.input], loss: SeedLoss(), threads: threads)
    if let kernel { try harness.setParameter("c/kernel", kernel) }
    let plan = harness.bound.plan
    let random = Random(seed: 3, kernels: harness.model.runtime.kernels)
    for (index, tensor) in [plan.inputs[0], plan.targets[0]].enumerated() {
      random.normal(
        .initializer(parameter: index + 1), deviation: 1, into: harness.bound.floats(tensor), count: tensor.count)
    }
    harness.bound.run()
    return (
      harness.read(plan.outputs[0]), harness.read(try #require(plan.dInputs[0])),
      harness.gradient(harness.model.parameters[0]), harness.gradient(harness.model.parameters[1]),
      try harness.model.withParameter("c/kernel") { values, _ in Array(values) }
    )
  }

  /// A grouped convolution is one over all channels whose kernel is zero between groups.
  @Test(arguments: shapes)
  func resultsAreThoseOfAKernelWithZeros(shape: Shape) throws {
    let grouped = try run(shape, groups: shape.groups, kernel: nil)
    let (channels, filters) = (shape.input[3], shape.filters)
    let (groupChannels, groupFilters) = (channels / shape.groups, filters / shape.groups)
    let places = grouped.kernel.count / (groupChannels * filters)
    var kernel = [Float](repeating: 0, count: places * channels * filters)
    var indices: [Int] = []
    for place in 0..<places {
      for member in 0..<groupChannels {
        for f in 0..<filters {
          indices.append((place * channels + f / groupFilters * groupChannels + member) * filters + f)
        }
      }
    }
    for (index, value) in zip(indices, grouped.kernel) { kernel[index] = value }
    let whole = try run(shape, groups: 1, kernel: kernel)
    #expect(relativeError(grouped.output, whole.output) < 2e-6)
    #expect(relativeError(grouped.dInput, whole.dInput) < 4e-6)
    #expect(relativeError(grouped.dKernel, indices.map { whole.dKernel[$0] }) < 1e-5)
    #expect(relativeError(grouped.dBias, whole.dBias) < 1e-5)
  }

  @Test(arguments: shapes)
  func bitsAreTheSameForAnyNumberOfThreads(shape: Shape) throws {
    let one = try run(shape, groups: shape.groups, kernel: nil, threads: 1)
    for threads in [2, 3, 4] {
      let many = try run(shape, groups: shape.groups, kernel: nil, threads: threads)
      for (a, b) in [
        (one.output, many.output), (one.dInput, many.dInput), (one.dKernel, many.dKernel), (one.dBias, many.dBias),
      ] {
        #expect(a.map(\.bitPattern) == b.map(\.bitPattern), "\(threads) threads")
      }
    }
  }

  @Test func aLoadedModelHasTheGroupsAndTheSameBits() throws {
    let model = try Model(input: [9, 9, 4], seed: 2) {
      Conv2D(filters: 8, kernel: 3, padding: .same, groups: 4, activation: .relu)
      Conv2D(filters: 6, kernel: 3, stride: 2, groups: 2)
    }
    let path = FileManager.default.temporaryDirectory.appending(path: "grouped-\(UInt64.random(in: 0...UInt64.max))")
      .path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try model.save(to: path)
    let loaded = try Model(contentsOf: path)
    #expect(loaded.parameters.map(\.shape) == [[3, 3, 1, 8], [8], [3, 3, 4, 6], [6]])
    let samples = (0..<2 * 324).map { Float($0 % 29) / 14 - 1 }
    let results = try [model, loaded].map { try Session($0, maximumBatch: 2).predict(samples).map(\.bitPattern) }
    #expect(results[0] == results[1])
  }

  @Test func groupsMustDivideChannelsAndFilters() {
    for (options, code) in [
      ("filters=6 groups=4", NNKitError.Code.shape), ("filters=8 groups=3", .invalidArgument),
      ("filters=6 groups=0", .invalidArgument), ("filters=6 groups=12", .shape),
    ] {
      var graph = Graph()
      let x = graph.input("x", [8, 8, 6])
      graph.output("y", graph.layer("conv2d", "kernel=3 \(options)", x))
      #expect(graph.firstError?.code == code, "\(options)")
      #expect(graph.firstError?.message.contains("groups") == true, "\(options)")
    }
  }
}
