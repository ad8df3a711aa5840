/// A number that is not finite was met: what it is and what can be done. What it means for the model the caller knows.
struct NumericFault: Error {
  let what: String
  let advice: String

  func error(_ state: String) -> NNKitError { NNKitError(.numeric, "\(what); \(state). \(advice)") }
}

extension Trainer {
  // MARK: A whole dataset, before the first step

  /// Plans all batches of the samples and checks types, shapes, and all whole numbers: labels and indices.
  ///
  /// Throws: as `fit`, without `.numeric`.
  func check(_ dataset: Dataset, _ samples: Range<Int>, batchSize: Int, isTraining: Bool) throws(NNKitError) {
    let batch = min(batchSize, samples.count)
    let bound = try plan(dataset, batch: batch, isTraining: isTraining)
    let rest = samples.count % batch
    if rest > 0 { _ = try plan(dataset, batch: rest, isTraining: isTraining) }
    for (position, tensor) in bound.plan.targets.enumerated() {
      let what = "the target of output \"\(model.graph.outputs[position].name)\""
      try dataset.target(position).check(tensor.type, what)
      try check(dataset.target(position), samples, bound.plan.targetRanges[position], what)
    }
    for position in bound.plan.inputs.indices {
      try check(
        dataset.input(position), samples, bound.plan.inputRanges[position],
        "input \"\(model.graph.inputs[position].name)\"")
    }
  }

  private func check(
    _ view: TensorView, _ samples: Range<Int>, _ range: ClosedRange<Int32>?, _ what: String
  ) throws(NNKitError) {
    guard view.type != .float32, let bad = view.firstOutside(range ?? Int32.min...Int32.max, samples) else { return }
    throw outOfRange(what, bad.sample, bad.value, range)
  }

  // MARK: After a number that is not finite

  /// Throws where the loss of a batch is not finite.
  func requireFinite(
    _ loss: Double, batch: Int, inputCount: Int, _ input: TensorSource, targetCount: Int, _ target: TensorSource,
    index: (Int) -> Int
  ) throws(NumericFault) {
    if loss.isFinite { return }
    let what = "the loss is \(name(of: Float(loss)))"
    for slot in 0..<batch {
      for position in 0..<inputCount + targetCount {
        let isInput = position < inputCount
        let graph = model.graph
        guard let view = try? isInput ? input(position) : target(position - inputCount), view.type == .float32,
          let bad = view.firstNonFinite(sample: index(slot))
        else { continue }
        let place =
          isInput
          ? "of input \"\(graph.inputs[position].name)\""
          : "of the target of output \"\(graph.outputs[position - inputCount].name)\""
        throw NumericFault(
          what: "\(what), and sample \(index(slot)) \(place) holds \(name(of: bad))",
          advice: "Mend or leave out such samples")
      }
    }
    throw NumericFault(
      what: "\(what), though all inputs and targets of the batch are finite",
      advice: "Check the data for values that are far too large, or lower learning_rate")
  }

  /// Says which gradient, or which next running statistic, is not finite.
  func gradientFault(_ isState: Bool) -> NumericFault {
    let next = gradients.base.assumingMemoryBound(to: Float.self)
    for parameter in model.parameters where parameter.specification.trainable != isState {
      guard let bad = parameter.range.first(where: { !next[$0].isFinite }) else { continue }
      return NumericFault(
        what: "\(isState ? "the next value" : "the gradient") of \(parameter.name) holds \(name(of: next[bad]))",
        advice: isState
          ? "Check the data for values that are far too large"
          : "Check the data for values that are far too large, or lower learning_rate")
    }
    return NumericFault(what: "the norm of the gradients is not finite", advice: "Lower learning_rate")
  }

  /// Says what an update would have done to the parameter that has the arena's element `index`.
  func updateFault(_ index: Int) -> NumericFault {
    let value = model.arena.floats[index]
    let parameter = model.parameters.first { $0.range.contains(index) }?.name ?? "a parameter"
    if !value.isFinite {
      return NumericFault(
        what: "\(parameter) holds \(name(of: value)) already", advice: "Load the model again, or write finite values")
    }
    return NumericFault(
      what: "the update of \(parameter) would not be finite", advice: "Lower learning_rate, or set clip_norm")
  }
}

private func name(of value: Float) -> String { value.isNaN ? "NaN" : value < 0 ? "-infinity" : "infinity" }
