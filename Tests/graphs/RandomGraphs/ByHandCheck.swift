import NNKit

extension GraphCheck {
  /// A forward pass, the loss's gradient from elsewhere, and a backward pass: with and without gradients of the inputs,
  /// and with every second parameter frozen.
  mutating func checkByHand() throws {
    let views = try BatchViews(program, data)
    let trainer = try Trainer(model, options: "loss=none")
    data.fill(model)
    for (wantsInputs, freezes) in [(true, false), (false, false), (true, true), (false, true)] {
      if freezes { for name in frozenNames { try trainer.freeze(name) } }
      let comparison = try reference(
        data.inputs, training(step: model.passes.load(ordering: .relaxed)), withLoss: true)
      let predictions = try program.outputs.map { try self.prediction($0, comparison) }
      let outputs = try predictions.map { try views.room([$0.batch] + $0.shape.sizes) }
      try trainer.forward(
        inputCount: views.inputs.count, { views.inputs[$0] }, outputCount: outputs.count, { outputs[$0] })
      let given = try given(outputs.map(\.values), predictions, views)
      let wanted = try wantsInputs ? wantedGradients(views) : []
      try trainer.backward(
        outputCount: given.count, { given[$0] }, inputCount: wanted.count, { wanted[$0] })
      let name =
        "by hand" + (wantsInputs ? "" : ", without gradients of inputs") + (freezes ? ", half of it frozen" : "")
      try expectOutputs(name, outputs.map(\.values), comparison)
      let gradients = Array(
        UnsafeBufferPointer(
          start: trainer.gradients.base.assumingMemoryBound(to: Float.self), count: model.arena.count))
      try expectGradients(name, gradients, comparison, without: freezes ? frozenNames : [])
      for (index, gradient) in wanted.enumerated() {
        guard let gradient else { continue }
        try expectInputGradient(name, index, gradient.values, comparison)
      }
      add(comparison.statistics)
    }
    let before = model.values
    try trainer.apply()
    for parameter in model.parameters where frozenNames.contains(parameter.name) {
      for i in parameter.range where Double(model.arena.floats[i]).bitPattern != before[i].bitPattern {
        throw GraphFailure(check: "freezing", detail: "\(parameter.name) has changed")
      }
    }
  }

  private var frozenNames: Set<String> {
    Set(model.parameters.enumerated().filter { ($0.offset + Int(program.seed)) % 2 == 0 }.map(\.element.name))
  }

  private func prediction(_ id: GraphProgram.ValueID, _ comparison: ReferenceComparison) throws -> ReferenceTensor {
    guard let value = values[id], let prediction = comparison.pass.values[value.index] else {
      throw GraphFailure(check: "by hand", detail: "the reference has no output \(id)")
    }
    return prediction
  }

  /// The gradients of the loss at the engine's outputs; behind lengths NaN.
  private func given(
    _ outputs: [[Float]], _ predictions: [ReferenceTensor], _ views: BatchViews
  ) throws -> [TensorView] {
    var given: [TensorView] = []
    for (index, prediction) in predictions.enumerated() {
      let engine = ReferenceTensor(
        batch: prediction.batch, shape: prediction.shape, values: outputs[index].map { Double($0) },
        lengths: prediction.lengths)
      var gradient = program.lossDefinition.loss.reference(engine, data.targets[index]).dPrediction
      for i in gradient.indices where !engine.isReal(i) { gradient[i] = .nan }
      given.append(try views.view(gradient, .float32, [prediction.batch] + prediction.shape.sizes))
    }
    return given
  }

  private func wantedGradients(_ views: BatchViews) throws -> [TensorView?] {
    try zip(data.inputs, program.inputs).map { input, description in
      description.type == .float32 ? try views.room([input.batch] + input.shape.sizes) : nil
    }
  }
}

extension TensorView {
  /// The elements of a dense view of floats.
  fileprivate var values: [Float] {
    let count = (0..<rank).reduce(1) { $0 * size($1) }
    return Array(UnsafeBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: count))
  }
}
