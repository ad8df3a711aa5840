/// The vector of one instruction-set level, and the few operations on it that every kernel is made of.
///
/// `Vector` fills one register of the level. All operations are lane by lane unless they say otherwise, and
/// compile to one instruction or a few; none calls a function.

#if NNKIT_AVX512
  typealias Vector = SIMD16<Float>
  typealias IntegerVector = SIMD16<Int32>
  /// Half as many lanes as `Vector`, in double precision.
  typealias DoubleVector = SIMD8<Double>
#elseif NNKIT_AVX2
  typealias Vector = SIMD8<Float>
  typealias IntegerVector = SIMD8<Int32>
  /// Half as many lanes as `Vector`, in double precision.
  typealias DoubleVector = SIMD4<Double>
#else
  typealias Vector = SIMD4<Float>
  typealias IntegerVector = SIMD4<Int32>
  /// Half as many lanes as `Vector`, in double precision.
  typealias DoubleVector = SIMD2<Double>
#endif

/// Lanes of `Vector`.
@inline(__always)
var vectorWidth: Int { MemoryLayout<Vector>.size / MemoryLayout<Float>.size }

// MARK: Memory

/// `vectorWidth` floats from any float's address on.
@inline(__always)
func loadVector(_ source: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
}

@inline(__always)
func loadVector(_ source: UnsafeMutablePointer<Float>) -> Vector {
  UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
}

@inline(__always)
func storeVector(_ vector: Vector, _ target: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(target).storeBytes(of: vector, as: Vector.self)
}

/// The first `count` (< `vectorWidth`) lanes from `source`, the others `fill`. Reads nothing else.
@inline(__always)
func loadPartialVector(_ source: UnsafePointer<Float>, _ count: Int, fill: Float = 0) -> Vector {
  // From the last lanes to the first, so that each step shifts what is there up by one load.
  let raw = UnsafeRawPointer(source)
  var position = count & ~1
  var two = SIMD2<Float>(repeating: fill)
  if count & 1 != 0 { two[0] = source[position] }
  var four = SIMD4<Float>(lowHalf: two, highHalf: SIMD2(repeating: fill))
  if count & 2 != 0 {
    position &-= 2
    four = SIMD4(lowHalf: raw.loadUnaligned(fromByteOffset: position &* 4, as: SIMD2<Float>.self), highHalf: two)
  }
  #if NNKIT_AVX2 || NNKIT_AVX512
    var eight = SIMD8<Float>(lowHalf: four, highHalf: SIMD4(repeating: fill))
    if count & 4 != 0 {
      position &-= 4
      eight = SIMD8(lowHalf: raw.loadUnaligned(fromByteOffset: position &* 4, as: SIMD4<Float>.self), highHalf: four)
    }
  #endif
  #if NNKIT_AVX512
    var sixteen = SIMD16<Float>(lowHalf: eight, highHalf: SIMD8(repeating: fill))
    if count & 8 != 0 {
      sixteen = SIMD16(lowHalf: raw.loadUnaligned(as: SIMD8<Float>.self), highHalf: eight)
    }
    return sixteen
  #elseif NNKIT_AVX2
    return eight
  #else
    return four
  #endif
}

@inline(__always)
func loadPartialVector(_ source: UnsafeMutablePointer<Float>, _ count: Int, fill: Float = 0) -> Vector {
  loadPartialVector(UnsafePointer(source), count, fill: fill)
}

/// Stores the first `count` (< `vectorWidth`) lanes. Writes nothing else.
@inline(__always)
func storePartialVector(_ vector: Vector, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let raw = UnsafeMutableRawPointer(target)
  var position = 0
  #if NNKIT_AVX512
    var eight = vector.lowHalf
    if count & 8 != 0 {
      raw.storeBytes(of: eight, as: SIMD8<Float>.self)
      eight = vector.highHalf
      position = 8
    }
  #elseif NNKIT_AVX2
    let eight = vector
  #endif
  #if NNKIT_AVX2 || NNKIT_AVX512
    var four = eight.lowHalf
    if count & 4 != 0 {
      raw.storeBytes(of: four, toByteOffset: position &* 4, as: SIMD4<Float>.self)
      four = eight.highHalf
      position &+= 4
    }
  #else
    let four = vector
  #endif
  var two = four.lowHalf
  if count & 2 != 0 {
    raw.storeBytes(of: two, toByteOffset: position &* 4, as: SIMD2<Float>.self)
    two = four.highHalf
    position &+= 2
  }
  if count & 1 != 0 { target[position] = two[0] }
}

// MARK: Arithmetic

/// `a b + c`: rounded once at the AVX levels; at baseline, which has no such instruction, twice.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if NNKIT_AVX2 || NNKIT_AVX512
    c.addingProduct(a, b)
  #else
    a * b + c
  #endif
}

/// `a b + c` with one factor and summand for all lanes.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Float, _ c: Float) -> Vector {
  multiplyAdd(a, Vector(repeating: b), Vector(repeating: c))
}

/// `a b + c` with one summand for all lanes: a step of Horner's rule.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Float) -> Vector {
  multiplyAdd(a, b, Vector(repeating: c))
}

/// `x > low ? x : low`, with NaN kept.
@inline(__always)
func atLeast(_ low: Float, _ x: Vector) -> Vector {
  let low = Vector(repeating: low)
  return x.replacing(with: low, where: x .< low)
}

/// `x < high ? x : high`, with NaN kept.
@inline(__always)
func atMost(_ high: Float, _ x: Vector) -> Vector {
  let high = Vector(repeating: high)
  return x.replacing(with: high, where: x .> high)
}

/// The larger lane by lane; `best` where they are equal; NaN where either is NaN.
@inline(__always)
func maximumKeepingNaN(_ best: Vector, _ x: Vector) -> Vector {
  best.replacing(with: x, where: (x .> best) .| (x .!= x))
}

@inline(__always)
func absolute(_ x: Vector) -> Vector {
  bits(asFloat: bits(of: x) & IntegerVector(repeating: 0x7fff_ffff))
}

/// `magnitude` (not negative) with the sign of `x`.
@inline(__always)
func withSign(of x: Vector, _ magnitude: Vector) -> Vector {
  bits(asFloat: bits(of: magnitude) | (bits(of: x) & IntegerVector(repeating: Int32.min)))
}

@inline(__always)
func bits(of x: Vector) -> IntegerVector { unsafeBitCast(x, to: IntegerVector.self) }

@inline(__always)
func bits(asFloat x: IntegerVector) -> Vector { unsafeBitCast(x, to: Vector.self) }

// MARK: Across lanes

/// The sum of all lanes: halves are added until one lane is left.
@inline(__always)
func sumOfLanes(_ vector: Vector) -> Float {
  #if NNKIT_AVX512
    let eight = vector.lowHalf + vector.highHalf
    let four = eight.lowHalf + eight.highHalf
  #elseif NNKIT_AVX2
    let four = vector.lowHalf + vector.highHalf
  #else
    let four = vector
  #endif
  let two = four.lowHalf + four.highHalf
  return two[0] + two[1]
}

/// The sum of all lanes: halves are added until one lane is left.
@inline(__always)
func sumOfLanes(_ vector: DoubleVector) -> Double {
  #if NNKIT_AVX512
    let four = vector.lowHalf + vector.highHalf
    let two = four.lowHalf + four.highHalf
  #elseif NNKIT_AVX2
    let two = vector.lowHalf + vector.highHalf
  #else
    let two = vector
  #endif
  return two[0] + two[1]
}

/// The largest lane; NaN if any lane is NaN.
@inline(__always)
func maximumOfLanes(_ vector: Vector) -> Float {
  var best = vector[0]
  var lane = 1
  while lane < vectorWidth {
    best = maximumKeepingNaN(best, vector[lane])
    lane &+= 1
  }
  return best
}

/// The larger of two; `best` where they are equal; NaN where either is NaN.
@inline(__always)
func maximumKeepingNaN(_ best: Float, _ x: Float) -> Float {
  x > best || x != x ? x : best
}
