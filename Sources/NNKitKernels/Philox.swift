import NNKitKernelTable

/// Philox4x32-10, a generator whose word `i` is a function of key, stream and `i` alone, so that any part of a
/// stream can be made anywhere, in any order.
/// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011).

#if NNKIT_AVX512
  private typealias HalfCounters = SIMD8<UInt64>
  private typealias Counters = SIMD16<UInt64>
  private typealias CounterBits = SIMDMask<SIMD16<Int64>>
#elseif NNKIT_AVX2
  private typealias HalfCounters = SIMD4<UInt64>
  private typealias Counters = SIMD8<UInt64>
  private typealias CounterBits = SIMDMask<SIMD8<Int64>>
#else
  private typealias HalfCounters = SIMD2<UInt64>
  private typealias Counters = SIMD4<UInt64>
  private typealias CounterBits = SIMDMask<SIMD4<Int64>>
#endif

/// Words that one call of `philoxWords` makes: two vectors.
@_transparent
private var wordsOfGroup: Int { 2 &* vectorWidth }

/// The words of the consecutive blocks from `block` on, in the order of the stream.
@_transparent
private func philoxWords(key: UInt64, stream: UInt64, block: UInt64) -> (IntegerVector, IntegerVector) {
  var blocks = HalfCounters(repeating: block)
  var lane = 0
  while lane < HalfCounters.scalarCount {
    blocks[lane] = block &+ UInt64(truncatingIfNeeded: lane)
    lane &+= 1
  }
  let thirtyTwo = HalfCounters(repeating: 32)
  let low = bits(Counters(repeating: 0xffff_ffff))
  let multiplier = halves(HalfCounters(repeating: 0xD251_1F53), HalfCounters(repeating: 0xCD9E_8D57))
  let bump = halves(HalfCounters(repeating: 0x9E37_79B9), HalfCounters(repeating: 0xBB67_AE85))
  // A lane of `even` holds words 0 (low half of the lanes) and 2 (high half) of a block's counter, a lane of `odd` 1
  // and 3. The upper bits of a lane may hold anything between the rounds: the product looks at the lower ones.
  var even = halves(blocks, HalfCounters(repeating: stream))
  var odd = halves(blocks &>> thirtyTwo, HalfCounters(repeating: stream &>> 32))
  var keys = halves(HalfCounters(repeating: key), HalfCounters(repeating: key &>> 32))
  var round = 0
  while round < 10 {
    let product = counters(bits(even) .& low) &* multiplier
    let swapped = halves(product.highHalf, product.lowHalf)
    even = counters(bits(swapped &>> Counters(repeating: 32)) .^ bits(odd) .^ bits(keys))
    odd = swapped
    keys = keys &+ bump
    round &+= 1
  }
  // Two words a lane: words 0 and 1 of all blocks, then 2 and 3.
  let pairs = counters((bits(even) .& low) .| bits(odd &* Counters(repeating: 1 << 32)))
  var words = Counters()
  words.evenHalf = pairs.lowHalf
  words.oddHalf = pairs.highHalf
  return (
    unsafeBitCast(words.lowHalf, to: IntegerVector.self), unsafeBitCast(words.highHalf, to: IntegerVector.self)
  )
}

@_transparent
private func halves(_ low: HalfCounters, _ high: HalfCounters) -> Counters { Counters(lowHalf: low, highHalf: high) }

@_transparent
private func bits(_ counters: Counters) -> CounterBits { unsafeBitCast(counters, to: CounterBits.self) }

@_transparent
private func counters(_ bits: CounterBits) -> Counters { unsafeBitCast(bits, to: Counters.self) }

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
  // An offset of 2³¹ turns the unsigned order into the signed one, which has an instruction.
  let offset = words &+ IntegerVector(repeating: Int32.min)
  let limit = IntegerVector(repeating: Int32(bitPattern: threshold &+ 0x8000_0000))
  return vector(ofBits: bits(of: value) .& (offset .>= limit))
}
