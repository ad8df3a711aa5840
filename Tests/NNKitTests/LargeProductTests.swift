import NNKit
import NNKitKernelTable
import Testing

/// Products that are large enough to go through their depth in blocks, and to pack what others only read.
@Suite struct LargeProductTests {
  @Test func denseLayerMatchesSumsInDoublePrecision() throws {
    // 2048 inputs: two blocks of depth, rows that lie a multiple of 4 KiB apart, a packed gradient for many tiles.
    let (batch, inputs, units) = (600, 2048, 520)
    var graph = Graph()
    graph.output("y", graph.layer("dense", "units=\(units) activation=relu", graph.input("x", [inputs])))
    let harness = try TrainingHarness(graph, shapes: [[batch, inputs]], loss: SeedLoss())
    let plan = harness.bound.plan
    let random = Random(seed: 7, kernels: harness.model.runtime.kernels)
    for (parameter, tensor) in [plan.inputs[0], plan.targets[0]].enumerated() {
      random.normal(
        .initializer(parameter: parameter), deviation: 1, into: harness.bound.floats(tensor), count: tensor.count)
    }
    let (x, seed) = (harness.read(plan.inputs[0]), harness.read(plan.targets[0]))
    let bias = (0..<units).map { Float($0 % 7) / 7 }
    try harness.setParameter("dense/bias", bias)
    let kernel = try harness.model.withParameter("dense/kernel") { values, _ in Array(values) }
    harness.bound.run()

    let y = harness.read(plan.outputs[0])
    let dz = zip(y, seed).map { $0 > 0 ? $1 : 0 }
    let dx = harness.read(try #require(plan.dInputs[0]))
    let (dKernel, dBias) = (
      harness.gradient(harness.model.parameters[0]), harness.gradient(harness.model.parameters[1])
    )
    func expect(_ value: Float, _ terms: some Sequence<(Float, Float)>, from start: Float = 0, _ name: String) {
      var (sum, magnitude) = (Double(start), Double(abs(start)))
      for (a, b) in terms {
        sum += Double(a) * Double(b)
        magnitude += abs(Double(a) * Double(b))
      }
      if name == "y" { sum = max(0, sum) }
      // Far above the rounding of any order of these sums, far below one term.
      #expect(abs(Double(value) - sum) < 1e-5 * magnitude, "\(name)")
    }
    // Every row and column of each matrix is visited by one of its diagonals.
    for i in stride(from: 0, to: batch * 7, by: 7) {
      let (n, u, k) = (i % batch, i % units, i * 3 % inputs)
      expect(
        y[n * units + u], (0..<inputs).lazy.map { (x[n * inputs + $0], kernel[$0 * units + u]) }, from: bias[u], "y")
      expect(dx[n * inputs + k], (0..<units).lazy.map { (dz[n * units + $0], kernel[k * units + $0]) }, "dx")
    }
    for i in 0..<inputs {
      let u = i % units
      expect(dKernel[i * units + u], (0..<batch).lazy.map { (x[$0 * inputs + i], dz[$0 * units + u]) }, "dKernel")
    }
    for u in 0..<units { expect(dBias[u], (0..<batch).lazy.map { (dz[$0 * units + u], 1) }, "dBias") }
  }
}
