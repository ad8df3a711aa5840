import NNKitKernelTable

// Eight lanes at every level, without fused operations: the bits are the same everywhere.
private typealias Lanes = SIMD8<Double>

@_transparent
private func load(_ source: UnsafePointer<Double>) -> Lanes {
  UnsafeRawPointer(source).loadUnaligned(as: Lanes.self)
}

@_transparent
private func store(_ lanes: Lanes, _ target: UnsafeMutablePointer<Double>) {
  UnsafeMutableRawPointer(target).storeBytes(of: lanes, as: Lanes.self)
}

@_transparent
private func sum(_ lanes: Lanes) -> Double {
  let four = lanes.lowHalf + lanes.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y
}

/// Makes vectors orthonormal, one after the other: see `Orthonormalization`.
func orthonormalize(_ vectors: Orthonormalization) {
  let (stride, length) = (vectors.stride, vectors.length)
  var i = 0
  while i < vectors.count {
    let vector = vectors.vectors + i &* stride
    var j = 0
    while j < i {
      let other = vectors.vectors + j &* stride
      var product = Lanes()
      var k = 0
      while k < length {
        product += load(vector + k) * load(other + k)
        k &+= 8
      }
      let scale = Lanes(repeating: sum(product))
      k = 0
      while k < length {
        store(load(vector + k) - scale * load(other + k), vector + k)
        k &+= 8
      }
      j &+= 1
    }
    var square = Lanes()
    var k = 0
    while k < length {
      square += load(vector + k) * load(vector + k)
      k &+= 8
    }
    let norm = sum(square).squareRoot()
    let scale = Lanes(repeating: 1 / (norm > Double.leastNormalMagnitude ? norm : Double.leastNormalMagnitude))
    k = 0
    while k < length {
      store(load(vector + k) * scale, vector + k)
      k &+= 8
    }
    i &+= 1
  }
}

/// Takes what lies along a basis from vectors: see `Projection`. Two vectors at a time meet two of the basis for the
/// products, four to be taken away.
func projectOut(_ projection: Projection) {
  var vector = 0
  while vector < projection.count {
    // Of an odd number the last one is a pair with itself: both halves write the same.
    let second = vector &+ 1 < projection.count ? vector &+ 1 : vector
    projectPair(
      projection, projection.vectors + vector &* projection.stride, projection.vectors + second &* projection.stride)
    vector &+= 2
  }
}

@inline(never)
private func projectPair(
  _ projection: Projection, _ a: UnsafeMutablePointer<Double>, _ b: UnsafeMutablePointer<Double>
) {
  let (stride, length) = (projection.stride, projection.length)
  let products = projection.products
  var i = 0
  while i < projection.basisCount {
    let basis0 = projection.basis + i &* stride
    let basis1 = basis0 + stride
    var (a0, a1, b0, b1) = (Lanes(), Lanes(), Lanes(), Lanes())
    var k = 0
    while k < length {
      let (va, vb, v0, v1) = (load(a + k), load(b + k), load(basis0 + k), load(basis1 + k))
      a0 += va * v0
      a1 += va * v1
      b0 += vb * v0
      b1 += vb * v1
      k &+= 8
    }
    products[2 &* i] = sum(a0)
    products[2 &* i &+ 1] = sum(b0)
    products[2 &* i &+ 2] = sum(a1)
    products[2 &* i &+ 3] = sum(b1)
    i &+= 2
  }
  i = 0
  while i < projection.basisCount {
    let basis = projection.basis + i &* stride
    let factors = products + 2 &* i
    let (a0, b0) = (Lanes(repeating: factors[0]), Lanes(repeating: factors[1]))
    let (a1, b1) = (Lanes(repeating: factors[2]), Lanes(repeating: factors[3]))
    let (a2, b2) = (Lanes(repeating: factors[4]), Lanes(repeating: factors[5]))
    let (a3, b3) = (Lanes(repeating: factors[6]), Lanes(repeating: factors[7]))
    var k = 0
    while k < length {
      let v0 = load(basis + k)
      let v1 = load(basis + (stride &+ k))
      let v2 = load(basis + (2 &* stride &+ k))
      let v3 = load(basis + (3 &* stride &+ k))
      let va = load(a + k) - (a0 * v0 + a1 * v1) - (a2 * v2 + a3 * v3)
      let vb = load(b + k) - (b0 * v0 + b1 * v1) - (b2 * v2 + b3 * v3)
      store(va, a + k)
      store(vb, b + k)
      k &+= 8
    }
    i &+= 4
  }
}
