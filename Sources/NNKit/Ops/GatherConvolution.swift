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
  let taps: [ConvolutionTap]
  /// In the destination image, in elements: of grid pixel `(0, 0)`, and from one to the next.
  let destinationStart: Int
  let destinationRowStep: Int
  let destinationColumnStep: Int
  /// Whether pixels of the destination that the grid does not reach become zero; not together with an addend.
  var clearsDestination = false
  let weights: ConvolutionWeights
  /// Whether Winograd's algorithm may be used where it is faster.
  let allowsWinograd: Bool

  private var minY: Int { taps.reduce(.max) { min($0, $1.y) } }
  private var minX: Int { taps.reduce(.max) { min($0, $1.x) } }
  private var maxY: Int { taps.reduce(.min) { max($0, $1.y) } }
  private var maxX: Int { taps.reduce(.min) { max($0, $1.x) } }

  /// How many neighbouring taps form one segment.
  private var mergedTaps: Int {
    let row = taps.prefix { $0.y == taps[0].y }
    let contiguous = zip(row, row.dropFirst()).allSatisfy { $1.x - $0.x == 1 }
    return contiguous ? row.count : 1
  }

  /// Adds the steps. `addend` is laid out as the destination is, and may be it. `pool` reads the destination.
  func addSteps(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool? = nil
  ) throws(NNKitError) {
    if let winograd = WinogradConvolution(self, plan) {
      try winograd.addSteps(plan, name, source, bias: bias, addend: addend, activation, to: destination, pool: pool)
    } else {
      try addDirectStep(plan, name, source, bias: bias, addend: addend, activation, to: destination, pool: pool)
    }
  }

  private func addDirectStep(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool?
  ) throws(NNKitError) {
    let weights = try plan.packWeights(
      weights.tensor, segments: taps.map(\.weights), segmentDepth: channels, columns: weights.columns,
      depthStride: weights.depthStride, columnStride: weights.columnStride, scale: weights.scale)
    // 256 pixels use each panel of weights often, and stay in the second-level cache with the lines that they share.
    // Where they share none, as many as fit the first one are enough.
    let blocks = GridBlocks(
      height: gridHeight, width: gridWidth, batch: plan.batch, rowMultiple: pool?.geometry.strideHeight ?? 1,
      pixels: taps.count > 1 ? 256 : min(256, 4096 / channels))
    let followingPool = blocks.columnBlocks == 1 && pool?.fits(tilesOf: blocks.blockHeight) == true ? pool : nil
    defer { if followingPool == nil { pool?.addStep(plan) } }
    let (minY, minX, maxY, maxX) = (minY, minX, maxY, maxX)
    let copiesLines =
      source.pending != nil || minY < 0 || minX < 0 || (gridHeight - 1) * stepY + maxY >= sourceHeight
      || (gridWidth - 1) * stepX + maxX >= sourceWidth
    // The part of the source that one block of the grid reads.
    let lineCount = (blocks.blockHeight - 1) * stepY + maxY - minY + 1
    let lineWidth = copiesLines ? (blocks.blockWidth - 1) * stepX + maxX - minX + 1 : sourceWidth
    let scratchFloats =
      copiesLines ? try checkedProduct([lineCount, lineWidth, channels], of: "the padded input of a tile") : 0
    let scratch = try plan.scratch(floats: scratchFloats)
    let lineStride = lineWidth * channels

    let merged = mergedTaps
    let kernelTaps = stride(from: 0, to: taps.count, by: merged).map {
      (taps[$0].y - minY) * lineStride + (taps[$0].x - minX) * channels
    }
    let tapTable = plan.table(kernelTaps)
    let widths = [blocks.blockWidth, gridWidth - (blocks.columnBlocks - 1) * blocks.blockWidth]
    // The row tables of full blocks, and of the last, narrower ones.
    let aTables = widths.map { width in
      plan.table(blocks.pixels(width).map { $0.y * stepY * lineStride + $0.x * stepX * channels })
    }
    let cTables = widths.map { width in
      plan.table(blocks.pixels(width).map { $0.y * destinationRowStep + $0.x * destinationColumnStep })
    }
    let (kernels, convolution) = (plan.kernels, self)
    let (sourceSize, destinationSize) = (source.sampleCount, destination.sampleCount)
    let depth = merged * weights.depth / taps.count
    // Where there are few tiles, their columns are shared out, too: a few times if each of them copies the lines again.
    let wantedTiles = copiesLines ? 4 : 16
    let panelsPerTile = ceilDivide(
      weights.panels, min(weights.panels, ceilDivide(wantedTiles, plan.batch * blocks.count)))
    let panelBlocks = ceilDivide(weights.panels, panelsPerTile)
    // A tile that has whole lines clears them just before it writes to them.
    let clearsLines = clearsDestination && panelBlocks == 1 && blocks.columnBlocks == 1
    if clearsDestination && !clearsLines { plan.fill(name, destination, from: nil) }

    plan.step(
      name, reads: [source, weights.tensor] + (source.pending?.tensors ?? []) + [bias, addend].compactMap { $0 },
      writes: [destination] + (followingPool.map { [$0.output] } ?? []), scratch: scratch,
      tiles: plan.batch * blocks.count * panelBlocks,
      work: [plan.batch, gridHeight * gridWidth, weights.depth, weights.columns],
      // The thread that wrote or read an image in the step before has its lines; taking turns, threads also fetch
      // each other's lines ahead at every border.
      sharesOut: true,
      inPlace: addend.map { [$0] } ?? []
    ) { binding in
      let sourceBase = UnsafePointer(binding.floats(source))
      let destinationBase = binding.floats(destination)
      let panels = UnsafePointer(binding.floats(weights.tensor))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) }
      let tapOffsets = binding.offsets(tapTable)
      let full = (a: binding.offsets(aTables[0]), c: binding.offsets(cTables[0]))
      let last = (a: binding.offsets(aTables[1]), c: binding.offsets(cTables[1]))
      let pending = source.pending?.bind(binding)
      let boundPool = followingPool?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (tile, firstPanel) = (tile / panelBlocks, tile % panelBlocks * panelsPerTile)
        let lastPanel = min(firstPanel + panelsPerTile, weights.panels)
        let image = tile / blocks.count
        let (y, x, height, width) = blocks.block(tile % blocks.count)
        let imageBase = sourceBase + image * sourceSize
        let firstLine = y * convolution.stepY + minY
        let firstColumn = x * convolution.stepX + minX
        var a = imageBase
        if copiesLines {
          let lines = workspace.base + worker * workspace.stride
          copyPaddedLines(
            kernels, imageBase, pending, height: convolution.sourceHeight, width: convolution.sourceWidth,
            channels: convolution.channels, firstLine: firstLine, firstColumn: firstColumn,
            lineCount: (height - 1) * convolution.stepY + maxY - minY + 1, lineWidth: lineWidth, to: lines)
          a = UnsafePointer(lines)
        } else {
          a += firstLine * lineStride + firstColumn * convolution.channels
        }
        if clearsLines && height > 0 {
          let first = y * convolution.destinationRowStep
          let end =
            y + height == convolution.gridHeight ? destinationSize : first + height * convolution.destinationRowStep
          clearMany(destinationBase + image * destinationSize + first, end - first)
        }
        let rows = width == blocks.blockWidth ? full : last
        let c =
          destinationBase + image * destinationSize + convolution.destinationStart
          + y * convolution.destinationRowStep + x * convolution.destinationColumnStep
        let start = addendBase.map { $0 + (c - destinationBase) }
        for panel in firstPanel..<lastPanel {
          let column = panel * weights.panelColumns
          kernels.rowProduct(
            RowProduct(
              a: a, aRows: rows.a, taps: tapOffsets, tapCount: kernelTaps.count, depth: depth,
              b: panels + panel * weights.panelElements, c: c + column, cRows: rows.c, rows: height * width,
              columns: min(weights.panelColumns, weights.columns - column), bias: biasBase.map { $0 + column },
              addend: start.map { $0 + column }, relu: activation == .relu,
              next: panel + 1 == lastPanel || height * width > RowProduct.fewRows
                ? nil : panels + (panel + 1) * weights.panelElements))
        }
        let columns = firstPanel * weights.panelColumns..<min(lastPanel * weights.panelColumns, weights.columns)
        if activation != .relu && activation != .linear {
          for pixel in 0..<height * width {
            let line = c + rows.c[pixel] + columns.lowerBound
            kernels.activationForward(activation, line, line, columns.count)
          }
        }
        boundPool?.follow(image, rows: y..<y + height, channels: columns)
      }
    }
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
    let equal = (2..<max(2, most)).last { height % $0 == 0 }
    let wantedBlocks = most < 8 && height % most != 0 ? equal ?? most : most
    blockHeight = ceilDivide(height, wantedBlocks).roundedUp(toMultipleOf: rowMultiple)
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
private func clearMany(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
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
