// MARK: Parameters that stay as they are

extension Trainer {
  /// Freezes the parameters whose names fit `pattern`, or lets them be trained again. In a pattern `*` stands for any
  /// characters and `?` for any one: "encoder/*", "*/bias". Returns how many parameters fit.
  ///
  /// A frozen parameter keeps its value: its gradient is zero, and takes neither memory nor time where the step that
  /// computes it computes no other; what lies before it is not gone back to unless something there is trained. A running
  /// statistic can be frozen too; batch norm takes the batch's statistics in training all the same. The optimizer's
  /// memory of frozen parameters stays. A change ends a forward pass that `backward` has not used.
  ///
  /// Throws: `.invalidArgument` where no parameter fits; `.busy`.
  @discardableResult
  public func freeze(_ pattern: String, _ isFrozen: Bool = true) throws(NNKitError) -> Int {
    let fitting = model.parameters.filter { matches(pattern, $0.name) }
    guard !fitting.isEmpty else {
      let near = nearest(pattern, in: model.parameterNames).map { "; did you mean \($0)?" } ?? "."
      throw NNKitError(
        .invalidArgument,
        "no parameter fits \"\(excerpt(pattern))\"\(near) Names are <layer>/<parameter>; * stands for any characters")
    }
    try busy.enter("trainer") { () throws(NNKitError) in
      var new = frozen
      for parameter in fitting {
        if isFrozen { new.insert(parameter.offset) } else { new.remove(parameter.offset) }
      }
      setFrozen(new)
    }
    return fitting.count
  }

  /// Whether the parameter of this name is frozen. The report of a fit may ask.
  ///
  /// Throws: `.invalidArgument` where there is none; `.busy`.
  public func isFrozen(_ name: String) throws(NNKitError) -> Bool {
    let parameter = try model.parameter(name)
    return try busy.read("trainer") { () throws(NNKitError) in frozen.contains(parameter.offset) }
  }

  /// To be called alone with the trainer.
  func setFrozen(_ new: Set<Int>) {
    guard new != frozen else { return }
    let values = gradients.base.assumingMemoryBound(to: Float.self)
    for parameter in model.parameters where new.contains(parameter.offset) && !frozen.contains(parameter.offset) {
      (values + parameter.offset).update(repeating: 0, count: parameter.count)
    }
    frozen = new
    frozenGradients = model.parameters.filter { $0.specification.trainable && new.contains($0.offset) }.map(\.range)
    pendingState.removeAll { new.contains($0.lowerBound) }
    trainingPlans = PlanCache()
    plansByHand = PlanCache()
    // Its plan leaves out the gradients of what was frozen then.
    if forwardPass != nil { (forwardPass, freezingEndedPass) = (nil, true) }
    optimizer.setChanging(changingRanges)
  }

  /// The trainable elements that are not frozen, neighbours together.
  private var changingRanges: [Range<Int>] {
    guard model.parameters.contains(where: { frozen.contains($0.offset) && $0.specification.trainable }) else {
      return [0..<model.arena.trainableCount]
    }
    var ranges: [Range<Int>] = []
    let changing = model.parameters.filter { $0.specification.trainable && !frozen.contains($0.offset) }
    for parameter in changing.sorted(by: { $0.offset < $1.offset }) {
      let range = parameter.offset..<parameter.offset + parameter.count.roundedUp(toMultipleOf: 16)
      if let last = ranges.last, last.upperBound == range.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
      } else {
        ranges.append(range)
      }
    }
    return ranges
  }
}

/// Whether a pattern with `*` and `?` fits a whole text. In time proportional to the product of their lengths at most.
func matches(_ pattern: String, _ text: String) -> Bool {
  let (pattern, text) = (Array(pattern.unicodeScalars), Array(text.unicodeScalars))
  var (p, t) = (0, 0)
  var star: (pattern: Int, text: Int)?
  while t < text.count {
    if p < pattern.count, pattern[p] == "*" {
      star = (p, t)
      p += 1
    } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
      (p, t) = (p + 1, t + 1)
    } else if let last = star {
      // The last star takes one more.
      star = (last.pattern, last.text + 1)
      (p, t) = (last.pattern + 1, last.text + 1)
    } else {
      return false
    }
  }
  return pattern[p...].allSatisfy { $0 == "*" }
}
