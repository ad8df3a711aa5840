import NNKitKernelTable

/// A 3 × 3 convolution with stride 1 by Winograd's algorithm F(2×2, 3×3): four output pixels take 16 products for each
/// pair of channels where the direct way takes 36. The products of all tiles in a block are 16 matrix products.
///
/// Accuracy: the transforms only add and halve, and the sums are nine times shorter than the direct way's. Against a
/// double-precision reference the largest error, relative to the largest output, stays below 2e-6 for up to 512
/// channels of unit variance (7e-7 seen); the direct way's below 4e-6 (1.8e-6 seen). A test holds both to their bounds.
/// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.1.
struct WinogradConvolution {
  private let convolution: GatherConvolution
  private let blocks: WinogradBlocks

  private static let planes = 16
  /// With fewer channels the transforms cost more than the products save.
  private static let fewestChannels = 16

  /// nil where the convolution is not of this kind, or the direct way is faster. A function of the sizes alone.
  init?(_ convolution: GatherConvolution, _ plan: PlanBuilder) {
    let (taps, columns) = (convolution.taps, convolution.weights.columns)
    guard convolution.allowsWinograd, convolution.stepY == 1, convolution.stepX == 1, taps.count == 9,
      taps.indices.allSatisfy({ taps[$0].y == taps[0].y + $0 / 3 && taps[$0].x == taps[0].x + $0 % 3 }),
      min(convolution.channels, columns) >= Self.fewestChannels, min(convolution.gridHeight, convolution.gridWidth) >= 4
    else { return nil }
    self.convolution = convolution
    blocks = WinogradBlocks(
      height: convolution.gridHeight, width: convolution.gridWidth, batch: plan.batch,
      channels: convolution.channels + columns)
  }

  func addSteps(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, bias: Tensor?, addend: Tensor?, _ activation: ActivationKind,
    to destination: Tensor
  ) throws(NNKitError) {
    let (convolution, blocks, kernels) = (convolution, blocks, plan.kernels)
    let (channels, columns) = (convolution.channels, convolution.weights.columns)
    let panels = ceilDivide(columns, kernels.panelColumns)
    let panelElements = channels * kernels.panelColumns
    let weights = try packWeights(plan, panels: panels, panelElements: panelElements)

    let (firstY, firstX) = (convolution.taps[0].y, convolution.taps[0].x)
    // Tiles read 4 × 4 pixels, also where only half of their output is wanted.
    let copiesLines =
      source.pending != nil || firstY < 0 || firstX < 0 || firstY + 2 * blocks.tileRows + 2 > convolution.sourceHeight
      || firstX + 2 * blocks.tileColumns + 2 > convolution.sourceWidth
    let lineWidth = copiesLines ? 2 * blocks.tileColumns + 2 : convolution.sourceWidth
    let lineStride = lineWidth * channels
    let lineFloats = copiesLines ? try checkedProduct([2 * blocks.rowsPerBlock + 2, lineStride], of: "a tile") : 0
    let tiles = blocks.tilesPerBlock
    let (inputPlane, productPlane) = (tiles * channels, tiles * columns)
    let scratch = try plan.scratch(
      floats: lineFloats + (try checkedProduct([Self.planes, tiles, channels + columns], of: "a tile")))
    let aRows = plan.table((0..<tiles).map { $0 * channels })
    let cRows = plan.table((0..<tiles).map { $0 * columns })
    let noTap = plan.table([0])
    let (sourceSize, destinationSize) = (source.sampleCount, destination.sampleCount)

    plan.step(
      name, reads: [source, weights] + (source.pending?.tensors ?? []) + [bias, addend].compactMap { $0 },
      writes: [destination], scratch: scratch,
      tiles: blocks.count,
      work: [plan.batch, convolution.gridHeight * convolution.gridWidth, 4 * channels, columns],
      inPlace: addend.map { [$0] } ?? []
    ) { binding in
      let sourceBase = UnsafePointer(binding.floats(source))
      let destinationBase = binding.floats(destination) + convolution.destinationStart
      let weightBase = UnsafePointer(binding.floats(weights))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) + convolution.destinationStart }
      let (aOffsets, cOffsets, taps) = (binding.offsets(aRows), binding.offsets(cRows), binding.offsets(noTap))
      let pending = source.pending?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (firstImage, images, firstRow, rows) = blocks.block(tile)
        let inputs = workspace.base + worker * workspace.stride
        let products = inputs + Self.planes * inputPlane
        let lines = products + Self.planes * productPlane
        var next = inputs
        for image in firstImage..<firstImage + images {
          var origin = sourceBase + image * sourceSize
          let firstLine = firstY + 2 * firstRow
          if copiesLines {
            copyPaddedLines(
              kernels, origin, pending, height: convolution.sourceHeight, width: convolution.sourceWidth,
              channels: channels,
              firstLine: firstLine, firstColumn: firstX, lineCount: 2 * rows + 2, lineWidth: lineWidth, to: lines)
            origin = UnsafePointer(lines)
          } else {
            origin += firstLine * lineStride + firstX * channels
          }
          for row in 0..<rows {
            kernels.winogradInput(
              WinogradInput(
                source: origin + 2 * row * lineStride, lineStride: lineStride, channels: channels,
                tiles: blocks.tileColumns, output: next, planeStride: inputPlane))
            next += blocks.tileColumns * channels
          }
        }
        for plane in 0..<Self.planes {
          for panel in 0..<panels {
            let column = panel * kernels.panelColumns
            kernels.rowProduct(
              RowProduct(
                a: inputs + plane * inputPlane, aRows: aOffsets, taps: taps, tapCount: 1, depth: channels,
                b: weightBase + (plane * panels + panel) * panelElements,
                c: products + plane * productPlane + column, cRows: cOffsets,
                rows: images * rows * blocks.tileColumns, columns: min(kernels.panelColumns, columns - column)))
          }
        }
        var finished = UnsafePointer(products)
        for image in firstImage..<firstImage + images {
          for row in 0..<rows {
            let y = 2 * (firstRow + row)
            let pixels = destinationBase + image * destinationSize + y * convolution.destinationRowStep
            let height = min(2, convolution.gridHeight - y)
            kernels.winogradOutput(
              WinogradOutput(
                products: finished, planeStride: productPlane, columns: columns, bias: biasBase,
                addend: addendBase.map { $0 + (pixels - destinationBase) },
                relu: activation == .relu, output: pixels, rowStep: convolution.destinationRowStep, height: height,
                width: convolution.gridWidth))
            finished += blocks.tileColumns * columns
            if activation == .relu || activation == .linear { continue }
            for line in 0..<height {
              let start = pixels + line * convolution.destinationRowStep
              kernels.activationForward(activation, start, start, convolution.gridWidth * columns)
            }
          }
        }
      }
    }
  }

  /// Transforms the weights when the parameters change: 16 planes of packed panels.
  private func packWeights(_ plan: PlanBuilder, panels: Int, panelElements: Int) throws(NNKitError) -> Tensor {
    let packed = try plan.packed([Self.planes, panels, panelElements])
    let (weights, kernels, channels) = (convolution.weights, plan.kernels, convolution.channels)
    let taps = plan.table(convolution.taps.map(\.weights))
    let scratchFloats = 9 * WinogradWeights.depthPerBlock * kernels.panelColumns
    let scratch = try plan.packed([panels, scratchFloats])
    plan.packingStep(
      "transform weights", reads: [weights.tensor] + (weights.scale.map { [$0] } ?? []), writes: [packed, scratch],
      tiles: panels,
      work: [4, channels, weights.columns]
    ) { binding in
      let (source, target) = (UnsafePointer(binding.floats(weights.tensor)), binding.floats(packed))
      let factors = weights.scale.map { UnsafePointer(binding.floats($0)) }
      let (tapOffsets, workspace) = (binding.offsets(taps), binding.floats(scratch))
      return { panel, _ in
        let column = panel * kernels.panelColumns
        kernels.winogradWeights(
          WinogradWeights(
            source: source + column * weights.columnStride, taps: tapOffsets, depthStride: weights.depthStride,
            columnStride: weights.columnStride, depth: channels,
            columns: min(kernels.panelColumns, weights.columns - column), panels: target + panel * panelElements,
            planeStride: panels * panelElements, scratch: workspace + panel * scratchFloats))
        // The transform is linear in each column.
        for plane in 0..<Self.planes {
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

/// How the 2 × 2 tiles of a batch of images are divided into blocks: rows of tiles of one image, or, where images are
/// small, several images. A function of the sizes alone.
private struct WinogradBlocks {
  /// Of one image.
  let tileRows: Int
  let tileColumns: Int
  let rowsPerBlock: Int
  let tilesPerBlock: Int
  let count: Int
  private let imagesPerBlock: Int
  private let blocksPerImage: Int
  private let batch: Int

  /// `channels`: of input and output together.
  init(height: Int, width: Int, batch: Int, channels: Int) {
    self.batch = batch
    tileRows = ceilDivide(height, 2)
    tileColumns = ceilDivide(width, 2)
    // The transformed inputs and products of a block fill about half of the second-level cache, and each panel of
    // weights is used for at least 24 tiles.
    let wanted = min(max((512 << 10) / (64 * channels), 24), max(24, ceilDivide(batch * tileRows * tileColumns, 16)))
    let rows = max(1, min(tileRows, wanted / tileColumns))
    blocksPerImage = ceilDivide(tileRows, rows)
    rowsPerBlock = ceilDivide(tileRows, blocksPerImage)
    imagesPerBlock = blocksPerImage > 1 ? 1 : max(1, min(batch, wanted / (tileRows * tileColumns)))
    tilesPerBlock = imagesPerBlock * rowsPerBlock * tileColumns
    count = blocksPerImage * ceilDivide(batch, imagesPerBlock)
  }

  @inline(__always)
  func block(_ index: Int) -> (image: Int, images: Int, row: Int, rows: Int) {
    let image = index / blocksPerImage * imagesPerBlock
    let row = min(index % blocksPerImage * rowsPerBlock, tileRows)
    return (image, min(imagesPerBlock, batch - image), row, min(rowsPerBlock, tileRows - row))
  }
}
