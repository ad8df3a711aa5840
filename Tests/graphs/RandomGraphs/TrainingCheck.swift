import NNKit

extension GraphCheck {
  /// Every way in which parameters follow gradients, one after the other.
  package static let optimizers: [(name: String, optimizer: Optimizer, clipNorm: Double)] = [
    ("sgd", .sgd(learningRate: 0.02), 0),
    ("momentum", .sgd(learningRate: 0.01, momentum: 0.9), 0),
    ("nesterov, weight decay", .sgd(learningRate: 0.01, momentum: 0.8, nesterov: true, weightDecay: 0.02), 0),
    ("adam", .adam(learningRate: 0.01), 0),
    ("adam, weight decay", .adam(learningRate: 0.005, beta1: 0.8, beta2: 0.95, weightDecay: 0.02), 0),
    ("clipped", .sgd(learningRate: 0.05, momentum: 0.5), 0.1),
  ]

  /// How many epsilons of a step's parts it may be off.
  private static let optimizerRoundings = 16.0

  /// Some steps with every optimizer. At each step the engine's gradients are compared with the reference's at the
  /// engine's own parameters, and its new parameters with what the reference's optimizer makes of the engine's own
  /// gradients: so differences do not grow from step to step.
  mutating func checkSteps() throws {
    let dataset = try BatchViews(program, data)
    var passes: UInt64 = 0
    for (name, optimizer, clipNorm) in Self.optimizers {
      let trainer = try Trainer(
        model, options: "loss=\(program.loss) clip_norm=\(clipNorm) \(optimizer.options)")
      // Each begins where the first one did: steps that lead far away lead into overflow.
      data.fill(model)
      let count = model.arena.trainableCount
      var expected = ReferenceOptimizer(optimizer, clipNorm: clipNorm, count: count)
      for _ in 0..<2 {
        let comparison = try reference(data.inputs, training(step: passes), withLoss: true)
        let loss = try trainer.gradients(
          inputCount: dataset.inputs.count, { dataset.inputs[$0] }, targetCount: dataset.targets.count,
          { dataset.targets[$0] })
        passes += 1
        try comparison.expect("steps", "the loss with \(name)", [Float(loss)]) { [$0.loss] }
        let gradients = Array(
          UnsafeBufferPointer(
            start: trainer.gradients.base.assumingMemoryBound(to: Float.self), count: model.arena.count))
        try expectGradients("steps", gradients, comparison)
        add(comparison.statistics)

        let before = model.values
        try trainer.apply()
        let change = expected.apply(Array(before.prefix(count)), gradients.prefix(count).map { Double($0) })
        try expectWeights(name, change)
        try expectState(gradients, comparison.pass)
      }
    }
    try checkEvaluation()
  }

  private func expectWeights(_ name: String, _ expected: [ReferenceOptimizer.Change]) throws {
    let actual = model.arena.floats
    for parameter in model.parameters where parameter.specification.trainable {
      for i in parameter.range {
        let (weight, size) = (expected[i].weight, expected[i].size)
        // The sum rounds once, and each of some operations on the way to the step.
        let bound = 0x1p-23 * (2 * abs(weight) + Self.optimizerRoundings * size) + 1e-35
        if !(abs(Double(actual[i]) - weight) <= bound) {
          throw GraphFailure(
            check: "optimizer",
            detail: "\(name): element \(i - parameter.offset) of \(parameter.name) becomes \(actual[i]), expected "
              + "\(weight) ± \(bound)")
        }
      }
    }
  }

  /// Running statistics have become what the pass left.
  private func expectState(_ gradients: [Float], _ pass: ReferencePass) throws {
    for parameter in model.parameters where pass.nextState[parameter.offset] != nil {
      for i in parameter.range where model.arena.floats[i] != gradients[i] {
        throw GraphFailure(check: "statistics", detail: "\(parameter.name) is not what the step left")
      }
    }
  }

  /// The loss over the data after training, by the trainer's own way.
  private mutating func checkEvaluation() throws {
    let trainer = try Trainer(model, options: "loss=\(program.loss) \(Optimizer.sgd().options)")
    let views = try BatchViews(program, data)
    let result = try trainer.evaluate(
      try Dataset(inputs: views.inputs, targets: views.targets), batchSize: program.batch)
    let comparison = try reference(data.inputs, .inference, withLoss: true)
    try comparison.expect("evaluation", "the loss after training", [Float(result.loss)]) { [$0.loss] }
    add(comparison.statistics)
  }
}

/// Arrays of a batch as a host gives them.
final class BatchViews {
  private(set) var inputs: [TensorView] = []
  private(set) var targets: [TensorView] = []
  private var memory: [AlignedMemory] = []
  private var shapes: [UnsafeMutablePointer<Int64>] = []

  init(_ program: GraphProgram, _ data: GraphData) throws(NNKitError) {
    for (input, description) in zip(data.inputs, program.inputs) {
      inputs.append(try view(input.values, description.type, [input.batch] + input.shape.sizes))
    }
    let graph = try program.graph().graph
    let types = program.types(of: graph) ?? []
    for (target, output) in zip(data.targets, graph.outputs) {
      let targetType = try program.lossDefinition.loss.targetType(types[output.value.index])
      targets.append(try view(target, targetType.dataType, [program.batch] + targetType.shape.sizes))
    }
  }

  /// A view of room for float32 values.
  func room(_ sizes: [Int]) throws(NNKitError) -> TensorView {
    try view(Array(repeating: 0, count: sizes.reduce(1, *)), .float32, sizes)
  }

  func view(_ values: [Double], _ type: DataType, _ sizes: [Int]) throws(NNKitError) -> TensorView {
    let block = try AlignedMemory(byteCount: values.count * 4)
    memory.append(block)
    for (i, value) in values.enumerated() {
      if type == .int32 {
        // Behind lengths whole numbers may be any, as others may be NaN.
        block.base.storeBytes(of: value.isFinite ? Int32(value) : -7, toByteOffset: 4 * i, as: Int32.self)
      } else {
        block.base.storeBytes(of: Float(value), toByteOffset: 4 * i, as: Float.self)
      }
    }
    let shape = UnsafeMutablePointer<Int64>.allocate(capacity: sizes.count)
    for (axis, size) in sizes.enumerated() { shape[axis] = Int64(size) }
    shapes.append(shape)
    return TensorView(
      data: block.base, type: type == .int32 ? .int32 : .float32, rank: sizes.count, shape: shape, strides: nil)
  }

  deinit { for shape in shapes { shape.deallocate() } }
}

extension Graph {
  var outputTypes: [ValueType] { outputs.compactMap { try? type(of: $0.value) } }
}
