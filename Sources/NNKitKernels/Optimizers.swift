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
      let v = decayed(loadLanes(velocity + i, lanes), update.momentum, g)
      storeLanes(v, velocity + i, lanes)
      direction = update.nesterov ? decayed(v, update.momentum, g) : v
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
    let m = decayed(loadLanes(update.firstMoment + i, lanes), update.beta1, g * update.beta1.taken)
    let v = decayed(loadLanes(update.secondMoment + i, lanes), update.beta2, g * g * update.beta2.taken)
    let divisor = multiplyAdd(
      v.squareRoot(), Vector(repeating: update.inverseCorrection), Vector(repeating: update.epsilon))
    storeLanes(w - m * update.stepSize / divisor, update.weight + i, lanes)
    storeLanes(m, update.firstMoment + i, lanes)
    storeLanes(v, update.secondMoment + i, lanes)
    i &+= vectorWidth
  }
}

/// `β a + x`: see `Decay`.
@inline(__always)
private func decayed(_ a: Vector, _ decay: Decay, _ x: Vector) -> Vector {
  multiplyAdd(Vector(repeating: decay.kept), a, multiplyAdd(Vector(repeating: -decay.lost), a, x))
}
