import NNKitKernelTable

/// Pixels that are added in single precision before their sum joins the total, which is in double precision: rounding
/// errors grow with this, not with the number of pixels.
@_transparent
private var pixelsPerBlock: Int { 64 }

/// The mean over all pixels: see `GlobalAveragePool`.
func globalAveragePoolForward(_ pool: GlobalAveragePool) {
  let divisor = DoubleVector(repeating: Double(pool.pixels))
  var c = 0
  while c < pool.channels {
    let lanes = pool.channels &- c
    var low = DoubleVector()
    var high = DoubleVector()
    var source = pool.input + c
    var pixel = 0
    while pixel < pool.pixels {
      let end = min(pixel &+ pixelsPerBlock, pool.pixels)
      // Two sums side by side hide half of the latency of the additions.
      var even = Vector()
      var odd = Vector()
      while pixel &+ 1 < end {
        even += loadLanes(source, lanes)
        odd += loadLanes(source + pool.channels, lanes)
        source += 2 &* pool.channels
        pixel &+= 2
      }
      if pixel < end {
        even += loadLanes(source, lanes)
        source += pool.channels
        pixel &+= 1
      }
      let sum = even + odd
      low += DoubleVector(sum.lowHalf)
      high += DoubleVector(sum.highHalf)
    }
    storeLanes(vector(low / divisor, high / divisor), pool.output + c, lanes)
    c &+= vectorWidth
  }
}

/// Two vectors of doubles, rounded, side by side.
@_transparent
func vector(_ low: DoubleVector, _ high: DoubleVector) -> Vector {
  #if NNKIT_AVX512
    Vector(lowHalf: SIMD8<Float>(low), highHalf: SIMD8<Float>(high))
  #elseif NNKIT_AVX2
    Vector(lowHalf: SIMD4<Float>(low), highHalf: SIMD4<Float>(high))
  #else
    Vector(lowHalf: SIMD2<Float>(low), highHalf: SIMD2<Float>(high))
  #endif
}

/// Spreads each channel's gradient evenly over all pixels: see `GlobalAveragePoolGradient`.
func globalAveragePoolBackward(_ pool: GlobalAveragePoolGradient) {
  let divisor = Vector(repeating: Float(pool.pixels))
  var c = 0
  while c < pool.channels {
    let lanes = pool.channels &- c
    let gradient = loadLanes(pool.dOutput + c, lanes) / divisor
    var target = pool.dInput + c
    var pixel = 0
    while pixel < pool.pixels {
      storeLanes(gradient, target, lanes)
      target += pool.channels
      pixel &+= 1
    }
    c &+= vectorWidth
  }
}
