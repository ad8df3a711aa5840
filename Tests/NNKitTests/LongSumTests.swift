import Glibc
import NNKit
import NNKitKernelTable
import Testing

/// Sums of a million terms and more, against the exact ones. All terms are equal: each addition to a long running sum in
/// single precision would round the same way, up to 3e-8 of it, and a million of them would be off by a hundredth.
@Suite(.serialized) struct LongSumTests {
  /// Of products: a block has a thousand terms, and a thousand blocks are added.
  static let toleranceOfProducts = 3e-5

  /// A layer in training, with one value in all of its input and one in all of the gradient of its output.
  private func run(
    _ kind: String, _ options: String, input: [Int], x: Float = 0.1, dy: Float = 0.1,
    kernel: Float? = nil
  ) throws -> (harness: TrainingHarness, output: [Float], dInput: [Float]) {
    var graph = Graph()
    let value = graph.input("x", Shape(Array(input.dropFirst())))
    graph.output("y", graph.layer(kind, "name=l \(options)", value))
    if let error = graph.firstError { throw error }
    let harness = try TrainingHarness(graph, shapes: [input], loss: SeedLoss())
    let plan = harness.bound.plan
    if let kernel {
      try harness.model.withParameter("l/kernel") { values, _ in values.update(repeating: kernel) }
    }
    harness.bound.floats(plan.inputs[0]).update(repeating: x, count: plan.inputs[0].count)
    harness.bound.floats(plan.targets[0]).update(repeating: dy, count: plan.targets[0].count)
    harness.bound.run()
    return (harness, harness.read(plan.outputs[0]), harness.read(try #require(plan.dInputs[0])))
  }

  private func expect(_ values: [Float], _ exact: Double, within tolerance: Double = 1e-5, _ what: String) {
    let largest = values.reduce(0) { max($0, abs(Double($1) - exact)) }
    #expect(largest <= tolerance * abs(exact), "\(what): off by \(largest / abs(exact))")
  }

  @Test(arguments: [("avgpool2d", "size=3000"), ("globalavgpool2d", "")], [1, 5])
  func meansOfNineMillionPixels(layer: (kind: String, options: String), channels: Int) throws {
    let result = try run(layer.kind, layer.options, input: [1, 3000, 3000, channels], dy: 9e6)
    expect(result.output, Double(Float(0.1)), layer.kind)
    expect(result.dInput, 1, "\(layer.kind) gradient")
  }

  /// Every pixel lies in thousands of windows.
  @Test(arguments: [1, 20])
  func averagePoolGradientsOfOverlappingWindows(channels: Int) throws {
    let (size, window) = (9001, 6001)
    let result = try run(
      "avgpool2d", "size=1,\(window) stride=1 padding=0,0,3000,3000 count_padding=true", input: [1, 1, size, channels])
    let pixels = stride(from: 4000, to: 5000, by: 99).map { result.dInput[$0 * channels] }
    expect(pixels, Double(Float(0.1)), "the gradient of the middle pixels")
    #expect(relativeError([result.dInput[0]], [0.1 * 3001 / 6001]) < 1e-5)
  }

  @Test func anEmbeddingsRowThatIsUsedAMillionTimes() throws {
    for units in [3, 40] {
      var graph = Graph()
      let x = graph.input("x", [1000], .int32)
      graph.output("y", graph.layer("embedding", "vocabulary=5 units=\(units)", x))
      let harness = try TrainingHarness(graph, shapes: [[1000, 1000]], loss: SeedLoss())
      let plan = harness.bound.plan
      // Row 3 has all but a few thousand, row 4 none.
      for i in 0..<1_000_000 { harness.bound.integers(plan.inputs[0])[i] = i % 500 == 0 ? Int32(i % 3) : 3 }
      harness.bound.floats(plan.targets[0]).update(repeating: 0.1, count: 1_000_000 * units)
      harness.bound.run()
      let gradient = harness.gradient(harness.model.parameters[0])
      for (row, count) in [667, 666, 667, 998_000, 0].enumerated() {
        expect(Array(gradient[row * units..<(row + 1) * units]), Double(count) * Double(Float(0.1)), "row \(row)")
      }
    }
  }

  /// Weight and bias gradients over more than a million rows or pixels.
  @Test(arguments: [
    ("dense", "units=3", [1000, 1100, 2]),
    ("dense", "units=34", [1100, 1000, 3]),
    ("dense", "units=6", [1_100_000, 40]),
    ("conv2d", "filters=3 kernel=1", [4, 520, 520, 2]),
    ("conv2d", "filters=3 kernel=3", [4, 520, 520, 2]),
    ("conv2d", "filters=16 kernel=3", [4, 520, 520, 16]),
    ("conv2d", "filters=16 kernel=3 winograd=false", [4, 520, 520, 16]),
    ("conv2d", "filters=4 kernel=1,5", [1, 1, 1_100_000, 3]),
    ("conv2d", "filters=20 kernel=1,3 stride=1,2", [1, 1, 2_200_000, 3]),
    ("conv2d", "filters=3 kernel=3 groups=3", [4, 520, 520, 3]),
    ("conv2d", "filters=18 kernel=3 groups=18", [4, 520, 520, 18]),
    ("conv2d", "filters=4 kernel=1,5 groups=4", [1, 1, 1_100_000, 4]),
    ("conv2d", "filters=16 kernel=1,2 groups=2", [4, 520, 520, 16]),
  ])
  func weightGradientsOverAMillionRows(kind: String, options: String, input: [Int]) throws {
    let result = try run(kind, options, input: input)
    let parameters = result.harness.model.parameters
    let rows = result.output.count / parameters[1].count
    #expect(rows > 1_000_000)
    let term = Double(Float(0.1))
    expect(
      result.harness.gradient(parameters[0]), Double(rows) * term * term, within: Self.toleranceOfProducts, "kernel")
    expect(result.harness.gradient(parameters[1]), Double(rows) * term, "bias")
  }

  @Test(arguments: [1, 2, 33])
  func denseLayersWithTwoMillionInputsOrOutputs(batch: Int) throws {
    let term = Double(Float(0.1))
    let wide = try run("dense", "units=3 activation=relu", input: [batch, 2_000_000], kernel: 0.1)
    expect(wide.output, 2e6 * term * term, within: Self.toleranceOfProducts, "output")
    let tall = try run("dense", "units=2000000 bias=false", input: [batch, 2], kernel: 0.1)
    expect(tall.dInput, 2e6 * term * term, within: Self.toleranceOfProducts, "gradient of the input")
  }

  @Test func softmaxOverAMillionClasses() throws {
    let classes = 1_300_001
    let softmax = try run("softmax", "", input: [2, classes], dy: 1)
    expect(softmax.output, 1 / Double(classes), "softmax")
    // The gradient is a difference of equal numbers.
    #expect(softmax.dInput.allSatisfy { abs($0) <= 1e-5 / Float(classes) })
    let logarithm = try run("log_softmax", "", input: [2, classes], dy: 1)
    #expect(logarithm.output.allSatisfy { abs($0 - -Float(log(Double(classes)))) < 1e-4 })
    #expect(logarithm.dInput.allSatisfy { abs($0) <= 1e-5 })
  }

  @Test func batchNormOverAMillionRows() throws {
    let result = try run("batchnorm", "", input: [1100, 1000, 5], x: 1000.1)
    let parameters = result.harness.model.parameters
    let mean = try #require(parameters.first { $0.name.hasSuffix("beta") })
    expect(result.harness.gradient(mean), 1.1e6 * Double(Float(0.1)), "beta")
    #expect(result.output.allSatisfy { abs($0) < 1e-3 })
  }
}
