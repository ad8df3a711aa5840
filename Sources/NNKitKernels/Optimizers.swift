#if NNKIT_AVX2 || NNKIT_AVX512
  import NNKitKernels
#endif

/// `w -= learningRate · (g or a mean of past g)`: see `SGDUpdate`.
func sgd(_ update: SGDUpdate) {
  var i = 0
  while i &+ vectorWidth <= update.count {
    let velocity = update.velocity.map { $0 + i }
    let next = sgdStep(
      update, loadVector(update.weight + i), loadVector(update.dWeight + i), velocity.map { loadVector($0) } ?? Vector())
    storeVector(next.weight, update.weight + i)
    if let velocity { storeVector(next.velocity, velocity) }
    i &+= vectorWidth
  }
  if i < update.count {
    let rest = update.count &- i
    let velocity = update.velocity.map { $0 + i }
    let next = sgdStep(
      update, loadPartialVector(update.weight + i, rest), loadPartialVector(update.dWeight + i, rest),
      velocity.map { loadPartialVector($0, rest) } ?? Vector())
    storePartialVector(next.weight, update.weight + i, rest)
    if let velocity { storePartialVector(next.velocity, velocity, rest) }
  }
}

/// One step of a vector of weights.
@inline(__always)
private func sgdStep(
  _ update: SGDUpdate, _ weight: Vector, _ dWeight: Vector, _ velocity: Vector
) -> (weight: Vector, velocity: Vector) {
  let gradient = multiplyAdd(
    weight, Vector(repeating: update.weightDecay), dWeight * Vector(repeating: update.gradientScale))
  let descent = Vector(repeating: -update.learningRate)
  if update.velocity == nil { return (multiplyAdd(descent, gradient, weight), velocity) }
  let momentum = Vector(repeating: update.momentum)
  let next = multiplyAdd(momentum, velocity, gradient)
  let direction = update.nesterov ? multiplyAdd(momentum, next, gradient) : next
  return (multiplyAdd(descent, direction, weight), next)
}

/// `w -= stepSize · m / (√v · inverseCorrection + ε)` with the means `m` and `v` brought up to date: see `AdamUpdate`.
func adam(_ update: AdamUpdate) {
  var i = 0
  while i &+ vectorWidth <= update.count {
    let next = adamStep(
      update, loadVector(update.weight + i), loadVector(update.dWeight + i), loadVector(update.firstMoment + i),
      loadVector(update.secondMoment + i))
    storeVector(next.weight, update.weight + i)
    storeVector(next.first, update.firstMoment + i)
    storeVector(next.second, update.secondMoment + i)
    i &+= vectorWidth
  }
  if i < update.count {
    let rest = update.count &- i
    let next = adamStep(
      update, loadPartialVector(update.weight + i, rest), loadPartialVector(update.dWeight + i, rest),
      loadPartialVector(update.firstMoment + i, rest), loadPartialVector(update.secondMoment + i, rest))
    storePartialVector(next.weight, update.weight + i, rest)
    storePartialVector(next.first, update.firstMoment + i, rest)
    storePartialVector(next.second, update.secondMoment + i, rest)
  }
}

/// One step of a vector of weights.
@inline(__always)
private func adamStep(
  _ update: AdamUpdate, _ weight: Vector, _ dWeight: Vector, _ first: Vector, _ second: Vector
) -> (weight: Vector, first: Vector, second: Vector) {
  let gradient = multiplyAdd(
    weight, Vector(repeating: update.weightDecay), dWeight * Vector(repeating: update.gradientScale))
  let nextFirst = multiplyAdd(
    first, Vector(repeating: update.beta1), gradient * Vector(repeating: 1 - update.beta1))
  let nextSecond = multiplyAdd(
    second, Vector(repeating: update.beta2), gradient * gradient * Vector(repeating: 1 - update.beta2))
  let divisor = multiplyAdd(
    nextSecond.squareRoot(), Vector(repeating: update.inverseCorrection), Vector(repeating: update.epsilon))
  let step = Vector(repeating: update.stepSize) * nextFirst / divisor
  return (weight - step, nextFirst, nextSecond)
}
