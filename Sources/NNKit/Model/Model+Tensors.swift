// MARK: What runs, steps of streams and training by hand do with the host's tensors

extension Model {
  /// `what` was given the tensors.
  func checkCounts(inputs: Int, outputs: Int, of what: StaticString = "the run") throws(NNKitError) {
    guard inputs == graph.inputs.count, outputs == graph.outputs.count else {
      throw NNKitError(
        .invalidArgument,
        "\(what) was given \(inputs) inputs and \(outputs) outputs; the model has \(graph.inputs.count) and "
          + "\(graph.outputs.count)")
    }
  }

  /// Checks all inputs against the types of their samples, and returns how many samples they have.
  func checkInputs(_ type: (_ index: Int) -> ValueType, _ input: TensorSource) throws(NNKitError) -> Int {
    let first = try input(0)
    for index in 0..<graph.inputs.count {
      var name: String { graph.inputs[index].name }
      let view = try input(index)
      try view.check(type(index), "input \"\(name)\"")
      guard view.size(0) == first.size(0) else {
        throw NNKitError(
          .shape,
          "input \"\(name)\" has \(view.size(0)) samples, input \"\(graph.inputs[0].name)\" has "
            + "\(first.size(0)); expected the same number")
      }
    }
    return first.size(0)
  }

  /// Checks all outputs against the types of their samples and the number of samples.
  func checkOutputs(
    _ type: (_ index: Int) -> ValueType, batch: Int, _ output: TensorSource
  ) throws(NNKitError) {
    for index in 0..<graph.outputs.count {
      try output(index).checkResult(type(index), batch: batch, "output \"\(graph.outputs[index].name)\"")
    }
  }

  /// Copies the inputs into the plan's memory. Throws: `.invalidArgument` for an index out of range.
  func load(_ bound: BoundPlan, _ input: TensorSource) throws(NNKitError) {
    for index in bound.plan.loadOrder {
      let (view, place) = (try input(index), bound.inputPlaces[index])
      for sample in 0..<bound.plan.batch {
        try place.load(
          view, sample: sample, slot: sample, "input \"\(graph.inputs[index].name)\"")
      }
    }
  }

  /// Copies the outputs out of the plan's memory.
  func write(_ bound: BoundPlan, _ output: TensorSource) throws(NNKitError) {
    for (index, place) in bound.outputPlaces.enumerated() {
      try output(index).write(samples: bound.plan.batch, count: place.count, from: place.floats)
    }
  }
}

extension TensorView {
  /// Checks a tensor that results are to be written to. Throws: `.type`, `.shape`; `what` names the tensor.
  func checkResult(_ type: ValueType, batch: Int, _ what: @autoclosure () -> String) throws(NNKitError) {
    try check(type, what())
    guard self.type != .int64 else { throw NNKitError(.type, "\(what()) is int64; expected int32") }
    guard isWritable else {
      throw NNKitError(.invalidArgument, "\(what()) is a view that only reads; make one of mutable memory")
    }
    guard !mayOverlapItself else {
      throw NNKitError(
        .shape,
        "\(what()) has strides \(stridesDescription) with which elements share memory; each element needs a place of "
          + "its own")
    }
    guard size(0) == batch else {
      throw NNKitError(.shape, "\(what()) has room for \(size(0)) samples; the inputs have \(batch)")
    }
  }

  /// Writes the samples of a result.
  func write(samples: Int, count: Int, from values: UnsafePointer<Float>) {
    for sample in 0..<samples { writeSample(sample, count: count, from: UnsafeRawPointer(values + sample * count)) }
  }

  /// Writes zeros to all of them.
  func clear(samples: Int, count: Int) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, count)) { zeros in
      zeros.initialize(repeating: 0)
      for sample in 0..<samples { writeSample(sample, count: count, from: UnsafeRawPointer(zeros.baseAddress!)) }
    }
  }
}
