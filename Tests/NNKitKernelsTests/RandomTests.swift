import NNKitKernelTable
import Testing

/// Philox4x32-10, word by word, from the paper's description.
private func philox(counter: [UInt32], key: [UInt32]) -> [UInt32] {
  var c = counter
  var k = key
  for _ in 0..<10 {
    let p0 = c[0].multipliedFullWidth(by: 0xD251_1F53)
    let p1 = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
    c = [p1.high ^ c[1] ^ k[0], p1.low, p0.high ^ c[3] ^ k[1], p0.low]
    k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
  }
  return c
}

/// Word `index` of a stream.
private func word(_ key: UInt64, _ stream: UInt64, _ index: UInt64) -> UInt32 {
  let (block, place) = (index / 4, Int(index % 4))
  func halves(_ x: UInt64) -> [UInt32] { [UInt32(truncatingIfNeeded: x), UInt32(truncatingIfNeeded: x >> 32)] }
  return philox(counter: halves(block) + halves(stream), key: halves(key))[place]
}

@Suite struct RandomTests {
  /// The known answers that the authors publish with their library (kat_vectors of Random123).
  @Test(arguments: testedLevels)
  func philoxGivesThePublishedAnswers(level: InstructionSetLevel) {
    let table = kernels(level)
    let answers: [(key: UInt64, stream: UInt64, block: UInt64, words: [UInt32])] = [
      (0, 0, 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      (
        0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88,
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ]
    for answer in answers {
      #expect(
        philox(
          counter: [
            UInt32(truncatingIfNeeded: answer.block), UInt32(answer.block >> 32),
            UInt32(truncatingIfNeeded: answer.stream), UInt32(answer.stream >> 32),
          ], key: [UInt32(truncatingIfNeeded: answer.key), UInt32(answer.key >> 32)]) == answer.words)
    }
    var words = [UInt32](repeating: 0, count: 4)
    table.randomBits(0, 0, 0, &words, 4)
    #expect(words == answers[0].words)
    // Word indices have 64 bits, so that the highest block is 2⁶² - 1. The other published counters lie beyond it:
    // they hold the reference, which in turn holds the kernel below.
    #expect(
      philox(counter: [.max, .max, .max, .max], key: [.max, .max])
        == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
  }

  @Test(arguments: testedLevels)
  func randomBitsMatchReferenceFromAnyStart(level: InstructionSetLevel) {
    let table = kernels(level)
    let key: UInt64 = 0x0123_4567_89ab_cdef
    let stream: UInt64 = 0xfedc_ba98_0765_4321
    for start: UInt64 in [0, 1, 2, 3, 4, 0x3_ffff_fff9, 0x3_ffff_fffe, 0xffff_ffff_ffff_0001] {
      for count in table.counts {
        for placement in Placement.allCases {
          let out = GuardedBuffer(count, placement, repeating: UInt32(0))
          table.randomBits(key, stream, start, out.pointer, count)
          let exact = (0..<count).map { word(key, stream, start + UInt64($0)) }
          #expect(out.array == exact, "start \(start), count \(count)")
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func dropoutKeepsByTheStreamsWords(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 9)
    for start: UInt64 in [0, 1, 7, 1_000_003] {
      for count in table.counts {
        for threshold: UInt32 in [0, 1 << 30, 1 << 31, 0xe000_0000, .max] {
          for placement in Placement.allCases {
            let x = GuardedBuffer(numbers.floats(count), placement)
            let before = x.array
            let y = GuardedBuffer(count, placement, repeating: Float.nan)
            func run(_ output: GuardedBuffer<Float>) {
              table.dropout(
                Dropout(
                  x: x.read, y: output.pointer, count: count, key: 3, stream: 4, start: start, threshold: threshold,
                  scale: 1.25))
            }
            run(y)
            let exact = before.indices.map { i in
              word(3, 4, start + UInt64(i)) >= threshold ? before[i] * 1.25 : 0
            }
            #expect(sameBits(y.array, exact), "start \(start), count \(count), threshold \(threshold)")
            run(x)
            #expect(sameBits(x.array, exact), "in place, count \(count)")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func droppedElementsAreZeroWhateverTheyWere(level: InstructionSetLevel) {
    let x = [Float](repeating: .nan, count: 64)
    var y = [Float](repeating: 1, count: 64)
    kernels(level).dropout(
      Dropout(x: x, y: &y, count: 64, key: 1, stream: 1, start: 0, threshold: .max, scale: 2))
    #expect(y.allSatisfy { $0 == 0 })
  }
}
