import NNKitKernelTable

/// A 3 × 3 convolution with stride 1 by Winograd's algorithm: F(4×4, 3×3) takes 36 products for 16 output pixels and
/// each pair of channels, F(2×2, 3×3) takes 16 for four, the direct way 9 for each. The products of all tiles in a
/// block are one matrix product for each plane of the transformed tiles.
///
/// Accuracy: against a double-precision reference the largest error, relative to the largest output, stays below 2e-6
/// with F(2×2) and below 8e-6 with F(4×4) for up to 512 channels of unit variance (7e-7 and 5e-6 seen); the direct
/// way's below 4e-6 (2e-6 seen). A test holds all to their bounds.
/// Source: see `Winograd`.
struct WinogradConvolution {
  private let convolution: GatherConvolution
  private let size: Int
  private let planes: Int
  private let blocks: WinogradBlocks
  private let panels: Int
  private let panelsPerGroup: Int
  private var panelGroups: Int { ceilDivide(panels, panelsPerGroup) }

  /// Of the transformed inputs and products of a block: about half of the second-level cache.
  private static let blockBytes = 512 << 10
  /// Each panel of weights is used for at least so many, however many channels they have, if it comes from memory.
  private static let fewestTiles = 16

  /// nil where the convolution is not of this kind, or the direct way is faster. A function of the sizes alone.
  init?(_ convolution: GatherConvolution, _ plan: PlanBuilder) {
    let (taps, columns) = (convolution.taps, convolution.weights.columns)
    let cost = WinogradCost(
      channels: convolution.channels, filters: columns, height: convolution.gridHeight, width: convolution.gridWidth,
      batch: plan.batch)
    guard convolution.allowsWinograd, convolution.stepY == 1, convolution.stepX == 1, taps.count == 9,
      taps.indices.allSatisfy({ taps[$0].y == taps[0].y + $0 / 3 && taps[$0].x == taps[0].x + $0 % 3 }),
      let size = cost.tileSize
    else { return nil }
    self.convolution = convolution
    self.size = size
    planes = Winograd.planes(size)
    let panelColumns = plan.kernels.panelColumns
    panels = ceilDivide(columns, panelColumns)
    let affordable = Self.blockBytes / (4 * planes * (convolution.channels + min(columns, panelColumns)))
    // Blocks, and groups of panels where blocks are few, for sixteen threads.
    let tiles = plan.batch * ceilDivide(convolution.gridHeight, size) * ceilDivide(convolution.gridWidth, size)
    blocks = WinogradBlocks(
      size: size, height: convolution.gridHeight, width: convolution.gridWidth, batch: plan.batch,
      tiles: max(
        cost.keepsWeightsInCache(size) ? Self.fewestTiles / 2 : Self.fewestTiles, min(affordable, ceilDivide(tiles, 16))
      ))
    // Each group transforms the inputs again: it has two panels at least.
    panelsPerGroup = max(min(panels, 2), ceilDivide(panels, min(panels, ceilDivide(16, blocks.count))))
  }

  func addSteps(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool?
  ) throws(NNKitError) {
    let followingPool = pool?.fits(tilesOf: size * blocks.rowsPerBlock) == true ? pool : nil
    defer { if followingPool == nil { pool?.addStep(plan) } }
    let (convolution, blocks, size, planes, kernels) = (convolution, blocks, size, planes, plan.kernels)
    let (channels, columns) = (convolution.channels, convolution.weights.columns)
    let (panels, panelsPerGroup, panelGroups) = (panels, panelsPerGroup, panelGroups)
    let panelElements = channels * kernels.panelColumns
    let weights = try transformWeights(plan, panelElements: panelElements)
    let lines = try WinogradLines(
      source, height: convolution.sourceHeight, width: convolution.sourceWidth, channels: channels,
      firstY: convolution.taps[0].y, firstX: convolution.taps[0].x, reach: size + 2, blocks: blocks)
    let lineStride = lines.lineStride(channels)
    let productColumns = min(columns, kernels.panelColumns)
    let tiles = blocks.tilesPerBlock
    let (inputPlane, productPlane) = (planeStride(tiles * channels), planeStride(tiles * productColumns))
    let scratch = try plan.scratch(
      floats: try checkedProduct([lines.copiedPixels, channels], of: "a tile")
        + (try checkedProduct([planes, inputPlane + productPlane], of: "a tile")))
    let aRows = plan.table((0..<tiles).map { $0 * channels })
    let cRows = plan.table((0..<tiles).map { $0 * productColumns })
    let noTap = plan.table([0])
    let (sourceSize, destinationSize) = (source.sampleCount, destination.sampleCount)

    plan.step(
      name, reads: [source, weights] + (source.pending?.tensors ?? []) + [bias, addend].compactMap { $0 },
      writes: [destination] + (followingPool.map { [$0.output] } ?? []), scratch: scratch,
      tiles: blocks.count * panelGroups,
      work: [blocks.tiles, planes, channels, columns], inPlace: addend.map { [$0] } ?? []
    ) { binding in
      let sourceBase = UnsafePointer(binding.floats(source))
      let destinationBase = binding.floats(destination) + convolution.destinationStart
      let weightBase = UnsafePointer(binding.floats(weights))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) + convolution.destinationStart }
      let pending = source.pending?.bind(binding)
      let (aOffsets, cOffsets, taps) = (binding.offsets(aRows), binding.offsets(cRows), binding.offsets(noTap))
      let workspace = binding.scratch(scratch)
      let boundPool = followingPool?.bind(binding)
      return { tile, worker in
        let (group, block) = tile.quotientAndRemainder(dividingBy: blocks.count)
        let (firstImage, images, firstRow, rows) = blocks.block(block)
        let firstPanel = group * panelsPerGroup
        let inputs = workspace.base + worker * workspace.stride
        let products = inputs + planes * inputPlane
        let copy = products + planes * productPlane
        var next = inputs
        for image in firstImage..<firstImage + images {
          let origin = lines.load(
            kernels, sourceBase + image * sourceSize, pending, first: 0, count: channels, row: firstRow, rows: rows,
            to: copy)
          for row in 0..<rows {
            for pair in 0...size / 2 {
              kernels.winogradInput(
                WinogradInput(
                  size: size, rowPair: pair, source: origin + size * row * lineStride, lineStride: lineStride,
                  pixelStride: channels, channels: channels, tiles: blocks.tileColumns,
                  output: next + 2 * (size + 2) * pair * inputPlane, planeStride: inputPlane))
            }
            next += blocks.tileColumns * channels
          }
        }
        for panel in firstPanel..<min(firstPanel + panelsPerGroup, panels) {
          let column = panel * kernels.panelColumns
          let columnCount = min(kernels.panelColumns, columns - column)
          for plane in 0..<planes {
            kernels.rowProduct(
              RowProduct(
                a: inputs + plane * inputPlane, aRows: aOffsets, taps: taps, tapCount: 1, depth: channels,
                b: weightBase + (plane * panels + panel) * panelElements, c: products + plane * productPlane,
                cRows: cOffsets, rows: images * rows * blocks.tileColumns, columns: columnCount))
          }
          var finished = UnsafePointer(products)
          for image in firstImage..<firstImage + images {
            for row in 0..<rows {
              let y = size * (firstRow + row)
              let height = min(size, convolution.gridHeight - y)
              let pixels =
                destinationBase + image * destinationSize + y * convolution.destinationRowStep + column
              kernels.winogradOutput(
                WinogradOutput(
                  size: size, products: finished, planeStride: productPlane, tileStride: productColumns,
                  columns: columnCount, bias: biasBase.map { $0 + column },
                  addend: addendBase.map { $0 + (pixels - destinationBase) }, relu: activation == .relu,
                  output: pixels, rowStep: convolution.destinationRowStep, pixelStride: columns,
                  height: height, width: convolution.gridWidth))
              finished += blocks.tileColumns * productColumns
              if activation == .relu || activation == .linear { continue }
              for pixel in 0..<height * convolution.gridWidth {
                let (y, x) = pixel.quotientAndRemainder(dividingBy: convolution.gridWidth)
                let start = pixels + y * convolution.destinationRowStep + x * columns
                kernels.activationForward(activation, start, start, columnCount)
              }
            }
            let end = min(size * (firstRow + rows), convolution.gridHeight)
            boundPool?.follow(image, rows: min(size * firstRow, end)..<end, channels: column..<column + columnCount)
          }
        }
      }
    }
  }

  /// Transforms the weights: `planes` planes of packed panels.
  private func transformWeights(_ plan: PlanBuilder, panelElements: Int) throws(NNKitError) -> Tensor {
    let packed = try plan.packed([planes, panels, panelElements])
    let (weights, kernels, channels) = (convolution.weights, plan.kernels, convolution.channels)
    let (size, planes, panels) = (size, planes, panels)
    let taps = plan.table(convolution.taps.map(\.weights))
    let scratchFloats = 9 * WinogradWeights.depthPerBlock * kernels.panelColumns
    let scratch = try plan.packed([panels, scratchFloats])
    plan.packingStep(
      "transform weights", reads: [weights.tensor] + (weights.scale.map { [$0] } ?? []), writes: [packed, scratch],
      tiles: panels, work: [planes, channels, weights.columns]
    ) { binding in
      let (source, target) = (UnsafePointer(binding.floats(weights.tensor)), binding.floats(packed))
      let factors = weights.scale.map { UnsafePointer(binding.floats($0)) }
      let (tapOffsets, workspace) = (binding.offsets(taps), binding.floats(scratch))
      return { panel, _ in
        let column = panel * kernels.panelColumns
        kernels.winogradWeights(
          WinogradWeights(
            size: size, source: source + column * weights.columnStride, taps: tapOffsets,
            depthStride: weights.depthStride, columnStride: weights.columnStride, depth: channels,
            columns: min(kernels.panelColumns, weights.columns - column), panels: target + panel * panelElements,
            planeStride: panels * panelElements, scratch: workspace + panel * scratchFloats))
        // The transform is linear in each column.
        for plane in 0..<planes {
          guard let factors else { break }
          scaleColumns(
            target + (plane * panels + panel) * panelElements, depth: channels, panelColumns: kernels.panelColumns,
            by: factors + column, columns: min(kernels.panelColumns, weights.columns - column))
        }
      }
    }
    return packed
  }
}
