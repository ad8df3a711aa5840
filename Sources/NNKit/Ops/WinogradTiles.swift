import NNKitKernelTable

/// What the tiles of work of a Winograd convolution are made of: the transforms and products of one block, in memory
/// that the caller chooses.
struct WinogradTiles {
  private let convolution: GatherConvolution
  private let blocks: WinogradBlocks
  private let kernels: KernelTable
  private let lines: WinogradLines
  private let source: Tensor
  private let bias: Tensor?
  private let addend: Tensor?
  private let activation: ActivationKind
  private let destination: Tensor
  private let pool: PlannedPool?
  private let size: Int
  private let planes: Int
  private let productColumns: Int
  private let inputPlane: Int
  private let productPlane: Int
  private let aRows: OffsetTable
  private let cRows: OffsetTable
  private let noTap: OffsetTable

  /// Floats of the copied lines, the transformed inputs, and one panel's products of a block.
  let copyFloats: Int
  let inputFloats: Int
  let productFloats: Int

  init(
    _ plan: PlanBuilder, _ convolution: GatherConvolution, _ blocks: WinogradBlocks, _ source: Tensor, bias: Tensor?,
    addend: Tensor?, _ activation: ActivationKind, to destination: Tensor, pool: PlannedPool?
  ) throws(NNKitError) {
    (self.convolution, self.blocks, kernels) = (convolution, blocks, plan.kernels)
    (self.source, self.bias, self.addend) = (source, bias, addend)
    (self.activation, self.destination, self.pool) = (activation, destination, pool)
    size = blocks.size
    planes = Winograd.planes(size)
    let (channels, tiles) = (convolution.channels, blocks.tilesPerBlock)
    lines = try WinogradLines(
      source, height: convolution.sourceHeight, width: convolution.sourceWidth, channels: channels,
      firstY: convolution.taps[0].y, firstX: convolution.taps[0].x, reach: size + 2, blocks: blocks)
    productColumns = min(convolution.weights.columns, kernels.panelColumns)
    (inputPlane, productPlane) = (planeStride(tiles * channels), planeStride(tiles * productColumns))
    copyFloats = try checkedProduct([lines.copiedPixels, channels], of: "a tile")
    inputFloats = try checkedProduct([planes, inputPlane], of: "a tile")
    productFloats = try checkedProduct([planes, productPlane], of: "a tile")
    let rowFloats = productColumns
    aRows = plan.table((0..<tiles).map { $0 * channels })
    cRows = plan.table((0..<tiles).map { $0 * rowFloats })
    noTap = plan.table([0])
  }

  /// What a step reads that transforms inputs, and what one reads that multiplies.
  var inputReads: [Tensor] { [source] + (source.pending?.tensors ?? []) }
  var productReads: [Tensor] { [bias, addend].compactMap { $0 } }
  var productWrites: [Tensor] { [destination] + (pool.map { [$0.output] } ?? []) }

  /// Transforms the inputs of block `index`; `copy` has `copyFloats`.
  func bindInputs(_ binding: Binding) -> (
    _ index: Int, _ inputs: UnsafeMutablePointer<Float>, _ copy: UnsafeMutablePointer<Float>
  ) -> Void {
    let (kernels, blocks, lines, size) = (kernels, blocks, lines, size)
    let (channels, inputPlane, sourceSize) = (convolution.channels, inputPlane, source.sampleCount)
    let lineStride = lines.lineStride(channels)
    let sourceBase = UnsafePointer(binding.floats(source))
    let pending = source.pending?.bind(binding)
    return { index, inputs, copy in
      let (firstImage, images, firstRow, rows) = blocks.block(index)
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
    }
  }

  /// Computes the output columns of panel `panel` for block `index`, whose transformed inputs are `inputs`; plane `p` of
  /// the panel's transformed weights is at `weights + p · weightPlane`, and `products` has `productFloats`.
  func bindProducts(_ binding: Binding, weightPlane: Int) -> (
    _ index: Int, _ panel: Int, _ inputs: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ products: UnsafeMutablePointer<Float>
  ) -> Void {
    let (convolution, kernels, blocks, size, planes) = (convolution, kernels, blocks, size, planes)
    let (inputPlane, productPlane, productColumns) = (inputPlane, productPlane, productColumns)
    let (columns, activation, destinationSize) = (convolution.weights.columns, activation, destination.sampleCount)
    let destinationBase = binding.floats(destination) + convolution.destinationStart
    let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
    let addendBase = addend.map { UnsafePointer(binding.floats($0)) + convolution.destinationStart }
    let (aOffsets, cOffsets, taps) = (binding.offsets(aRows), binding.offsets(cRows), binding.offsets(noTap))
    let boundPool = pool?.bind(binding)
    return { index, panel, inputs, weights, products in
      let (firstImage, images, firstRow, rows) = blocks.block(index)
      let column = panel * kernels.panelColumns
      let columnCount = min(kernels.panelColumns, columns - column)
      for plane in 0..<planes {
        kernels.rowProduct(
          RowProduct(
            a: inputs + plane * inputPlane, aRows: aOffsets, taps: taps, tapCount: 1, depth: convolution.channels,
            b: weights + plane * weightPlane, c: products + plane * productPlane, cRows: cOffsets,
            rows: images * rows * blocks.tileColumns, columns: columnCount))
      }
      var finished = UnsafePointer(products)
      for image in firstImage..<firstImage + images {
        for row in 0..<rows {
          let y = size * (firstRow + row)
          let height = min(size, convolution.gridHeight - y)
          let pixels = destinationBase + image * destinationSize + y * convolution.destinationRowStep + column
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
