import NNKit

/// What a program is run on: values of all inputs, targets and parameters, drawn from its seed.
package struct GraphData {
  package var inputs: [ReferenceTensor]
  package var targets: [[Double]]
  /// Of each parameter of the model, in order.
  let parameters: [[Float]]

  init(_ program: GraphProgram, _ model: Model) throws(NNKitError) {
    var random = RandomSource(seed: program.seed ^ 0xDA7A)
    let shapes = program.inputShapes
    let loss = program.lossDefinition.loss
    let plan = try model.plan(batch: program.batch, inputShapes: shapes, purpose: .evaluation(loss))
    let ranges = plan.inputRanges
    inputs = []
    for (position, input) in program.inputs.enumerated() {
      let count = program.batch * shapes[position].sizes.reduce(1, *)
      let range = ranges[position] ?? (input.isLengths ? 1...1 : 0...5)
      let values = (0..<count).map { _ in
        input.type == .float32
          ? Double(Float(random.number(-1, 1)))
          : Double(random.integer(Int(range.lowerBound)...min(Int(range.upperBound), 1 << 20)))
      }
      inputs.append(ReferenceTensor(batch: program.batch, shape: shapes[position], values: values))
    }
    parameters = model.parameters.map { parameter in
      let specification = parameter.specification
      let fan = Double(max(1, specification.fanIn))
      return (0..<parameter.count).map { _ in
        // Kernels as He and Glorot would have them, whatever draws their first values.
        switch specification.initializer {
        case _ where specification.shape.rank > 1: Float(random.number(-1, 1) * (3 / fan).squareRoot())
        case .ones: Float(random.number(0.5, 1.5))
        default: Float(random.number(-0.3, 0.3))
        }
      }
    }
    targets = []
    for type in plan.outputs.map(\.type) {
      let target = try loss.targetType(type)
      let count = program.batch * target.shape.sizes.reduce(1, *)
      let range = loss.targetRange(type) ?? 0...1
      targets.append(
        (0..<count).map { _ in
          target.dataType == .float32
            ? Double(Float(random.number(-1, 1)))
            : Double(random.integer(Int(range.lowerBound)...Int(range.upperBound)))
        })
    }
    for (position, lengths) in plan.inputLengths.enumerated() {
      if let lengths { spoil(&inputs[position].values, inputs[position].shape, inputs[lengths].values) }
    }
    for (position, lengths) in plan.targetLengths.enumerated() {
      guard let lengths else { continue }
      let type = try loss.targetType(plan.outputs[position].type)
      // Whole numbers behind the lengths may be anything, too: see `EngineRun`.
      if type.dataType == .float32 { spoil(&targets[position], type.shape, inputs[lengths].values) }
    }
  }

  /// Puts NaN behind the lengths of sequences `[N, T, ...]`.
  private func spoil(_ values: inout [Double], _ shape: Shape, _ lengths: [Double]) {
    let count = shape.sizes.reduce(1, *)
    for (n, length) in lengths.enumerated() {
      for i in Int(length) * (count / shape[0])..<count { values[n * count + i] = .nan }
    }
  }

  /// Fills a model's parameters.
  func fill(_ model: Model) {
    for (parameter, values) in zip(model.parameters, parameters) {
      for (i, value) in values.enumerated() { (model.arena.floats + parameter.offset)[i] = value }
    }
    model.arena.markChanged()
  }
}

extension GraphProgram {
  package var lossDefinition: LossDefinition {
    LossDefinition.all.first { $0.name == loss } ?? LossDefinition.all[0]
  }
}

extension Model {
  /// All parameters, in double precision.
  var values: [Double] { (0..<arena.count).map { Double(arena.floats[$0]) } }
}
