import NNKitKernelTable
import Testing

@Suite struct AdditionTests {
  @Test(arguments: testedLevels)
  func sumsAreExactAndMayReplaceTheirParts(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 40)
    for count in table.counts {
      for relu in [false, true] {
        for placement in Placement.allCases {
          let x = GuardedBuffer(numbers.floats(count), placement)
          let y = GuardedBuffer(numbers.floats(count), placement)
          let sum = GuardedBuffer(count, placement, repeating: Float.nan)
          let exact = zip(x.array, y.array).map { a, b in relu && a + b < 0 ? 0 : a + b }
          table.add(Addition(x: x.read, y: y.read, sum: sum.pointer, count: count, relu: relu))
          #expect(sameBits(sum.array, exact))
          let replaced = GuardedBuffer(x.array, placement)
          table.add(Addition(x: replaced.read, y: y.read, sum: replaced.pointer, count: count, relu: relu))
          #expect(sameBits(replaced.array, exact))
          table.add(Addition(x: x.read, y: y.read, sum: y.pointer, count: count, relu: relu))
          #expect(sameBits(y.array, exact))
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func nanPassesTheReLU(level: InstructionSetLevel) {
    let table = kernels(level)
    let x = GuardedBuffer([.nan, .infinity, -.infinity], .beforeGuard)
    let y = GuardedBuffer([1, -.infinity, 1], .beforeGuard)
    let sum = GuardedBuffer(3, .beforeGuard, repeating: Float(0))
    table.add(Addition(x: x.read, y: y.read, sum: sum.pointer, count: 3, relu: true))
    #expect(sum[0].isNaN && sum[1].isNaN && sum[2] == 0)
  }
}
