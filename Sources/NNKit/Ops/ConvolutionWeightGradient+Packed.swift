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
    let copiesLines = copiesLines(x)
    let lineWidth = copiesLines ? copiedWidth : horizontal.input
    let lineStride = lineWidth * channels
    let copiedImage =
      copiesLines ? try checkedProduct([blocks.rows, lineWidth, channels], of: "the padded input of a tile") : 0

    // Rows of the kernel's matrix whose inputs lie side by side.
    let groupRows = mergedPlaces * channels
    let groupsPerLine = horizontal.window / mergedPlaces
    let groups = vertical.window * groupsPerLine
    let groupPanels = ceilDivide(groupRows, panelRows)
    let blocksPerGroup = ceilDivide(groupPanels, WeightGradientTiling.mostRows / panelRows)
    let rowBlocks = groups * blocksPerGroup
    let packedFloats = ceilDivide(groupPanels, blocksPerGroup) * panelRows * blocks.pixels
    let scratch = try plan.scratch(floats: packedFloats + blocks.images * copiedImage)

    let affordable = 1 + Self.partialBytes / max(1, dKernel.count * 4)
    let blocksPerChunk = ceilDivide(blocks.count, min(blocks.count, ceilDivide(12, rowBlocks), affordable))
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
        let line = group / groupsPerLine * geometry.vertical.dilation
        let place = group % groupsPerLine * geometry.horizontal.dilation * geometry.channels
        let packed = workspace.base + worker * workspace.stride
        let copies = packed + packedFloats
        let dKernelBase = kernelTargets(chunk) + group * groupRows * geometry.filters
        let dBiasBase = biasTargets(chunk)
        let firstBlock = chunk * blocksPerChunk
        for block in firstBlock..<min(firstBlock + blocksPerChunk, blocks.count) {
          let (image, images, row, rows) = blocks.block(block)
          let depth = images * rows * geometry.horizontal.output
          let firstLine = row * geometry.vertical.stride + line - geometry.vertical.before
          for i in 0..<images {
            var lines = input + (image + i) * inputSize
            var lineStep = geometry.vertical.stride * lineStride
            if copiesLines {
              let copy = copies + i * copiedImage
              for y in 0..<rows {
                copyPaddedLines(
                  kernels, lines, pending, height: geometry.vertical.input, width: geometry.horizontal.input,
                  channels: geometry.channels, firstLine: firstLine + y * geometry.vertical.stride,
                  firstColumn: -geometry.horizontal.before, lineCount: 1, lineWidth: lineWidth,
                  to: copy + y * lineStride)
              }
              (lines, lineStep) = (UnsafePointer(copy), lineStride)
            } else {
              lines += firstLine * lineStride
            }
            kernels.packPanels(
              lines + place, outerStep: lineStep, rows, innerStep: geometry.horizontal.stride * geometry.channels,
              geometry.horizontal.output, panels, of: groupRows,
              to: packed + i * rows * geometry.horizontal.output * panelRows, depth * panelRows, packsRows: true)
          }
          let pixel = image * outputPixels + row * geometry.horizontal.output
          for gradientPanel in 0..<gradientPanels {
            let column = gradientPanel * panelColumns
            let b = packedGradient + (gradientPanel * pixels + pixel) * panelColumns
            let next = gradientPanel + 1 < gradientPanels ? b + pixels * panelColumns : nil
            let nextFloats = ceilDivide(depth * panelColumns, panels.count)
            for panel in panels {
              let (index, row) = (panel - panels.lowerBound, panel * panelRows)
              kernels.columnProduct(
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
}
