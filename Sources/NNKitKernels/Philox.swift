#if NNKIT_AVX2 || NNKIT_AVX512
  import NNKitKernels
#endif

/// Philox4x32-10, a generator whose word `i` is a function of key, stream and `i` alone, so that any part of a
/// stream can be made anywhere, in any order.
/// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011).

#if NNKIT_AVX512
  /// One counter word of each of several blocks, in the low halves of the lanes.
  private typealias Counters = SIMD8<UInt64>
  private typealias Words = SIMD16<UInt64>
#elseif NNKIT_AVX2
  private typealias Counters = SIMD4<UInt64>
  private typealias Words = SIMD8<UInt64>
#else
  private typealias Counters = SIMD2<UInt64>
  private typealias Words = SIMD4<UInt64>
#endif

/// Words that one call of `philoxWords` makes: two vectors.
@_transparent
private var wordsOfGroup: Int { 2 &* vectorWidth }

/// The words of the consecutive blocks from `block` on, in the order of the stream.
@_transparent
private func philoxWords(key: UInt64, stream: UInt64, block: UInt64) -> (IntegerVector, IntegerVector) {
  let low = Counters(repeating: 0xffff_ffff)
  let multiplier0 = Counters(repeating: 0xD251_1F53)
  let multiplier1 = Counters(repeating: 0xCD9E_8D57)
  let thirtyTwo = Counters(repeating: 32)
  let bump0 = Counters(repeating: 0x9E37_79B9)
  let bump1 = Counters(repeating: 0xBB67_AE85)
  var c0 = Counters(repeating: block)
  var lane = 0
  while lane < Counters.scalarCount {
    c0[lane] = block &+ UInt64(truncatingIfNeeded: lane)
    lane &+= 1
  }
  var c1 = c0 &>> thirtyTwo
  var c2 = Counters(repeating: stream)
  var c3 = Counters(repeating: stream &>> 32)
  var key0 = Counters(repeating: key)
  var key1 = Counters(repeating: key &>> 32)
  var round = 0
  while round < 10 {
    // The high halves of the lanes may hold anything between the rounds: the multiplications look at the low halves.
    let product0 = (c0 & low) &* multiplier0
    let product1 = (c2 & low) &* multiplier1
    c0 = (product1 &>> thirtyTwo) ^ c1 ^ key0
    c1 = product1
    c2 = (product0 &>> thirtyTwo) ^ c3 ^ key1
    c3 = product0
    key0 = key0 &+ bump0
    key1 = key1 &+ bump1
    round &+= 1
  }
  // A block is two lanes: words 0 and 1, words 2 and 3.
  var words = Words()
  words.evenHalf = (c0 & low) | (c1 &<< thirtyTwo)
  words.oddHalf = (c2 & low) | (c3 &<< thirtyTwo)
  return (
    unsafeBitCast(words.lowHalf, to: IntegerVector.self), unsafeBitCast(words.highHalf, to: IntegerVector.self)
  )
}

/// Word `index` (< `wordsOfGroup`) of a group.
@_transparent
private func word(_ index: Int, of group: (IntegerVector, IntegerVector)) -> UInt32 {
  UInt32(bitPattern: index < vectorWidth ? group.0[index] : group.1[index &- vectorWidth])
}

/// Random words: see `KernelTable.randomBits`.
func randomBits(
  _ key: UInt64, _ stream: UInt64, _ start: UInt64, _ out: UnsafeMutablePointer<UInt32>, _ count: Int
) {
  var block = start &>> 2
  var i = 0
  // The rest of a block that begins before `start`.
  let skipped = Int(truncatingIfNeeded: start & 3)
  if skipped != 0 {
    let group = philoxWords(key: key, stream: stream, block: block)
    while i < 4 &- skipped && i < count {
      out[i] = word(skipped &+ i, of: group)
      i &+= 1
    }
    block &+= 1
  }
  while i &+ wordsOfGroup <= count {
    let group = philoxWords(key: key, stream: stream, block: block)
    let target = UnsafeMutableRawPointer(out + i)
    target.storeBytes(of: group.0, as: IntegerVector.self)
    target.storeBytes(of: group.1, toByteOffset: MemoryLayout<IntegerVector>.size, as: IntegerVector.self)
    block &+= UInt64(truncatingIfNeeded: wordsOfGroup &>> 2)
    i &+= wordsOfGroup
  }
  if i < count {
    let group = philoxWords(key: key, stream: stream, block: block)
    var index = 0
    while i < count {
      out[i] = word(index, of: group)
      index &+= 1
      i &+= 1
    }
  }
}

/// `y = x · scale` where the random word is at least `threshold`, else 0: see `Dropout`.
func dropout(_ dropout: Dropout) {
  let count = dropout.count
  let x = dropout.x
  let y = dropout.y
  var block = dropout.start &>> 2
  var i = 0
  let skipped = Int(truncatingIfNeeded: dropout.start & 3)
  if skipped != 0 {
    let group = philoxWords(key: dropout.key, stream: dropout.stream, block: block)
    while i < 4 &- skipped && i < count {
      y[i] = word(skipped &+ i, of: group) >= dropout.threshold ? x[i] * dropout.scale : 0
      i &+= 1
    }
    block &+= 1
  }
  while i &+ wordsOfGroup <= count {
    let group = philoxWords(key: dropout.key, stream: dropout.stream, block: block)
    let first = keep(loadVector(x + i) * dropout.scale, where: group.0, isAtLeast: dropout.threshold)
    let second = keep(loadVector(x + i + vectorWidth) * dropout.scale, where: group.1, isAtLeast: dropout.threshold)
    storeVector(first, y + i)
    storeVector(second, y + i + vectorWidth)
    block &+= UInt64(truncatingIfNeeded: wordsOfGroup &>> 2)
    i &+= wordsOfGroup
  }
  if i < count {
    let group = philoxWords(key: dropout.key, stream: dropout.stream, block: block)
    var index = 0
    while i < count {
      y[i] = word(index, of: group) >= dropout.threshold ? x[i] * dropout.scale : 0
      index &+= 1
      i &+= 1
    }
  }
}

/// `value` where the unsigned `words` are at least `threshold`, else 0.
@_transparent
private func keep(_ value: Vector, where words: IntegerVector, isAtLeast threshold: UInt32) -> Vector {
  // A flipped top bit turns the unsigned order into the signed one, which has an instruction.
  let flip = IntegerVector(repeating: Int32.min)
  let limit = IntegerVector(repeating: Int32(bitPattern: threshold ^ 0x8000_0000))
  return value.replacing(with: Vector(), where: (words ^ flip) .< limit)
}
