import NNKit
import NNKitKernelTable

/// Compares what the engine makes of a program with the reference and with itself.
package struct GraphCheck {
  let program: GraphProgram
  let runtimes: Runtimes
  let model: Model
  let values: [GraphProgram.ValueID: Value]
  let data: GraphData
  private var statistics = ComparisonStatistics()

  mutating func add(_ other: ComparisonStatistics) { statistics.add(other) }

  /// The longest that planning may take.
  private static let planningSeconds = 2.0

  /// What the reference's parameters are multiplied by, less one: so that a test can see the checks fail.
  private let spoiling: Double

  /// Runs all checks. Throws: `GraphFailure`.
  package static func run(
    _ program: GraphProgram, _ runtimes: Runtimes, spoiling: Double = 0
  ) throws -> ComparisonStatistics {
    var check: GraphCheck
    do {
      check = try GraphCheck(program, runtimes, spoiling)
    } catch {
      throw GraphFailure(check: "planning", detail: error.message)
    }
    do {
      try check.checkPlanningTime()
      try check.checkInference()
      try check.checkInnerValues()
      try check.checkSingleSamples()
      try check.checkTraining()
      try check.checkThreads()
      try check.checkMemory()
      try check.checkSteps()
      try check.checkByHand()
      try check.checkSaving()
      try check.checkStreams()
    } catch let error as NNKitError {
      throw GraphFailure(check: "error", detail: error.message)
    }
    return check.statistics
  }

  private init(_ program: GraphProgram, _ runtimes: Runtimes, _ spoiling: Double) throws(NNKitError) {
    self.spoiling = spoiling
    self.program = program
    self.runtimes = runtimes
    let (graph, values) = try program.graph()
    self.values = values
    model = try Model(graph, seed: program.seed, runtime: runtimes.one)
    data = try GraphData(program, model)
    data.fill(model)
  }

  // MARK: Against the reference

  private mutating func checkPlanningTime() throws {
    let start = ContinuousClock.now
    _ = try model.plan(batch: program.batch, inputShapes: program.inputShapes, purpose: .inference)
    _ = try model.plan(
      batch: program.batch, inputShapes: program.inputShapes, purpose: .training(program.lossDefinition.loss))
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if seconds > Self.planningSeconds { throw GraphFailure(check: "planning", detail: "it takes \(seconds) s") }
  }

  /// A comparison with the reference on these inputs, with the model's present parameters.
  func reference(_ inputs: [ReferenceTensor], _ mode: ReferenceMode, withLoss: Bool) throws(NNKitError)
    -> ReferenceComparison
  {
    try ReferenceComparison(
      ReferenceNetwork(model),
      ReferenceNetwork.Data(
        inputs: inputs, targets: data.targets, parameters: model.values.map { $0 * (1 + spoiling) }), mode,
      loss: withLoss ? program.lossDefinition.loss : nil)
  }

  func training(step: UInt64) -> ReferenceMode {
    .training(seed: model.seed, step: step, random: model.runtime.kernels.words)
  }

  /// Outputs, losses and metrics at inference.
  private mutating func checkInference() throws {
    let comparison = try reference(data.inputs, .inference, withLoss: true)
    let run = try EngineRun(program, data, model, .evaluation)
    try expectOutputs("inference", run.outputs, comparison)
    try expectLosses("evaluation", run, comparison)
    let alone = try EngineRun(program, data, model, .inference)
    try expectSameBits("inference with and without loss", alone.outputs, run.outputs)
    statistics.add(comparison.statistics)
  }

  func expectOutputs(_ check: String, _ outputs: [[Float]], _ comparison: ReferenceComparison) throws {
    for (index, id) in program.outputs.enumerated() {
      try expectValue(check, "output \(index)", outputs[index], id, comparison)
    }
  }

  private func expectValue(
    _ check: String, _ what: String, _ actual: [Float], _ id: GraphProgram.ValueID, _ comparison: ReferenceComparison
  ) throws {
    guard let value = values[id] else { return }
    try comparison.expect(check, what, actual, lengthsOf: comparison.pass.values[value.index]) {
      $0.values[value.index]?.values ?? []
    }
  }

  private func expectLosses(_ check: String, _ run: EngineRun, _ comparison: ReferenceComparison) throws {
    for (index, id) in program.outputs.enumerated() {
      try comparison.expect(check, "loss \(index)", [Float(run.losses[index])]) { pass in
        [pass.losses[index].lossSum / Double(pass.losses[index].count)]
      }
      let expected = comparison.pass.losses[index]
      let metric = expected.metricSum / Double(expected.count)
      if abs(metric - run.metrics[index]) > 1e-9, let value = values[id],
        expected.metricMargin > (try comparison.logitNoise(value))
      {
        throw GraphFailure(check: check, detail: "metric \(index) is \(run.metrics[index]), expected \(metric)")
      }
    }
  }

  /// Every inner value as an output: it is right, and the others do not change. Where no product takes a normalisation or
  /// a sum that follows it, to the last bit.
  private mutating func checkInnerValues() throws {
    var wider = program
    for id in program.needed.layers.flatMap(\.outputs) where !program.outputs.contains(id) {
      var with = wider
      with.outputs.append(id)
      guard (values[id].flatMap { try? model.graph.type(of: $0) })?.dataType == .float32 else { continue }
      // Who reads an output reads all of its steps: nothing before it may have lengths for that reason alone.
      let graph = try with.graph().graph
      if carriedLengths(of: graph) == carriedLengths(of: model.graph) { wider = with }
    }
    let inner = wider.outputs.dropFirst(program.outputs.count)
    if inner.isEmpty { return }
    let wide = try Model(try wider.graph().graph, seed: program.seed, runtime: runtimes.one)
    var wideData = try GraphData(wider, wide)
    wideData.inputs = data.inputs
    data.fill(wide)
    let run = try EngineRun(wider, wideData, wide, .inference)
    let comparison = try reference(data.inputs, .inference, withLoss: false)
    try expectOutputs("inner values", run.outputs, comparison)
    for (index, id) in zip(inner.indices, inner) {
      try expectValue("inner values", "value \(id)", run.outputs[index], id, comparison)
    }
    statistics.add(comparison.statistics)
    if !program.layers.contains(where: { ["batchnorm", "add"].contains($0.kind) }) {
      let narrow = try EngineRun(program, data, model, .inference)
      try expectSameBits(
        "an output in the middle", Array(run.outputs.prefix(program.outputs.count)), narrow.outputs)
    }
    let (narrow, trained) = (
      try EngineRun(program, data, model, .training), try EngineRun(wider, wideData, wide, .training)
    )
    try expectSameBits(
      "an output in the middle, training", Array(trained.outputs.prefix(program.outputs.count)), narrow.outputs)
  }

  /// The first and the last sample of the batch, each alone.
  private mutating func checkSingleSamples() throws {
    if program.batch == 1 { return }
    for sample in [0, program.batch - 1] {
      var alone = data
      alone.inputs = data.inputs.map { input in
        let count = input.sampleCount
        return ReferenceTensor(
          batch: 1, shape: input.shape, values: Array(input.values[sample * count..<(sample + 1) * count]))
      }
      let run = try EngineRun(program, alone, model, .inference)
      let comparison = try reference(alone.inputs, .inference, withLoss: false)
      try expectOutputs("one sample alone", run.outputs, comparison)
      statistics.add(comparison.statistics)
    }
  }

  /// Outputs, losses, all gradients and running statistics of a training pass.
  private mutating func checkTraining() throws {
    let comparison = try reference(data.inputs, training(step: 0), withLoss: true)
    let run = try EngineRun(program, data, model, .training)
    try expectOutputs("training outputs", run.outputs, comparison)
    try expectLosses("training loss", run, comparison)
    try expectGradients("gradients", run.gradients, comparison)
    for (index, input) in program.inputs.enumerated() where input.type == .float32 {
      guard let dInput = run.dInputs[index] else { continue }
      try expectInputGradient("input gradients", index, dInput, comparison)
    }
    statistics.add(comparison.statistics)
  }

  func expectInputGradient(_ check: String, _ index: Int, _ dInput: [Float], _ comparison: ReferenceComparison) throws {
    guard let value = values[program.inputs[index].id] else { return }
    try comparison.expect(
      check, "the gradient of input \(index)", dInput, lengthsOf: comparison.pass.values[value.index]
    ) { pass in
      pass.gradients[value.index] ?? Array(repeating: 0, count: dInput.count)
    }
  }

  /// `without`: the parameters whose gradients are zero, because they are frozen.
  func expectGradients(
    _ check: String, _ gradients: [Float], _ comparison: ReferenceComparison, without frozen: Set<String> = []
  ) throws {
    for parameter in model.parameters {
      let actual = Array(gradients[parameter.range])
      if frozen.contains(parameter.name) {
        guard actual.allSatisfy({ $0 == 0 }) else {
          throw GraphFailure(check: check, detail: "the gradient of \(parameter.name) is not zero")
        }
        continue
      }
      if parameter.specification.trainable {
        try comparison.expect(check, "the gradient of \(parameter.name)", actual) {
          Array($0.dParameters[parameter.range])
        }
      } else if comparison.pass.nextState[parameter.offset] != nil {
        try comparison.expect(check, "the next \(parameter.name)", actual) { $0.nextState[parameter.offset] ?? [] }
      }
    }
  }

  // MARK: Against itself

  /// The same bits for any number of threads.
  private func checkThreads() throws {
    let inference = try EngineRun(program, data, model, .inference)
    let training = try EngineRun(program, data, model, .training)
    for runtime in runtimes.others {
      let other = try Model(model.graph, seed: program.seed, runtime: runtime)
      data.fill(other)
      let name = "\(runtime.threads) threads"
      try expectSameBits(
        "\(name), inference", try EngineRun(program, data, other, .inference).outputs, inference.outputs)
      let run = try EngineRun(program, data, other, .training)
      try expectSameBits("\(name), training outputs", run.outputs, training.outputs)
      try expectSameBits("\(name), gradients", [run.gradients], [training.gradients])
      try expectSameBits(
        "\(name), input gradients", run.dInputs.map { $0 ?? [] }, training.dInputs.map { $0 ?? [] })
    }
  }

  /// Buffers that have memory of their own hold the same bits.
  private func checkMemory() throws {
    for purpose in [EngineRun.Purpose.evaluation, .training] {
      let shared = try EngineRun(program, data, model, purpose)
      let apart = try EngineRun(program, data, model, purpose, sharesMemory: false)
      try expectSameBits("memory of its own, outputs", shared.outputs, apart.outputs)
      try expectSameBits("memory of its own, gradients", [shared.gradients], [apart.gradients])
      try expectSameBits(
        "memory of its own, input gradients", shared.dInputs.map { $0 ?? [] }, apart.dInputs.map { $0 ?? [] })
      guard shared.losses.map(\.bitPattern) == apart.losses.map(\.bitPattern) else {
        throw GraphFailure(check: "memory of its own, losses", detail: "\(shared.losses) and \(apart.losses)")
      }
    }
  }

  func expectSameBits(_ check: String, _ actual: [[Float]], _ expected: [[Float]]) throws {
    for (index, (a, b)) in zip(actual, expected).enumerated() {
      let different = zip(a, b).enumerated().filter { $1.0.bitPattern != $1.1.bitPattern }
      if let first = different.first {
        throw GraphFailure(
          check: check,
          detail: "tensor \(index): \(different.count) of \(a.count) elements have other bits; element \(first.offset) "
            + "is \(first.element.0) and \(first.element.1)")
      }
    }
  }

  /// A model that was saved and loaded gives the same bits.
  private func checkSaving() throws {
    let path = TemporaryFile.path
    try model.save(to: path)
    let loaded = try Model(contentsOf: path, runtime: runtimes.one)
    try expectSameBits(
      "saved and loaded", try EngineRun(program, data, loaded, .inference).outputs,
      try EngineRun(program, data, model, .inference).outputs)
  }
}
