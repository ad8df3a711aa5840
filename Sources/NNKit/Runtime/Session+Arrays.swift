// MARK: Runs and steps with a program's own memory

extension Session {
  /// Runs the model on the samples of `inputs` and writes to `outputs`: views of the model's inputs and outputs in
  /// their order, `[N, ...]` each, of 1 to `maximumBatch` samples. The outputs' shapes must be exactly those of the
  /// results. A run with the maximum batch (and time) allocates nothing.
  ///
  /// Throws, and leaves the outputs as they were: `.invalidArgument` for a wrong number of tensors, a batch beyond the
  /// maximum or an index out of range; `.shape`, `.type`; `.outOfMemory`; `.busy`; `.cancelled`.
  public func run(_ inputs: [HostView], into outputs: [HostView]) throws(NNKitError) {
    try run(inputCount: inputs.count, { inputs[$0].view }, outputCount: outputs.count, { outputs[$0].view })
  }

  /// Advances streams by one time step each: `inputs` are `[n, ...]` without time, row `i` for `streams[i]`, and
  /// `outputs` are those of this time step; of a layer that returns its last state, the state that it has now. Lengths
  /// are 1. A step with a number of streams that came lately allocates nothing.
  ///
  /// Throws, and advances no stream: `.invalidArgument` for a wrong number of tensors or streams, and for a stream that
  /// is given twice or is of another model; as `run`.
  public func step(
    _ streams: [RecurrentStream], _ inputs: [HostView], into outputs: [HostView]
  ) throws(NNKitError) {
    try step(
      streamCount: streams.count, { streams[$0] }, inputCount: inputs.count, { inputs[$0].view },
      outputCount: outputs.count, { outputs[$0].view })
  }
}

// MARK: The same, with results in new arrays

extension Session {
  /// Runs the model on `inputs`, `[N, ...]` each, and returns its outputs, `[N, ...]` each. Throws: as `run(_:into:)`.
  public func run(_ inputs: [HostArray]) throws(NNKitError) -> [HostArray] {
    let inputs = try TensorCopies(inputs)
    let (types, batch) = try outputs(inputCount: inputs.views.count, { inputs.views[$0].view })
    let results = try TensorCopies(types, batch: batch)
    try run(inputs.views, into: results.views)
    withExtendedLifetime(inputs) {}
    return try results.arrays()
  }

  /// Advances streams by one time step each, and returns the outputs of this step, `[n, ...]` each.
  /// Throws: as `step(_:_:into:)`.
  public func step(_ streams: [RecurrentStream], _ inputs: [HostArray]) throws(NNKitError) -> [HostArray] {
    guard let first = streams.first else { throw noStreams }
    let inputs = try TensorCopies(inputs)
    let results = try TensorCopies(first.shapes.outputs, batch: streams.count)
    try step(streams, inputs.views, into: results.views)
    withExtendedLifetime(inputs) {}
    return try results.arrays()
  }

  private var noStreams: NNKitError {
    NNKitError(.invalidArgument, "the step was given no streams; expected at least one")
  }
}

// MARK: The same, for models with one float32 input and one output

extension Session {
  /// Runs a model with one float32 input and one output on `samples`, dense `[N, ...]`, at most `maximumBatch` of them
  /// at a time, and returns `[N, ...]`.
  ///
  /// Throws: `.unsupported` for other models and open time (use `run`); `.shape` where the number of elements is no
  /// multiple of a sample's; as `run`.
  public func predict(_ samples: [Float]) throws(NNKitError) -> [Float] {
    let (inputCount, outputCount) = try sampleCounts()
    var results = try zeros(samples.count / max(1, inputCount), of: outputCount)
    try predict(samples, into: &results)
    return results
  }

  /// As `predict(_:)`, into `results`, which has room for exactly all of them. Throws: as that, and then results of the
  /// first samples may have been written; `.shape` for too little room or too much.
  public func predict(_ samples: [Float], into results: inout [Float]) throws(NNKitError) {
    let (inputCount, outputCount) = try sampleCounts()
    let batch = samples.count / max(1, inputCount)
    guard batch > 0, samples.count == batch * inputCount else {
      throw NNKitError(
        .shape,
        "there are \(samples.count) numbers; expected a multiple of \(inputCount), the size of a sample "
          + "\(model.inputTypes[0].shape)")
    }
    guard results.count == (try checkedProduct([batch, outputCount], of: "the result of \(batch) samples")) else {
      throw NNKitError(
        .shape,
        "there is room for \(results.count) numbers; \(batch) samples give \(batch * outputCount)")
    }
    let (inputSizes, outputSizes) = (model.inputTypes[0].shape.sizes, model.outputTypes[0].shape.sizes)
    try withMemory(samples, &results) { (samples, results) throws(NNKitError) in
      var first = 0
      while first < batch {
        let end = min(batch, first + maximumBatch)
        let input = UnsafeBufferPointer(rebasing: samples[first * inputCount..<end * inputCount])
        let output = UnsafeMutableBufferPointer(rebasing: results[first * outputCount..<end * outputCount])
        let inputView = try HostView(reading: input, shape: [end - first] + inputSizes)
        let outputView = try HostView(output, shape: [end - first] + outputSizes)
        try run(inputCount: 1, { _ in inputView.view }, outputCount: 1, { _ in outputView.view })
        first = end
      }
    }
  }

  /// The elements of a sample of the one input and of the one output.
  private func sampleCounts() throws(NNKitError) -> (input: Int, output: Int) {
    guard model.inputTypes.count == 1, model.outputTypes.count == 1, !model.inputTypes[0].shape.isOpen else {
      throw NNKitError(.unsupported, "predict takes models with one input of known shape and one output; use run")
    }
    return (try model.inputTypes[0].shape.count(), try model.outputTypes[0].shape.count())
  }

  /// Advances streams of a model with one float32 input and one output by one time step: `samples` is `[n, ...]`
  /// without time, dense, and so is the result.
  ///
  /// Throws: `.unsupported` for other models; `.shape` where there are not as many numbers as the streams need; as
  /// `step(_:_:into:)`.
  public func step(_ streams: [RecurrentStream], _ samples: [Float]) throws(NNKitError) -> [Float] {
    guard let shapes = streams.first?.shapes else { throw noStreams }
    guard shapes.inputs.count == 1, shapes.outputs.count == 1 else {
      throw NNKitError(.unsupported, "a step with an array of numbers takes models with one input and one output")
    }
    let (inputShape, outputShape) = (shapes.inputs[0].shape, shapes.outputs[0].shape)
    let count = try inputShape.count()
    guard samples.count == streams.count * count else {
      throw NNKitError(
        .shape, "there are \(samples.count) numbers; expected \(streams.count) time steps of \(inputShape)")
    }
    var results = try zeros(streams.count, of: try outputShape.count())
    try withMemory(samples, &results) { (samples, results) throws(NNKitError) in
      try step(
        streams, [try HostView(reading: samples, shape: [streams.count] + inputShape.sizes)],
        into: [try HostView(results, shape: [streams.count] + outputShape.sizes)])
    }
    return results
  }

  /// Room for results. Throws: `.shape`, `.outOfMemory` where they are too many.
  private func zeros(_ batch: Int, of count: Int) throws(NNKitError) -> [Float] {
    let total = try checkedProduct([batch, count], of: "the result of \(batch) samples")
    try checkMemory(for: total * MemoryLayout<Float>.stride)
    return Array(repeating: 0, count: total)
  }

  private func withMemory(
    _ samples: [Float], _ results: inout [Float],
    _ body: (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) throws(NNKitError) -> Void
  ) throws(NNKitError) {
    try samples.withUnsafeBufferPointer { (samples) throws(NNKitError) in
      try results.withUnsafeMutableBufferPointer { (results) throws(NNKitError) in try body(samples, results) }
    }
  }
}
