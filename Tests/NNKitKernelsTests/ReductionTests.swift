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

  /// Rows are added in ascending order, and then to what was there: a sequential sum gives the same bits at every level.
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
            var exact = [Float](repeating: 0, count: columns)
            for r in 0..<rows {
              for n in 0..<columns { exact[n] += x[r * stride + n] }
            }
            if accumulate { exact = zip(exact, out.array).map { $0 + $1 } }
            table.columnSum(x.read, rows, columns, stride, out.pointer, accumulate)
            #expect(sameBits(out.array, exact), "\(rows) rows, \(columns) columns")
          }
        }
      }
    }
  }

  /// Of equal numbers each addition to a large sum would round the same way.
  @Test(arguments: testedLevels)
  func columnSumOfManyRowsHasTheErrorOfABlock(level: InstructionSetLevel) {
    let table = kernels(level)
    for columns in [1, 4 * table.width + 1] {
      let rows = 300_001
      let x = [Float](repeating: 0.1, count: rows * columns)
      var out = [Float](repeating: 3, count: columns)
      table.columnSum(x, rows, columns, columns, &out, true)
      let exact = 3 + Double(rows) * Double(Float(0.1))
      #expect(out.allSatisfy { abs(Double($0) - exact) <= 5e-6 * exact })
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
