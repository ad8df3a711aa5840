import NNKitKernelTable
import Testing

@Suite struct OptimizerTests {
  /// A handful of roundings of numbers not above 2, after which a square root and a quotient.
  private let allowed = 16 * Double(Float.ulpOfOne)

  @Test(arguments: testedLevels)
  func sgdMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 23)
    for count in table.counts {
      for (hasVelocity, nesterov, momentum) in [
        (false, false, 0.9), (true, false, 0.9), (true, true, 0.9), (true, true, 0), (true, false, 0.3),
        (true, true, 0.99999999),
      ] {
        for placement in Placement.allCases {
          let weight = GuardedBuffer(numbers.floats(count), placement)
          let gradient = GuardedBuffer(numbers.floats(count), placement)
          let velocity = GuardedBuffer(numbers.floats(count), placement)
          let (w, v) = (weight.array.map(Double.init), velocity.array.map(Double.init))
          table.sgd(
            SGDUpdate(
              weight: weight.pointer, dWeight: gradient.read, velocity: hasVelocity ? velocity.pointer : nil,
              count: count, learningRate: 0.1, momentum: Decay(momentum), weightDecay: 0.01, gradientScale: 0.5,
              nesterov: nesterov))
          for i in 0..<count {
            let g = 0.5 * Double(gradient[i]) + Double(Float(0.01)) * w[i]
            let next = hasVelocity ? momentum * v[i] + g : v[i]
            let step = !hasVelocity ? g : nesterov ? g + momentum * next : next
            #expect(abs(Double(weight[i]) - (w[i] - Double(Float(0.1)) * step)) <= allowed)
            #expect(abs(Double(velocity[i]) - next) <= (hasVelocity ? allowed : 0))
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func adamMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 24)
    let stepSize: Float = 0.01
    let (epsilon, correction, decay, scale): (Float, Float, Float, Float) = (1e-7, 3.2, 0.02, 0.25)
    for count in table.counts {
      for (placement, (beta1, beta2)) in zip(
        Placement.allCases + Placement.allCases, [(0.9, 0.999), (0, 0.3), (0.99999, 0.99999999), (0.5, 0)])
      {
        let weight = GuardedBuffer(numbers.floats(count), placement)
        let gradient = GuardedBuffer(numbers.floats(count), placement)
        let first = GuardedBuffer(numbers.floats(count), placement)
        let second = GuardedBuffer(numbers.floats(count, 0.01...1), placement)
        let (w, m, v) = (
          weight.array.map(Double.init), first.array.map(Double.init), second.array.map(Double.init)
        )
        table.adam(
          AdamUpdate(
            weight: weight.pointer, dWeight: gradient.read, firstMoment: first.pointer, secondMoment: second.pointer,
            count: count, stepSize: stepSize, beta1: Decay(beta1), beta2: Decay(beta2), epsilon: epsilon,
            inverseCorrection: correction, weightDecay: decay, gradientScale: scale))
        for i in 0..<count {
          let g = Double(scale) * Double(gradient[i]) + Double(decay) * w[i]
          let nextFirst = beta1 * m[i] + (1 - beta1) * g
          let nextSecond = beta2 * v[i] + (1 - beta2) * g * g
          let step = Double(stepSize) * nextFirst / (nextSecond.squareRoot() * Double(correction) + Double(epsilon))
          #expect(abs(Double(weight[i]) - (w[i] - step)) <= allowed)
          #expect(abs(Double(first[i]) - nextFirst) <= allowed)
          #expect(abs(Double(second[i]) - nextSecond) <= allowed)
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func everyElementTakesTheSameStepWhereverItLies(level: InstructionSetLevel) {
    let table = kernels(level)
    let count = 2 * table.width + 3
    var weight = [Float](repeating: 0.7, count: count)
    var first = [Float](repeating: 0.1, count: count)
    var second = [Float](repeating: 0.2, count: count)
    let gradient = [Float](repeating: -0.3, count: count)
    table.adam(
      AdamUpdate(
        weight: &weight, dWeight: gradient, firstMoment: &first, secondMoment: &second, count: count, stepSize: 0.01,
        beta1: Decay(0.9), beta2: Decay(0.999), epsilon: 1e-8, inverseCorrection: 2, weightDecay: 0, gradientScale: 1))
    #expect(Set(weight.map(\.bitPattern)).count == 1 && weight[0] != 0.7)
    table.sgd(
      SGDUpdate(
        weight: &weight, dWeight: gradient, velocity: &first, count: count, learningRate: 0.1, momentum: Decay(0.9),
        weightDecay: 0.01, gradientScale: 1, nesterov: true))
    #expect(Set(weight.map(\.bitPattern)).count == 1 && Set(first.map(\.bitPattern)).count == 1)
  }
}
