/// Loops over elements, a vector at a time with the tail inside, and the kernels that are nothing else.

/// `y[i] = f(x[i])`; `y` may be `x`.
@inline(__always)
func mapElements(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ f: (Vector) -> Vector
) {
  var i = 0
  while i &+ vectorWidth <= count {
    storeVector(f(loadVector(x + i)), y + i)
    i &+= vectorWidth
  }
  if i < count { storePartialVector(f(loadPartialVector(x + i, count &- i)), y + i, count &- i) }
}

/// `y[i] = f(a[i], b[i])`; `y` may be `a` or `b`.
@inline(__always)
func mapElements(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int,
  _ f: (Vector, Vector) -> Vector
) {
  var i = 0
  while i &+ vectorWidth <= count {
    storeVector(f(loadVector(a + i), loadVector(b + i)), y + i)
    i &+= vectorWidth
  }
  if i < count {
    let rest = count &- i
    storePartialVector(f(loadPartialVector(a + i, rest), loadPartialVector(b + i, rest)), y + i, rest)
  }
}

/// `sum += x`.
func accumulateElements(_ x: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int) {
  mapElements(x, UnsafePointer(sum), sum, count) { $1 + $0 }
}
