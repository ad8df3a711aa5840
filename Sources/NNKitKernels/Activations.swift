import NNKitKernelTable

/// `y = f(x)`: see `KernelTable.activationForward` and `ActivationKind`.
///
/// Accuracy: that of the functions in Exponential.swift; two roundings more for elu, selu, gelu and silu. NaN is kept
/// by every kind.
func activationForward(
  _ kind: ActivationKind, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
) {
  var i = 0
  while i < count {
    let lanes = count &- i
    storeLanes(activation(kind, loadLanes(x + i, lanes)), y + i, lanes)
    i &+= vectorWidth
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
  var i = 0
  while i < count {
    let lanes = count &- i
    storeLanes(activationGradient(kind, loadLanes(saved + i, lanes), loadLanes(dy + i, lanes)), dx + i, lanes)
    i &+= vectorWidth
  }
}

/// `f(x)`. The kind is the same for every vector of a call, so that the processor foresees the branch.
@_transparent
private func activation(_ kind: ActivationKind, _ x: Vector) -> Vector {
  switch kind {
  case .linear:
    return x
  case .relu:
    return atLeast(0, x)
  case .leakyRelu:
    return x.blended(with: x * leakySlope, where: x .< Vector())
  case .elu:
    return x.blended(with: exponentialMinusOneOfNegative(atMost(0, x)), where: x .< Vector())
  case .selu:
    let negative = exponentialMinusOneOfNegative(atMost(0, x)) * (seluScale * seluAlpha)
    return (x * seluScale).blended(with: negative, where: x .< Vector())
  case .gelu:
    // ½ (1 + tanh u) = σ(2u), which does not cancel for negative x. The limit at -∞ is 0: a finite number in its
    // place keeps 0 · ∞ away.
    let finite = atLeast(-.greatestFiniteMagnitude, x)
    return finite * sigmoid(geluArgument(finite))
  case .silu:
    return atLeast(-.greatestFiniteMagnitude, x) * sigmoid(x)
  case .sigmoid:
    return sigmoid(x)
  case .tanh:
    return hyperbolicTangent(x)
  case .softplus:
    return softplus(x)
  case .hardSigmoid:
    return hardSigmoid(x)
  case .hardSwish:
    return atLeast(-.greatestFiniteMagnitude, x) * hardSigmoid(x)
  }
}

/// `f'(·) dy`, from the input `x` or the output `y` as `kind.gradientNeedsInput` says.
@_transparent
private func activationGradient(_ kind: ActivationKind, _ saved: Vector, _ dy: Vector) -> Vector {
  let zero = Vector()
  let one = Vector(repeating: 1)
  switch kind {
  case .linear:
    return dy
  case .relu:
    return dy.blended(with: zero, where: saved .<= zero)
  case .leakyRelu:
    return dy.blended(with: dy * leakySlope, where: saved .<= zero)
  case .elu:
    // exp(x) = y + 1 for x ≤ 0.
    return dy.blended(with: dy * (saved + one), where: saved .< zero)
  case .selu:
    // λ α exp(x) = y + λ α for x ≤ 0.
    let slope = saved + Vector(repeating: seluScale * seluAlpha)
    return (dy * seluScale).blended(with: dy * slope, where: saved .< zero)
  case .gelu:
    // Beyond ±50 the derivative is 0 or 1 to the last bit; closer numbers keep 0 · ∞ away.
    let x = atMost(50, atLeast(-50, saved))
    let s = sigmoidAndSlope(geluArgument(x))
    let argumentSlope = multiplyAdd(x * x, 3 * geluCubic * geluScale, geluScale)
    return dy * multiplyAdd(x * argumentSlope, s.slope, s.value)
  case .silu:
    let x = atMost(105, atLeast(-105, saved))
    let s = sigmoidAndSlope(x)
    return dy * multiplyAdd(x, s.slope, s.value)
  case .sigmoid:
    return dy * (saved * (one - saved))
  case .tanh:
    return dy * (one - saved * saved)
  case .softplus:
    // σ(x) = 1 - exp(-y).
    return -(dy * exponentialMinusOneOfNegative(-saved))
  case .hardSigmoid:
    return (dy * Float(1.0 / 6.0)).blended(with: zero, where: (saved .<= zero) .| (saved .>= one))
  case .hardSwish:
    let three = Vector(repeating: 3)
    let inner = dy * multiplyAdd(saved, Float(1.0 / 3.0), 0.5)
    return inner.blended(with: zero, where: saved .<= -three).blended(with: dy, where: saved .>= three)
  }
}

@_transparent private var leakySlope: Float { 0.01 }
@_transparent private var seluScale: Float { 1.0507009873554805 }
@_transparent private var seluAlpha: Float { 1.6732632423543772 }
/// 2 √(2/π)
@_transparent private var geluScale: Float { 1.5957691216057308 }
@_transparent private var geluCubic: Float { 0.044715 }

/// `2u = 2 √(2/π) (x + 0.044715 x³)`.
@_transparent
private func geluArgument(_ x: Vector) -> Vector {
  x * multiplyAdd(x * x, geluCubic * geluScale, geluScale)
}

/// `clip(x / 6 + 1/2, 0, 1)`.
@_transparent
private func hardSigmoid(_ x: Vector) -> Vector {
  atMost(1, atLeast(0, multiplyAdd(x, Float(1.0 / 6.0), 0.5)))
}
