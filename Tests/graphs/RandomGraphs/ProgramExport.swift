import NNKit
import NNKitKernelTable

/// A program with all its data and what engine and reference make of it, as one line of JSON: for another library to
/// compute the same. See Tests/graphs/torch.
package enum ProgramExport {
  /// Beyond so many numbers of one kind a program is left out: text of it takes longer than what it shows.
  private static let mostNumbers = 20_000
  private static let steps = 5

  /// nil: the program is too large.
  package static func line(_ program: GraphProgram, _ runtime: Runtime) throws -> String? {
    let model = try Model(try program.graph().graph, seed: program.seed, runtime: runtime)
    let data = try GraphData(program, model)
    data.fill(model)
    guard model.arena.count <= mostNumbers, data.inputs.allSatisfy({ $0.values.count <= mostNumbers }) else {
      return nil
    }
    let run = try EngineRun(program, data, model, .inference)
    guard run.outputs.allSatisfy({ $0.count <= mostNumbers }) else { return nil }
    let choice = GraphCheck.optimizers[Int(program.seed % UInt64(GraphCheck.optimizers.count))]
    let fields: [String] = [
      field("seed", String(program.seed)), field("batch", String(program.batch)), field("loss", text(program.loss)),
      field("inputs", list(zip(program.inputs, data.inputs).map { input($0, $1) })),
      field("layers", list(program.layers.indices.map { layer($0, program, model, data) })),
      field("outputs", list(program.outputs.map { String($0) })),
      field("targets", list(data.targets.map { numbers($0) })),
      field("inference", list(run.outputs.map { numbers($0) })),
      field("optimizer", text("\(choice.optimizer.options) clip_norm=\(choice.clipNorm)")),
      field("reference", try referenceSteps(program, data, model, choice.optimizer, choice.clipNorm)),
      field("steps", try engineSteps(program, data, model, choice.optimizer, choice.clipNorm)),
    ]
    return "{\(fields.joined(separator: ","))}"
  }

  // MARK: Parts

  private static func input(_ input: GraphProgram.Input, _ tensor: ReferenceTensor) -> String {
    "{\(field("id", String(input.id))),\(field("type", text(input.type.rawValue))),"
      + "\(field("shape", list(([tensor.batch] + tensor.shape.sizes).map { String($0) }))),"
      + "\(field("declared", list(input.sizes.map { String($0) }))),"
      + "\(field("values", numbers(tensor.values)))}"
  }

  private static func layer(_ index: Int, _ program: GraphProgram, _ model: Model, _ data: GraphData) -> String {
    let (layer, node) = (program.layers[index], model.graph.nodes[index])
    let parameters = model.parametersByNode[index].map { parameter in
      "{\(field("name", text(parameter.specification.name))),"
        + "\(field("shape", list(parameter.shape.sizes.map { String($0) }))),"
        + "\(field("offset", String(parameter.offset))),"
        + "\(field("trainable", String(parameter.specification.trainable)))}"
    }
    // As they are declared, with open sizes.
    let shapes = node.outputs.map { (try? model.graph.type(of: $0).shape.sizes) ?? [] }
    return "{\(field("kind", text(layer.kind))),\(field("options", text(node.options))),"
      + "\(field("inputs", list(layer.inputs.map { String($0) }))),"
      + "\(field("outputs", list(layer.outputs.map { String($0) }))),"
      + "\(field("shapes", list(shapes.map { sizes in list(sizes.map { String($0) }) }))),"
      + "\(field("parameters", list(parameters))),\(field("masks", masks(index, program, model)))}"
  }

  /// Of a dropout and each step: 1 where an element is kept.
  private static func masks(_ index: Int, _ program: GraphProgram, _ model: Model) -> String {
    guard let dropout = model.graph.nodes[index].operation as? DropoutOperation, dropout.rate > 0 else { return "[]" }
    let input = model.graph.nodes[index].inputs[0]
    let sizes = program.types(of: model.graph)?[input.index].shape.sizes ?? []
    let count = sizes.reduce(program.batch, *)
    let threshold = UInt32(min(dropout.rate * 0x1p32, 0x1p32 - 1))
    return list(
      (0..<UInt64(steps)).map { step in
        let stream = Random.Stream.dropout(node: index).number &+ step
        let words = model.runtime.kernels.words(model.seed, stream, count)
        return "\"" + words.map { $0 >= threshold ? "1" : "0" }.joined() + "\""
      })
  }

  /// Losses, gradients and parameters of steps of the engine, each from its own parameters.
  private static func engineSteps(
    _ program: GraphProgram, _ data: GraphData, _ model: Model, _ optimizer: Optimizer, _ clipNorm: Double
  ) throws -> String {
    let trainer = try Trainer(model, options: "loss=\(program.loss) clip_norm=\(clipNorm) \(optimizer.options)")
    let views = try BatchViews(program, data)
    var lines: [String] = []
    for _ in 0..<steps {
      let before = model.values
      let loss = try trainer.gradients(
        inputCount: views.inputs.count, { views.inputs[$0] }, targetCount: views.targets.count, { views.targets[$0] })
      let gradients = trainer.gradients.base.assumingMemoryBound(to: Float.self)
      let values = numbers((0..<model.arena.count).map { Double(gradients[$0]) })
      try trainer.apply()
      lines.append(
        "{\(field("loss", number(loss))),\(field("before", numbers(before))),\(field("gradients", values)),"
          + "\(field("after", numbers(model.values)))}")
    }
    return list(lines)
  }

  /// Losses of the reference's own steps, and the parameters that they end at.
  private static func referenceSteps(
    _ program: GraphProgram, _ data: GraphData, _ model: Model, _ optimizer: Optimizer, _ clipNorm: Double
  ) throws -> String {
    let network = ReferenceNetwork(model)
    let count = model.arena.trainableCount
    var state = ReferenceOptimizer(optimizer, clipNorm: clipNorm, count: count)
    var values = model.values
    var losses: [Double] = []
    let outputs = try network.run(
      ReferenceNetwork.Data(inputs: data.inputs, targets: [], parameters: values), .inference)
    let noise = try rounding(program, data, model)
    let ids = try program.graph().values
    for step in 0..<UInt64(steps) {
      let mode = ReferenceMode.training(
        seed: model.seed, step: step, random: model.runtime.kernels.words)
      let pass = try network.run(
        ReferenceNetwork.Data(inputs: data.inputs, targets: data.targets, parameters: values), mode,
        loss: program.lossDefinition.loss)
      losses.append(pass.loss)
      let next = state.apply(Array(values.prefix(count)), Array(pass.dParameters.prefix(count)))
      for i in 0..<count { values[i] = next[i].weight }
      for (offset, statistics) in pass.nextState {
        values.replaceSubrange(offset..<offset + statistics.count, with: statistics)
      }
    }
    let inference = program.outputs.map { id in
      numbers(ids[id].flatMap { outputs.values[$0.index]?.values } ?? [])
    }
    return "{\(field("rounding", number(noise))),\(field("inference", list(inference))),"
      + "\(field("losses", numbers(losses))),\(field("parameters", numbers(values)))}"
  }

  /// How far noise of the size of rounding moves the gradients, as a share of the largest.
  private static func rounding(_ program: GraphProgram, _ data: GraphData, _ model: Model) throws -> Double {
    let mode = ReferenceMode.training(seed: model.seed, step: 0, random: model.runtime.kernels.words)
    let start = ReferenceNetwork.Data(inputs: data.inputs, targets: data.targets, parameters: model.values)
    func gradients(_ noise: ReferenceNoise?) throws -> [Double] {
      try ReferenceNetwork(model).run(start, mode, loss: program.lossDefinition.loss, noise: noise).dParameters
    }
    let exact = try gradients(nil)
    let largest = exact.reduce(1e-12) { max($0, abs($1)) }
    var moved = 0.0
    for seed in 1...3 as ClosedRange<UInt64> {
      for (a, b) in zip(try gradients(ReferenceNoise(seed: seed)), exact) { moved = max(moved, abs(a - b)) }
    }
    return moved / largest
  }

  // MARK: JSON

  private static func field(_ name: String, _ value: String) -> String { "\"\(name)\":\(value)" }
  private static func text(_ value: String) -> String { "\"\(value)\"" }
  private static func list(_ values: [String]) -> String { "[\(values.joined(separator: ","))]" }
  private static func number(_ value: Double) -> String { value.isFinite ? String(value) : "null" }
  private static func numbers(_ values: [Double]) -> String { list(values.map { number($0) }) }
  private static func numbers(_ values: [Float]) -> String { numbers(values.map { Double($0) }) }
}

extension KernelTable {
  /// Words of a random stream, from its start.
  func words(_ seed: UInt64, _ stream: UInt64, _ count: Int) -> [UInt32] {
    Array(unsafeUninitializedCapacity: count) { buffer, filled in
      if let base = buffer.baseAddress { randomBits(seed, stream, 0, base, count) }
      filled = count
    }
  }
}
