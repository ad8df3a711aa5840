import NNKitKernelTable

/// The tiles of a Winograd convolution that are computed directly: all outputs of a tile are made of all of its inputs,
/// which cancel where they lie outside of an output's window. What is not finite does not cancel, and what is very large
/// leaves its rounding errors.
struct WinogradExactTiles {
  private let convolution: GatherConvolution
  private let source: Tensor

  /// Of a transformed tile, over all channels: see `WinogradInput.energies`. An input of 2²⁰ beside zeros has as much.
  /// In 512 channels inputs reach it where all of them are some thousands, as no layer's are that learns.
  private static let largestEnergy: Float = 0x1p40

  init(_ convolution: GatherConvolution, _ source: Tensor) {
    self.convolution = convolution
    self.source = source
  }

  /// What the step that multiplies reads.
  var reads: [Tensor] {
    [source, convolution.weights.tensor] + [convolution.weights.scale].compactMap { $0 }
      + (source.pending?.tensors ?? [])
  }

  func bind(_ binding: Binding) -> BoundExactTiles {
    let weights = convolution.weights
    return BoundExactTiles(
      convolution: convolution, sourceSize: source.sampleCount, source: UnsafePointer(binding.floats(source)),
      pending: source.pending?.bind(binding), weights: UnsafePointer(binding.floats(weights.tensor)),
      factors: weights.scale.map { UnsafePointer(binding.floats($0)) })
  }

  /// Whether a tile of this energy is computed directly; of NaN, too.
  @inline(__always)
  static func areNeeded(_ energy: Float) -> Bool { !(energy <= largestEnergy) }
}

/// Some columns of some pixels of a grid.
struct GridPart {
  let image: Int
  let rows: Range<Int>
  let pixels: Range<Int>
  let columns: Range<Int>
}

struct BoundExactTiles {
  fileprivate let convolution: GatherConvolution
  fileprivate let sourceSize: Int
  fileprivate let source: UnsafePointer<Float>
  fileprivate let pending: ChannelNormalization?
  fileprivate let weights: UnsafePointer<Float>
  fileprivate let factors: UnsafePointer<Float>?

  /// `bias` begins with the part's first column, `addend` and `output` with that of its first row's pixel 0.
  func compute(
    _ part: GridPart, bias: UnsafePointer<Float>?, addend: UnsafePointer<Float>?, relu: Bool,
    to output: UnsafeMutablePointer<Float>
  ) {
    let columns = part.columns.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { sums in
      for y in part.rows {
        for x in part.pixels {
          sums.update(repeating: 0)
          for tap in convolution.taps { add(tap, part, y: y, x: x, to: sums) }
          let place =
            (y - part.rows.lowerBound) * convolution.destinationRowStep + x * convolution.destinationColumnStep
          for column in 0..<columns {
            var value = sums[column] * (factors.map { $0[part.columns.lowerBound + column] } ?? 1)
            if let bias { value += bias[column] }
            if let addend { value += addend[place + column] }
            output[place + column] = relu && value < 0 ? 0 : value
          }
        }
      }
    }
  }

  /// Adds what one place of the window of pixel `(y, x)` has a part in.
  private func add(
    _ tap: ConvolutionTap, _ part: GridPart, y: Int, x: Int, to sums: UnsafeMutableBufferPointer<Float>
  ) {
    let (row, column) = (y + tap.y, x + tap.x)
    guard 0..<convolution.sourceHeight ~= row, 0..<convolution.sourceWidth ~= column else { return }
    let pixel = source + (part.image * sourceSize + (row * convolution.sourceWidth + column) * convolution.channels)
    let (depthStride, columnStride) = (convolution.weights.depthStride, convolution.weights.columnStride)
    for channel in 0..<convolution.channels {
      var value = pixel[channel]
      if let pending {
        value = (value - pending.mean[channel]) * pending.scale[channel] + pending.shift[channel]
        if pending.relu && value < 0 { value = 0 }
      }
      let first = weights + (tap.weights + channel * depthStride + part.columns.lowerBound * columnStride)
      for index in sums.indices { sums[index] += value * first[index * columnStride] }
    }
  }
}
