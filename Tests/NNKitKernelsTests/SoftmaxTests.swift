import Glibc
import NNKitKernelTable
import Testing

/// Softmax, and the logarithm of the sum of exponentials, of one row in double precision.
private func exactSoftmax(_ x: [Float]) -> (probabilities: [Double], logarithmOfSum: Double, maximum: Double) {
  let maximum = x.map(Double.init).max()!
  let exponentials = x.map { exp(Double($0) - maximum) }
  let sum = exponentials.reduce(0, +)
  return (exponentials.map { $0 / sum }, log(sum), maximum)
}

@Suite struct SoftmaxTests {
  private func columnCounts(_ table: KernelTable) -> [Int] { table.counts.filter { $0 > 0 } + [1_000] }

  /// What summing `columns` exponentials may cost: each lane adds columns / width of them, then a few levels of a
  /// tree; and 6 ulp for the exponential, the logarithm and the division.
  private func relativeError(_ columns: Int) -> Double { (6 + Double(columns) / 4) * Double(Float.ulpOfOne) }

  @Test(arguments: testedLevels)
  func softmaxMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 18)
    for columns in columnCounts(table) {
      for logarithm in [false, true] {
        for placement in Placement.allCases {
          let rows = 3
          let x = GuardedBuffer(numbers.floats(rows * columns, -12...12), placement)
          let y = GuardedBuffer(rows * columns, placement, repeating: Float.nan)
          table.softmaxForward(Softmax(x: x.read, y: y.pointer, rows: rows, columns: columns, logarithm: logarithm))
          for r in 0..<rows {
            let row = Array(x.array[(r * columns)..<((r + 1) * columns)])
            let exact = exactSoftmax(row)
            for c in 0..<columns {
              let result = Double(y[r * columns + c])
              if logarithm {
                let value = Double(row[c]) - exact.maximum - exact.logarithmOfSum
                #expect(abs(result - value) <= relativeError(columns) * max(1, abs(value)))
              } else {
                // x - max x rounds, and the exponential turns that into a relative error.
                let spread = abs(Double(row[c]) - exact.maximum) * roundOff
                let probability = exact.probabilities[c]
                #expect(abs(result - probability) <= (relativeError(columns) + spread) * probability)
              }
            }
          }
          let apart = y.array
          table.softmaxForward(Softmax(x: x.read, y: x.pointer, rows: rows, columns: columns, logarithm: logarithm))
          #expect(sameBits(x.array, apart), "in place, \(columns) columns")
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func extremeLogitsGiveExtremeProbabilities(level: InstructionSetLevel) {
    let table = kernels(level)
    func softmax(_ x: [Float], logarithm: Bool = false) -> [Float] {
      var y = x
      table.softmaxForward(Softmax(x: x, y: &y, rows: 1, columns: x.count, logarithm: logarithm))
      return y
    }
    #expect(softmax([10_000, -10_000, 0]) == [1, 0, 0])
    #expect(softmax([-10_000, -10_000]) == [0.5, 0.5])
    #expect(softmax([-.infinity, 5, -.infinity]) == [0, 1, 0])
    #expect(softmax([10_000, -10_000], logarithm: true) == [0, -20_000])
    #expect(softmax([-.infinity, 5], logarithm: true) == [-.infinity, 0])
    for row: [Float] in [[.nan, 1], [1, .nan], [.infinity, 1], [-.infinity, -.infinity]] {
      #expect(softmax(row).allSatisfy { $0.isNaN }, "\(row)")
    }
    // A NaN anywhere in a long row reaches every place.
    for place in [0, 15, 16, 40] {
      var row = [Float](repeating: 0, count: 41)
      row[place] = .nan
      #expect(softmax(row).allSatisfy { $0.isNaN }, "NaN at \(place)")
    }
  }

  @Test(arguments: testedLevels)
  func softmaxGradientMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 19)
    for columns in columnCounts(table) {
      for logarithm in [false, true] {
        for placement in Placement.allCases {
          let rows = 2
          let y = GuardedBuffer(numbers.floats(rows * columns, logarithm ? -5...0 : 0...1), placement)
          let dy = GuardedBuffer(numbers.floats(rows * columns), placement)
          let dx = GuardedBuffer(rows * columns, placement, repeating: Float.nan)
          func run(_ output: GuardedBuffer<Float>) {
            table.softmaxBackward(
              SoftmaxGradient(
                y: y.read, dy: dy.read, dx: output.pointer, rows: rows, columns: columns, logarithm: logarithm))
          }
          run(dx)
          for r in 0..<rows {
            let range = (r * columns)..<((r + 1) * columns)
            let terms = range.map { Double(logarithm ? 1 : y[$0]) * Double(dy[$0]) }
            let sum = terms.reduce(0, +)
            let magnitude = terms.reduce(0) { $0 + abs($1) }
            for i in range {
              let factor = logarithm ? exp(Double(y[i])) : Double(y[i])
              let exact = logarithm ? Double(dy[i]) - factor * sum : factor * (Double(dy[i]) - sum)
              let allowed = relativeError(columns) * (abs(Double(dy[i])) + factor * (1 + magnitude))
              #expect(abs(Double(dx[i]) - exact) <= allowed)
            }
          }
          let apart = dx.array
          run(dy)
          #expect(sameBits(dy.array, apart), "in place, \(columns) columns")
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func crossEntropyMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 20)
    for classes in columnCounts(table) {
      for placement in Placement.allCases {
        let rows = 4
        let logits = GuardedBuffer(numbers.floats(rows * classes, -12...12), placement)
        let labels = GuardedBuffer((0..<rows).map { _ in Int32(Int(numbers.next()) % classes) }, placement, padding: 0)
        let losses = GuardedBuffer(rows, placement, repeating: Float.nan)
        let correct = GuardedBuffer(rows, placement, repeating: Int32(-1))
        let dLogits = GuardedBuffer(rows * classes, placement, repeating: Float.nan)
        func run(_ gradient: GuardedBuffer<Float>?) {
          table.softmaxCrossEntropy(
            SoftmaxCrossEntropy(
              logits: logits.read, labels: labels.read, rows: rows, classes: classes, scale: 0.25,
              losses: losses.pointer, correct: correct.pointer, dLogits: gradient?.pointer))
        }
        run(dLogits)
        let (firstLosses, firstCorrect) = (losses.array, correct.array)
        for r in 0..<rows {
          let row = Array(logits.array[(r * classes)..<((r + 1) * classes)])
          let exact = exactSoftmax(row)
          let label = Int(labels[r])
          let loss = exact.logarithmOfSum - (Double(row[label]) - exact.maximum)
          #expect(abs(Double(losses[r]) - loss) <= relativeError(classes) * max(1, loss))
          #expect(correct[r] == (row.firstIndex(of: row.max()!) == label ? 1 : 0))
          for c in 0..<classes {
            let value = 0.25 * (exact.probabilities[c] - (c == label ? 1 : 0))
            // Logits lie at most 24 apart: their rounded difference costs the probability 24 units of round-off.
            let relative = relativeError(classes) + 24 * roundOff
            let allowed = 0.25 * relative * max(exact.probabilities[c], c == label ? 1 : 0)
            #expect(abs(Double(dLogits[r * classes + c]) - value) <= allowed)
          }
        }
        run(nil)
        #expect(sameBits(losses.array, firstLosses) && correct.array == firstCorrect)
        run(logits)
        #expect(sameBits(logits.array, dLogits.array), "in place, \(classes) classes")
        #expect(sameBits(losses.array, firstLosses) && correct.array == firstCorrect)
      }
    }
  }

  @Test(arguments: testedLevels)
  func crossEntropyOfExtremeLogits(level: InstructionSetLevel) {
    let table = kernels(level)
    func lossOf(_ logits: [Float], label: Int32) -> (loss: Float, correct: Int32, gradient: [Float]) {
      var loss: Float = 0
      var correct: Int32 = -1
      var gradient = logits
      table.softmaxCrossEntropy(
        SoftmaxCrossEntropy(
          logits: logits, labels: [label], rows: 1, classes: logits.count, scale: 1, losses: &loss, correct: &correct,
          dLogits: &gradient))
      return (loss, correct, gradient)
    }
    var result = lossOf([10_000, -10_000], label: 0)
    #expect(result.loss == 0 && result.correct == 1 && result.gradient == [0, 0])
    result = lossOf([10_000, -10_000], label: 1)
    #expect(result.loss == 20_000 && result.correct == 0 && result.gradient == [1, -1])
    result = lossOf([-.infinity, 1], label: 0)
    #expect(result.loss == .infinity && result.correct == 0 && result.gradient == [-1, 1])
    // The first of equal logits counts as the prediction.
    #expect(lossOf([2, 2, 1], label: 0).correct == 1)
    #expect(lossOf([2, 2, 1], label: 1).correct == 0)
    for row: [Float] in [[.nan, 1], [1, .nan], [.infinity, 1], [-.infinity, -.infinity]] {
      result = lossOf(row, label: 1)
      #expect(result.loss.isNaN && result.gradient.allSatisfy { $0.isNaN }, "\(row)")
    }
    #expect(lossOf([.nan, 1], label: 1).correct == 0)
  }
}
