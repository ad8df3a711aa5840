import NNKitKernelTable

extension ConvolutionWeightGradient {
  /// Whether enough filters meet the input to outweigh packing it, and a row of the window fills some panels.
  func packsInput(_ plan: PlanBuilder) -> Bool {
    let kernels = plan.kernels
    return kernels.packsRowsOfFewPanels && ceilDivide(filters, kernels.panelColumns) >= 16
      && mergedPlaces * channels >= 4 * kernels.panelRows
  }

  /// The weight gradient with both operands packed: a tile has some rows of the kernel's matrix and all filters. For each
  /// block of pixels it packs the input of its rows, which stays in the second-level cache while all panels of the
  /// gradient, packed once for all tiles, pass by.
  func addPackedSteps(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let kernels = plan.kernels
    let (panelRows, panelColumns) = (kernels.panelRows, kernels.panelColumns)
    let blocks = DepthBlocks(
      batch: plan.batch, height: vertical.output, width: horizontal.output, pixels: Self.blockPixels)
    let copiedLine = try checkedProduct([copiedWidth, channels], of: "a padded line")

    // Rows of the kernel's matrix whose inputs lie side by side.
    let groupRows = mergedPlaces * channels
    let groupsPerLine = horizontal.window / mergedPlaces
    let groups = vertical.window * groupsPerLine
    let groupPanels = ceilDivide(groupRows, panelRows)
    let blocksPerGroup = ceilDivide(groupPanels, WeightGradientTiling.mostRows / panelRows)
    let rowBlocks = groups * blocksPerGroup
    let packedFloats = ceilDivide(groupPanels, blocksPerGroup) * panelRows * blocks.pixels
    let scratch = try plan.scratch(floats: packedFloats + copiedLine)

    let affordable = 1 + Self.partialBytes / max(1, dKernel.count * 4)
    let wanted = max(ceilDivide(12, rowBlocks), PartialSums.chunks(ofBlocks: blocks.count, sums: dKernel.count))
    let blocksPerChunk = ceilDivide(blocks.count, min(blocks.count, wanted, affordable))
    let chunks = ceilDivide(blocks.count, blocksPerChunk)
    let partials = try PartialSums(plan, chunks: chunks, sizes: [dKernel.count, dBias == nil ? 0 : filters])
    let (inputSize, outputPixels) = (x.sampleCount, vertical.output * horizontal.output)
    let pixels = plan.batch * outputPixels
    let gradientPanels = ceilDivide(filters, panelColumns)
    let packedGradient = try plan.packedRows(
      "convolution kernel gradient", dz, outer: (1, 0), inner: (pixels, filters), columns: filters, packsRows: false)
    let geometry = self
    let results = [dKernel] + (dBias.map { [$0] } ?? [])

    plan.step(
      "convolution kernel gradient", reads: [x, dz, packedGradient] + (x.pending?.tensors ?? []),
      writes: results + partials.tensors, scratch: scratch, tiles: chunks * rowBlocks,
      work: [pixels, groups, groupRows, filters],
      // As the input gradient, which often takes the memory of the input.
      sharesOut: true
    ) { binding in
      let input = UnsafePointer(binding.floats(x))
      let gradient = UnsafePointer(binding.floats(dz))
      let packedGradient = UnsafePointer(binding.floats(packedGradient))
      let kernelTargets = partials.target(binding, 0, dKernel)
      let biasTargets = partials.target(binding, 1, dBias ?? dKernel)
      let pending = x.pending?.bind(binding)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (chunk, rowBlock) = tile.quotientAndRemainder(dividingBy: rowBlocks)
        let (group, part) = rowBlock.quotientAndRemainder(dividingBy: blocksPerGroup)
        let panels = part * groupPanels / blocksPerGroup..<(part + 1) * groupPanels / blocksPerGroup
        let place = (
          y: group / groupsPerLine * geometry.vertical.dilation,
          x: group % groupsPerLine * geometry.horizontal.dilation
        )
        let packed = workspace.base + worker * workspace.stride
        let copy = packed + packedFloats
        let dKernelBase = kernelTargets(chunk) + group * groupRows * geometry.filters
        let dBiasBase = biasTargets(chunk)
        let firstBlock = chunk * blocksPerChunk
        for block in firstBlock..<min(firstBlock + blocksPerChunk, blocks.count) {
          let (image, images, row, rows) = blocks.block(block)
          let depth = images * rows * geometry.horizontal.output
          for line in 0..<images * rows {
            let (i, y) = line.quotientAndRemainder(dividingBy: rows)
            geometry.packLine(
              kernels, input + (image + i) * inputSize, pending,
              y: (row + y) * geometry.vertical.stride + place.y - geometry.vertical.before, placeX: place.x, panels,
              to: packed + line * geometry.horizontal.output * panelRows, depth * panelRows, copy)
          }
          let pixel = image * outputPixels + row * geometry.horizontal.output
          let nextFloats = ceilDivide(depth * panelColumns, panels.count)
          for gradientPanel in 0..<gradientPanels {
            let column = gradientPanel * panelColumns
            let b = packedGradient + (gradientPanel * pixels + pixel) * panelColumns
            let next = gradientPanel + 1 < gradientPanels ? b + pixels * panelColumns : nil
            for panel in panels {
              let (index, row) = (panel - panels.lowerBound, panel * panelRows)
              kernels.columnProductByBlocks(
                ColumnProduct(
                  packedA: packed + index * depth * panelRows, panelRows: panelRows, depth: depth, b: b,
                  bStride: panelColumns, c: dKernelBase + row * geometry.filters + column, cStride: geometry.filters,
                  rows: min(panelRows, groupRows - row), columns: min(panelColumns, geometry.filters - column),
                  accumulate: block > firstBlock, next: next.map { $0 + index * nextFloats }, nextFloats: nextFloats))
            }
          }
          if dBias != nil && rowBlock == 0 {
            kernels.columnSum(
              gradient + pixel * geometry.filters, depth, geometry.filters, geometry.filters, dBiasBase,
              block > firstBlock)
          }
        }
      }
    }
    partials.addReduction(plan, "convolution kernel gradient", to: results)
  }

  /// Packs what the pixels of one line of the output meet in line `y` of an image, at the places of the window from
  /// `placeX` on that lie side by side. `copy` has memory for a line with its border.
  @inline(__always)
  private func packLine(
    _ kernels: KernelTable, _ image: UnsafePointer<Float>, _ pending: ChannelNormalization?, y: Int, placeX: Int,
    _ panels: Range<Int>, to packed: UnsafeMutablePointer<Float>, _ panelFloats: Int,
    _ copy: UnsafeMutablePointer<Float>
  ) {
    let (width, pixels, rows) = (horizontal.input, horizontal.output, mergedPlaces * channels)
    let (stride, first) = (horizontal.stride, placeX - horizontal.before)
    func pack(_ source: UnsafePointer<Float>, _ range: Range<Int>) {
      kernels.packPanels(
        source, outerStep: 0, 1, innerStep: stride * channels, range.count, panels, of: rows,
        to: packed + range.lowerBound * kernels.panelRows, panelFloats, packsRows: true)
    }
    func copyPixels(from column: Int, _ count: Int) {
      copyPaddedLines(
        kernels, image, pending, height: vertical.input, width: width, channels: channels, firstLine: y,
        firstColumn: column, lineCount: 1, lineWidth: count, to: copy)
    }
    guard pending == nil, 0..<vertical.input ~= y else {
      copyPixels(from: first, (pixels - 1) * stride + mergedPlaces)
      return pack(copy, 0..<pixels)
    }
    // The pixels whose places all lie in the image.
    let start = min(pixels, max(0, ceilDivide(-first, stride)))
    let end = max(start, min(pixels, (width - mergedPlaces - first + stride) / stride))
    pack(image + (y * width + start * stride + first) * channels, start..<end)
    for pixel in 0..<pixels where !(start..<end ~= pixel) {
      copyPixels(from: pixel * stride + first, mergedPlaces)
      pack(copy, pixel..<pixel + 1)
    }
  }
}
