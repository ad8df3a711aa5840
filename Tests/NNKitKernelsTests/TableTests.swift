import NNKit
import NNKitKernelTable
import Testing

@Suite struct TableTests {
  @Test func forcedLevelIsTheOneTested() throws {
    let level = try CPUFeatures.chosenLevel()
    #expect(testedLevels.contains(level))
    if let name = environmentValue("NNKIT_ISA"), !name.isEmpty { #expect(testedLevels.map(\.name) == [name]) }
  }

  @Test(arguments: testedLevels)
  func tableSaysItsLevelAndTile(level: InstructionSetLevel) {
    let table = kernels(level)
    #expect(table.level == level)
    let tile = [InstructionSetLevel.baseline: (4, 8), .avx2: (6, 16), .avx512: (12, 32)][level]!
    #expect((table.tileRows, table.panelColumns) == tile)
  }

  /// What holds no sum and no function of its own must not depend on the level: the same bits everywhere.
  @Test(arguments: testedLevels)
  func kernelsWithoutSumsAgreeWithBaseline(level: InstructionSetLevel) {
    let (table, baseline) = (kernels(level), kernels(.baseline))
    let count = 1_003
    var numbers = TestNumbers(seed: 25)
    let x = numbers.floats(count, -4...4)
    func results(_ table: KernelTable) -> ([UInt32], [Float], [Float]) {
      var bits = [UInt32](repeating: 0, count: count)
      table.randomBits(11, 12, 13, &bits, count)
      var dropped = x
      table.dropout(
        Dropout(x: x, y: &dropped, count: count, key: 11, stream: 12, start: 13, threshold: 1 << 31, scale: 2))
      var rectified = x
      table.activationForward(.relu, x, &rectified, count)
      return (bits, dropped, rectified)
    }
    let (mine, theirs) = (results(table), results(baseline))
    #expect(mine.0 == theirs.0)
    #expect(sameBits(mine.1, theirs.1))
    #expect(sameBits(mine.2, theirs.2))
  }
}
