import NNKitKernelTable

/// `w -= learningRate · (g or a mean of past g)`: see `SGDUpdate`.
func sgd(_ update: SGDUpdate) {
  var i = 0
  while i < update.count {
    let lanes = update.count &- i
    let w = loadLanes(update.weight + i, lanes)
    let decay = Vector(repeating: update.weightDecay)
    let g = multiplyAdd(w, decay, loadLanes(update.dWeight + i, lanes) * update.gradientScale)
    var direction = g
    if let velocity = update.velocity {
      let momentum = Vector(repeating: update.momentum)
      let v = multiplyAdd(momentum, loadLanes(velocity + i, lanes), g)
      storeLanes(v, velocity + i, lanes)
      direction = update.nesterov ? multiplyAdd(momentum, v, g) : v
    }
    storeLanes(multiplyAdd(Vector(repeating: -update.learningRate), direction, w), update.weight + i, lanes)
    i &+= vectorWidth
  }
}

/// `w -= stepSize · m / (√v · inverseCorrection + ε)`, after `m` and `v` have taken the gradient in: see `AdamUpdate`.
func adam(_ update: AdamUpdate) {
  var i = 0
  while i < update.count {
    let lanes = update.count &- i
    let w = loadLanes(update.weight + i, lanes)
    let decay = Vector(repeating: update.weightDecay)
    let g = multiplyAdd(w, decay, loadLanes(update.dWeight + i, lanes) * update.gradientScale)
    let m = multiplyAdd(
      loadLanes(update.firstMoment + i, lanes), Vector(repeating: update.beta1), g * (1 - update.beta1))
    let v = multiplyAdd(
      loadLanes(update.secondMoment + i, lanes), Vector(repeating: update.beta2), g * g * (1 - update.beta2))
    let divisor = multiplyAdd(
      v.squareRoot(), Vector(repeating: update.inverseCorrection), Vector(repeating: update.epsilon))
    storeLanes(w - m * update.stepSize / divisor, update.weight + i, lanes)
    storeLanes(m, update.firstMoment + i, lanes)
    storeLanes(v, update.secondMoment + i, lanes)
    i &+= vectorWidth
  }
}
