/// How many time steps each sequence of the batch really has: int32 `[N]`, each in `1 ... T`.
package struct SequenceLengths: Sendable {
  let tensor: Tensor
}

/// Of each value of a graph: the input that says how many of its steps are data, where there is one.
///
/// Besides what `Graph.lengths` says, lengths go backwards: a value has them where nobody reads more of it, that is where
/// it is no output of the model and each of its readers is a recurrent layer that has these lengths, or acts per step and
/// makes a value that has them.
package func carriedLengths(of graph: Graph) -> [Value?] {
  var lengths = graph.lengths
  /// Who has read a value so far, from the end of the graph on.
  enum Readers {
    case none
    case of(Value)
    case other
  }
  var readers = Array(repeating: Readers.none, count: lengths.count)
  for output in graph.outputs { readers[output.value.index] = .other }

  func finish(_ value: Value) {
    if lengths[value.index] == nil, case .of(let common) = readers[value.index] { lengths[value.index] = common }
  }
  func read(_ value: Value, _ lengths: Value?) {
    switch (readers[value.index], lengths) {
    case (.none, let lengths?): readers[value.index] = .of(lengths)
    case (.of(let others), let lengths?) where others == lengths: break
    default: readers[value.index] = .other
    }
  }
  func isRead(_ value: Value) -> Bool { if case .none = readers[value.index] { false } else { true } }
  for node in graph.nodes.reversed() {
    node.outputs.forEach(finish)
    guard node.outputs.contains(where: isRead) else { continue }
    if let recurrent = node.operation as? any StreamingOperation {
      read(node.inputs[0], recurrent.lengths(of: node.inputs))
      for input in node.inputs.dropFirst() { read(input, nil) }
    } else {
      let steps = node.operation.stepInputs(node.inputs.map { graph.types[$0.index] })
      // Of several outputs all that are read have them, or the inputs are read to their ends.
      let common = Set(node.outputs.filter(isRead).map { lengths[$0.index] })
      for (input, isStep) in zip(node.inputs, steps) {
        read(input, isStep && common.count == 1 ? common.first ?? nil : nil)
      }
    }
  }
  for input in graph.inputs { finish(input.value) }
  return lengths
}

/// The real steps of a batch of sequences, those before each sequence's length, and how many there are.
struct RealSteps {
  let lengths: SequenceLengths
  /// `[N + 1]`, doubles: how many real steps come before those of each sequence, and at the end how many there are.
  let starts: Tensor

  /// What steps read.
  var tensors: [Tensor] { [lengths.tensor, starts] }

  func bind(_ binding: Binding) -> BoundRealSteps {
    BoundRealSteps(
      lengths: binding.integers(lengths.tensor), starts: binding.doubles(starts), sequences: lengths.tensor.batch)
  }
}

/// The real steps of a batch while a step runs.
struct BoundRealSteps {
  let lengths: UnsafeMutablePointer<Int32>
  let starts: UnsafeMutablePointer<Double>
  let sequences: Int

  /// Of all sequences.
  var count: Int { Int(starts[sequences]) }

  @inline(__always)
  func start(_ sequence: Int) -> Int { Int(starts[sequence]) }
}

/// How the rows of a tensor `[T, ...]` belong to the steps of its sequences.
struct SequenceRows {
  let rowsPerSequence: Int
  let rowsPerStep: Int

  /// Calls `body` for each run of `rows` that are all of real steps, or all not; in order. Without lengths all are real.
  @inline(__always)
  func forEachRun(
    in rows: Range<Int>, _ lengths: UnsafeMutablePointer<Int32>?, _ body: (_ rows: Range<Int>, _ areReal: Bool) -> Void
  ) {
    guard let lengths else { return body(rows, true) }
    var row = rows.lowerBound
    while row < rows.upperBound {
      let sequence = row / rowsPerSequence
      let end = min((sequence + 1) * rowsPerSequence, rows.upperBound)
      let realEnd = min(max(sequence * rowsPerSequence + Int(lengths[sequence]) * rowsPerStep, row), end)
      if row < realEnd { body(row..<realEnd, true) }
      if realEnd < end { body(realEnd..<end, false) }
      row = end
    }
  }
}

extension PlanBuilder {
  /// Adds the step that counts the real steps.
  func realSteps(_ lengths: SequenceLengths) throws(NNKitError) -> RealSteps {
    let starts = try doubles(batch + 1)
    let batch = batch
    step("real steps", reads: [lengths.tensor], writes: [starts], work: [batch]) { binding in
      let (lengths, result) = (binding.integers(lengths.tensor), binding.doubles(starts))
      return { _, _ in
        var count = 0
        for sequence in 0..<batch {
          result[sequence] = Double(count)
          count += Int(lengths[sequence])
        }
        result[batch] = Double(count)
      }
    }
    return RealSteps(lengths: lengths, starts: starts)
  }

  /// Adds `y = x` with zeros behind the lengths.
  func zeroBehindLengths(_ x: Tensor, _ lengths: SequenceLengths) throws(NNKitError) -> Tensor {
    let y = try tensor(x.type)
    let (time, count) = (x.shape[0], x.sampleCount)
    step(
      "zeros behind the lengths", reads: [lengths.tensor], elementwise: [x], writes: [y], tiles: batch, work: [x.count]
    ) { binding in
      let (source, target) = (UnsafePointer(binding.floats(x)), binding.floats(y))
      let lengths = binding.integers(lengths.tensor)
      return { sequence, _ in
        let (start, real) = (sequence * count, Int(lengths[sequence]) * (count / time))
        if source != UnsafePointer(target) { (target + start).update(from: source + start, count: real) }
        (target + start + real).update(repeating: 0, count: count - real)
      }
    }
    return y
  }

  /// Adds the step that lays the real steps of `x` side by side, in a tensor that has room for all steps.
  func gatherRealSteps(_ name: String, _ x: Tensor, _ steps: RealSteps) throws(NNKitError) -> Tensor {
    let gathered = try tensor(x.type)
    let (count, stepCount) = (x.sampleCount, x.sampleCount / x.shape[0])
    step(name, reads: [x] + steps.tensors, writes: [gathered], tiles: batch, work: [x.count]) { binding in
      let (source, target) = (UnsafePointer(binding.floats(x)), binding.floats(gathered))
      let steps = steps.bind(binding)
      return { sequence, _ in
        (target + steps.start(sequence) * stepCount).update(
          from: source + sequence * count, count: Int(steps.lengths[sequence]) * stepCount)
      }
    }
    return gathered
  }
}
