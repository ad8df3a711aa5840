/// A pseudo-random order of `0 ..< count`, of which any place can be had on its own: nothing is kept for its elements.
///
/// A Feistel network permutes the numbers of as many bits as `count` needs; a number beyond `count` is sent through it
/// again until it is none (cycle walking), twice as often as there are elements on average at most.
/// Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002), section 3 and "cycle-walking".
package struct Permutation {
  package let count: Int
  private let rightBits: UInt64
  private let leftMask: UInt64
  private let rightMask: UInt64
  private let keys: SIMD8<UInt64>

  package static let keyCount = 8
  /// Halves of so few bits would not mix well; a short order so walks a little further.
  private static let minimumBits = 8

  /// An order of `count` (≥ 1) elements that all bits of `keys` decide.
  package init(count: Int, keys: SIMD8<UInt64>) {
    self.count = count
    self.keys = keys
    let bits = max(Self.minimumBits, Int.bitWidth - max(0, count - 1).leadingZeroBitCount)
    rightBits = UInt64((bits + 1) / 2)
    rightMask = 1 << rightBits - 1
    leftMask = 1 << (UInt64(bits) - rightBits) - 1
  }

  /// The element at place `index` (0 ..< `count`).
  package subscript(index: Int) -> Int {
    var value = UInt64(index)
    repeat { value = permuted(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func permuted(_ value: UInt64) -> UInt64 {
    var (left, right) = (value >> rightBits, value & rightMask)
    for round in stride(from: 0, to: Self.keyCount, by: 2) {
      left ^= mixed(right ^ keys[round]) & leftMask
      right ^= mixed(left ^ keys[round + 1]) & rightMask
    }
    return left << rightBits | right
  }

  /// Every bit of the result depends on every bit of `value`.
  private func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
  }
}
