import Glibc

extension Session {
  /// Advances streams by one time step each: reads their inputs, `[n, ...]` without time, and writes the outputs of this
  /// step; of a layer that returns its last state, that of this step. Lengths are 1. A step with a number of streams
  /// that is still planned allocates nothing.
  ///
  /// Accuracy: the bits are those of a run over the whole sequence, for finite parameters and but for the sign of zeros.
  ///
  /// Throws, and leaves all streams as they were: `.invalidArgument` for a wrong number of tensors or streams, a stream
  /// that is given twice or is of another model, an index out of range; `.shape`, `.type`, `.outOfMemory`, `.busy`, `.cancelled`.
  package func step(
    streamCount: Int, _ stream: StreamSource, inputCount: Int, _ input: TensorSource, outputCount: Int,
    _ output: TensorSource
  ) throws(NNKitError) {
    try busy.enter("session") { () throws(NNKitError) in
      try model.checkCounts(inputs: inputCount, outputs: outputCount)
      guard streamCount >= 1 else {
        throw NNKitError(.invalidArgument, "the step was given \(streamCount) streams; expected at least one")
      }
      try checkBatch(streamCount, "streams")
      defer {
        for stream in streams { stream.leave() }
        streams.removeAll(keepingCapacity: true)
      }
      for index in 0..<streamCount { try take(try stream(index), index) }

      let shapes = streams[0].shapes
      let samples = try model.checkInputs({ shapes.inputs[$0] }, input)
      guard samples == streamCount else {
        throw NNKitError(.shape, "the inputs have \(samples) samples; expected one for each of \(streamCount) streams")
      }
      try model.checkOutputs({ shapes.outputs[$0] }, batch: streamCount, output)
      let bound = try stepPlan(streamCount, shapes)
      try model.load(bound, input)
      gatherStates(bound)
      try bound.run(in: busy)
      try model.write(bound, output)
      scatterStates(bound)
    }
  }

  private func take(_ stream: RecurrentStream, _ index: Int) throws(NNKitError) {
    guard stream.model === model else {
      throw NNKitError(.invalidArgument, "stream \(index) is one of another model than the session")
    }
    // The session serves one call at a time: its address tells its calls from those of others.
    try stream.enter(call: Int(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    streams.append(stream)
  }

  private func stepPlan(_ count: Int, _ shapes: StreamShapes) throws(NNKitError) -> BoundPlan {
    if let bound = stepPlans.find(batch: count) { return bound }
    let bound = try bind(batch: count, shapes.plannedInputs, .streamStep)
    stepPlans.add(bound)
    return bound
  }

  private func gatherStates(_ bound: BoundPlan) {
    var offset = 0
    for place in bound.statePlaces {
      let (target, count) = (place.previous, place.count)
      for (row, stream) in streams.enumerated() { memcpy(target + row * count, stream.state + offset, count * 4) }
      offset += count
    }
  }

  private func scatterStates(_ bound: BoundPlan) {
    var offset = 0
    for place in bound.statePlaces {
      let (source, count) = (place.next, place.count)
      for (row, stream) in streams.enumerated() { memcpy(stream.state + offset, source + row * count, count * 4) }
      offset += count
    }
  }
}
