import NNKitKernelTable

/// What a kernel is asked to do with a range of parameters.
enum OptimizerUpdate {
  case none
  case sgd(SGDUpdate)
  case adam(AdamUpdate)

  /// The update of the elements `range` of this one's.
  func part(_ range: Range<Int>) -> OptimizerUpdate {
    let start = range.lowerBound
    switch self {
    case .none: return .none
    case .sgd(var update):
      update.weight += start
      update.dWeight += start
      update.velocity = update.velocity.map { $0 + start }
      update.count = range.count
      return .sgd(update)
    case .adam(var update):
      update.weight += start
      update.dWeight += start
      update.firstMoment += start
      update.secondMoment += start
      update.count = range.count
      return .adam(update)
    }
  }

  func run(_ kernels: KernelTable) {
    switch self {
    case .none: break
    case .sgd(let update): kernels.sgd(update)
    case .adam(let update): kernels.adam(update)
    }
  }

  /// What it changes, the weights first; nil where it keeps no such number.
  var changed: [3 of UnsafeMutablePointer<Float>?] {
    switch self {
    case .none: [nil, nil, nil]
    case .sgd(let update): [update.weight, update.velocity, nil]
    case .adam(let update): [update.weight, update.firstMoment, update.secondMoment]
    }
  }

  /// The same update on copies of what it changes.
  func moved(to copies: [3 of UnsafeMutablePointer<Float>]) -> OptimizerUpdate {
    switch self {
    case .none: return .none
    case .sgd(var update):
      update.weight = copies[0]
      update.velocity = update.velocity.map { _ in copies[1] }
      return .sgd(update)
    case .adam(var update):
      (update.weight, update.firstMoment, update.secondMoment) = (copies[0], copies[1], copies[2])
      return .adam(update)
    }
  }
}

/// Upper bounds of the magnitudes of parameters and of what an optimizer keeps. From those before an update follow those
/// behind it: while they are far below the largest float, every result is finite, and nobody has to look.
struct MagnitudeBounds {
  var weight: Double
  /// The velocity, or the mean of the gradients.
  var first: Double
  /// The mean of the squares of the gradients.
  var second: Double

  /// Two numbers below it have a sum that is a float.
  private static let limit = 1e38
  /// More than all roundings of one update together.
  private static let rounding = 1 + 1e-5

  /// The bounds behind an update by gradients of at most `gradient`; nil where some result may be too large.
  func after(_ update: OptimizerUpdate, gradient: Double) -> MagnitudeBounds? {
    var next = self
    // Whatever the update computes on the way.
    var largest = 0.0
    switch update {
    case .none: break
    case .sgd(let update):
      let g = gradient * Double(update.gradientScale) + weight * Double(update.weightDecay)
      var direction = g
      if update.velocity != nil {
        let momentum = 1 - Double(update.momentum.taken)
        next.first = (momentum * first + g) * Self.rounding
        direction = update.nesterov ? momentum * next.first + g : next.first
      }
      let step = Double(update.learningRate) * direction
      next.weight = (weight + step) * Self.rounding
      largest = max(g, next.first, direction, step, Double(update.learningRate))
    case .adam(let update):
      let g = gradient * Double(update.gradientScale) + weight * Double(update.weightDecay)
      next.first = max(first, g) * Self.rounding
      next.second = max(second, g * g) * Self.rounding
      let product = next.first * Double(update.stepSize)
      // The divisor is at least ε, and where it is infinite nothing moves any more.
      let step = product / Double(update.epsilon)
      next.weight = (weight + step) * Self.rounding
      let divisor = next.second.squareRoot() * Double(update.inverseCorrection)
      largest = max(g, next.first, next.second, product, step, divisor, Double(update.stepSize))
    }
    largest = max(largest, next.weight)
    // NaN gets past a comparison, and not past a sum.
    let isFinite = (largest + next.weight + next.first + next.second).isFinite
    return isFinite && largest < Self.limit ? next : nil
  }
}
