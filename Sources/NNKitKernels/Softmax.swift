import NNKitKernelTable

/// The largest of `count` (≥ 1) elements; NaN if any is NaN.
@inline(__always)
func largestElement(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
  var best = Vector(repeating: -.infinity)
  var i = 0
  while i &+ vectorWidth <= count {
    best = maximumKeepingNaN(best, loadVector(x + i))
    i &+= vectorWidth
  }
  if i < count { best = maximumKeepingNaN(best, loadPartialVector(x + i, count &- i, fill: -.infinity)) }
  return maximumOfLanes(best)
}

/// Elements that are summed in single precision: lanes apart, then in a fixed tree. Sums of more go by blocks.
@_transparent
private var elementsPerBlock: Int { termsPerBlock &* vectorWidth }

/// `Σ exp(x - maximum)`; where `y` is given, `y = exp(x - maximum)`, and `y` may be `x`.
@inline(never)
func sumOfExponentials(
  _ x: UnsafePointer<Float>, _ count: Int, maximum: Float, _ y: UnsafeMutablePointer<Float>?
) -> Float {
  let maximum = Vector(repeating: maximum)
  var total = 0.0
  var i = 0
  while count &- i > elementsPerBlock {
    let end = i &+ elementsPerBlock
    var sum = Vector()
    while i < end {
      let e = exponential(loadVector(x + i) - maximum)
      if let y { storeVector(e, y + i) }
      sum += e
      i &+= vectorWidth
    }
    total += Double(sumOfLanes(sum))
  }
  var sum = Vector()
  while i &+ vectorWidth <= count {
    let e = exponential(loadVector(x + i) - maximum)
    if let y { storeVector(e, y + i) }
    sum += e
    i &+= vectorWidth
  }
  if i < count {
    // exp(-∞ - maximum) = 0: the lanes beyond the end add nothing.
    let e = exponential(loadPartialVector(x + i, count &- i, fill: -.infinity) - maximum)
    if let y { storePartialVector(e, y + i, count &- i) }
    sum += e
  }
  return Float(total + Double(sumOfLanes(sum)))
}

/// `y = exp(x - max x) / Σ exp(x - max x)` for each row, or its logarithm: see `Softmax`.
///
/// Accuracy: 4 ulp and the rounding of the sum; the logarithm to 4 ulp of `max |x - max x|`. A row that holds NaN or
/// +∞, or nothing but -∞, gives NaN.
func softmaxForward(_ softmax: Softmax) {
  let columns = softmax.columns
  var x = softmax.x
  var y = softmax.y
  var row = 0
  while row < softmax.rows {
    let maximum = largestElement(x, columns)
    if softmax.logarithm {
      let sum = sumOfExponentials(x, columns, maximum: maximum, nil)
      let logarithmOfSum = Vector(repeating: logarithm(sum))
      var i = 0
      while i < columns {
        let lanes = columns &- i
        storeLanes((loadLanes(x + i, lanes) - Vector(repeating: maximum)) - logarithmOfSum, y + i, lanes)
        i &+= vectorWidth
      }
    } else {
      let sum = Vector(repeating: sumOfExponentials(x, columns, maximum: maximum, y))
      var i = 0
      while i < columns {
        let lanes = columns &- i
        storeLanes(loadLanes(y + i, lanes) / sum, y + i, lanes)
        i &+= vectorWidth
      }
    }
    x += columns
    y += columns
    row &+= 1
  }
}

/// `dx = y (dy - Σ y dy)`, or `dx = dy - exp(y) Σ dy`, for each row: see `SoftmaxGradient`.
func softmaxBackward(_ softmax: SoftmaxGradient) {
  let columns = softmax.columns
  var y = softmax.y
  var dy = softmax.dy
  var dx = softmax.dx
  var row = 0
  while row < softmax.rows {
    if softmax.logarithm {
      let sum = Vector(repeating: sumOfElements(dy, columns))
      var i = 0
      while i < columns {
        let lanes = columns &- i
        storeLanes(multiplyAdd(-exponential(loadLanes(y + i, lanes)), sum, loadLanes(dy + i, lanes)), dx + i, lanes)
        i &+= vectorWidth
      }
    } else {
      let dot = Vector(repeating: dotProduct(y, dy, columns))
      var i = 0
      while i < columns {
        let lanes = columns &- i
        storeLanes(loadLanes(y + i, lanes) * (loadLanes(dy + i, lanes) - dot), dx + i, lanes)
        i &+= vectorWidth
      }
    }
    y += columns
    dy += columns
    dx += columns
    row &+= 1
  }
}

/// `Σ x`.
@inline(__always)
private func sumOfElements(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
  var total = 0.0
  var i = 0
  while i < count {
    let end = min(count, i &+ elementsPerBlock)
    var sum = Vector()
    while i &+ vectorWidth <= end {
      sum += loadVector(x + i)
      i &+= vectorWidth
    }
    if i < end {
      sum += loadPartialVector(x + i, end &- i)
      i = end
    }
    total += Double(sumOfLanes(sum))
  }
  return Float(total)
}

/// `Σ a b`.
@inline(__always)
private func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
  var total = 0.0
  var i = 0
  while i < count {
    let end = min(count, i &+ elementsPerBlock)
    var sum = Vector()
    while i &+ vectorWidth <= end {
      sum = multiplyAdd(loadVector(a + i), loadVector(b + i), sum)
      i &+= vectorWidth
    }
    if i < end {
      sum = multiplyAdd(loadPartialVector(a + i, end &- i), loadPartialVector(b + i, end &- i), sum)
      i = end
    }
    total += Double(sumOfLanes(sum))
  }
  return Float(total)
}
