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
      for (hasVelocity, nesterov) in [(false, false), (true, false), (true, true)] {
        for placement in Placement.allCases {
          let weight = GuardedBuffer(numbers.floats(count), placement)
          let gradient = GuardedBuffer(numbers.floats(count), placement)
          let velocity = GuardedBuffer(numbers.floats(count), placement)
          let (w, v) = (weight.array.map(Double.init), velocity.array.map(Double.init))
          table.sgd(
            SGDUpdate(
              weight: weight.pointer, dWeight: gradient.read, velocity: hasVelocity ? velocity.pointer : nil,
              count: count, learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, gradientScale: 0.5,
              nesterov: nesterov))
          for i in 0..<count {
            let g = 0.5 * Double(gradient[i]) + Double(Float(0.01)) * w[i]
            let next = hasVelocity ? Double(Float(0.9)) * v[i] + g : v[i]
            let step = !hasVelocity ? g : nesterov ? g + Double(Float(0.9)) * next : next
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
    let (stepSize, beta1, beta2): (Float, Float, Float) = (0.01, 0.9, 0.999)
    let (epsilon, correction, decay, scale): (Float, Float, Float, Float) = (1e-7, 3.2, 0.02, 0.25)
    for count in table.counts {
      for placement in Placement.allCases {
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
            count: count, stepSize: stepSize, beta1: beta1, beta2: beta2, epsilon: epsilon,
            inverseCorrection: correction, weightDecay: decay, gradientScale: scale))
        for i in 0..<count {
          let g = Double(scale) * Double(gradient[i]) + Double(decay) * w[i]
          let nextFirst = Double(beta1) * m[i] + (1 - Double(beta1)) * g
          let nextSecond = Double(beta2) * v[i] + (1 - Double(beta2)) * g * g
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
        beta1: 0.9, beta2: 0.999, epsilon: 1e-8, inverseCorrection: 2, weightDecay: 0, gradientScale: 1))
    #expect(Set(weight.map(\.bitPattern)).count == 1 && weight[0] != 0.7)
    table.sgd(
      SGDUpdate(
        weight: &weight, dWeight: gradient, velocity: &first, count: count, learningRate: 0.1, momentum: 0.9,
        weightDecay: 0.01, gradientScale: 1, nesterov: true))
    #expect(Set(weight.map(\.bitPattern)).count == 1 && Set(first.map(\.bitPattern)).count == 1)
  }
}
