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
    let plan = bound.plan
    for (position, tensor) in plan.targets.enumerated() {
      try dataset.target(position).check(tensor.type, targetName(position))
    }
    for position in plan.loadOrder {
      try check(
        dataset.input(position), samples, plan.inputRanges[position], plan.inputLengths[position].map(dataset.input),
        inputName(position))
    }
    for position in plan.targets.indices {
      try check(
        dataset.target(position), samples, plan.targetRanges[position],
        plan.targetLengths[position].map(dataset.input), targetName(position))
    }
  }

  /// `lengths`: how many of each sample's steps are real, checked before; what is behind them is nobody's.
  private func check(
    _ view: TensorView, _ samples: Range<Int>, _ range: ClosedRange<Int32>?, _ lengths: TensorView?, _ what: String
  ) throws(NNKitError) {
    guard view.type != .float32,
      let bad = view.firstOutside(range ?? Int32.min...Int32.max, samples, lengths: lengths)
    else { return }
    throw outOfRange(what, bad.sample, bad.value, range)
  }

  private func inputName(_ position: Int) -> String { "input \"\(model.graph.inputs[position].name)\"" }
  private func targetName(_ position: Int) -> String {
    "the target of output \"\(model.graph.outputs[position].name)\""
  }

  // MARK: After a number that is not finite

  /// Throws where the loss of a batch is not finite, and names the first sample that explains it.
  func requireFinite(
    _ bound: BoundPlan, _ input: TensorSource, _ target: TensorSource, index: (Int) -> Int
  ) throws(NumericFault) {
    let loss = bound.loss
    if loss.isFinite { return }
    let (plan, what) = (bound.plan, "the loss is \(name(of: Float(loss)))")
    for slot in 0..<plan.batch {
      let sample = index(slot)
      func throwIfBad(_ view: TensorView?, _ lengths: Int?, _ tensor: String) throws(NumericFault) {
        let steps = lengths.map { Int(bound.integers(plan.inputs[$0])[slot]) }
        guard let view, view.type == .float32, let bad = view.firstNonFinite(sample: sample, steps: steps)
        else { return }
        throw NumericFault(
          what: "\(what), and sample \(sample) of \(tensor) holds \(name(of: bad))",
          advice: "Mend or leave out such samples")
      }
      for position in plan.inputs.indices {
        try throwIfBad(try? input(position), plan.inputLengths[position], inputName(position))
      }
      for position in plan.targets.indices {
        try throwIfBad(try? target(position), plan.targetLengths[position], targetName(position))
      }
    }
    throw parameterFault("\(what), though all inputs and targets of the batch are finite")
  }

  /// Says of the largest parameter, which mostly explains it, what `what` says of the loss.
  private func parameterFault(_ what: String) -> NumericFault {
    let values = model.arena.floats
    var largest: (name: String, value: Float) = ("", 0)
    for parameter in model.parameters {
      for index in parameter.range {
        if !values[index].isFinite {
          return NumericFault(
            what: "\(what): \(parameter.name) holds \(name(of: values[index]))",
            advice: "Load the model again, or write finite values")
        }
        if abs(values[index]) > abs(largest.value) { largest = (parameter.name, values[index]) }
      }
    }
    let explanation = largest.value == 0 ? "" : ", and the largest parameter is \(largest.value), in \(largest.name)"
    return NumericFault(
      what: what + explanation,
      advice: abs(largest.value) > Self.largeParameter
        ? "Load the model again, or make it anew, and lower learning_rate"
        : "Check the data for values that are far too large, or lower learning_rate")
  }

  /// No network that learns has parameters beyond it.
  private static let largeParameter: Float = 1e6

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
