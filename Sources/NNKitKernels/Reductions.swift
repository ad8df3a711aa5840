/// Rows or vectors that are added in single precision before their sum joins a total in double precision: rounding
/// errors grow with this number, not with that of all terms.
@_transparent
var termsPerBlock: Int { 256 }

/// `out[n] (+)= Σ_r x[r · stride + n]`, rows in ascending order, by blocks: see `KernelTable.columnSum`.
func columnSum(
  _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, _ out: UnsafeMutablePointer<Float>,
  _ accumulate: Bool
) {
  if rows > termsPerBlock { return columnSumByBlocks(x, rows, columns, stride, out, accumulate) }
  var n = 0
  // Four vectors side by side hide the latency of the additions, and use the cache lines they touch.
  while n &+ 4 &* vectorWidth <= columns {
    let target = out + n
    var (s0, s1, s2, s3) = (Vector(), Vector(), Vector(), Vector())
    addRows(x + n, rows, stride, &s0, &s1, &s2, &s3)
    if accumulate {
      s0 += loadVector(target)
      s1 += loadVector(target + vectorWidth)
      s2 += loadVector(target + 2 &* vectorWidth)
      s3 += loadVector(target + 3 &* vectorWidth)
    }
    storeVector(s0, target)
    storeVector(s1, target + vectorWidth)
    storeVector(s2, target + 2 &* vectorWidth)
    storeVector(s3, target + 3 &* vectorWidth)
    n &+= 4 &* vectorWidth
  }
  while n < columns {
    let lanes = columns &- n
    let sum = sumOfRows(x + n, rows, stride, lanes)
    storeLanes(accumulate ? sum + loadLanes(out + n, lanes) : sum, out + n, lanes)
    n &+= vectorWidth
  }
}

@inline(never)
private func columnSumByBlocks(
  _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, _ out: UnsafeMutablePointer<Float>,
  _ accumulate: Bool
) {
  var n = 0
  while n &+ 4 &* vectorWidth <= columns {
    let target = out + n
    let zero = DoubleLanes(repeating: 0)
    var (t0, t1, t2, t3) = (zero, zero, zero, zero)
    if accumulate {
      t0 = DoubleLanes(loadVector(target))
      t1 = DoubleLanes(loadVector(target + vectorWidth))
      t2 = DoubleLanes(loadVector(target + 2 &* vectorWidth))
      t3 = DoubleLanes(loadVector(target + 3 &* vectorWidth))
    }
    var r = 0
    while r < rows {
      var (s0, s1, s2, s3) = (Vector(), Vector(), Vector(), Vector())
      addRows(x + (n &+ r &* stride), min(termsPerBlock, rows &- r), stride, &s0, &s1, &s2, &s3)
      t0 = t0 + DoubleLanes(s0)
      t1 = t1 + DoubleLanes(s1)
      t2 = t2 + DoubleLanes(s2)
      t3 = t3 + DoubleLanes(s3)
      r &+= termsPerBlock
    }
    storeVector(t0.rounded, target)
    storeVector(t1.rounded, target + vectorWidth)
    storeVector(t2.rounded, target + 2 &* vectorWidth)
    storeVector(t3.rounded, target + 3 &* vectorWidth)
    n &+= 4 &* vectorWidth
  }
  while n < columns {
    let lanes = columns &- n
    var total = accumulate ? DoubleLanes(loadLanes(out + n, lanes)) : DoubleLanes(repeating: 0)
    var r = 0
    while r < rows {
      total = total + DoubleLanes(sumOfRows(x + (n &+ r &* stride), min(termsPerBlock, rows &- r), stride, lanes))
      r &+= termsPerBlock
    }
    storeLanes(total.rounded, out + n, lanes)
    n &+= vectorWidth
  }
}

/// Adds `rows` rows of four vectors.
@inline(__always)
private func addRows(
  _ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ s0: inout Vector, _ s1: inout Vector, _ s2: inout Vector,
  _ s3: inout Vector
) {
  var source = x
  var r = 0
  while r < rows {
    s0 += loadVector(source)
    s1 += loadVector(source + vectorWidth)
    s2 += loadVector(source + 2 &* vectorWidth)
    s3 += loadVector(source + 3 &* vectorWidth)
    source += stride
    r &+= 1
  }
}

/// The sum of `rows` rows of one vector of which the first `lanes` lanes are read.
@inline(__always)
private func sumOfRows(_ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ lanes: Int) -> Vector {
  var sum = Vector()
  var source = x
  var r = 0
  if lanes >= vectorWidth {
    while r < rows {
      sum += loadVector(source)
      source += stride
      r &+= 1
    }
  } else {
    while r < rows {
      sum += loadPartialVector(source, lanes)
      source += stride
      r &+= 1
    }
  }
  return sum
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
