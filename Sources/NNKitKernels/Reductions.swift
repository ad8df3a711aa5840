/// `out[n] (+)= Σ_r x[r · stride + n]`, rows in ascending order: see `KernelTable.columnSum`.
func columnSum(
  _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, _ out: UnsafeMutablePointer<Float>,
  _ accumulate: Bool
) {
  var n = 0
  // Four vectors side by side hide the latency of the additions, and use the cache lines they touch.
  while n &+ 4 &* vectorWidth <= columns {
    let target = out + n
    var s0 = Vector()
    var s1 = Vector()
    var s2 = Vector()
    var s3 = Vector()
    if accumulate {
      s0 = loadVector(target)
      s1 = loadVector(target + vectorWidth)
      s2 = loadVector(target + 2 &* vectorWidth)
      s3 = loadVector(target + 3 &* vectorWidth)
    }
    var source = x + n
    var r = 0
    while r < rows {
      s0 += loadVector(source)
      s1 += loadVector(source + vectorWidth)
      s2 += loadVector(source + 2 &* vectorWidth)
      s3 += loadVector(source + 3 &* vectorWidth)
      source += stride
      r &+= 1
    }
    storeVector(s0, target)
    storeVector(s1, target + vectorWidth)
    storeVector(s2, target + 2 &* vectorWidth)
    storeVector(s3, target + 3 &* vectorWidth)
    n &+= 4 &* vectorWidth
  }
  while n &+ vectorWidth <= columns {
    var sum = accumulate ? loadVector(out + n) : Vector()
    var source = x + n
    var r = 0
    while r < rows {
      sum += loadVector(source)
      source += stride
      r &+= 1
    }
    storeVector(sum, out + n)
    n &+= vectorWidth
  }
  if n < columns {
    let rest = columns &- n
    var sum = accumulate ? loadPartialVector(out + n, rest) : Vector()
    var source = x + n
    var r = 0
    while r < rows {
      sum += loadPartialVector(source, rest)
      source += stride
      r &+= 1
    }
    storePartialVector(sum, out + n, rest)
  }
}

/// `Σ x²` in double precision; lanes are summed apart and added in a fixed tree.
func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
  var s0 = DoubleVector()
  var s1 = DoubleVector()
  var i = 0
  while i &+ vectorWidth <= count {
    let vector = loadVector(x + i)
    let low = DoubleVector(vector.lowHalf)
    let high = DoubleVector(vector.highHalf)
    s0 += low * low
    s1 += high * high
    i &+= vectorWidth
  }
  if i < count {
    let vector = loadPartialVector(x + i, count &- i)
    let low = DoubleVector(vector.lowHalf)
    let high = DoubleVector(vector.highHalf)
    s0 += low * low
    s1 += high * high
  }
  return sumOfLanes(s0 + s1)
}
