/// The exponential and its relatives, a vector at a time.
///
/// The polynomials are minimax fits of this project's own (Remez exchange in 40-digit arithmetic). The bounds are
/// measured against double precision over every binade of the arguments: `ExponentialTests`.

/// `exp(r) ≈ 1 + r + r² q(r)` for |r| ≤ ln 2 / 2, relative error 3e-9: this is `q`.
@_transparent
func exponentialRemainder(_ r: Vector) -> Vector {
  var q = multiplyAdd(r, 1.3814595e-3, 8.3687166e-3)
  q = multiplyAdd(q, r, 4.1668389e-2)
  q = multiplyAdd(q, r, 1.6666521e-1)
  return multiplyAdd(q, r, 0.49999994)
}

/// `x = n ln 2 + r` with an integer n and |r| ≤ ln 2 / 2, for |x| < 2²¹.
@_transparent
func reduceByLogarithmOfTwo(_ x: Vector) -> (n: Vector, r: Vector) {
  let n = multiplyAdd(x, 1.442695, roundingMagic) - Vector(repeating: roundingMagic)
  // ln 2 in two parts; the first has so few bits that its product with n is exact.
  var r = multiplyAdd(n, Vector(repeating: -0.693359375), x)
  r = multiplyAdd(n, Vector(repeating: 2.1219444e-4), r)
  return (n, r)
}

/// 1.5 · 2²³: a number below 2²² added to it is rounded to an integer and lies in its low bits.
@_transparent
private var roundingMagic: Float { 12_582_912 }

/// `2ⁿ` for an integer -126 ≤ n ≤ 128 (128 gives infinity).
@_transparent
func powerOfTwo(_ n: Vector) -> Vector {
  // The low bits of n + 127 in place of the exponent; what else was in the word leaves at the top.
  let shifted = integers(of: n + Vector(repeating: roundingMagic + 127))
  return vector(ofIntegers: shifted &* IntegerVector(repeating: 1 << 23))
}

/// `exp(x)`.
///
/// Accuracy: 1 ulp, results below 2⁻¹²⁶ to the last bit of their fewer bits. `exp(-∞) = 0`, `exp(+∞) = +∞`, NaN is
/// kept; above 88.7228 the result is infinite, below -103.98 zero.
@_transparent
func exponential(_ x: Vector) -> Vector {
  let (n, r) = reduceByLogarithmOfTwo(atMost(89, atLeast(-105, x)))
  let p = multiplyAdd(exponentialRemainder(r), r * r, r) + Vector(repeating: 1)
  // In two steps, so that neither power leaves the range of normal numbers.
  let half = multiplyAdd(n, 0.5, roundingMagic) - Vector(repeating: roundingMagic)
  return p * powerOfTwo(half) * powerOfTwo(n - half)
}

/// `exp(x) - 1` for x ≤ 0.
///
/// Accuracy: 2 ulp. `-∞` gives -1, NaN is kept.
@_transparent
func exponentialMinusOneOfNegative(_ x: Vector) -> Vector {
  let (n, r) = reduceByLogarithmOfTwo(atLeast(-20, x))
  let p = multiplyAdd(exponentialRemainder(r), r * r, r)
  let scale = powerOfTwo(n)
  return multiplyAdd(p, scale, scale - Vector(repeating: 1))
}

/// `tanh(x)`.
///
/// Accuracy: 2 ulp. `tanh(±∞) = ±1`, NaN is kept, `tanh(-0) = -0`.
@_transparent
func hyperbolicTangent(_ x: Vector) -> Vector {
  let magnitude = absolute(x)
  // Near zero the exponential form would cancel: tanh(x) ≈ x + x³ p(x²), relative error 4e-9.
  let square = magnitude * magnitude
  var p = multiplyAdd(square, -5.717045e-3, 2.0650588e-2)
  p = multiplyAdd(p, square, -5.3743497e-2)
  p = multiplyAdd(p, square, 0.13331491)
  p = multiplyAdd(p, square, -0.33333284)
  let small = multiplyAdd(p, square * magnitude, magnitude)
  let e = exponential(magnitude + magnitude)
  let large = Vector(repeating: 1) - Vector(repeating: 2) / (e + Vector(repeating: 1))
  return withSign(of: x, large.blended(with: small, where: magnitude .< Vector(repeating: 0.625)))
}

/// `σ(x) = 1 / (1 + exp(-x))`.
///
/// Accuracy: 3 ulp. `σ(-∞) = 0`, `σ(+∞) = 1`, NaN is kept.
@_transparent
func sigmoid(_ x: Vector) -> Vector {
  // From exp(-|x|), which cannot overflow, so that small results are as exact as large ones.
  let e = exponential(negativeMagnitude(x))
  let one = Vector(repeating: 1)
  let numerator = one.blended(with: e, where: x .< Vector())
  return numerator / (one + e)
}

/// `σ(x)` and `σ'(x) = σ(x) (1 - σ(x))`, without the cancellation of `1 - σ(x)` for large x.
///
/// Accuracy: 4 ulp each. NaN is kept.
@_transparent
func sigmoidAndSlope(_ x: Vector) -> (value: Vector, slope: Vector) {
  let e = exponential(negativeMagnitude(x))
  let one = Vector(repeating: 1)
  let larger = one / (one + e)
  let smaller = e * larger
  return (larger.blended(with: smaller, where: x .< Vector()), smaller * larger)
}

/// `atanh(s) / s - 1` for |s| ≤ 1/3, as a function of s²: the core of both logarithms. Error 5e-9 of `atanh(s) / s`.
@_transparent
private func logarithmCore(_ square: Vector) -> Vector {
  var p = multiplyAdd(square, 0.14012229, 0.13999571)
  p = multiplyAdd(p, square, 0.2001085)
  p = multiplyAdd(p, square, 0.33333206)
  return p * square
}

/// `log(1 + e)` for 0 ≤ e ≤ 1, by `2 atanh(e / (2 + e))`.
///
/// Accuracy: 3 ulp. NaN is kept.
@_transparent
private func logarithmOfOnePlus(_ e: Vector) -> Vector {
  let s = e / (e + Vector(repeating: 2))
  let twice = s + s
  return multiplyAdd(logarithmCore(s * s), twice, twice)
}

/// `softplus(x) = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))`.
///
/// Accuracy: 3 ulp. `softplus(-∞) = 0`, `softplus(+∞) = +∞`, NaN is kept.
@_transparent
func softplus(_ x: Vector) -> Vector {
  let e = exponential(negativeMagnitude(x))
  return atLeast(0, x) + logarithmOfOnePlus(e)
}

/// `log(x)` for normal x > 0: one number, since softmax needs one for each row.
///
/// Accuracy: 3 ulp for x ≥ 1. NaN is kept.
@inline(__always)
func logarithm(_ x: Float) -> Float {
  if x != x { return x }
  // x = 2ⁿ m with m in [√½, √2): the offset makes the exponent field step at √½.
  let offset: UInt32 = 0x3f35_04f3
  let shifted = Int32(bitPattern: x.bitPattern &- offset)
  let n = Float(shifted &>> 23)
  let m = Float(bitPattern: (UInt32(bitPattern: shifted) & 0x007f_ffff) &+ offset)
  let s = (m - 1) / (m + 1)
  let fraction = 2 * s + 2 * s * logarithmCore(Vector(repeating: s * s))[0]
  // ln 2 in two parts, the small one first, so that the last addition alone rounds visibly.
  return n * 0.693359375 + (fraction - n * 2.1219444e-4)
}
