import NNKitKernelTable

/// `dK[m, n, c, f] = Σ_images Σ_pixels x[pixel + (m, n), c] dz[pixel, f]` and `db[f] = Σ dz[pixel, f]`: a product whose
/// depth is the pixels of all images.
///
/// The depth is cut into blocks (some images, or some rows of one image) that fit the cache, and the blocks into
/// chunks for different tiles, whose sums are added in ascending order; both depend on the sizes alone.
///
/// Where many filters meet the input, it is packed first, below AVX-512: a window of one place is a matrix product, and
/// larger ones are in `ConvolutionWeightGradient+Packed`.
struct ConvolutionWeightGradient {
  let vertical: WindowAxis
  let horizontal: WindowAxis
  let channels: Int
  let filters: Int
  let allowsWinograd: Bool

  /// Pixels in one block, about.
  static let blockPixels = 512
  /// The input of a block that is not packed should stay in the second-level cache of 512 KiB that processors without
  /// AVX-512 often have, while it is read for one panel of the gradient after the other.
  private static let blockBytes = 64 << 10
  /// Memory for the sums of all chunks but the first.
  static let partialBytes = 32 << 20

  func addSteps(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let (rows, columns) = (vertical.reachablePlaces, horizontal.reachablePlaces)
    guard rows.count == vertical.window, columns.count == horizontal.window else {
      return try addReachableSteps(rows, columns, plan, x, dz, to: dKernel, bias: dBias)
    }
    if !x.isUnscaled, let winograd = WinogradWeightGradient(self, plan) {
      try winograd.addSteps(plan, x, dz, to: dKernel, bias: dBias)
    } else if let loops = pointwiseLoops(plan, x) {
      try plan.weightGradient(
        "convolution kernel gradient", x, dz, loops, rows: channels, columns: filters, to: dKernel, bias: dBias)
    } else if packsInput(plan) {
      try addPackedSteps(plan, x, dz, to: dKernel, bias: dBias)
    } else {
      try addDirectSteps(plan, x, dz, to: dKernel, bias: dBias)
    }
  }

  /// The same for the places of the window that meet the input at all; the gradient of the others is zero. A dilated
  /// window may be far wider than its input, and tiles have memory for all that lies between its places.
  private func addReachableSteps(
    _ rows: Range<Int>, _ columns: Range<Int>, _ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor,
    bias dBias: Tensor?
  ) throws(NNKitError) {
    let part = try plan.floats([rows.count, columns.count, channels, filters])
    let gradient = ConvolutionWeightGradient(
      vertical: vertical.only(rows), horizontal: horizontal.only(columns), channels: channels, filters: filters,
      allowsWinograd: allowsWinograd)
    try gradient.addSteps(plan, x, dz, to: part, bias: dBias)
    let (window, width, place) = (vertical.window, horizontal.window, channels * filters)
    plan.step(
      "convolution kernel gradient, all places", reads: [part], writes: [dKernel], tiles: window, work: [dKernel.count]
    ) { binding in
      let (source, target) = (UnsafePointer(binding.floats(part)), binding.floats(dKernel))
      return { row, _ in
        let line = target + row * width * place
        line.update(repeating: 0, count: width * place)
        guard rows ~= row else { return }
        (line + columns.lowerBound * place).update(
          from: source + (row - rows.lowerBound) * columns.count * place, count: columns.count * place)
      }
    }
  }

  /// The pixels that a window of one place meets, where they lie in two nested loops and enough filters meet them.
  private func pointwiseLoops(_ plan: PlanBuilder, _ x: Tensor) -> DepthLoops? {
    let linesAreEven = plan.batch == 1 || vertical.input == vertical.output * vertical.stride
    guard vertical.window == 1, horizontal.window == 1, !copiesLines(x), linesAreEven,
      plan.kernels.packsRowsOfFewPanels,
      ceilDivide(filters, plan.kernels.panelColumns) >= WeightGradientTiling.panelsThatPack
    else { return nil }
    return DepthLoops(
      outer: plan.batch * vertical.output, inner: horizontal.output,
      aOuterStep: vertical.stride * horizontal.input * channels, aInnerStep: horizontal.stride * channels,
      bOuterStep: horizontal.output * filters, bInnerStep: filters)
  }

  /// Whether a tile copies the lines it reads: with a border of zeros, or normalised.
  func copiesLines(_ x: Tensor) -> Bool {
    x.pending != nil || vertical.before != 0 || horizontal.before != 0
      || (vertical.output - 1) * vertical.stride + WindowAxis.span(vertical.window, vertical.dilation) > vertical.input
      || copiedWidth > horizontal.input
  }

  /// Pixels of a copied line.
  var copiedWidth: Int {
    (horizontal.output - 1) * horizontal.stride + WindowAxis.span(horizontal.window, horizontal.dilation)
  }

  /// Places of the window whose inputs lie side by side: a row of the window, or, with gaps in it, one.
  var mergedPlaces: Int { horizontal.dilation == 1 ? horizontal.window : 1 }

  private func addDirectSteps(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let kernels = plan.kernels
    let pixelBytes = 4 * vertical.stride * horizontal.stride * channels
    let pixels =
      kernels.level == .avx512
      ? Self.blockPixels : min(Self.blockPixels, max(Self.blockPixels / 4, Self.blockBytes / pixelBytes))
    let blocks = DepthBlocks(
      batch: plan.batch, height: vertical.output, width: horizontal.output, pixels: pixels)
    let panelColumns = kernels.panelColumns
    let panels = ceilDivide(filters, panelColumns)

    let copiesLines = copiesLines(x)
    let lineCount = (blocks.rows - 1) * vertical.stride + WindowAxis.span(vertical.window, vertical.dilation)
    let lineWidth = copiesLines ? copiedWidth : horizontal.input
    let lineStride = lineWidth * channels
    let paddedImage =
      copiesLines ? try checkedProduct([lineCount, lineWidth, channels], of: "the padded input of a tile") : 0
    let usesAsItLies =
      filters % kernels.vectorWidth == 0 && vertical.window * horizontal.window * channels <= 256
    let panelFloats = usesAsItLies ? 0 : blocks.pixels * panelColumns
    let scratch = try plan.scratch(floats: panelFloats + blocks.images * paddedImage)

    // Rows of the kernel's matrix whose inputs lie side by side.
    let merged = mergedPlaces
    let groupRows = merged * channels
    var groups: [Int] = []
    for m in 0..<vertical.window {
      for n in stride(from: 0, to: horizontal.window, by: merged) {
        groups.append(m * vertical.dilation * lineStride + n * horizontal.dilation * channels)
      }
    }
    let groupTable = plan.table(groups)
    let groupCount = groups.count

    let kernelSize = dKernel.count
    let affordable = 1 + Self.partialBytes / max(1, kernelSize * 4)
    let wanted = max(kernelSize <= 1 << 15 ? 16 : 8, PartialSums.chunks(ofBlocks: blocks.count, sums: kernelSize))
    let blocksPerChunk = ceilDivide(blocks.count, min(blocks.count, wanted, affordable))
    let chunks = ceilDivide(blocks.count, blocksPerChunk)
    let panelsPerTile = ceilDivide(panels, min(panels, ceilDivide(16, chunks)))
    let panelBlocks = ceilDivide(panels, panelsPerTile)
    let partials = try PartialSums(plan, chunks: chunks, sizes: [kernelSize, dBias == nil ? 0 : filters])
    let (inputSize, outputPixels) = (x.sampleCount, vertical.output * horizontal.output)
    let geometry = self
    let results = [dKernel] + (dBias.map { [$0] } ?? [])

    plan.step(
      "convolution kernel gradient", reads: [x, dz] + (x.pending?.tensors ?? []), writes: results + partials.tensors,
      scratch: scratch,
      tiles: chunks * panelBlocks, work: [plan.batch * outputPixels, groupCount, groupRows, filters],
      // As the input gradient, which often takes the memory of the input.
      sharesOut: true
    ) { binding in
      let input = UnsafePointer(binding.floats(x))
      let gradient = UnsafePointer(binding.floats(dz))
      let kernelTargets = partials.target(binding, 0, dKernel)
      let biasTargets = partials.target(binding, 1, dBias ?? dKernel)
      let groupOffsets = binding.offsets(groupTable)
      let pending = x.pending?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let chunk = tile / panelBlocks
        let firstPanel = tile % panelBlocks * panelsPerTile
        let lastPanel = min(firstPanel + panelsPerTile, panels)
        let packed = workspace.base + worker * workspace.stride
        let padded = packed + panelFloats
        let dKernelBase = kernelTargets(chunk)
        let dBiasBase = biasTargets(chunk)
        let firstBlock = chunk * blocksPerChunk
        for block in firstBlock..<min(firstBlock + blocksPerChunk, blocks.count) {
          let (image, images, row, rows) = blocks.block(block)
          var a = input + image * inputSize
          var imageStep = inputSize
          if copiesLines {
            let lines =
              (rows - 1) * geometry.vertical.stride
              + WindowAxis.span(geometry.vertical.window, geometry.vertical.dilation)
            imageStep = lines * lineStride
            for i in 0..<images {
              copyPaddedLines(
                kernels, a + i * inputSize, pending, height: geometry.vertical.input, width: geometry.horizontal.input,
                channels: geometry.channels, firstLine: row * geometry.vertical.stride - geometry.vertical.before,
                firstColumn: -geometry.horizontal.before, lineCount: lines, lineWidth: lineWidth,
                to: padded + i * imageStep)
            }
            a = UnsafePointer(padded)
          } else {
            a += row * geometry.vertical.stride * lineStride
          }
          let depth = images * rows * geometry.horizontal.output
          let dzBlock =
            gradient + (image * outputPixels + row * geometry.horizontal.output) * geometry.filters
          // What the next block reads arrives meanwhile: the first calls fetch its input, the others its gradient.
          let ahead = geometry.blockData(min(block + 1, blocks.count - 1), blocks)
          let calls = (lastPanel - firstPanel) * groupCount
          let inputCalls = ceilDivide(calls * ahead.input.count, ahead.input.count + ahead.gradient.count)
          var call = 0
          for panel in firstPanel..<lastPanel {
            let column = panel * panelColumns
            let columns = min(panelColumns, geometry.filters - column)
            var (b, bStride) = (dzBlock + column, geometry.filters)
            if !usesAsItLies {
              kernels.packPanel(
                PanelPacking(
                  source: b, depthStride: bStride, columnStride: 1, depth: depth, columns: columns, panel: packed))
              (b, bStride) = (UnsafePointer(packed), panelColumns)
            }
            for group in 0..<groupCount {
              let fetchesInput = call < inputCalls
              let range = fetchesInput ? ahead.input : ahead.gradient
              let share = ceilDivide(range.count, fetchesInput ? inputCalls : calls - inputCalls)
              let next =
                (fetchesInput ? input : gradient) + range.lowerBound + (fetchesInput ? call : call - inputCalls) * share
              call += 1
              kernels.columnProductByBlocks(
                ColumnProduct(
                  a: a + groupOffsets[group],
                  aSteps: (
                    imageStep, geometry.vertical.stride * lineStride, geometry.horizontal.stride * geometry.channels
                  ), depths: (images, rows, geometry.horizontal.output), b: b,
                  bStride: bStride, c: dKernelBase + group * groupRows * geometry.filters + column,
                  cStride: geometry.filters,
                  rows: groupRows, columns: columns, accumulate: block > firstBlock,
                  next: next, nextFloats: share))
            }
            if dBias != nil {
              kernels.columnSum(b, depth, columns, bStride, dBiasBase + column, block > firstBlock)
            }
          }
        }
      }
    }
    partials.addReduction(plan, "convolution kernel gradient", to: results)
  }
}

extension ConvolutionWeightGradient {
  /// Where the data of a block begin and end, in elements.
  @inline(__always)
  fileprivate func blockData(_ index: Int, _ blocks: DepthBlocks) -> (input: Range<Int>, gradient: Range<Int>) {
    let (image, images, row, rows) = blocks.block(index)
    let last = image + images - 1
    let firstLine = max(0, row * vertical.stride - vertical.before)
    let endLine = min(
      vertical.input,
      (row + rows - 1) * vertical.stride - vertical.before + WindowAxis.span(vertical.window, vertical.dilation))
    let firstInput = (image * vertical.input + firstLine) * horizontal.input * channels
    let endInput = (last * vertical.input + endLine) * horizontal.input * channels
    let firstGradient = (image * vertical.output + row) * horizontal.output * filters
    let endGradient = (last * vertical.output + row + rows) * horizontal.output * filters
    return (firstInput..<max(firstInput, endInput), firstGradient..<endGradient)
  }
}

/// The pixels of a batch of images, in blocks of whole images where those are small and of rows where they are large.
struct DepthBlocks {
  /// In a block, at most.
  let images: Int
  let rows: Int
  let pixels: Int
  let count: Int
  private let batch: Int
  private let height: Int
  private let blocksPerImage: Int

  init(batch: Int, height: Int, width: Int, pixels: Int) {
    self.batch = batch
    self.height = height
    let mostRows = max(1, min(height, pixels / max(1, width)))
    // Equal blocks.
    rows = ceilDivide(height, ceilDivide(height, mostRows))
    blocksPerImage = ceilDivide(height, rows)
    images = blocksPerImage > 1 ? 1 : max(1, min(batch, pixels / max(1, height * width)))
    count = blocksPerImage * ceilDivide(batch, images)
    self.pixels = images * rows * width
  }

  @inline(__always)
  func block(_ index: Int) -> (image: Int, images: Int, row: Int, rows: Int) {
    let image = index / blocksPerImage * images
    let row = index % blocksPerImage * rows
    return (image, min(images, batch - image), row, min(rows, height - row))
  }
}
