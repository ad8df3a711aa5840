import NNKit
import NNKitKernelTable
import Testing

/// Large recurrent layers in training compute products in pairs where the processor gains from it; elsewhere both
/// sides of these comparisons are the same code.
@Suite struct RecurrentPairsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var layer: String
    var batch = 20
    var units = 136
    var lengths = false

    var testDescription: String { "\(layer) N \(batch) U \(units)\(lengths ? " lengths" : "")" }
  }

  static let cases = [
    Case(layer: "lstm"), Case(layer: "lstm", batch: 33, units: 160, lengths: true), Case(layer: "gru"),
    Case(layer: "gru", lengths: true), Case(layer: "gru reset_after=true", batch: 16, units: 256),
    Case(layer: "lstm bias=false", batch: 9, units: 300),
  ]

  private static let time = 30

  /// The output, the gradient of the input, and those of all parameters.
  private func results(_ test: Case, _ options: String, threads: Int) throws -> [[Float]] {
    let (kind, own) = (test.layer.prefix { $0 != " " }, test.layer.drop { $0 != " " })
    var graph = Graph()
    let x = graph.input("x", [Self.time, 40])
    let lengths = test.lengths ? [graph.input("lengths", [], .int32)] : []
    var value = x
    for _ in 0..<2 {
      let outputs = graph.layer(
        String(kind), "units=\(test.units) return_sequences=true \(options)\(own)", [value] + lengths)
      value = try #require(outputs)[0]
    }
    graph.output("y", value)
    let harness = try TrainingHarness(
      graph, shapes: [[test.batch, Self.time, 40]] + (test.lengths ? [[test.batch]] : []), loss: SeedLoss(),
      threads: threads)
    let plan = harness.bound.plan
    let random = Random(seed: 3, kernels: harness.model.runtime.kernels)
    for (parameter, tensor) in [plan.inputs[0], plan.targets[0]].enumerated() {
      random.normal(
        .initializer(parameter: parameter), deviation: 1, into: harness.bound.floats(tensor), count: tensor.count)
    }
    if test.lengths {
      for n in 0..<test.batch { harness.bound.integers(plan.inputs[1])[n] = Int32(n * 7 % Self.time + 1) }
    }
    harness.bound.run()
    let dInput = try #require(plan.dInputs[0])
    return [harness.read(plan.outputs[0]), harness.read(dInput)]
      + harness.model.parameters.map(harness.gradient)
  }

  @Test(arguments: cases)
  func pairsAgreeWithDirectProducts(test: Case) throws {
    let exact = try results(test, "winograd=false", threads: 2)
    let paired = try results(test, "", threads: 2)
    for (index, (mine, theirs)) in zip(paired, exact).enumerated() {
      let largest = theirs.reduce(0) { max($0, abs($1)) }
      let error = zip(mine, theirs).reduce(0) { max($0, abs($1.0 - $1.1)) }
      // Two roundings of the same sums. Seen: 2.3e-6; between two orders of direct sums 9e-7.
      #expect(error <= 6e-6 * largest, "result \(index): \(error) of \(largest)")
    }
  }

  @Test func theBitsAreTheSameForAnyNumberOfThreads() throws {
    for test in Self.cases.prefix(3) {
      let one = try results(test, "", threads: 1)
      for threads in [2, 3] {
        let several = try results(test, "", threads: threads)
        for (mine, theirs) in zip(several, one) {
          #expect(zip(mine, theirs).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(threads) threads")
        }
      }
    }
  }
}
