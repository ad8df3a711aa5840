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
    let ranges = try model.plan(batch: program.batch, inputShapes: shapes, purpose: .inference).inputRanges
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
        switch specification.initializer {
        case .zeros: Float(random.number(-0.3, 0.3))
        case .ones: Float(random.number(0.5, 1.5))
        default: Float(random.number(-1, 1) * (3 / fan).squareRoot())
        }
      }
    }
    let loss = program.lossDefinition.loss
    targets = []
    let types = try program.outputTypes(model)
    for type in types {
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
    spoilWhatNobodyReads(program)
  }

  /// Puts NaN behind the lengths of inputs that only layers with these lengths read.
  private mutating func spoilWhatNobodyReads(_ program: GraphProgram) {
    for (position, input) in program.inputs.enumerated() where input.type == .float32 && inputs[position].shape.rank == 2 {
      let readers = program.layers.filter { $0.inputs.contains(input.id) }
      let lengths = Set(readers.map { $0.inputs.count > 1 ? $0.inputs[1] : -1 })
      guard !program.outputs.contains(input.id), lengths.count == 1, let id = lengths.first,
        let index = program.inputs.firstIndex(where: { $0.id == id && $0.isLengths })
      else { continue }
      let (time, columns) = (inputs[position].shape[0], inputs[position].shape[1])
      for n in 0..<program.batch {
        for i in Int(inputs[index].values[n]) * columns..<time * columns {
          inputs[position].values[n * time * columns + i] = .nan
        }
      }
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

  /// With concrete sizes.
  func outputTypes(_ model: Model) throws(NNKitError) -> [ValueType] {
    try model.plan(batch: batch, inputShapes: inputShapes, purpose: .inference).outputs.map(\.type)
  }
}

extension Model {
  /// All parameters, in double precision.
  var values: [Double] { (0..<arena.count).map { Double(arena.floats[$0]) } }
}
