/// Test data and the measures that results are held against.

/// Unit round-off of `Float`: half an epsilon.
let roundOff = Double(Float.ulpOfOne) / 2

/// A small linear congruential generator: the same numbers in every run, at every level.
struct TestNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> UInt32 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt32(truncatingIfNeeded: state >> 33)
  }

  /// A number in `range`.
  mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * Float(next() >> 7) / Float(1 << 24)
  }

  mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(count)
    for _ in 0..<count { result.append(float(range)) }
    return result
  }
}

/// How many units in the last place of `exact`, as a `Float`, lie between it and `result`. Two NaN, or two equal
/// infinities, are 0 apart.
func ulps(_ result: Float, _ exact: Double) -> Double {
  if result.isNaN || exact.isNaN { return result.isNaN && exact.isNaN ? 0 : .infinity }
  let rounded = Float(exact)
  if rounded.isInfinite || result.isInfinite { return result == rounded ? 0 : .infinity }
  return abs(Double(result) - exact) / Double(max(rounded.magnitude.ulp, Float.leastNonzeroMagnitude))
}

/// Whether two numbers have the same bits.
func sameBits(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern }

func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}
