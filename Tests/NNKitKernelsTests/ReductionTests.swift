import NNKitKernelTable
import Testing

@Suite struct ReductionTests {
  @Test(arguments: testedLevels)
  func accumulateAddsExactly(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 10)
    for count in table.counts {
      for placement in Placement.allCases {
        let x = GuardedBuffer(numbers.floats(count), placement)
        let sum = GuardedBuffer(numbers.floats(count), placement)
        let exact = zip(sum.array, x.array).map { $0 + $1 }
        table.accumulate(x.read, sum.pointer, count)
        #expect(sameBits(sum.array, exact))
      }
    }
  }

  /// Rows are added in ascending order, so that a sequential sum of floats gives the same bits at every level.
  @Test(arguments: testedLevels)
  func columnSumAddsRowsInOrder(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 11)
    for columns in table.counts + [4 * table.width, 5 * table.width + 1] {
      for rows in [0, 1, 2, 17] {
        for accumulate in [false, true] {
          for placement in Placement.allCases {
            let stride = columns + 3
            let x = GuardedBuffer(numbers.floats(rows == 0 ? 0 : (rows - 1) * stride + columns), placement)
            let out = GuardedBuffer(numbers.floats(columns), placement)
            var exact = accumulate ? out.array : [Float](repeating: 0, count: columns)
            for r in 0..<rows {
              for n in 0..<columns { exact[n] += x[r * stride + n] }
            }
            table.columnSum(x.read, rows, columns, stride, out.pointer, accumulate)
            #expect(sameBits(out.array, exact), "\(rows) rows, \(columns) columns")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func sumOfSquaresIsInDoublePrecision(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 12)
    for count in table.counts + [10_007] {
      for placement in Placement.allCases {
        let x = GuardedBuffer(numbers.floats(count), placement)
        let exact = x.array.reduce(0.0) { $0 + Double($1) * Double($1) }
        // Squares of floats are exact in double precision; each addition may round once, in either order.
        #expect(abs(table.sumOfSquares(x.read, count) - exact) <= Double(count) * Double.ulpOfOne * exact)
      }
    }
    #expect(table.sumOfSquares([1, .nan, 2], 3).isNaN)
    #expect(table.sumOfSquares([.greatestFiniteMagnitude], 1).isFinite)
  }

  @Test(arguments: testedLevels)
  func squaredErrorAndItsGradient(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 13)
    for count in table.counts {
      for placement in Placement.allCases {
        let prediction = GuardedBuffer(numbers.floats(count), placement)
        let target = GuardedBuffer(numbers.floats(count), placement)
        let gradient = GuardedBuffer(count, placement, repeating: Float.nan)
        let exact = zip(prediction.array, target.array).reduce(0.0) {
          $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
        }
        let with = table.squaredError(prediction.read, target.read, count, 0.25, gradient.pointer)
        let without = table.squaredError(prediction.read, target.read, count, 0.25, nil)
        #expect(with == without)
        // The difference, its square and the addition each round once in double precision.
        #expect(abs(with - exact) <= Double(count + 3) * Double.ulpOfOne * exact)
        for i in 0..<count { #expect(gradient[i] == (prediction[i] - target[i]) * 0.5) }
      }
    }
  }
}
