import NNKitKernelTable
import Testing

@Suite struct ElementPairTests {
  @Test(arguments: testedLevels)
  func productsAndDifferencesAreExactAndMayReplaceTheirParts(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 62)
    for count in table.counts {
      for placement in Placement.allCases {
        let x = GuardedBuffer(numbers.floats(count), placement)
        let y = GuardedBuffer(numbers.floats(count), placement)
        let operations: [(kernel: (ElementPair) -> Void, exact: (Float, Float) -> Float)] = [
          (table.multiply, { $0 * $1 }), (table.subtract, { $0 - $1 }),
        ]
        for (kernel, exact) in operations {
          let expected = zip(x.array, y.array).map { exact($0, $1) }
          let z = GuardedBuffer(count, placement, repeating: Float.nan)
          kernel(ElementPair(x: x.read, y: y.read, z: z.pointer, count: count))
          #expect(sameBits(z.array, expected))
          for replaced in [GuardedBuffer(x.array, placement), GuardedBuffer(y.array, placement)] {
            let isFirst = sameBits(replaced.array, x.array)
            kernel(
              ElementPair(
                x: isFirst ? replaced.read : x.read, y: isFirst ? y.read : replaced.read, z: replaced.pointer,
                count: count))
            #expect(sameBits(replaced.array, expected))
          }
        }
        let z = GuardedBuffer(count, placement, repeating: Float.nan)
        table.negate(x.read, z.pointer, count)
        #expect(sameBits(z.array, x.array.map { -$0 }))
        table.negate(z.read, z.pointer, count)
        #expect(sameBits(z.array, x.array))
      }
    }
  }
}
