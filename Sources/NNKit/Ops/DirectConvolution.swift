import NNKitKernelTable

/// The parts of a convolution, computed tile by tile: a tile is a rectangle of the grid, in each of the parts. Its rows
/// are pixels, its taps places in the window.
struct DirectConvolution {
  /// They differ in their taps, grids and places in the destination alone.
  private let parts: [GatherConvolution]
  private let shared: GatherConvolution
  /// Of the taps of all parts.
  private let minY: Int
  private let minX: Int
  private let maxY: Int
  private let maxX: Int
  private let gridHeight: Int
  private let gridWidth: Int

  init(_ parts: [GatherConvolution]) {
    self.parts = parts
    shared = parts[0]
    let taps = parts.flatMap(\.taps)
    minY = taps.reduce(.max) { min($0, $1.y) }
    minX = taps.reduce(.max) { min($0, $1.x) }
    maxY = taps.reduce(.min) { max($0, $1.y) }
    maxX = taps.reduce(.min) { max($0, $1.x) }
    gridHeight = parts.reduce(0) { max($0, $1.gridHeight) }
    gridWidth = parts.reduce(0) { max($0, $1.gridWidth) }
  }

  /// Whether a tile copies the lines it reads: with a border of zeros, or normalised.
  private func copiesLines(_ source: Tensor) -> Bool {
    source.pending != nil || minY < 0 || minX < 0
      || (gridHeight - 1) * shared.stepY + maxY >= shared.sourceHeight
      || (gridWidth - 1) * shared.stepX + maxX >= shared.sourceWidth
  }

  /// Adds the step, behind those that pack the weights. `bias`, the activation and `pool` are for one part alone.
  func addStep(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool?
  ) throws(NNKitError) {
    // 256 pixels use each panel of weights often, and stay in the second-level cache with the lines that they share.
    // Where they share none, as many as fit the first one are enough.
    let sharesLines = parts.contains { $0.taps.count > 1 }
    let blocks = GridBlocks(
      height: gridHeight, width: gridWidth, batch: plan.batch, rowMultiple: pool?.geometry.strideHeight ?? 1,
      pixels: sharesLines ? 256 : min(256, 4096 / shared.channels))
    let followingPool = blocks.columnBlocks == 1 && pool?.fits(tilesOf: blocks.blockHeight) == true ? pool : nil
    defer { if followingPool == nil { pool?.addStep(plan) } }
    let copiesLines = copiesLines(source)
    // The part of the source that one block of the grid reads.
    let lineCount = (blocks.blockHeight - 1) * shared.stepY + maxY - minY + 1
    let lineWidth = copiesLines ? (blocks.blockWidth - 1) * shared.stepX + maxX - minX + 1 : shared.sourceWidth
    let scratchFloats =
      copiesLines ? try checkedProduct([lineCount, lineWidth, shared.channels], of: "the padded input of a tile") : 0
    let lineFloats = scratchFloats.roundedUp(toMultipleOf: 16)
    let pooledFloats = followingPool?.inputFloats(rows: blocks.blockHeight) ?? 0
    let scratch = try plan.scratch(floats: lineFloats + pooledFloats)
    let lineStride = lineWidth * shared.channels
    let (minY, minX, maxY) = (minY, minX, maxY)
    let planned = try parts.map { part throws(NNKitError) in
      try PlannedPart(plan, part, blocks, firstTap: (minY, minX), lineStride: lineStride)
    }
    let (kernels, convolution) = (plan.kernels, shared)
    let (sourceSize, destinationSize) = (source.sampleCount, destination.sampleCount)
    let (gridHeight, gridWidth) = (gridHeight, gridWidth)
    let (columns, panelColumns) = (shared.weights.columns, kernels.panelColumns)
    let panels = ceilDivide(columns, panelColumns)
    // Where there are few tiles, their columns are shared out, too: a few times if each of them copies the lines again.
    let wantedTiles = copiesLines ? 4 : 16
    let panelsPerTile = ceilDivide(panels, min(panels, ceilDivide(wantedTiles, plan.batch * blocks.count)))
    let panelBlocks = ceilDivide(panels, panelsPerTile)
    let tiles = plan.batch * blocks.count * panelBlocks
    // A tile that has whole lines clears them just before it writes to them.
    let clearsLines = shared.clearsDestination && panelBlocks == 1 && blocks.columnBlocks == 1
    if shared.clearsDestination && !clearsLines { plan.fill(name, destination, from: nil) }

    // Few weights stay in the second-level cache.
    let fetchesPanels = planned.reduce(0) { $0 + 4 * $1.weights.depth * columns } > 256 << 10
    let depthOfParts = planned.reduce(0) { $0 + $1.weights.depth }
    let (batch, fetchesLines) = (plan.batch, panelBlocks == 1)
    /// The lines that are fetched ahead while `block` is computed.
    @Sendable func aheadLines(_ block: Int, _ source: UnsafePointer<Float>) -> (
      start: UnsafePointer<Float>, count: Int
    ) {
      let (image, next) = (block + 1).quotientAndRemainder(dividingBy: blocks.count)
      guard fetchesLines && image < batch else { return (source, 0) }
      let (y, _, height, _) = blocks.block(next)
      let first = max(0, y * convolution.stepY + minY)
      let end = min(convolution.sourceHeight, (y + height - 1) * convolution.stepY + maxY + 1)
      let line = convolution.sourceWidth * convolution.channels
      return (source + (image * sourceSize + first * line), max(0, end - first) * line)
    }
    let addends = addend.map { [$0] } ?? []
    let weightTensors = planned.map(\.weights.tensor)
    let productsOfColumn = planned.reduce(0) { $0 + $1.products }

    plan.step(
      name,
      reads: [source] + weightTensors + (source.pending?.tensors ?? []) + (bias.map { [$0] } ?? [])
        + (followingPool == nil ? [] : addends),
      elementwise: followingPool == nil ? addends : [],
      writes: [followingPool?.output ?? destination], scratch: scratch, tiles: tiles,
      work: [plan.batch, productsOfColumn, columns],
      // The thread that wrote or read an image in the step before has its lines; taking turns, threads also fetch
      // each other's lines ahead at every border.
      sharesOut: true
    ) { binding in
      let sourceBase = UnsafePointer(binding.floats(source))
      let destinationBase = followingPool == nil ? binding.floats(destination) : nil
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) }
      let boundParts: [BoundPart] = planned.indices.map { planned[$0].bind(binding, after: planned[..<$0]) }
      let pending = source.pending?.bind(binding)
      let boundPool = followingPool?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (block, firstPanel) = (tile / panelBlocks, tile % panelBlocks * panelsPerTile)
        let lastPanel = min(firstPanel + panelsPerTile, panels)
        let columnRange = firstPanel * panelColumns..<min(lastPanel * panelColumns, columns)
        let image = block / blocks.count
        let (y, x, height, width) = blocks.block(block % blocks.count)
        let imageBase = sourceBase + image * sourceSize
        let firstLine = y * convolution.stepY + minY
        let firstColumn = x * convolution.stepX + minX
        let lines = workspace.base + worker * workspace.stride
        var a = imageBase
        if copiesLines {
          copyPaddedLines(
            kernels, imageBase, pending, height: convolution.sourceHeight, width: convolution.sourceWidth,
            channels: convolution.channels, firstLine: firstLine, firstColumn: firstColumn,
            lineCount: (height - 1) * convolution.stepY + maxY - minY + 1, lineWidth: lineWidth, to: lines)
          a = UnsafePointer(lines)
        } else {
          a += firstLine * lineStride + firstColumn * convolution.channels
        }
        let output = image * destinationSize
        if clearsLines && height > 0, let destinationBase {
          let first = y * convolution.destinationRowStep
          let end = y + height == gridHeight ? destinationSize : first + height * convolution.destinationRowStep
          clearMany(destinationBase + (output + first), end - first)
        }
        let ahead = aheadLines(block, sourceBase)
        let isLast = x + width == gridWidth
        for part in boundParts {
          let rowCount = max(0, min(height, part.height - y)) * max(0, min(width, part.width - x))
          let rows = isLast ? part.last : part.full
          let offset =
            output + part.destinationStart + y * convolution.destinationRowStep
            + x * convolution.destinationColumnStep
          let c = destinationBase.map { $0 + offset } ?? lines + lineFloats
          let start = addendBase.map { $0 + offset }
          let fetchesPanels = fetchesPanels && rowCount <= RowProduct.fewRows
          // The calls that do not fetch a panel fetch the part's share of the lines.
          let share = ahead.count * part.tapCount * part.depth / depthOfParts
          let shareOfCall = fetchesPanels ? share : ceilDivide(share, lastPanel - firstPanel)
          let firstOfPart = ahead.count * part.depthBefore / depthOfParts
          for panel in firstPanel..<lastPanel {
            let column = panel * panelColumns
            let weights = part.weights + panel * part.panelElements
            let fetchesPanel = fetchesPanels && panel + 1 < lastPanel
            let firstOfCall = firstOfPart + (fetchesPanels ? 0 : (panel - firstPanel) * shareOfCall)
            kernels.rowProduct(
              RowProduct(
                a: a, aRows: rows.a, taps: part.taps, tapCount: part.tapCount, depth: part.depth, b: weights,
                c: c + column, cRows: rows.c, rows: rowCount, columns: min(panelColumns, columns - column),
                bias: biasBase.map { $0 + column }, addend: start.map { $0 + column }, relu: activation == .relu,
                next: fetchesPanel ? weights + part.panelElements : ahead.start + firstOfCall,
                nextFloats: fetchesPanel ? part.panelElements : shareOfCall))
          }
          if activation != .relu && activation != .linear {
            for pixel in 0..<rowCount {
              let line = c + rows.c[pixel] + columnRange.lowerBound
              kernels.activationForward(activation, line, line, columnRange.count)
            }
          }
        }
        boundPool?.follow(image, UnsafePointer(lines + lineFloats), rows: y..<y + height, channels: columnRange)
      }
    }
  }
}

/// What one part of a convolution is computed from.
private struct PlannedPart {
  private let grid: GatherConvolution
  let weights: PackedWeights
  private let depth: Int
  private let tapCount: Int
  private let taps: OffsetTable
  /// The row tables of full blocks, and of the last, narrower ones.
  private let aRows: [OffsetTable]
  private let cRows: [OffsetTable]

  /// For one column of an image.
  var products: Int { grid.gridHeight * grid.gridWidth * weights.depth }

  init(
    _ plan: PlanBuilder, _ grid: GatherConvolution, _ blocks: GridBlocks, firstTap: (y: Int, x: Int), lineStride: Int
  ) throws(NNKitError) {
    self.grid = grid
    let (taps, channels, source) = (grid.taps, grid.channels, grid.weights)
    weights = try plan.packWeights(
      source.tensor, segments: taps.map(\.weights), segmentDepth: channels, columns: source.columns,
      depthStride: source.depthStride, columnStride: source.columnStride, scale: source.scale)
    let merged = grid.mergedTaps
    let kernelTaps = stride(from: 0, to: taps.count, by: merged).map {
      (taps[$0].y - firstTap.y) * lineStride + (taps[$0].x - firstTap.x) * channels
    }
    depth = merged * channels
    tapCount = kernelTaps.count
    self.taps = plan.table(kernelTaps)
    let widths = [blocks.blockWidth, max(0, grid.gridWidth - (blocks.columnBlocks - 1) * blocks.blockWidth)]
    aRows = widths.map { width in
      plan.table(blocks.pixels(width).map { $0.y * grid.stepY * lineStride + $0.x * grid.stepX * channels })
    }
    cRows = widths.map { width in
      plan.table(blocks.pixels(width).map { $0.y * grid.destinationRowStep + $0.x * grid.destinationColumnStep })
    }
  }

  func bind(_ binding: Binding, after others: ArraySlice<PlannedPart>) -> BoundPart {
    BoundPart(
      depthBefore: others.reduce(0) { $0 + $1.weights.depth },
      height: grid.gridHeight, width: grid.gridWidth, destinationStart: grid.destinationStart,
      weights: UnsafePointer(binding.floats(weights.tensor)), panelElements: weights.panelElements, depth: depth,
      tapCount: tapCount, taps: binding.offsets(taps),
      full: (binding.offsets(aRows[0]), binding.offsets(cRows[0])),
      last: (binding.offsets(aRows[1]), binding.offsets(cRows[1])))
  }
}

private struct BoundPart {
  /// Of the parts before this one.
  let depthBefore: Int
  let height: Int
  let width: Int
  let destinationStart: Int
  let weights: UnsafePointer<Float>
  let panelElements: Int
  let depth: Int
  let tapCount: Int
  let taps: UnsafePointer<Int>
  let full: (a: UnsafePointer<Int>, c: UnsafePointer<Int>)
  let last: (a: UnsafePointer<Int>, c: UnsafePointer<Int>)
}
