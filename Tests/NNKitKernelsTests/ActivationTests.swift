import Glibc
import NNKitKernelTable
import Testing

/// `f(x)` and `f'(x)` by the definitions of `ActivationKind`, in double precision.
private func reference(_ kind: ActivationKind, _ x: Double) -> (value: Double, slope: Double) {
  let (lambda, alpha) = (1.0507009873554805, 1.6732632423543772)
  let sigma = 1 / (1 + exp(-x))
  switch kind {
  case .linear: return (x, 1)
  case .relu: return (max(0, x), x > 0 ? 1 : 0)
  case .leakyRelu: return x > 0 ? (x, 1) : (0.01 * x, 0.01)
  case .elu: return x > 0 ? (x, 1) : (expm1(x), exp(x))
  case .selu: return x > 0 ? (lambda * x, lambda) : (lambda * alpha * expm1(x), lambda * alpha * exp(x))
  case .gelu:
    let root = (2 / Double.pi).squareRoot()
    let u = root * (x + 0.044715 * x * x * x)
    // ½ (1 + tanh u) without the cancellation that even double precision shows at x = -9.
    let half = 1 / (1 + exp(-2 * u))
    return (x * half, half + 2 * x * half * (1 - half) * root * (1 + 3 * 0.044715 * x * x))
  case .silu: return (x * sigma, sigma * (1 + x * (1 - sigma)))
  case .sigmoid: return (sigma, sigma * (1 - sigma))
  case .tanh: return (Glibc.tanh(x), 1 - Glibc.tanh(x) * Glibc.tanh(x))
  case .softplus: return (max(x, 0) + log1p(exp(-abs(x))), sigma)
  case .hardSigmoid: return (min(max(x / 6 + 0.5, 0), 1), abs(x) < 3 ? 1 / 6.0 : 0)
  case .hardSwish:
    return (x * min(max(x / 6 + 0.5, 0), 1), x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5)
  }
}

@Suite struct ActivationTests {
  /// From -30 to 30, clear of the corners at 0 and ±3.
  private static let inputs: [Float] = (0..<6_001).map { -30.003 + Float($0) * 0.01 }

  @Test(arguments: testedLevels)
  func forwardMatchesTheDefinition(level: InstructionSetLevel) {
    let table = kernels(level)
    for kind in ActivationKind.allCases {
      var y = [Float](repeating: 0, count: Self.inputs.count)
      table.activationForward(kind, Self.inputs, &y, y.count)
      for (x, y) in zip(Self.inputs, y) {
        let exact = reference(kind, Double(x)).value
        // 6 ulp for the parts, relative to the result; hardSigmoid and hardSwish cancel near -3, to 1 ε of their
        // summands; gelu's argument u carries 3 ulp, which its exponential multiplies by |2u| (at most 176).
        var allowed = 6 * Double(Float.ulpOfOne) * abs(exact) + Double(Float.leastNormalMagnitude)
        if kind == .hardSigmoid { allowed += Double(Float.ulpOfOne) }
        if kind == .hardSwish { allowed += Double(Float.ulpOfOne) * abs(Double(x)) }
        if kind == .gelu { allowed += 3 * Double(Float.ulpOfOne) * min(176, pow(abs(Double(x)), 3)) * abs(exact) }
        #expect(abs(Double(y) - exact) <= allowed, "\(kind)(\(x)) = \(y), not \(exact)")
      }
    }
  }

  @Test(arguments: testedLevels)
  func backwardMatchesTheDerivative(level: InstructionSetLevel) {
    let table = kernels(level)
    let dy = Self.inputs.map { 0.5 + 0.01 * abs($0) }
    for kind in ActivationKind.allCases {
      var y = [Float](repeating: 0, count: Self.inputs.count)
      table.activationForward(kind, Self.inputs, &y, y.count)
      var dx = [Float](repeating: 0, count: Self.inputs.count)
      table.activationBackward(kind, kind.gradientNeedsInput ? Self.inputs : y, dy, &dx, dx.count)
      for index in dx.indices {
        let slope = reference(kind, Double(Self.inputs[index])).slope
        // From a rounded y near a limit (1 - y², y + 1) the slope keeps an absolute error of a few ε, not a
        // relative one.
        let allowed = 6 * Double(Float.ulpOfOne) * Double(dy[index]) * max(1, abs(slope))
        let exact = slope * Double(dy[index])
        #expect(
          abs(Double(dx[index]) - exact) <= allowed, "\(kind)'(\(Self.inputs[index])) dy = \(dx[index]), not \(exact)")
      }
    }
  }

  @Test(arguments: testedLevels)
  func specialValuesGiveTheirLimits(level: InstructionSetLevel) {
    let table = kernels(level)
    for kind in ActivationKind.allCases {
      var y: [Float] = [0, 0, 0, 0]
      table.activationForward(kind, [.nan, .infinity, -.infinity, 0], &y, 4)
      let atMinusInfinity: Float
      switch kind {
      case .linear, .leakyRelu: atMinusInfinity = -.infinity
      case .elu, .tanh: atMinusInfinity = -1
      case .selu: atMinusInfinity = -1.0507009873554805 * 1.6732632423543772
      default: atMinusInfinity = 0
      }
      let isBounded = kind == .sigmoid || kind == .tanh || kind == .hardSigmoid
      #expect(y[0].isNaN, "\(kind)(NaN) = \(y[0])")
      #expect(y[1] == (isBounded ? 1 : .infinity), "\(kind)(+∞) = \(y[1])")
      #expect(y[2] == atMinusInfinity, "\(kind)(-∞) = \(y[2])")
      #expect(ulps(y[3], reference(kind, 0).value) <= 3, "\(kind)(0) = \(y[3])")
      var dx: [Float] = [0, 0]
      table.activationBackward(kind, [.nan, 0.5], [.nan, .nan], &dx, 2)
      #expect(dx[0].isNaN && dx[1].isNaN, "\(kind) lost a NaN of dy")
    }
  }

  @Test(arguments: testedLevels)
  func everyCountAndInPlaceGiveTheSameBits(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 8)
    let x = numbers.floats(200, -8...8)
    let dy = numbers.floats(200)
    for kind in ActivationKind.allCases {
      var wholeForward = [Float](repeating: 0, count: 200)
      var wholeBackward = wholeForward
      table.activationForward(kind, x, &wholeForward, 200)
      table.activationBackward(kind, x, dy, &wholeBackward, 200)
      for count in table.counts {
        for placement in Placement.allCases {
          let input = GuardedBuffer(Array(x[..<count]), placement)
          let gradient = GuardedBuffer(Array(dy[..<count]), placement)
          let result = GuardedBuffer(count, placement, repeating: Float(7))
          table.activationForward(kind, input.read, result.pointer, count)
          #expect(sameBits(result.array, Array(wholeForward[..<count])), "\(kind) forward, \(count)")
          table.activationBackward(kind, input.read, gradient.read, result.pointer, count)
          #expect(sameBits(result.array, Array(wholeBackward[..<count])), "\(kind) backward, \(count)")
          table.activationBackward(kind, input.read, gradient.read, gradient.pointer, count)
          #expect(sameBits(gradient.array, Array(wholeBackward[..<count])), "\(kind) backward in place, \(count)")
          table.activationForward(kind, input.read, input.pointer, count)
          #expect(sameBits(input.array, Array(wholeForward[..<count])), "\(kind) forward in place, \(count)")
        }
      }
    }
  }
}
