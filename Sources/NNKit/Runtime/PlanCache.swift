import Glibc

/// The bound plans of a session or trainer, one for each batch shape that it has met. Finding one allocates nothing.
struct PlanCache {
  private var plans: [BoundPlan] = []
  /// Each plan has its own memory; few shapes come again and again.
  private static let limit = 4

  /// The plan for `batch` samples whose `index`-th input has size `size(index, axis)` along an axis.
  func find(batch: Int, size: (_ index: Int, _ axis: Int) -> Int) -> BoundPlan? {
    for plan in plans where plan.plan.batch == batch {
      var fits = true
      for (index, input) in plan.plan.inputs.enumerated() {
        for axis in 0..<input.type.shape.rank where input.type.shape[axis] != size(index, axis) { fits = false }
      }
      if fits { return plan }
    }
    return nil
  }

  /// The plan for `batch` samples, where they all have the same shapes.
  func find(batch: Int) -> BoundPlan? { plans.first { $0.plan.batch == batch } }

  mutating func add(_ plan: BoundPlan) {
    if plans.count == Self.limit { plans.removeFirst() }
    plans.append(plan)
  }
}

extension BoundPlan.LoadPlace {
  /// Copies one sample into slot `slot`, checking whole numbers against `range`. Steps behind the lengths become zero.
  /// Throws: `.invalidArgument` for a number out of range; `what` names the tensor.
  func load(
    _ view: TensorView, sample: Int, slot: Int, _ what: @autoclosure () -> String
  ) throws(NNKitError) {
    let steps = lengths.map { Int($0[slot]) }
    guard !isFloat else {
      view.copySample(sample, steps: steps, count: count, to: base.assumingMemoryBound(to: Float.self) + slot * count)
      return
    }
    let integers = base.assumingMemoryBound(to: Int32.self)
    if let bad = view.copySample(
      sample, steps: steps, count: count, to: integers + slot * count, in: range ?? Int32.min...Int32.max)
    {
      throw outOfRange(what(), sample, bad, range)
    }
  }

  /// Fills slot `slot` with zeros.
  func clear(slot: Int) { memset(base + slot * count * 4, 0, count * 4) }
}

/// A label or index that the model does not know; nil: that is no int32.
func outOfRange(_ what: String, _ sample: Int, _ value: Int64, _ range: ClosedRange<Int32>?) -> NNKitError {
  let range = range ?? Int32.min...Int32.max
  return NNKitError(
    .invalidArgument, "\(what): sample \(sample) holds \(value); expected \(range.lowerBound) to \(range.upperBound)")
}
