import NNKitKernelTable

/// The weight gradient of a 3 × 3 convolution with stride 1 by the adjoint of Winograd's F(4×4, 3×3):
/// `dK = Gᵀ [Σ_tiles (Bᵀ d B) ⊙ (A dY Aᵀ)] G`. For each of the 36 planes of the transformed tiles the sum is a matrix
/// product whose depth is the tiles of all images: 36 products for 16 pixels and each pair of channels, where the direct
/// way takes 144.
///
/// A tile of work is a group of input channels and one of filters, whose 36 sums stay in the second-level cache until
/// the last product with `G`; where such groups are few, chunks of the batch are summed on their own and added in
/// ascending order. Both depend on the sizes alone.
///
/// Accuracy: against a double-precision reference the largest error, relative to the largest gradient, stays below
/// 8e-6 for up to 512 tiles of unit variance (3e-6 seen). A test holds it to its bound.
struct WinogradWeightGradient {
  private let geometry: ConvolutionWeightGradient
  private let blocks: WinogradBlocks
  private let channelGroups: ChannelGroups
  private let filterGroups: ChannelGroups
  private let blocksPerChunk: Int
  private let chunks: Int

  private static let size = 4
  private static let planes = Winograd.planes(size)
  /// Two rows of planes are computed at a time.
  private static let planesPerPair = planes / 3
  /// Channels in a group, and filters: 36 planes of them are about half of the second-level cache.
  private static let channelsPerGroup = 64
  /// Of the transformed tiles of a block: about half of the second-level cache.
  private static let blockBytes = 512 << 10

  /// nil where the convolution is not of this kind, or the direct way is faster. A function of the sizes alone.
  init?(_ geometry: ConvolutionWeightGradient, _ plan: PlanBuilder) {
    let axes = [geometry.vertical, geometry.horizontal]
    let cost = WinogradCost(
      channels: geometry.channels, filters: geometry.filters, height: axes[0].output, width: axes[1].output,
      batch: plan.batch, fetchesAhead: plan.kernels.fetchesAhead)
    guard geometry.allowsWinograd, axes.allSatisfy({ $0.window == 3 && $0.stride == 1 && $0.dilation == 1 }),
      cost.transformsWeightGradient
    else { return nil }
    self.geometry = geometry
    channelGroups = ChannelGroups(geometry.channels, perGroup: Self.channelsPerGroup, multipleOf: 1)
    filterGroups = ChannelGroups(
      geometry.filters, perGroup: Self.channelsPerGroup, multipleOf: plan.kernels.panelColumns)
    blocks = WinogradBlocks(
      size: Self.size, height: axes[0].output, width: axes[1].output, batch: plan.batch,
      tiles: Self.blockBytes / (4 * Self.planesPerPair * (channelGroups.perGroup + filterGroups.perGroup)))
    // A chunk has enough tiles to outweigh the last product with G.
    let forThreads = min(ceilDivide(16, channelGroups.count * filterGroups.count), max(1, blocks.tiles / 64))
    let wanted = max(
      forThreads, PartialSums.chunks(ofBlocks: blocks.count, sums: 9 * geometry.channels * geometry.filters))
    blocksPerChunk = ceilDivide(blocks.count, min(blocks.count, wanted))
    chunks = ceilDivide(blocks.count, blocksPerChunk)
  }

  func addSteps(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let (geometry, blocks, kernels, size) = (geometry, blocks, plan.kernels, Self.size)
    let (channelGroups, filterGroups) = (channelGroups, filterGroups)
    let (blocksPerChunk, planes, planesPerPair) = (blocksPerChunk, Self.planes, Self.planesPerPair)
    let (height, width) = (geometry.vertical.output, geometry.horizontal.output)
    let inputLines = try WinogradLines(
      x, height: geometry.vertical.input, width: geometry.horizontal.input, channels: geometry.channels,
      firstY: -geometry.vertical.before, firstX: -geometry.horizontal.before, reach: size + 2, blocks: blocks)
    let gradientLines = try WinogradLines(
      dz, height: height, width: width, channels: geometry.filters, firstY: 0, firstX: 0, reach: size, blocks: blocks)

    let tiles = blocks.tilesPerBlock
    let panelColumns = min(kernels.panelColumns, filterGroups.perGroup)
    let panelsPerGroup = ceilDivide(filterGroups.perGroup, kernels.panelColumns)
    let inputPlane = planeStride(tiles * channelGroups.perGroup)
    let panelFloats = tiles * kernels.panelColumns
    let gradientPlane = planeStride(panelsPerGroup * panelFloats)
    let sumsPlane = planeStride(channelGroups.perGroup * filterGroups.perGroup)
    let (inputCopy, gradientCopy) = (
      inputLines.copiedPixels * channelGroups.perGroup, gradientLines.copiedPixels * filterGroups.perGroup
    )
    let scratch = try plan.scratch(
      floats: planes * sumsPlane + planesPerPair * (inputPlane + gradientPlane)
        + blocks.imagesPerBlock * (inputCopy + gradientCopy))
    let partials = try PartialSums(
      plan, chunks: chunks, sizes: [dKernel.count, dBias == nil ? 0 : geometry.filters])
    let (inputSize, gradientSize) = (x.sampleCount, dz.sampleCount)
    let results = [dKernel] + (dBias.map { [$0] } ?? [])

    plan.step(
      "convolution kernel gradient", reads: [x, dz] + (x.pending?.tensors ?? []), writes: results + partials.tensors,
      scratch: scratch,
      tiles: chunks * channelGroups.count * filterGroups.count,
      work: [blocks.tiles, planes, geometry.channels, geometry.filters]
    ) { binding in
      let input = UnsafePointer(binding.floats(x))
      let gradient = UnsafePointer(binding.floats(dz))
      let kernelTargets = partials.target(binding, 0, dKernel)
      let biasTargets = partials.target(binding, 1, dBias ?? dKernel)
      let pending = x.pending?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (rest, filterGroup) = tile.quotientAndRemainder(dividingBy: filterGroups.count)
        let (chunk, channelGroup) = rest.quotientAndRemainder(dividingBy: channelGroups.count)
        let (channel, channels) = channelGroups.group(channelGroup)
        let (filter, filters) = filterGroups.group(filterGroup)
        let sums = workspace.base + worker * workspace.stride
        let inputs = sums + planes * sumsPlane
        let gradients = inputs + planesPerPair * inputPlane
        let inputCopies = gradients + planesPerPair * gradientPlane
        let gradientCopies = inputCopies + blocks.imagesPerBlock * inputCopy
        let (inputPixel, gradientPixel) = (inputLines.pixelStride(channels), gradientLines.pixelStride(filters))
        let (inputLine, gradientLine) = (inputLines.lineStride(channels), gradientLines.lineStride(filters))
        let firstBlock = chunk * blocksPerChunk
        for block in firstBlock..<min(firstBlock + blocksPerChunk, blocks.count) {
          let (firstImage, images, firstRow, rows) = blocks.block(block)
          for pair in 0..<3 {
            var tiles = 0
            for image in 0..<images {
              let inputCopied = inputCopies + image * inputCopy
              let gradientCopied = gradientCopies + image * gradientCopy
              let source = inputLines.load(
                kernels, input + (firstImage + image) * inputSize, pending, first: channel, count: channels,
                row: firstRow, rows: rows,
                isLoaded: pair > 0, to: inputCopied)
              let gradientSource = gradientLines.load(
                kernels, gradient + (firstImage + image) * gradientSize, nil, first: filter, count: filters,
                row: firstRow,
                rows: rows, isLoaded: pair > 0, to: gradientCopied)
              for row in 0..<rows {
                kernels.winogradInput(
                  WinogradInput(
                    size: size, rowPair: pair, source: source + size * row * inputLine, lineStride: inputLine,
                    pixelStride: inputPixel, channels: channels, tiles: blocks.tileColumns,
                    output: inputs + tiles * channels, planeStride: inputPlane))
                for column in stride(from: 0, to: filters, by: panelColumns) {
                  kernels.winogradOutputGradient(
                    WinogradOutputGradient(
                      rowPair: pair, source: gradientSource + size * row * gradientLine + column,
                      lineStride: gradientLine, pixelStride: gradientPixel,
                      columns: min(panelColumns, filters - column), tiles: blocks.tileColumns,
                      output: gradients + column / panelColumns * panelFloats + tiles * kernels.panelColumns,
                      planeStride: gradientPlane, tileStride: kernels.panelColumns))
                }
                tiles += blocks.tileColumns
              }
            }
            for plane in 0..<planesPerPair {
              let planeSums = sums + (pair * planesPerPair + plane) * sumsPlane
              for column in stride(from: 0, to: filters, by: panelColumns) {
                kernels.columnProductByBlocks(
                  ColumnProduct(
                    a: inputs + plane * inputPlane, aSteps: (0, 0, channels), depths: (1, 1, tiles),
                    b: gradients + plane * gradientPlane + column / panelColumns * panelFloats,
                    bStride: kernels.panelColumns, c: planeSums + column, cStride: filters, rows: channels,
                    columns: min(panelColumns, filters - column), accumulate: block > firstBlock))
              }
            }
          }
          if dBias == nil || channel > 0 { continue }
          for image in 0..<images {
            let line = size * firstRow
            kernels.columnSum(
              gradient + (firstImage + image) * gradientSize + line * width * geometry.filters + filter,
              max(0, min(size * rows, height - line)) * width, filters, geometry.filters, biasTargets(chunk) + filter,
              block > firstBlock || image > 0)
          }
        }
        kernels.winogradKernelGradient(
          WinogradKernelGradient(
            products: sums, planeStride: sumsPlane, rows: channels, columns: filters,
            output: kernelTargets(chunk) + channel * geometry.filters + filter,
            tapStride: geometry.channels * geometry.filters, rowStride: geometry.filters))
      }
    }
    partials.addReduction(plan, "convolution kernel gradient", to: results)
  }
}

/// Channels in groups of nearly equal size.
private struct ChannelGroups {
  let count: Int
  /// At most.
  let perGroup: Int
  private let channels: Int

  init(_ channels: Int, perGroup largest: Int, multipleOf unit: Int) {
    self.channels = channels
    perGroup = min(channels, ceilDivide(channels, ceilDivide(channels, largest)).roundedUp(toMultipleOf: unit))
    count = ceilDivide(channels, perGroup)
  }

  @inline(__always)
  func group(_ index: Int) -> (first: Int, count: Int) {
    (index * perGroup, min(perGroup, channels - index * perGroup))
  }
}
