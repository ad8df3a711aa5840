import NNKit
import NNKitKernelTable
import Testing

/// Inference on few sequences divides an LSTM by units and packs it another way; its bits are those of the plan for
/// training, which divides it by sequences, whatever the size of the team.
@Suite struct LSTMFewSequencesTests {
  struct Shapes: Sendable, CustomTestStringConvertible {
    var batch = 1
    var time = 9
    var inputs = 5
    var units: Int
    var options = ""
    var lengths: [Int32] = []

    var testDescription: String { "N \(batch) T \(time) I \(inputs) U \(units) \(options) \(lengths)" }
  }

  static let shapes = [
    Shapes(units: 1), Shapes(units: 31), Shapes(units: 64, options: "return_sequences=true"), Shapes(units: 130),
    Shapes(time: 1, units: 48), Shapes(time: 150, inputs: 300, units: 40), Shapes(units: 96, options: "bias=false"),
    Shapes(batch: 3, units: 70), Shapes(batch: 4, units: 33, options: "return_sequences=true"),
    Shapes(batch: 8, units: 160, options: "winograd=false"),
    Shapes(batch: 4, units: 65, options: "return_sequences=true", lengths: [3, 9, 1, 5]),
    Shapes(batch: 2, units: 128, lengths: [9, 4]), Shapes(units: 64, lengths: [1]),
  ]

  @Test(arguments: shapes)
  func theBitsAreThoseOfTrainingForAnyTeam(shapes: Shapes) throws {
    var graph = Graph()
    var inputs = [graph.input("x", [shapes.time, shapes.inputs])]
    if !shapes.lengths.isEmpty { inputs.append(graph.input("lengths", [], .int32)) }
    let added = graph.layer("lstm", "name=lstm units=\(shapes.units) \(shapes.options)", inputs)
    graph.output("y", try #require(added)[0])
    let inputShapes: [Shape] = [[shapes.time, shapes.inputs], []].prefix(inputs.count).map { $0 }

    let x = (0..<shapes.batch * shapes.time * shapes.inputs).map { Float(($0 * 7919) % 2001 - 1000) / 700 }
    func load(_ bound: BoundPlan) {
      bound.floats(bound.plan.inputs[0]).update(from: x, count: x.count)
      if inputs.count > 1 { bound.integers(bound.plan.inputs[1]).update(from: shapes.lengths, count: shapes.batch) }
    }
    let harness = try TrainingHarness(
      graph, shapes: inputShapes.map { [shapes.batch] + $0.sizes }, loss: SeedLoss(), threads: 1)
    load(harness.bound)
    harness.bound.run()
    let expected = harness.read(harness.bound.plan.outputs[0])

    for threads in [1, 2, 3, 4, 8] {
      let plan = try Plan(
        graph, parameters: harness.model.parametersByNode, batch: shapes.batch, inputShapes: inputShapes,
        purpose: .inference, kernels: harness.model.runtime.kernels, threads: threads)
      let pool = ThreadPool(threads: threads, teamLimit: threads)
      let bound = try BoundPlan(plan, parameters: harness.model.arena, gradients: nil, pool: pool)
      for _ in 0..<20 {
        load(bound)
        // Keeps workers awake, so that the team's size varies.
        pool.run(tiles: 16) { _, _ in }
        bound.run()
        let output = bound.floats(plan.outputs[0])
        let isSame = expected.indices.allSatisfy { expected[$0].bitPattern == output[$0].bitPattern }
        #expect(isSame, "\(threads) threads")
      }
    }
  }
}
