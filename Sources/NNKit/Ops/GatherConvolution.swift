import NNKitKernelTable

/// One place in a window: where it lies, relative to the window's origin in the source image, and where its weights
/// begin.
struct ConvolutionTap {
  var y: Int
  var x: Int
  var weights: Int
}

/// The weights of a convolution where they lie: element `(channel, column)` of a tap is
/// `tensor[tap.weights + channel · depthStride + column · columnStride]`.
struct ConvolutionWeights {
  let tensor: Tensor
  let columns: Int
  let depthStride: Int
  let columnStride: Int
  /// What each column is multiplied with; nil: 1.
  let scale: Tensor?
}

/// A convolution from a source image to a grid of pixels of a destination image: pixel `(gy, gx)` of the grid
/// is the sum over the taps of `source[gy · step + tap.y, gx · step + tap.x, :] · weights`. A convolution's forward
/// pass is one of these, and its input gradient one for each residue of the stride.
///
/// Taps that lie side by side in a row of the source are one segment of memory: they become one tap of the kernel
/// with a larger depth.
struct GatherConvolution {
  let sourceHeight: Int
  let sourceWidth: Int
  let channels: Int
  let gridHeight: Int
  let gridWidth: Int
  let stepY: Int
  let stepX: Int
  /// In ascending order of `(y, x)`: every `x` of one row of the window, then the next row.
  var taps: [ConvolutionTap]
  /// In the destination image, in elements: of grid pixel `(0, 0)`, and from one to the next.
  let destinationStart: Int
  let destinationRowStep: Int
  let destinationColumnStep: Int
  /// Whether pixels of the destination that the grid does not reach become zero; not together with an addend.
  var clearsDestination = false
  let weights: ConvolutionWeights
  /// Whether Winograd's algorithm may be used where it is faster.
  let allowsWinograd: Bool

  /// How many neighbouring taps form one segment.
  var mergedTaps: Int {
    let row = taps.prefix { $0.y == taps[0].y }
    let contiguous = zip(row, row.dropFirst()).allSatisfy { $1.x - $0.x == 1 }
    return contiguous ? row.count : 1
  }

  /// Without the taps that lie in the source for no pixel: a dilated window may be far wider than its source, and tiles
  /// have memory for all that lies between their taps.
  private var withReachableTaps: GatherConvolution {
    let (lastY, lastX) = ((gridHeight - 1) * stepY, (gridWidth - 1) * stepX)
    var convolution = self
    convolution.taps = taps.filter {
      -lastY..<sourceHeight ~= $0.y && -lastX..<sourceWidth ~= $0.x
    }
    if convolution.taps.isEmpty {
      // A sum needs a tap: one that is just outside.
      var tap = taps[0]
      (tap.y, tap.x) = (min(max(tap.y, -lastY - 1), sourceHeight), min(max(tap.x, -lastX - 1), sourceWidth))
      convolution.taps = [tap]
    }
    return convolution
  }

  /// Adds the steps. `addend` is laid out as the destination is, and may be it. `pool` reads the destination.
  func addSteps(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool? = nil
  ) throws(NNKitError) {
    try Self.addSteps(
      of: [self], plan, name, source, bias: bias, addend: addend, activation, to: destination, pool: pool)
  }

  /// Adds the steps of the parts of one convolution, which have their own taps, grids and places in the destination. The
  /// direct ones are one step, which goes through the source once. `bias`, the activation and `pool` are for one part
  /// alone.
  static func addSteps(
    of parts: [GatherConvolution], _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor? = nil,
    addend: Tensor?, _ activation: ActivationKind = .linear, to destination: Tensor, pool: PlannedPool? = nil
  ) throws(NNKitError) {
    var direct: [GatherConvolution] = []
    for part in parts {
      if !source.isUnscaled, let winograd = WinogradConvolution(part, plan) {
        if part.clearsDestination { plan.fill(name, destination, from: nil) }
        try winograd.addSteps(plan, name, source, bias: bias, addend: addend, activation, to: destination, pool: pool)
      } else {
        direct.append(part.withReachableTaps)
      }
    }
    guard !direct.isEmpty else { return }
    try DirectConvolution(direct).addStep(
      plan, name, source, bias: bias, addend: addend, activation, to: destination, pool: pool)
  }
}

/// How the grid of one image is divided into tiles: full rows where they are short, parts of a row where they are
/// long. A function of the sizes alone.
struct GridBlocks {
  let height: Int
  let width: Int
  let blockHeight: Int
  let blockWidth: Int
  let rowBlocks: Int
  let columnBlocks: Int

  var count: Int { rowBlocks * columnBlocks }

  /// A tile has up to `pixels` pixels, or fewer where a batch is too small to keep sixteen threads busy, but 64 at least.
  /// The rows of a tile are a multiple of `rowMultiple`, but for the last.
  init(height: Int, width: Int, batch: Int, rowMultiple: Int, pixels: Int) {
    self.height = height
    self.width = width
    let pixels = max(64, min(pixels, ceilDivide(batch * height * width, 16)))
    columnBlocks = ceilDivide(width, 512)
    blockWidth = ceilDivide(width, columnBlocks)
    // Few blocks are equal ones where fewer divide the rows.
    let most = ceilDivide(height, max(1, min(height, pixels / blockWidth)))
    let equal = most < 8 ? (2..<max(2, most + 1)).last { height % $0 == 0 } : nil
    blockHeight = min(height, ceilDivide(height, equal ?? most).roundedUp(toMultipleOf: rowMultiple))
    rowBlocks = ceilDivide(height, blockHeight)
  }

  /// The rectangle of block `index`; the last blocks may be smaller, or empty of rows.
  @inline(__always)
  func block(_ index: Int) -> (y: Int, x: Int, height: Int, width: Int) {
    let y = min(index / columnBlocks * blockHeight, height)
    let x = index % columnBlocks * blockWidth
    return (y, x, min(blockHeight, height - y), min(blockWidth, width - x))
  }

  /// The pixels of a block of `width`, row by row.
  func pixels(_ width: Int) -> [(y: Int, x: Int)] {
    (0..<blockHeight).flatMap { y in (0..<width).map { (y, $0) } }
  }
}

/// Copies a rectangle of an image `[height, width, channels]`, whose lines and columns may lie outside of it, into
/// dense memory, and applies a normalisation that is pending; what lies outside is zero.
func copyPaddedLines(
  _ kernels: KernelTable, _ image: UnsafePointer<Float>, _ pending: ChannelNormalization?, height: Int, width: Int,
  channels: Int, firstLine: Int, firstColumn: Int,
  lineCount: Int, lineWidth: Int, to lines: UnsafeMutablePointer<Float>
) {
  let left = min(max(0, -firstColumn), lineWidth)
  let right = min(max(0, firstColumn + lineWidth - width), lineWidth - left)
  let inside = (lineWidth - left - right) * channels
  for i in 0..<max(0, lineCount) {
    let line = lines + i * lineWidth * channels
    let y = firstLine + i
    if y < 0 || y >= height {
      line.update(repeating: 0, count: lineWidth * channels)
      continue
    }
    clearFew(line, left * channels)
    let (source, target) = (image + (y * width + firstColumn + left) * channels, line + left * channels)
    if let pending {
      kernels.batchNormForward(
        NNKitKernelTable.BatchNorm(
          normalization: pending, x: source, y: target, rows: lineWidth - left - right))
    } else {
      copyFew(source, target, inside)
    }
    clearFew(line + left * channels + inside, right * channels)
  }
}

// The lines of small images are too short for calls of memcpy and memset.

@inline(__always)
private func copyFew(_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let (from, to) = (UnsafeRawPointer(source), UnsafeMutableRawPointer(target))
  guard count >= 8 else {
    for i in 0..<max(0, count) { target[i] = source[i] }
    return
  }
  for i in stride(from: 0, to: count - 8, by: 8) { copyEight(from, to, 4 * i) }
  copyEight(from, to, 4 * (count - 8))
}

@inline(__always)
private func copyEight(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ bytes: Int) {
  target.storeBytes(
    of: source.loadUnaligned(fromByteOffset: bytes, as: SIMD8<Float>.self), toByteOffset: bytes, as: SIMD8<Float>.self)
}

/// Clears lines that are written to next: they stay in the cache, where memset may write large blocks past it.
@inline(__always)
func clearMany(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let to = UnsafeMutableRawPointer(target)
  let whole = count & ~7
  for i in stride(from: 0, to: whole, by: 8) {
    to.storeBytes(of: SIMD8<Float>(), toByteOffset: 4 * i, as: SIMD8<Float>.self)
  }
  clearFew(target + whole, count - whole)
}

@inline(__always)
private func clearFew(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
  for i in 0..<max(0, count) { target[i] = 0 }
}
