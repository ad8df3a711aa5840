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
  private let passes: Int
  private let panelsPerPass: Int
  private let passesPerGroup: Int
  /// Whether the inputs are transformed in a step of their own, once for all groups.
  private let sharesInputs: Bool
  private var groups: Int { ceilDivide(passes, passesPerGroup) }
  /// Whether there are too many transformed weights to make all of them before they are used.
  private let isWide: Bool

  /// Of the transformed inputs and products of a block: about half of the second-level cache.
  private static let blockBytes = 512 << 10
  /// Each panel of weights is used for at least so many tiles, however many channels they have, if it comes from memory.
  private static let fewestTiles = 16
  /// The same where a batch has few tiles, and all weights come from memory in each run.
  private static let fewestTilesOfFew = 28
  /// A pass goes through the transformed inputs once for so many columns.
  private static let passColumns = 32
  /// To transform fewer elements than these takes less time than threads that meet behind it.
  private static let sharedInputs = 1 << 16
  /// Of transformed weights that are made at once for a use in training.
  private static let weightBytes = 8 << 20

  /// nil where the convolution is not of this kind, or the direct way is faster. A function of the sizes alone.
  init?(_ convolution: GatherConvolution, _ plan: PlanBuilder) {
    let (taps, columns) = (convolution.taps, convolution.weights.columns)
    let cost = WinogradCost(
      channels: convolution.channels, filters: columns, height: convolution.gridHeight, width: convolution.gridWidth,
      batch: plan.batch, fetchesAhead: plan.kernels.fetchesAhead)
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
    let tiles = plan.batch * ceilDivide(convolution.gridHeight, size) * ceilDivide(convolution.gridWidth, size)
    // Weights that are kept from run to run are worth their memory.
    isWide =
      plan.isTraining && tiles < columns && 4 * planes * panels * panelColumns * convolution.channels > Self.weightBytes
    let isCached = cost.keepsWeightsInCache(size)
    let fewest: Int
    if isCached {
      let tileRows = plan.kernels.tileRows
      // Eight rows are one register tile or whole ones. Of two halves neither hides the latency of a multiply-add.
      fewest = tileRows > 8 || 8 % tileRows == 0 ? 8 : 16
    } else {
      fewest = tiles < 16 * Self.fewestTiles ? Self.fewestTilesOfFew : Self.fewestTiles
    }
    blocks = WinogradBlocks(
      size: size, height: convolution.gridHeight, width: convolution.gridWidth, batch: plan.batch,
      tiles: max(fewest, min(affordable, ceilDivide(tiles, 16))))
    panelsPerPass = isWide ? 1 : max(1, min(panels, Self.passColumns / panelColumns))
    passes = ceilDivide(panels, panelsPerPass)
    // Where blocks are few, groups of passes make up for them, for sixteen threads.
    let wanted = min(passes, ceilDivide(16, blocks.count))
    sharesInputs = wanted > 1 && blocks.tiles * planes * convolution.channels >= Self.sharedInputs
    passesPerGroup = sharesInputs || blocks.count == 1 ? ceilDivide(passes, wanted) : passes
  }

  func addSteps(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor, pool: PlannedPool?
  ) throws(NNKitError) {
    let followingPool = pool?.fits(tilesOf: size * blocks.rowsPerBlock) == true ? pool : nil
    defer { if followingPool == nil { pool?.addStep(plan) } }
    let tiles = try WinogradTiles(
      plan, convolution, blocks, source, bias: bias, addend: addend, activation, to: destination, pool: followingPool,
      panelsPerPass: panelsPerPass)
    let transform = WeightTransform(plan, convolution, size: size)
    let work = [blocks.tiles, planes, convolution.channels, convolution.weights.columns]
    if isWide {
      try addWideSteps(plan, name, tiles, transform, work: work)
      return
    }
    let (blockCount, panels, passes, panelsPerPass) = (blocks.count, panels, passes, panelsPerPass)
    let (passesPerGroup, groups) = (passesPerGroup, groups)
    let panelStride = planeStride(transform.panelFloats)
    let passFloats = planes * panelsPerPass * panelStride
    let weights = try plan.packed([panels, planes, panelStride])
    let transformScratch = try plan.packed([panels, transform.scratchFloats])
    plan.packingStep(
      "transform weights", reads: transform.reads, writes: [weights, transformScratch], tiles: panels,
      work: [planes, convolution.channels, convolution.weights.columns]
    ) { binding in
      let transformed = transform.bind(binding)
      let (target, workspace) = (binding.floats(weights), binding.floats(transformScratch))
      return { panel, _ in
        let (pass, place) = panel.quotientAndRemainder(dividingBy: panelsPerPass)
        let panelsOfPass = min(panelsPerPass, panels - pass * panelsPerPass)
        transformed(
          panel, target + (pass * passFloats + place * panelStride), panelsOfPass * panelStride,
          workspace + panel * transform.scratchFloats)
      }
    }
    let shared = sharesInputs ? try addTransformStep(plan, name, tiles) : nil
    // Nobody reads the copied lines any more when there are products.
    let (inputFloats, copyFloats) = shared == nil ? (tiles.inputFloats, tiles.copyFloats) : (0, 0)
    let scratch = try plan.scratch(floats: inputFloats + max(copyFloats, tiles.productFloats))
    plan.step(
      name, reads: (shared.map { [$0] } ?? tiles.inputReads) + tiles.productReads + [weights],
      elementwise: tiles.productElementwise, writes: tiles.productWrites, scratch: scratch,
      tiles: blockCount * groups, work: work
    ) { binding in
      let transformInputs = shared == nil ? tiles.bindInputs(binding) : nil
      let sharedInputs = shared.map { UnsafePointer(binding.floats($0)) }
      let multiply = tiles.bindProducts(binding, panelStride: panelStride)
      let weightBase = UnsafePointer(binding.floats(weights))
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (group, block) = tile.quotientAndRemainder(dividingBy: blockCount)
        let space = workspace.base + worker * workspace.stride
        let products = space + inputFloats
        transformInputs?(block, 0..<tiles.rowsOfBlock, space, products)
        let inputs = sharedInputs.map { $0 + block * tiles.inputFloats } ?? UnsafePointer(space)
        let end = min((group + 1) * passesPerGroup, passes)
        for pass in group * passesPerGroup..<end {
          multiply(block, pass, inputs, weightBase + pass * passFloats, pass + 1 == end, products)
        }
      }
    }
  }

  /// Adds a step that transforms the inputs of all blocks.
  private func addTransformStep(_ plan: PlanBuilder, _ name: String, _ tiles: WinogradTiles) throws(NNKitError)
    -> Tensor
  {
    let blockCount = blocks.count
    let inputs = try plan.floats([blockCount, tiles.inputFloats])
    let copies = try plan.scratch(floats: tiles.copyFloats)
    // Parts of blocks where they are few, for sixteen threads.
    let rows = tiles.rowsOfBlock
    let parts = min(rows, ceilDivide(16, blockCount))
    plan.step(
      "\(name), transform", reads: tiles.inputReads, writes: [inputs], scratch: copies, tiles: blockCount * parts,
      work: [blocks.tiles, planes, 4, convolution.channels]
    ) { binding in
      let transformInputs = tiles.bindInputs(binding)
      let (target, workspace) = (binding.floats(inputs), binding.scratch(copies))
      return { tile, worker in
        let (block, part) = tile.quotientAndRemainder(dividingBy: parts)
        transformInputs(
          block, part * rows / parts..<(part + 1) * rows / parts, target + block * tiles.inputFloats,
          workspace.base + worker * workspace.stride)
      }
    }
    return inputs
  }

  /// Adds steps in which a tile of work is a panel of weights and all pixels: a panel is transformed where it is used, and
  /// all transformed weights are never there at once. The inputs of all blocks are transformed first.
  private func addWideSteps(
    _ plan: PlanBuilder, _ name: String, _ tiles: WinogradTiles, _ transform: WeightTransform, work: [Int]
  ) throws(NNKitError) {
    let (blockCount, panels) = (blocks.count, panels)
    // Where panels are few, two tiles share the blocks of one, for sixteen threads; each transforms the panel.
    let parts = min(blockCount, ceilDivide(16, panels))
    let inputs = try addTransformStep(plan, name, tiles)
    let weightPlane = planeStride(transform.panelFloats)
    let weightFloats = planes * weightPlane
    let scratch = try plan.scratch(floats: weightFloats + max(transform.scratchFloats, tiles.productFloats))
    plan.step(
      name, reads: [inputs] + transform.reads + tiles.productReads, elementwise: tiles.productElementwise,
      writes: tiles.productWrites, scratch: scratch, tiles: panels * parts, work: work
    ) { binding in
      let transformed = transform.bind(binding)
      let multiply = tiles.bindProducts(binding, panelStride: weightPlane)
      let inputBase = UnsafePointer(binding.floats(inputs))
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (panel, part) = tile.quotientAndRemainder(dividingBy: parts)
        let weights = workspace.base + worker * workspace.stride
        transformed(panel, weights, weightPlane, weights + weightFloats)
        for block in part * blockCount / parts..<(part + 1) * blockCount / parts {
          multiply(
            block, panel, inputBase + block * tiles.inputFloats, UnsafePointer(weights), true, weights + weightFloats)
        }
      }
    }
  }
}

/// Makes the planes of transformed weights of one panel after the other.
private struct WeightTransform {
  private let weights: ConvolutionWeights
  private let kernels: KernelTable
  private let channels: Int
  private let size: Int
  private let taps: OffsetTable
  let panelFloats: Int
  let scratchFloats: Int

  init(_ plan: PlanBuilder, _ convolution: GatherConvolution, size: Int) {
    (weights, kernels, channels) = (convolution.weights, plan.kernels, convolution.channels)
    self.size = size
    taps = plan.table(convolution.taps.map(\.weights))
    panelFloats = channels * kernels.panelColumns
    scratchFloats = 9 * WinogradWeights.depthPerBlock * kernels.panelColumns
  }

  var reads: [Tensor] { [weights.tensor] + (weights.scale.map { [$0] } ?? []) }

  /// `target` takes the planes, `planeStride` floats apart; `scratch` has `scratchFloats`.
  func bind(_ binding: Binding) -> (
    _ panel: Int, _ target: UnsafeMutablePointer<Float>, _ planeStride: Int, _ scratch: UnsafeMutablePointer<Float>
  ) -> Void {
    let (weights, kernels, channels, size) = (weights, kernels, channels, size)
    let source = UnsafePointer(binding.floats(weights.tensor))
    let factors = weights.scale.map { UnsafePointer(binding.floats($0)) }
    let tapOffsets = binding.offsets(taps)
    return { panel, target, planeStride, scratch in
      let column = panel * kernels.panelColumns
      let columns = min(kernels.panelColumns, weights.columns - column)
      kernels.winogradWeights(
        WinogradWeights(
          size: size, source: source + column * weights.columnStride, taps: tapOffsets,
          depthStride: weights.depthStride, columnStride: weights.columnStride, depth: channels, columns: columns,
          panels: target, planeStride: planeStride, scratch: scratch))
      // The transform is linear in each column.
      for plane in 0..<Winograd.planes(size) {
        guard let factors else { break }
        scaleColumns(
          target + plane * planeStride, depth: channels, panelColumns: kernels.panelColumns, by: factors + column,
          columns: columns)
      }
    }
  }
}
