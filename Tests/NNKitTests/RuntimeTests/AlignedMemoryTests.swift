import Glibc
import NNKit
import Testing

@Suite struct AlignedMemoryTests {
  @Test(arguments: [
    0, 1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 5_000_001,
  ])
  func memoryIsAlignedZeroedAndWritable(byteCount: Int) throws {
    // Twice: the second block may reuse what the first one left.
    for _ in 0..<2 {
      let memory = try AlignedMemory(byteCount: byteCount)
      #expect(memory.byteCount == byteCount)
      #expect(UInt(bitPattern: memory.base) % 64 == 0)
      let bytes = UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount)
      #expect(bytes.allSatisfy { $0 == 0 })
      bytes.initializeMemory(as: UInt8.self, repeating: 0xff)
    }
  }

  @Test func blocksDoNotOverlap() throws {
    let blocks = try (0..<40).map { try AlignedMemory(byteCount: 100_000 * $0) }
    for (index, block) in blocks.enumerated() { memset(block.base, Int32(index), block.byteCount) }
    for (index, block) in blocks.enumerated() {
      #expect(
        UnsafeMutableRawBufferPointer(start: block.base, count: block.byteCount).allSatisfy { $0 == UInt8(index) })
    }
  }

  @Test func freedMemoryIsGivenBack() throws {
    let before = residentBytes()
    for _ in 0..<200 {
      let memory = try AlignedMemory(byteCount: 4 << 20)
      memset(memory.base, 1, memory.byteCount)
    }
    // 800 MB were touched; the tests beside this one may hold some of their own.
    #expect(residentBytes() - before < 400 << 20)
  }

  @Test(arguments: [Int.max, Int.max - 4096, 1 << 60, 1 << 50])
  func moreThanTheMachineHasIsAnErrorWithBothNumbers(byteCount: Int) {
    let error = #expect(throws: NNKitError.self) { try AlignedMemory(byteCount: byteCount) }
    #expect(error?.code == .outOfMemory)
    #expect(error?.message.contains("\(byteCount) bytes") == true)
    #expect(error?.message.contains("\(AlignedMemory.limitBytes()) bytes") == true)
  }

  @Test func aNegativeSizeIsAnError() {
    let error = #expect(throws: NNKitError.self) { try AlignedMemory(byteCount: -1) }
    #expect(error?.code == .invalidArgument)
  }

  @Test func theLimitIsAtMostTheMachines() {
    let physicalBytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    #expect((1...physicalBytes).contains(AlignedMemory.limitBytes()))
  }
}

/// How much memory the process occupies.
private func residentBytes() -> Int {
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var text = [CChar](repeating: 0, count: 128)
  guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
  let line = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let fields = line.split(separator: " ")
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
