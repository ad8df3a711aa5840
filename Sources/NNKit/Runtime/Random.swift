import Glibc
import NNKitKernelTable

/// Random numbers by counter: any word of any stream can be had on its own, so results depend on the seed alone
/// and not on the order or the number of threads in which they are asked for.
package struct Random {
  private let kernels: KernelTable
  private let seed: UInt64

  package init(seed: UInt64, kernels: KernelTable) {
    self.seed = seed
    self.kernels = kernels
  }

  /// What streams are used for; no two purposes share one.
  package enum Stream {
    case initializer(parameter: Int)
    case shuffle(epoch: Int)
    /// Dropout's streams are these plus the number of the step.
    case dropout(node: Int)

    package var number: UInt64 {
      switch self {
      case .initializer(let parameter): 1 << 62 | UInt64(parameter)
      case .shuffle(let epoch): 2 << 62 | UInt64(epoch)
      case .dropout(let node): UInt64(node) << 40
      }
    }
  }

  /// Calls `body` with `count` words, in blocks, from the first one on.
  private func words(_ stream: Stream, _ count: Int, _ body: (_ index: Int, _ word: UInt32) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 1024) { block in
      guard let out = block.baseAddress else { return }
      var start = 0
      while start < count {
        let length = min(1024, count - start)
        kernels.randomBits(seed, stream.number, UInt64(start), out, length)
        for i in 0..<length { body(start + i, out[i]) }
        start += length
      }
    }
  }

  /// Uniform in `[-limit, limit)`.
  package func uniform(_ stream: Stream, limit: Double, into out: UnsafeMutablePointer<Float>, count: Int) {
    words(stream, count) { index, word in
      out[index] = Float((Double(word) * 0x1p-32 * 2 - 1) * limit)
    }
  }

  /// Normal with mean 0. Source: Box and Muller (1958), one value of each pair of words.
  package func normal(
    _ stream: Stream, deviation: Double, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    var radius = 0.0
    words(stream, 2 * count) { index, word in
      if index % 2 == 0 {
        radius = (-2 * log((Double(word) + 1) * 0x1p-32)).squareRoot()
      } else {
        out[index / 2] = Float(radius * cos(2 * .pi * Double(word) * 0x1p-32) * deviation)
      }
    }
  }

  /// An order of `count` (≥ 1) elements.
  package func permutation(_ stream: Stream, count: Int) -> Permutation {
    var keys = SIMD8<UInt64>()
    words(stream, 2 * Permutation.keyCount) { index, word in keys[index / 2] |= UInt64(word) << (index % 2 * 32) }
    return Permutation(count: count, keys: keys)
  }
}
