// MARK: Training with gradients of the host's own

extension Trainer {
  /// Runs the model on a batch as training does (dropout draws, batch norm takes the batch's statistics), writes its
  /// outputs, and keeps what `backward` needs. One pass is kept: a later one takes its place. A batch of shapes that came
  /// before allocates nothing.
  ///
  /// Throws: `.invalidArgument` for a wrong number of tensors or an index out of range; `.shape`, `.type`;
  /// `.outOfMemory`; `.busy`.
  package func forward(inputCount: Int, _ input: TensorSource, outputCount: Int, _ output: TensorSource)
    throws(NNKitError)
  {
    try busy.enter("trainer") { () throws(NNKitError) in
      let bound = try planByHand(inputCount, input, outputCount)
      try model.checkOutputs({ bound.plan.outputs[$0].type }, batch: bound.plan.batch, output)
      (forwardPass, freezingEndedPass) = (nil, false)
      try model.load(bound, input)
      let version = model.arena.version
      bound.runForward(seed: model.seed, step: model.passes.add(1, ordering: .relaxed).oldValue)
      try model.write(bound, output)
      forwardPass = (bound, version)
    }
  }

  private func planByHand(
    _ inputCount: Int, _ input: TensorSource, _ outputCount: Int
  ) throws(NNKitError) -> BoundPlan {
    try model.checkCounts(inputs: inputCount, outputs: outputCount, of: "the forward pass")
    let batch = try model.checkInputs({ model.graph.types[model.graph.inputs[$0].value.index] }, input)
    return try plan(&plansByHand, .trainingByHand, batch: batch, input)
  }

  /// The types of the outputs of a forward pass of these inputs, and its number of samples. Throws: as `forward`.
  func outputsByHand(
    inputCount: Int, _ input: TensorSource
  ) throws(NNKitError) -> (types: [ValueType], batch: Int) {
    try busy.enter("trainer") { () throws(NNKitError) in
      let plan = try planByHand(inputCount, input, model.graph.outputs.count).plan
      return (plan.outputs.map(\.type), plan.batch)
    }
  }

  /// The types of the inputs of the forward pass that waits, and its number of samples. Throws: `.invalidArgument`
  /// where none does; `.busy`.
  func inputsOfForward() throws(NNKitError) -> (types: [ValueType], batch: Int) {
    try busy.enter("trainer") { () throws(NNKitError) in
      let plan = try waitingPass().bound.plan
      return (plan.inputs.map(\.type), plan.batch)
    }
  }

  private func waitingPass() throws(NNKitError) -> (bound: BoundPlan, version: Int) {
    guard let forwardPass else {
      throw NNKitError(
        .invalidArgument,
        freezingEndedPass
          ? "parameters were frozen or unfrozen since the forward pass, which ended it; run it again"
          : "there is no forward pass to go back; each backward pass needs a forward pass before it")
    }
    return forwardPass
  }

  /// Computes all gradients of the last `forward` from those of its outputs, and writes those of the inputs that are
  /// given; changes no parameter. An output whose gradient is left out has none. With lengths, what is behind them
  /// counts as zero, whatever it is.
  ///
  /// Throws: `.invalidArgument` for a wrong number of tensors, without a forward pass that has not been used, or where
  /// the parameters, or which of them are frozen, have changed since; `.shape`, `.type`; `.busy`.
  package func backward(
    outputCount: Int, _ outputGradient: OptionalTensorSource, inputCount: Int, _ inputGradient: OptionalTensorSource
  ) throws(NNKitError) {
    try busy.enter("trainer") { () throws(NNKitError) in
      let graph = model.graph
      guard outputCount == graph.outputs.count, inputCount == 0 || inputCount == graph.inputs.count else {
        throw NNKitError(
          .invalidArgument,
          "the backward pass was given gradients of \(outputCount) outputs and \(inputCount) inputs; the model has "
            + "\(graph.outputs.count) and \(graph.inputs.count)")
      }
      let (bound, version) = try waitingPass()
      guard version == model.arena.version else {
        throw NNKitError(
          .invalidArgument,
          "the parameters have changed since the forward pass; its gradients would be those of no model. Run it again")
      }
      let wantsInputs = try check(bound, outputGradient, inputCount, inputGradient)
      for (index, place) in bound.outputGradientPlaces.enumerated() {
        guard let place else { continue }
        let view = try outputGradient(index)
        for slot in 0..<bound.plan.batch {
          guard let view else {
            place.clear(slot: slot)
            continue
          }
          try place.load(view, sample: slot, slot: slot, Self.gradientName(graph.outputs[index].name, "output"))
        }
      }
      forwardPass = nil
      // In a child that is forked meanwhile, they are half a batch's.
      hasGradients = false
      bound.runBackward(inputGradients: wantsInputs)
      tookGradients(bound.plan)
      for position in 0..<inputCount {
        guard let view = try inputGradient(position) else { continue }
        let count = bound.inputPlaces[position].count
        if let gradient = bound.plan.dInputs[position] {
          view.write(samples: bound.plan.batch, count: count, from: bound.floats(gradient))
        } else {
          view.clear(samples: bound.plan.batch, count: count)
        }
      }
    }
  }

  private static func gradientName(_ name: String, _ what: StaticString) -> String {
    "the gradient of \(what) \"\(name)\""
  }

  /// Checks the tensors of a backward pass; whether any input's gradient is wanted.
  private func check(
    _ bound: BoundPlan, _ outputGradient: OptionalTensorSource, _ inputCount: Int,
    _ inputGradient: OptionalTensorSource
  ) throws(NNKitError) -> Bool {
    let (graph, plan) = (model.graph, bound.plan)
    for (index, tensor) in plan.outputs.enumerated() {
      guard let view = try outputGradient(index) else { continue }
      var name: String { Self.gradientName(graph.outputs[index].name, "output") }
      guard tensor.type.dataType == .float32 else {
        throw NNKitError(.type, "\(name) was given, but the output is int32 and has none; leave it out (data NULL)")
      }
      try view.check(tensor.type, name)
      guard view.size(0) == plan.batch else {
        throw NNKitError(.shape, "\(name) has \(view.size(0)) samples; the forward pass had \(plan.batch)")
      }
    }
    var wantsInputs = false
    for position in 0..<inputCount {
      guard let view = try inputGradient(position) else { continue }
      var name: String { Self.gradientName(graph.inputs[position].name, "input") }
      guard plan.inputs[position].type.dataType == .float32 else {
        throw NNKitError(.type, "\(name) was asked for, but the input is int32 and has none; leave it out (data NULL)")
      }
      try view.checkResult(plan.inputs[position].type, batch: plan.batch, name)
      wantsInputs = true
    }
    return wantsInputs
  }
}
