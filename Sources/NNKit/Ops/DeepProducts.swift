import NNKitKernelTable

extension PlanBuilder {
  /// Adds `C = f(addend + bias + A · B)` as `matrixProduct` does. A depth of more than 16,384 is summed by blocks, and
  /// these by groups: rounding errors grow with the terms of a block, not with the depth.
  func deepMatrixProduct(
    _ name: String, _ a: Tensor, rows: Int, _ b: PackedWeights, bias: Tensor?, _ activation: ActivationKind,
    to c: Tensor, addend: Tensor? = nil
  ) throws(NNKitError) {
    guard b.depth > 1 << 14 else {
      return try matrixProduct(name, a, rows: rows, b, bias: bias, activation, to: c, addend: addend)
    }
    let tiling = ProductTiling(rows: rows, depth: b.depth, panels: b.panels, kernels: kernels)
    let stride = tiling.panelsPerBlock * b.panelColumns
    let sumFloats = tiling.blockRows * stride
    let aRows = table((0..<tiling.blockRows).map { $0 * b.depth })
    let sumRows = table((0..<tiling.blockRows).map { $0 * stride })
    let noTap = table([0])
    let sums = try scratch(floats: 2 * sumFloats)
    let blocksPerGroup = 32
    let kernels = kernels
    step(
      name, reads: [a, b.tensor] + (bias.map { [$0] } ?? []), elementwise: addend.map { [$0] } ?? [], writes: [c],
      scratch: sums, tiles: tiling.tiles, work: [rows, b.depth, b.columns]
    ) { binding in
      let (aBase, cBase) = (UnsafePointer(binding.floats(a)), binding.floats(c))
      let bBase = UnsafePointer(binding.floats(b.tensor))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) }
      let (aOffsets, sumOffsets, taps) = (binding.offsets(aRows), binding.offsets(sumRows), binding.offsets(noTap))
      let workspace = binding.scratch(sums)
      return { tile, worker in
        let rowBlock = tiling.rowBlock(tile / tiling.panelBlocks)
        let firstPanel = tile % tiling.panelBlocks * tiling.panelsPerBlock
        let lastPanel = min(firstPanel + tiling.panelsPerBlock, b.panels)
        let firstColumn = firstPanel * b.panelColumns
        let columns = min(lastPanel * b.panelColumns, b.columns) - firstColumn
        let ofBlock = workspace.base + worker * workspace.stride
        let ofGroup = ofBlock + sumFloats
        for row in rowBlock {
          let start = row * b.columns + firstColumn
          if let addendBase {
            // May be C.
            if addendBase != UnsafePointer(cBase) { (cBase + start).update(from: addendBase + start, count: columns) }
          } else {
            (cBase + start).update(repeating: 0, count: columns)
          }
          if let biasBase { kernels.accumulate(biasBase + firstColumn, cBase + start, columns) }
        }
        for block in 0..<tiling.depthBlocks {
          let k = block * tiling.blockDepth
          for panel in firstPanel..<lastPanel {
            let column = panel * b.panelColumns
            kernels.rowProduct(
              RowProduct(
                a: aBase + (rowBlock.lowerBound * b.depth + k), aRows: aOffsets, taps: taps, tapCount: 1,
                depth: min(tiling.blockDepth, b.depth - k), b: bBase + (panel * b.panelElements + k * b.panelColumns),
                c: ofBlock + (column - firstColumn), cRows: sumOffsets, rows: rowBlock.count,
                columns: min(b.panelColumns, b.columns - column), accumulate: false))
          }
          let isFirst = block % blocksPerGroup == 0
          let isLast = (block + 1) % blocksPerGroup == 0 || block + 1 == tiling.depthBlocks
          for row in rowBlock {
            let place = (row - rowBlock.lowerBound) * stride
            if isFirst { (ofGroup + place).update(repeating: 0, count: columns) }
            kernels.accumulate(ofBlock + place, ofGroup + place, columns)
            if isLast { kernels.accumulate(ofGroup + place, cBase + (row * b.columns + firstColumn), columns) }
          }
        }
        if activation == .linear { return }
        for row in rowBlock {
          let segment = cBase + (row * b.columns + firstColumn)
          kernels.activationForward(activation, segment, segment, columns)
        }
      }
    }
  }
}
