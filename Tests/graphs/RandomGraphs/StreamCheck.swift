import FoundationEssentials
import Glibc
import NNKit

/// Where a process keeps its one temporary file.
enum TemporaryFile {
  static let path = FileManager.default.temporaryDirectory.appending(path: "random-graphs.\(getpid()).nnkit").path
  static func remove() { unlink(path) }
}

extension GraphCheck {
  /// Step by step the streams of a graph give the bits of whole sequences, but for the sign of zeros.
  func checkStreams() throws {
    // A graph that cannot be streamed says so when its first stream is made.
    guard (try? RecurrentStream(model)) != nil, !readsLengthsAsNumbers else { return }
    var streams: [RecurrentStream] = []
    for _ in 0..<program.batch { streams.append(try RecurrentStream(model)) }
    let shapes = streams[0].shapes
    let types = program.inputs.map(\.type)
    // All sequences go on together.
    guard Set(sequenceTimes(shapes)).count == 1, let time = sequenceTimes(shapes).first else { return }

    // All steps of all samples: a step of a stream has no length but one.
    var whole = data
    for (position, input) in program.inputs.enumerated() {
      let count = whole.inputs[position].values.count
      if input.isLengths {
        whole.inputs[position].values = Array(repeating: Double(time), count: count)
      } else {
        whole.inputs[position].values = whole.inputs[position].values.map { $0.isFinite ? $0 : 0 }
      }
    }
    let expected = try EngineRun(program, whole, model, .inference).outputs
    let session = try Session(model, maximumBatch: program.batch)
    for t in 0..<time {
      let views = try BatchViews(program, whole)
      var (inputs, outputs): ([TensorView], [TensorView]) = ([], [])
      for (position, tensor) in whole.inputs.enumerated() {
        let hasTime = tensor.shape.rank > shapes.inputs[position].shape.rank
        var values = hasTime ? step(tensor.values, time: time, t) : tensor.values
        if program.inputs[position].isLengths { values = values.map { _ in 1 } }
        inputs.append(
          try views.view(values, types[position], [program.batch] + shapes.inputs[position].shape.sizes))
      }
      for type in shapes.outputs { outputs.append(try views.room([program.batch] + type.shape.sizes)) }
      try session.step(
        streamCount: streams.count, { (index) throws(NNKitError) in streams[index] }, inputCount: inputs.count,
        { (index) throws(NNKitError) in inputs[index] }, outputCount: outputs.count,
        { (index) throws(NNKitError) in outputs[index] })
      for (index, output) in outputs.enumerated() {
        let count = (0..<output.rank).reduce(1) { $0 * output.size($1) }
        let base = output.data.assumingMemoryBound(to: Float.self)
        let actual = Array(UnsafeBufferPointer(start: base, count: count))
        let hasTime = expected[index].count > count || (time == 1 && hasTimeAxis(index, shapes))
        if !hasTime && t < time - 1 && count == expected[index].count { continue }
        let wanted = hasTime ? step(expected[index], time: time, t) : expected[index]
        if let different = zip(actual, wanted).enumerated().first(where: { $0.element.0 != $0.element.1 }) {
          throw GraphFailure(
            check: "stream",
            detail: "step \(t) of \(time), output \(index): element \(different.offset) is \(different.element.0), in "
              + "the sequence \(different.element.1)")
        }
      }
    }
  }

  /// Whether a layer takes lengths for something else: of a step they are 1.
  private var readsLengthsAsNumbers: Bool {
    let lengths = Set(program.inputs.filter(\.isLengths).map(\.id))
    return program.layers.contains { lengths.contains($0.inputs[0]) }
  }

  private func hasTimeAxis(_ output: Int, _ shapes: StreamShapes) -> Bool {
    model.graph.outputTypes[output].shape.rank > shapes.outputs[output].shape.rank
  }

  /// How many steps each of the sequences has.
  private func sequenceTimes(_ shapes: StreamShapes) -> [Int] {
    zip(data.inputs, shapes.inputs).compactMap { tensor, type in
      tensor.shape.rank > type.shape.rank ? tensor.shape[0] : nil
    }
  }

  /// Step `t` of values `[N, T, ...]`.
  private func step<Element>(_ values: [Element], time: Int, _ t: Int) -> [Element] {
    let count = values.count / program.batch / time
    return (0..<program.batch).flatMap { (n: Int) -> ArraySlice<Element> in
      let first = (n * time + t) * count
      return values[first..<first + count]
    }
  }
}
