/// The vector of one instruction-set level, and the few operations on it that every kernel is made of.
///
/// `Vector` fills one register of the level. All operations are lane by lane unless they say otherwise, and
/// compile to one instruction or a few. They are `@_transparent`, since `@inline(__always)` gives up in large callers,
/// and a vector that crosses a call is passed in pieces of four floats.

import CNNKitInstructions

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

/// The result of a comparison: all bits of a lane, or none.
typealias Mask = SIMDMask<IntegerVector>

/// Lanes of `Vector`.
@_transparent
var vectorWidth: Int { MemoryLayout<Vector>.size / MemoryLayout<Float>.size }

// MARK: Memory

/// `vectorWidth` floats from any float's address on.
@_transparent
func loadVector(_ source: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
}

@_transparent
func loadVector(_ source: UnsafeMutablePointer<Float>) -> Vector {
  UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
}

@_transparent
func storeVector(_ vector: Vector, _ target: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(target).storeBytes(of: vector, as: Vector.self)
}

/// The first `count` (< `vectorWidth`) lanes from `source`, the others `fill`. Reads nothing else.
@_transparent
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

@_transparent
func loadPartialVector(_ source: UnsafeMutablePointer<Float>, _ count: Int, fill: Float = 0) -> Vector {
  loadPartialVector(UnsafePointer(source), count, fill: fill)
}

/// Stores the first `count` (< `vectorWidth`) lanes. Writes nothing else.
@_transparent
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

/// A vector, or its first `lanes` lanes and zeros where there are fewer: one step of a loop over any count.
///
/// A short vector goes through memory. If it were put together in registers, the compiler would carry its pieces
/// through the whole computation, that of the full vectors too.
@_transparent
func loadLanes(_ source: UnsafePointer<Float>, _ lanes: Int) -> Vector {
  if lanes >= vectorWidth { return loadVector(source) }
  var staged = Vector()
  copyLanes(source, &staged, lanes)
  return staged
}

@_transparent
func loadLanes(_ source: UnsafeMutablePointer<Float>, _ lanes: Int) -> Vector {
  loadLanes(UnsafePointer(source), lanes)
}

/// Stores a vector, or its first `lanes` lanes where there are fewer.
@_transparent
func storeLanes(_ vector: Vector, _ target: UnsafeMutablePointer<Float>, _ lanes: Int) {
  if lanes >= vectorWidth {
    storeVector(vector, target)
  } else {
    var staged = vector
    copyLanes(&staged, target, lanes)
  }
}

/// Copies `count` (< `vectorWidth`) floats.
@inline(never)
private func copyLanes(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ count: Int) {
  let lanes = loadPartialVector(source.assumingMemoryBound(to: Float.self), count)
  storePartialVector(lanes, target.assumingMemoryBound(to: Float.self), count)
}

// MARK: Arithmetic

// In place of the library's operators, which are written lane by lane.

extension Vector {
  @_transparent
  static func + (a: Vector, b: Vector) -> Vector { nnkit_floats_add(a, b) }
  @_transparent
  static func - (a: Vector, b: Vector) -> Vector { nnkit_floats_subtract(a, b) }
  @_transparent
  static func * (a: Vector, b: Vector) -> Vector { nnkit_floats_multiply(a, b) }
  @_transparent
  static func / (a: Vector, b: Vector) -> Vector { nnkit_floats_divide(a, b) }
  @_transparent
  static func * (a: Vector, b: Float) -> Vector { a * Vector(repeating: b) }
  @_transparent
  static func += (a: inout Vector, b: Vector) { a = a + b }
  @_transparent
  static func -= (a: inout Vector, b: Vector) { a = a - b }
  @_transparent
  static func *= (a: inout Vector, b: Vector) { a = a * b }
  @_transparent
  func squareRoot() -> Vector { nnkit_floats_square_root(self) }
  @_transparent
  static func .< (a: Vector, b: Vector) -> Mask { unsafeBitCast(nnkit_floats_less(a, b), to: Mask.self) }
  @_transparent
  static func .> (a: Vector, b: Vector) -> Mask { b .< a }
  @_transparent
  static func .== (a: Vector, b: Vector) -> Mask { unsafeBitCast(nnkit_floats_equal(a, b), to: Mask.self) }
  @_transparent
  static func .!= (a: Vector, b: Vector) -> Mask { .!(a .== b) }
}

extension DoubleVector {
  @_transparent
  static func + (a: DoubleVector, b: DoubleVector) -> DoubleVector { nnkit_doubles_add(a, b) }
  @_transparent
  static func - (a: DoubleVector, b: DoubleVector) -> DoubleVector { nnkit_doubles_subtract(a, b) }
  @_transparent
  static func * (a: DoubleVector, b: DoubleVector) -> DoubleVector { nnkit_doubles_multiply(a, b) }
  @_transparent
  static func / (a: DoubleVector, b: DoubleVector) -> DoubleVector { nnkit_doubles_divide(a, b) }
  @_transparent
  static func += (a: inout DoubleVector, b: DoubleVector) { a = a + b }
  @_transparent
  func squareRoot() -> DoubleVector { nnkit_doubles_square_root(self) }
}

/// `a b + c`: rounded once at the AVX levels; at baseline, which has no such instruction, twice.
@_transparent
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if NNKIT_AVX2 || NNKIT_AVX512
    nnkit_floats_multiply_add(a, b, c)
  #else
    a * b + c
  #endif
}

/// `a b + c` with one factor and summand for all lanes.
@_transparent
func multiplyAdd(_ a: Vector, _ b: Float, _ c: Float) -> Vector {
  multiplyAdd(a, Vector(repeating: b), Vector(repeating: c))
}

/// `a b + c` with one summand for all lanes: a step of Horner's rule.
@_transparent
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Float) -> Vector {
  multiplyAdd(a, b, Vector(repeating: c))
}

// Of the library's operations on integer vectors, only comparisons, `&+`, `&-` and `&*` are made for vectors; the
// others, and `replacing(with:where:)`, go lane by lane and leave it to the optimizer to find a vector in that, which
// it does not always. Operations on masks are made for vectors, too, and do what they say bit by bit: so all bit
// operations here go through masks.

extension Vector {
  /// `other` where `mask` holds, else this vector.
  @_transparent
  func blended(with other: Vector, where mask: Mask) -> Vector {
    vector(ofBits: bits(of: self).replacing(with: bits(of: other), where: mask))
  }
}

extension IntegerVector {
  /// `other` where `mask` holds, else this vector.
  @_transparent
  func blended(with other: IntegerVector, where mask: Mask) -> IntegerVector {
    let mine = unsafeBitCast(self, to: Mask.self)
    return unsafeBitCast(mine.replacing(with: unsafeBitCast(other, to: Mask.self), where: mask), to: IntegerVector.self)
  }
}

/// `x > low ? x : low`, with NaN kept.
@_transparent
func atLeast(_ low: Float, _ x: Vector) -> Vector {
  let low = Vector(repeating: low)
  return x.blended(with: low, where: x .< low)
}

/// `x < high ? x : high`, with NaN kept.
@_transparent
func atMost(_ high: Float, _ x: Vector) -> Vector {
  let high = Vector(repeating: high)
  return x.blended(with: high, where: x .> high)
}

/// The larger lane by lane; `best` where they are equal; NaN where either is NaN.
@_transparent
func maximumKeepingNaN(_ best: Vector, _ x: Vector) -> Vector {
  best.blended(with: x, where: (x .> best) .| (x .!= x))
}

@_transparent
func absolute(_ x: Vector) -> Vector {
  vector(ofBits: bits(of: x) .& allBits(0x7fff_ffff))
}

/// `-|x|`.
@_transparent
func negativeMagnitude(_ x: Vector) -> Vector {
  vector(ofBits: bits(of: x) .| allBits(Int32.min))
}

/// `magnitude` (not negative) with the sign of `x`.
@_transparent
func withSign(of x: Vector, _ magnitude: Vector) -> Vector {
  vector(ofBits: bits(of: magnitude) .| (bits(of: x) .& allBits(Int32.min)))
}

/// The bits of each lane.
@_transparent
func bits(of x: Vector) -> Mask { unsafeBitCast(x, to: Mask.self) }

/// The vector that has these bits.
@_transparent
func vector(ofBits bits: Mask) -> Vector { unsafeBitCast(bits, to: Vector.self) }

/// `pattern` in every lane.
@_transparent
func allBits(_ pattern: Int32) -> Mask { unsafeBitCast(IntegerVector(repeating: pattern), to: Mask.self) }

/// The bits of each lane as an integer.
@_transparent
func integers(of x: Vector) -> IntegerVector { unsafeBitCast(x, to: IntegerVector.self) }

/// The vector whose lanes have the bits of these integers.
@_transparent
func vector(ofIntegers x: IntegerVector) -> Vector { unsafeBitCast(x, to: Vector.self) }

// MARK: Across lanes

/// The sum of all lanes: halves are added until one lane is left.
@_transparent
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
@_transparent
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
@_transparent
func maximumOfLanes(_ vector: Vector) -> Float {
  #if NNKIT_AVX512
    let low128 = maximumKeepingNaN(vector.lowHalf.lowHalf, vector.lowHalf.highHalf)
    let high128 = maximumKeepingNaN(vector.highHalf.lowHalf, vector.highHalf.highHalf)
    let four = maximumKeepingNaN(low128, high128)
  #elseif NNKIT_AVX2
    let four = maximumKeepingNaN(vector.lowHalf, vector.highHalf)
  #else
    let four = vector
  #endif
  let low = maximumKeepingNaN(four[0], four[1])
  return maximumKeepingNaN(low, maximumKeepingNaN(four[2], four[3]))
}

/// The larger of two; `best` where they are equal; NaN where either is NaN. Without a branch, which maxima of data
/// would make the processor guess wrong.
@_transparent
func maximumKeepingNaN(_ best: Float, _ x: Float) -> Float {
  maximumKeepingNaN(SIMD4(repeating: best), SIMD4(repeating: x))[0]
}

// MARK: Four lanes, for rows shorter than a vector

/// What the smallest vector of all levels holds.
typealias NarrowVector = SIMD4<Float>

@_transparent
func loadNarrow(_ source: UnsafePointer<Float>) -> NarrowVector {
  UnsafeRawPointer(source).loadUnaligned(as: NarrowVector.self)
}

@_transparent
func storeNarrow(_ vector: NarrowVector, _ target: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(target).storeBytes(of: vector, as: NarrowVector.self)
}

/// Stores four rows of four floats as columns: element `k` of every row at `target`, `k · stride` bytes further on.
@_transparent
func storeTransposed(
  _ r0: NarrowVector, _ r1: NarrowVector, _ r2: NarrowVector, _ r3: NarrowVector, _ target: UnsafeMutableRawPointer,
  stride: Int
) {
  let low01 = NarrowVector(r0[0], r1[0], r0[1], r1[1])
  let low23 = NarrowVector(r2[0], r3[0], r2[1], r3[1])
  let high01 = NarrowVector(r0[2], r1[2], r0[3], r1[3])
  let high23 = NarrowVector(r2[2], r3[2], r2[3], r3[3])
  target.storeBytes(of: NarrowVector(lowHalf: low01.lowHalf, highHalf: low23.lowHalf), as: NarrowVector.self)
  target.storeBytes(
    of: NarrowVector(lowHalf: low01.highHalf, highHalf: low23.highHalf), toByteOffset: stride, as: NarrowVector.self)
  target.storeBytes(
    of: NarrowVector(lowHalf: high01.lowHalf, highHalf: high23.lowHalf), toByteOffset: 2 &* stride,
    as: NarrowVector.self)
  target.storeBytes(
    of: NarrowVector(lowHalf: high01.highHalf, highHalf: high23.highHalf), toByteOffset: 3 &* stride,
    as: NarrowVector.self)
}

#if NNKIT_AVX2 || NNKIT_AVX512
  extension NarrowVector {
    /// `other` where `mask` holds, else this vector.
    @_transparent
    func blended(with other: NarrowVector, where mask: SIMDMask<SIMD4<Int32>>) -> NarrowVector {
      let mine = unsafeBitCast(self, to: SIMDMask<SIMD4<Int32>>.self)
      let theirs = unsafeBitCast(other, to: SIMDMask<SIMD4<Int32>>.self)
      return unsafeBitCast(mine.replacing(with: theirs, where: mask), to: NarrowVector.self)
    }
  }

  extension SIMD4<Int32> {
    /// `other` where `mask` holds, else this vector.
    @_transparent
    func blended(with other: SIMD4<Int32>, where mask: SIMDMask<SIMD4<Int32>>) -> SIMD4<Int32> {
      let mine = unsafeBitCast(self, to: SIMDMask<SIMD4<Int32>>.self)
      let theirs = unsafeBitCast(other, to: SIMDMask<SIMD4<Int32>>.self)
      return unsafeBitCast(mine.replacing(with: theirs, where: mask), to: SIMD4<Int32>.self)
    }
  }

  /// The larger lane by lane; `best` where they are equal; NaN where either is NaN.
  @_transparent
  func maximumKeepingNaN(_ best: NarrowVector, _ x: NarrowVector) -> NarrowVector {
    best.blended(with: x, where: (x .> best) .| (x .!= x))
  }
#endif
