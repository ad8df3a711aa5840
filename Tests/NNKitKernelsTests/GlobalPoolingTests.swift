import NNKitKernelTable
import Testing

@Suite struct GlobalPoolingTests {
  @Test(arguments: testedLevels)
  func meansAndTheirGradientsMatchReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 41)
    for channels in table.counts {
      for pixels in [1, 2, 63, 64, 65, 127, 200] {
        for placement in Placement.allCases {
          let input = GuardedBuffer(numbers.floats(pixels * channels, 0...1), placement)
          let output = GuardedBuffer(channels, placement, repeating: Float.nan)
          table.globalAveragePoolForward(
            GlobalAveragePool(input: input.read, output: output.pointer, pixels: pixels, channels: channels))
          for c in 0..<channels {
            let exact = (0..<pixels).reduce(0.0) { $0 + Double(input[$1 * channels + c]) } / Double(pixels)
            // 32 additions on one side of a block, one of both sides, and the quotient.
            #expect(abs(Double(output[c]) - exact) <= 34 * roundOff * exact)
          }
          let dInput = GuardedBuffer(pixels * channels, placement, repeating: Float.nan)
          table.globalAveragePoolBackward(
            GlobalAveragePoolGradient(
              dOutput: output.read, dInput: dInput.pointer, pixels: pixels, channels: channels))
          let spread = (0..<pixels * channels).map { output[$0 % channels] / Float(pixels) }
          #expect(sameBits(dInput.array, spread))
        }
      }
    }
  }

  /// A plain sum of floats would be off by thousands of roundings here.
  @Test(arguments: testedLevels)
  func theMeanOfManyPixelsStaysExact(level: InstructionSetLevel) {
    let table = kernels(level)
    let pixels = 1 << 20
    let input = GuardedBuffer(pixels, .beforeGuard, repeating: Float(0.1))
    let mean = GuardedBuffer(1, .beforeGuard, repeating: Float.nan)
    table.globalAveragePoolForward(
      GlobalAveragePool(input: input.read, output: mean.pointer, pixels: pixels, channels: 1))
    #expect(abs(Double(mean[0]) / Double(Float(0.1)) - 1) <= 34 * roundOff)
  }

  @Test(arguments: testedLevels)
  func nanStaysInItsChannel(level: InstructionSetLevel) {
    let table = kernels(level)
    let input = GuardedBuffer([1, .nan, 3, 4], .beforeGuard)
    let mean = GuardedBuffer(2, .beforeGuard, repeating: Float(0))
    table.globalAveragePoolForward(
      GlobalAveragePool(input: input.read, output: mean.pointer, pixels: 2, channels: 2))
    #expect(mean[0] == 2 && mean[1].isNaN)
  }
}
