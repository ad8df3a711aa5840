import Glibc
import NNKitKernelTable
import Testing

/// The accuracy of the functions in Exponential.swift, measured through the kernels that expose them.
@Suite struct ExponentialTests {
  /// Every 9,973rd float of both signs (a prime step: all binades, all low bits), about 430,000 numbers.
  private static let sweep: [Float] = {
    var numbers: [Float] = []
    var pattern: UInt32 = 0
    while pattern < 0x7f80_0000 {  // infinity
      numbers.append(Float(bitPattern: pattern))
      numbers.append(-Float(bitPattern: pattern))
      pattern += 9_973
    }
    return numbers
  }()

  /// Numbers that lie densely where the functions bend.
  private static let bend: [Float] = (0..<120_001).map { -120 + Float($0) * 0.002 }

  private static let special: [Float] = [0, -0.0, .infinity, -.infinity, .nan]

  private static let arguments = sweep + bend + special

  /// The largest error of `function` against `exact` in ulps, over `arguments`.
  private func worst(
    _ arguments: [Float], _ results: [Float], _ exact: (Double) -> Double
  ) -> (ulps: Double, at: Float) {
    var worst = (ulps: 0.0, at: Float(0))
    for (x, y) in zip(arguments, results) {
      let error = ulps(y, exact(Double(x)))
      if !(error <= worst.ulps) { worst = (error, x) }
    }
    return worst
  }

  private func activation(
    _ table: KernelTable, _ kind: ActivationKind, _ arguments: [Float] = Self.arguments
  ) -> [Float] {
    var results = [Float](repeating: 0, count: arguments.count)
    table.activationForward(kind, arguments, &results, arguments.count)
    return results
  }

  @Test(arguments: testedLevels)
  func exponentialIsWithinOneUlp(level: InstructionSetLevel) {
    let table = kernels(level)
    // The gradient of log-softmax is dy - exp(y) Σ dy: with dy = 0 ... 0 1 that is -exp(y).
    let y = Self.arguments + [0]
    var dx = [Float](repeating: 0, count: y.count)
    dx[y.count - 1] = 1
    dx.withUnsafeMutableBufferPointer { dx in
      table.softmaxBackward(
        SoftmaxGradient(
          y: y, dy: UnsafePointer(dx.baseAddress!), dx: dx.baseAddress!, rows: 1, columns: y.count, logarithm: true))
    }
    let error = worst(Self.arguments, dx.dropLast().map { -$0 }) { exp($0) }
    #expect(error.ulps <= 1, "at \(error.at)")
  }

  @Test(arguments: testedLevels)
  func tanhIsWithinTwoUlps(level: InstructionSetLevel) {
    let error = worst(Self.arguments, activation(kernels(level), .tanh)) { Glibc.tanh($0) }
    #expect(error.ulps <= 2, "at \(error.at)")
  }

  @Test(arguments: testedLevels)
  func tanhKeepsTheSignOfZero(level: InstructionSetLevel) {
    let results = activation(kernels(level), .tanh, [0, -0.0])
    #expect(sameBits(results, [0, -0.0]))
  }

  @Test(arguments: testedLevels)
  func sigmoidIsWithinThreeUlps(level: InstructionSetLevel) {
    let error = worst(Self.arguments, activation(kernels(level), .sigmoid)) { x in
      x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))
    }
    #expect(error.ulps <= 3, "at \(error.at)")
  }

  @Test(arguments: testedLevels)
  func softplusIsWithinThreeUlps(level: InstructionSetLevel) {
    let error = worst(Self.arguments, activation(kernels(level), .softplus)) { x in
      (x > 0 ? x : 0) + log1p(exp(-abs(x)))
    }
    #expect(error.ulps <= 3, "at \(error.at)")
  }

  @Test(arguments: testedLevels)
  func exponentialMinusOneIsWithinTwoUlps(level: InstructionSetLevel) {
    let error = worst(Self.arguments, activation(kernels(level), .elu)) { x in x > 0 ? x : expm1(x) }
    #expect(error.ulps <= 2, "at \(error.at)")
  }

  @Test(arguments: testedLevels)
  func logarithmOfTheSumIsWithinThreeUlps(level: InstructionSetLevel) {
    let table = kernels(level)
    // The loss of equal logits is the logarithm of their number.
    for classes in [1, 2, 3, 7, 10, 31, 100, 1_000, 4_097] {
      let logits = [Float](repeating: 3, count: classes)
      var loss: Float = 0
      var correct: Int32 = 0
      table.softmaxCrossEntropy(
        SoftmaxCrossEntropy(
          logits: logits, labels: [0], rows: 1, classes: classes, scale: 1, losses: &loss, correct: &correct,
          dLogits: nil))
      #expect(ulps(loss, log(Double(classes))) <= 3, "\(classes) classes")
    }
  }
}
