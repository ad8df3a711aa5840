#if NNKIT_AVX2 || NNKIT_AVX512
  import NNKitKernels
#endif

/// `y = f(x)`: see `KernelTable.activationForward` and `ActivationKind`.
///
/// Accuracy: that of the functions in Exponential.swift; two roundings more for elu, selu, gelu and silu. NaN is kept
/// by every kind.
func activationForward(
  _ kind: ActivationKind, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
) {
  switch kind {
  case .linear:
    if x != UnsafePointer(y) { mapElements(x, y, count) { $0 } }
  case .relu:
    mapElements(x, y, count) { atLeast(0, $0) }
  case .leakyRelu:
    mapElements(x, y, count) { $0.replacing(with: $0 * leakySlope, where: $0 .< Vector()) }
  case .elu:
    mapElements(x, y, count) {
      $0.replacing(with: exponentialMinusOneOfNegative(atMost(0, $0)), where: $0 .< Vector())
    }
  case .selu:
    mapElements(x, y, count) {
      let negative = exponentialMinusOneOfNegative(atMost(0, $0)) * (seluScale * seluAlpha)
      return ($0 * seluScale).replacing(with: negative, where: $0 .< Vector())
    }
  case .gelu:
    // ½ (1 + tanh u) = σ(2u), which does not cancel for negative x. The limit at -∞ is 0: a finite number in its
    // place keeps 0 · ∞ away.
    mapElements(x, y, count) {
      let x = atLeast(-.greatestFiniteMagnitude, $0)
      return x * sigmoid(geluArgument(x))
    }
  case .silu:
    mapElements(x, y, count) {
      let x = atLeast(-.greatestFiniteMagnitude, $0)
      return x * sigmoid(x)
    }
  case .sigmoid:
    mapElements(x, y, count) { sigmoid($0) }
  case .tanh:
    mapElements(x, y, count) { hyperbolicTangent($0) }
  case .softplus:
    mapElements(x, y, count) { softplus($0) }
  case .hardSigmoid:
    mapElements(x, y, count) { hardSigmoid($0) }
  case .hardSwish:
    mapElements(x, y, count) {
      let x = atLeast(-.greatestFiniteMagnitude, $0)
      return x * hardSigmoid(x)
    }
  }
}

/// `dx = f'(·) dy`: see `KernelTable.activationBackward`.
///
/// At a corner the derivative is that of the flat or left side (relu'(0) = 0, leakyRelu'(0) = 0.01), and 1 for elu
/// and λ for selu at 0.
func activationBackward(
  _ kind: ActivationKind, _ saved: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>, _ count: Int
) {
  let one = Vector(repeating: 1)
  switch kind {
  case .linear:
    if dy != UnsafePointer(dx) { mapElements(dy, dx, count) { $0 } }
  case .relu:
    mapElements(saved, dy, dx, count) { y, dy in dy.replacing(with: Vector(), where: y .<= Vector()) }
  case .leakyRelu:
    mapElements(saved, dy, dx, count) { y, dy in dy.replacing(with: dy * leakySlope, where: y .<= Vector()) }
  case .elu:
    // exp(x) = y + 1 for x ≤ 0.
    mapElements(saved, dy, dx, count) { y, dy in dy.replacing(with: dy * (y + one), where: y .< Vector()) }
  case .selu:
    // λ α exp(x) = y + λ α for x ≤ 0.
    mapElements(saved, dy, dx, count) { y, dy in
      (dy * seluScale).replacing(
        with: dy * (y + Vector(repeating: seluScale * seluAlpha)), where: y .< Vector())
    }
  case .gelu:
    mapElements(saved, dy, dx, count) { x, dy in
      // Beyond ±50 the derivative is 0 or 1 to the last bit; closer numbers keep 0 · ∞ away.
      let x = atMost(50, atLeast(-50, x))
      let s = sigmoid(geluArgument(x))
      let slope = multiplyAdd(x * x, 3 * geluCubic * geluScale, geluScale)
      return dy * multiplyAdd(x * slope, s * (one - s), s)
    }
  case .silu:
    mapElements(saved, dy, dx, count) { x, dy in
      let x = atMost(105, atLeast(-105, x))
      let s = sigmoid(x)
      return dy * multiplyAdd(x, s * (one - s), s)
    }
  case .sigmoid:
    mapElements(saved, dy, dx, count) { y, dy in dy * (y * (one - y)) }
  case .tanh:
    mapElements(saved, dy, dx, count) { y, dy in dy * (one - y * y) }
  case .softplus:
    // σ(x) = 1 - exp(-y).
    mapElements(saved, dy, dx, count) { y, dy in -(dy * exponentialMinusOneOfNegative(-y)) }
  case .hardSigmoid:
    mapElements(saved, dy, dx, count) { y, dy in
      (dy * Float(1.0 / 6.0)).replacing(with: Vector(), where: (y .<= Vector()) .| (y .>= one))
    }
  case .hardSwish:
    mapElements(saved, dy, dx, count) { x, dy in
      let three = Vector(repeating: 3)
      let inner = dy * multiplyAdd(x, Float(1.0 / 3.0), 0.5)
      return inner.replacing(with: Vector(), where: x .<= -three).replacing(with: dy, where: x .>= three)
    }
  }
}

@inline(__always) private var leakySlope: Float { 0.01 }
@inline(__always) private var seluScale: Float { 1.0507009873554805 }
@inline(__always) private var seluAlpha: Float { 1.6732632423543772 }
/// 2 √(2/π)
@inline(__always) private var geluScale: Float { 1.5957691216057308 }
@inline(__always) private var geluCubic: Float { 0.044715 }

/// `2u = 2 √(2/π) (x + 0.044715 x³)`.
@inline(__always)
private func geluArgument(_ x: Vector) -> Vector {
  x * multiplyAdd(x * x, geluCubic * geluScale, geluScale)
}

/// `clip(x / 6 + 1/2, 0, 1)`.
@inline(__always)
private func hardSigmoid(_ x: Vector) -> Vector {
  atMost(1, atLeast(0, multiplyAdd(x, Float(1.0 / 6.0), 0.5)))
}
