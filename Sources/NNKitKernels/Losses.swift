import NNKitKernelTable

/// Loss, hit and gradient of each row's logits against its label: see `SoftmaxCrossEntropy`.
///
/// Accuracy: 4 ulp of `max |x - max x|`, at least of 1, and the rounding of the sum over the classes.
func softmaxCrossEntropy(_ loss: SoftmaxCrossEntropy) {
  let classes = loss.classes
  var logits = loss.logits
  var row = 0
  while row < loss.rows {
    let label = Int(loss.labels[row])
    let maximum = largestElement(logits, classes)
    // Everything that is asked of the logits comes before the gradient, which may lie in their place.
    let labelLogit = logits[label]
    loss.correct[row] = labelLogit == maximum && firstIndex(of: maximum, logits, label) == label ? 1 : 0
    let dLogits = loss.dLogits.map { $0 + row &* classes }
    let sum = sumOfExponentials(logits, classes, maximum: maximum, dLogits)
    loss.losses[row] = logarithm(sum) - (labelLogit - maximum)
    if let dLogits {
      let labelExponential = dLogits[label]
      let divisor = Vector(repeating: sum)
      var i = 0
      while i < classes {
        let lanes = classes &- i
        storeLanes((loadLanes(dLogits + i, lanes) / divisor) * loss.scale, dLogits + i, lanes)
        i &+= vectorWidth
      }
      dLogits[label] = (labelExponential / sum - 1) * loss.scale
    }
    logits += classes
    row &+= 1
  }
}

/// The index of the first of `count` elements that equals `value`; `count` when none does.
@inline(__always)
private func firstIndex(of value: Float, _ x: UnsafePointer<Float>, _ count: Int) -> Int {
  var i = 0
  while i < count && x[i] != value { i &+= 1 }
  return i
}

/// `Σ (prediction - target)²` in double precision, and its gradient: see `KernelTable.squaredError`.
func squaredError(
  _ prediction: UnsafePointer<Float>, _ target: UnsafePointer<Float>, _ count: Int, _ scale: Float,
  _ dPrediction: UnsafeMutablePointer<Float>?
) -> Double {
  var s0 = DoubleVector()
  var s1 = DoubleVector()
  var i = 0
  while i < count {
    let lanes = count &- i
    let p = loadLanes(prediction + i, lanes)
    let t = loadLanes(target + i, lanes)
    let low = DoubleVector(p.lowHalf) - DoubleVector(t.lowHalf)
    let high = DoubleVector(p.highHalf) - DoubleVector(t.highHalf)
    s0 += low * low
    s1 += high * high
    if let dPrediction { storeLanes((p - t) * (2 * scale), dPrediction + i, lanes) }
    i &+= vectorWidth
  }
  return sumOfLanes(s0 + s1)
}
