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
  private let panelsPerPass: Int
  private let productColumns: Int
  private let inputPlane: Int
  private let productPlane: Int
  private let exactTiles: WinogradExactTiles
  /// Behind the planes of the transformed inputs: of each tile.
  private var energies: Int { planes * inputPlane }

  /// Floats of the copied lines, the transformed inputs, and one pass's products of a block with what a pool reads.
  let copyFloats: Int
  let inputFloats: Int
  let productFloats: Int

  init(
    _ plan: PlanBuilder, _ convolution: GatherConvolution, _ blocks: WinogradBlocks, _ source: Tensor, bias: Tensor?,
    addend: Tensor?, _ activation: ActivationKind, to destination: Tensor, pool: PlannedPool?, panelsPerPass: Int
  ) throws(NNKitError) {
    (self.convolution, self.blocks, kernels) = (convolution, blocks, plan.kernels)
    (self.source, self.bias, self.addend) = (source, bias, addend)
    (self.activation, self.destination, self.pool) = (activation, destination, pool)
    self.panelsPerPass = panelsPerPass
    size = blocks.size
    planes = Winograd.planes(size)
    let (channels, tiles) = (convolution.channels, blocks.tilesPerBlock)
    lines = try WinogradLines(
      source, height: convolution.sourceHeight, width: convolution.sourceWidth, channels: channels,
      firstY: convolution.taps[0].y, firstX: convolution.taps[0].x, reach: size + 2, blocks: blocks)
    productColumns = min(
      convolution.weights.columns.roundedUp(toMultipleOf: kernels.vectorWidth), panelsPerPass * kernels.panelColumns)
    (inputPlane, productPlane) = (planeStride(tiles * channels), planeStride(tiles * productColumns))
    copyFloats = try checkedProduct([lines.copiedPixels, channels], of: "a tile")
    inputFloats = try checkedProduct([planes, inputPlane], of: "a tile") + tiles.roundedUp(toMultipleOf: 16)
    exactTiles = WinogradExactTiles(convolution, source)
    productFloats =
      try checkedProduct([planes, productPlane], of: "a tile")
      + (pool?.inputFloats(rows: size * blocks.rowsPerBlock) ?? 0)
  }

  /// What a step reads that transforms inputs, and what one reads that multiplies.
  var inputReads: [Tensor] { [source] + (source.pending?.tensors ?? []) }
  var productReads: [Tensor] { [bias, pool == nil ? nil : addend].compactMap { $0 } + exactTiles.reads }
  /// What the latter reads only where it then writes.
  var productElementwise: [Tensor] { [pool == nil ? addend : nil].compactMap { $0 } }
  var productWrites: [Tensor] { [pool?.output ?? destination] }

  /// How many parts `bindInputs` can transform the inputs of a block in: rows of tiles.
  var rowsOfBlock: Int { blocks.imagesPerBlock * blocks.rowsPerBlock }

  /// Transforms the inputs of `part` of the rows of tiles of block `index`; `copy` has `copyFloats`.
  func bindInputs(_ binding: Binding) -> (
    _ index: Int, _ part: Range<Int>, _ inputs: UnsafeMutablePointer<Float>, _ copy: UnsafeMutablePointer<Float>
  ) -> Void {
    let (kernels, blocks, lines, size) = (kernels, blocks, lines, size)
    let (channels, inputPlane, sourceSize) = (convolution.channels, inputPlane, source.sampleCount)
    let lineStride = lines.lineStride(channels)
    let sourceBase = UnsafePointer(binding.floats(source))
    let pending = source.pending?.bind(binding)
    let firstEnergy = energies
    return { index, part, inputs, copy in
      let (firstImage, images, firstRow, rows) = blocks.block(index)
      for image in 0..<images {
        let rowsOfImage = part.clamped(to: image * rows..<(image + 1) * rows)
        if rowsOfImage.isEmpty { continue }
        var next = inputs + rowsOfImage.lowerBound * blocks.tileColumns * channels
        var energies = inputs + (firstEnergy + rowsOfImage.lowerBound * blocks.tileColumns)
        let origin = lines.load(
          kernels, sourceBase + (firstImage + image) * sourceSize, pending, first: 0, count: channels,
          row: firstRow + rowsOfImage.lowerBound - image * rows, rows: rowsOfImage.count, to: copy)
        for row in 0..<rowsOfImage.count {
          for pair in 0...size / 2 {
            kernels.winogradInput(
              WinogradInput(
                size: size, rowPair: pair, source: origin + size * row * lineStride, lineStride: lineStride,
                pixelStride: channels, channels: channels, tiles: blocks.tileColumns,
                output: next + 2 * (size + 2) * pair * inputPlane, planeStride: inputPlane,
                energies: pair == 0 ? energies : nil))
          }
          next += blocks.tileColumns * channels
          energies += blocks.tileColumns
        }
      }
    }
  }

  /// Computes the output columns of pass `pass` for block `index`, whose transformed inputs are `inputs`. Plane by plane,
  /// the transformed panels of the pass lie side by side at `weights`, `panelStride` floats apart, and behind them, unless
  /// `isLast`, those of the next pass. `products` has `productFloats`.
  func bindProducts(_ binding: Binding, panelStride: Int) -> (
    _ index: Int, _ pass: Int, _ inputs: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ isLast: Bool,
    _ products: UnsafeMutablePointer<Float>
  ) -> Void {
    let (convolution, kernels, blocks, size, planes) = (convolution, kernels, blocks, size, planes)
    let (inputPlane, productPlane, productColumns) = (inputPlane, productPlane, productColumns)
    let (columns, activation, destinationSize) = (convolution.weights.columns, activation, destination.sampleCount)
    let destinationBase = pool == nil ? binding.floats(destination) + convolution.destinationStart : nil
    let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
    let addendBase = addend.map { UnsafePointer(binding.floats($0)) + convolution.destinationStart }
    let boundPool = pool?.bind(binding)
    let passColumns = panelsPerPass * kernels.panelColumns
    let (exactTiles, firstEnergy) = (exactTiles.bind(binding), energies)
    return { index, pass, inputs, weights, isLast, products in
      let (firstImage, images, firstRow, rows) = blocks.block(index)
      let column = pass * passColumns
      let columnCount = min(passColumns, columns - column)
      kernels.winogradProducts(
        WinogradProducts(
          planes: planes, rows: images * rows * blocks.tileColumns, depth: convolution.channels, columns: columnCount,
          a: inputs, aPlaneStride: inputPlane, b: weights, panelStride: panelStride, c: products,
          cPlaneStride: productPlane, cRowStride: productColumns, hasNext: !isLast))
      var (finished, energies) = (UnsafePointer(products), inputs + firstEnergy)
      let pooled = products + planes * productPlane
      for image in firstImage..<firstImage + images {
        for row in 0..<rows {
          let y = size * (firstRow + row)
          let height = min(size, convolution.gridHeight - y)
          let offset = image * destinationSize + y * convolution.destinationRowStep + column
          let pixels =
            destinationBase.map { $0 + offset } ?? pooled + (size * row * convolution.destinationRowStep + column)
          let (addend, bias) = (addendBase.map { $0 + offset }, biasBase.map { $0 + column })
          var first = 0
          for tile in 0...blocks.tileColumns {
            let isEnd = tile == blocks.tileColumns
            if !isEnd && !WinogradExactTiles.areNeeded(energies[tile]) { continue }
            let (start, end) = (size * first, min(size * tile, convolution.gridWidth))
            if start < end {
              let pixel = start * convolution.destinationColumnStep
              kernels.winogradOutput(
                WinogradOutput(
                  size: size, products: finished + first * productColumns, planeStride: productPlane,
                  tileStride: productColumns, columns: columnCount, bias: bias, addend: addend.map { $0 + pixel },
                  relu: activation == .relu, output: pixels + pixel, rowStep: convolution.destinationRowStep,
                  pixelStride: convolution.destinationColumnStep, height: height, width: end - start))
            }
            if isEnd { break }
            exactTiles.compute(
              GridPart(
                image: image, rows: y..<y + height, pixels: end..<min(end + size, convolution.gridWidth),
                columns: column..<column + columnCount), bias: bias, addend: addend, relu: activation == .relu,
              to: pixels)
            first = tile + 1
          }
          finished += blocks.tileColumns * productColumns
          energies += blocks.tileColumns
          if activation == .relu || activation == .linear { continue }
          for pixel in 0..<height * convolution.gridWidth {
            let (y, x) = pixel.quotientAndRemainder(dividingBy: convolution.gridWidth)
            let start = pixels + y * convolution.destinationRowStep + x * convolution.destinationColumnStep
            kernels.activationForward(activation, start, start, columnCount)
          }
        }
        let end = min(size * (firstRow + rows), convolution.gridHeight)
        boundPool?.follow(
          image, UnsafePointer(pooled), rows: min(size * firstRow, end)..<end, channels: column..<column + columnCount)
      }
    }
  }
}
