import NNKitKernelTable

/// Weights packed into panels for `KernelTable.rowProduct`.
package struct PackedWeights: Sendable {
  let tensor: Tensor
  /// Rows of a panel: taps times depth.
  let depth: Int
  let columns: Int
  let panelColumns: Int
  /// Of weights that are packed for products in pairs: what `balancePairs` says about each panel.
  var balances: Tensor?

  var panels: Int { ceilDivide(columns, panelColumns) }
  var panelElements: Int { depth * panelColumns }
}

/// How a step is divided: into tiles of rows and panels, and each tile's depth into blocks. A function of the sizes and
/// of the kernels' tile alone.
struct ProductTiling {
  /// Of the largest block.
  let blockRows: Int
  let rowBlocks: Int
  let panelsPerBlock: Int
  let panelBlocks: Int
  let blockDepth: Int
  let depthBlocks: Int
  /// Whether a tile copies its block of `A` to rows that lie side by side. Rows that are a multiple of 4 KiB apart
  /// would push one another out of the first cache; the copy pays where many panels use it.
  let packsA: Bool

  private let rows: Int
  /// Rows of a register tile, and how many such tiles there are.
  private let unitRows: Int
  private let units: Int

  var tiles: Int { rowBlocks * panelBlocks }

  /// Equal blocks of full register tiles, but for the last: a block of a few rows would cost as much as a full tile.
  @inline(__always)
  func rowBlock(_ index: Int) -> Range<Int> {
    index * units / rowBlocks * unitRows..<min(rows, (index + 1) * units / rowBlocks * unitRows)
  }

  /// The largest depth of one call. From one call to the next the sums wait in `C`, in the order of a single call.
  private static let cacheDepth = 1024
  /// A block of `A` is read again for every panel and should stay in the second-level cache.
  private static let cacheBytes = 288 << 10
  private static let conflictingElements = 1024

  /// Enough tiles to keep sixteen threads busy, while each has at least about 2¹⁶ multiply-adds.
  init(rows: Int, depth: Int, panels: Int, kernels: KernelTable) {
    self.rows = rows
    depthBlocks = max(1, ceilDivide(depth, Self.cacheDepth))
    blockDepth = ceilDivide(depth, depthBlocks)
    let cacheRows = max(1, Self.cacheBytes / max(1, blockDepth * 4)).roundedUp(toMultipleOf: kernels.tileRows)
    let rowLimit = min(max(cacheRows, 2 * kernels.tileRows), 16 * kernels.tileRows)
    rowBlocks = ceilDivide(rows, rowLimit)
    unitRows = min(kernels.tileRows, max(1, rows))
    units = ceilDivide(rows, unitRows)
    blockRows = ceilDivide(units, rowBlocks) * unitRows
    let workPerPanel = max(1, min(rows, blockRows) * depth * kernels.panelColumns)
    let wanted = ceilDivide(16, max(1, rowBlocks))
    // A vector product needs two panels at once to keep enough sums under way.
    let fewest = max(rows == 1 ? 2 : 1, ceilDivide(1 << 16, workPerPanel))
    panelsPerBlock = max(ceilDivide(panels, wanted), min(panels, fewest))
    panelBlocks = ceilDivide(panels, panelsPerBlock)
    packsA = depth % Self.conflictingElements == 0 && panelsPerBlock >= 8 && blockRows >= kernels.tileRows
  }

  /// Elements from one row of a packed block of `A` to the next: one cache line more than its depth.
  var packedStride: Int { blockDepth + 16 }
  var packedFloats: Int { packsA ? blockRows * packedStride : 0 }
}

extension PlanBuilder {
  /// Packs `B[s · segmentDepth + k][n] = scale[n] · weights[segments[s] + k · depthStride + n · columnStride]` (without
  /// `scale`: 1) when the parameters change. Throws: `.shape` where the packed size overflows.
  func packWeights(
    _ weights: Tensor, segments: [Int], segmentDepth: Int, columns: Int, depthStride: Int, columnStride: Int,
    scale: Tensor? = nil, inPairs: Bool = false
  ) throws(NNKitError) -> PackedWeights {
    let depth = segments.count * segmentDepth
    let panels = ceilDivide(columns, kernels.panelColumns)
    let packed = PackedWeights(
      tensor: try packed([panels, depth, kernels.panelColumns]), depth: depth, columns: columns,
      panelColumns: kernels.panelColumns, balances: inPairs ? try self.packed([panels, 2 * kernels.panelColumns]) : nil)
    let kernels = kernels
    packingStep(
      "pack weights", reads: [weights] + (scale.map { [$0] } ?? []), writes: packed.tensors, tiles: packed.panels,
      work: [depth, columns]
    ) { binding in
      let source = UnsafePointer(binding.floats(weights))
      let destination = binding.floats(packed.tensor)
      let factors = scale.map { UnsafePointer(binding.floats($0)) }
      let bound = BoundWeights(binding, packed)
      return { panel, _ in
        let first = panel * packed.panelColumns
        let packedColumns = min(packed.panelColumns, columns - first)
        var target = destination + panel * packed.panelElements
        for segment in segments {
          kernels.packPanel(
            PanelPacking(
              source: source + segment + first * columnStride, depthStride: depthStride, columnStride: columnStride,
              depth: segmentDepth, columns: packedColumns, panel: target))
          target += segmentDepth * packed.panelColumns
        }
        if let factors {
          scaleColumns(
            destination + panel * packed.panelElements, depth: packed.depth, panelColumns: packed.panelColumns,
            by: factors + first, columns: packedColumns)
        }
        if bound.isPaired {
          let balance = bound.balance(panel)
          kernels.balancePairs(
            PairedBalance(
              block: destination + panel * packed.panelElements, depth: packed.depth, width: packed.panelColumns,
              terms: balance.terms, scales: balance.scales))
        }
      }
    }
    return packed
  }

  /// Packs the matrix `[depth, columns]` as it lies.
  func packMatrix(
    _ weights: Tensor, depth: Int, columns: Int, scale: Tensor? = nil, inPairs: Bool = false
  ) throws(NNKitError) -> PackedWeights {
    try packWeights(
      weights, segments: [0], segmentDepth: depth, columns: columns, depthStride: columns, columnStride: 1,
      scale: scale, inPairs: inPairs)
  }

  /// Packs the transpose of the matrix `[columns, depth]`.
  func packTransposed(
    _ weights: Tensor, depth: Int, columns: Int, inPairs: Bool = false
  ) throws(NNKitError) -> PackedWeights {
    try packWeights(
      weights, segments: [0], segmentDepth: depth, columns: columns, depthStride: 1, columnStride: depth,
      inPairs: inPairs)
  }

  /// Adds `C = f(addend + bias + A · B)`, with `A` `[rows, B.depth]`, `C` and `addend` `[rows, B.columns]` dense. With
  /// `sequences` the rows are the time steps of sequences that have their own lengths; rows behind a length are left
  /// out, or, with `zeroesPadding`, become zero. All terms of a sum are added one after the other; of a great depth see
  /// `deepMatrixProduct`. Throws: `.shape` where the scratch memory overflows.
  func matrixProduct(
    _ name: String, _ a: Tensor, rows: Int, _ b: PackedWeights, bias: Tensor?, _ activation: ActivationKind,
    to c: Tensor, addend: Tensor? = nil, sequences: SequenceLengths? = nil, zeroesPadding: Bool = false
  ) throws(NNKitError) {
    if b.balances != nil {
      precondition(activation == .linear && addend == nil, "paired products have no activation and no addend")
      return try pairedMatrixProduct(
        name, a, rows: rows, b, bias: bias, to: c, sequences: sequences, zeroesPadding: zeroesPadding)
    }
    let groups = sequences == nil ? 1 : batch
    let groupRows = rows / groups
    let tiling = ProductTiling(rows: groupRows, depth: b.depth, panels: b.panels, kernels: kernels)
    let aStride = tiling.packsA ? tiling.packedStride : b.depth
    let aRows = table((0..<tiling.blockRows).map { $0 * aStride })
    let cRows = table((0..<tiling.blockRows).map { $0 * b.columns })
    let noTap = table([0])
    let packing = try scratch(floats: tiling.packedFloats)
    let kernels = kernels
    step(
      name, reads: [a, b.tensor] + [bias, sequences?.tensor].compactMap { $0 },
      elementwise: addend.map { [$0] } ?? [], writes: [c], scratch: packing, tiles: groups * tiling.tiles,
      work: [rows, b.depth, b.columns]
    ) { binding in
      let aBase = UnsafePointer(binding.floats(a))
      let cBase = binding.floats(c)
      let bBase = UnsafePointer(binding.floats(b.tensor))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let addendBase = addend.map { UnsafePointer(binding.floats($0)) }
      let lengths = sequences.map { binding.integers($0.tensor) }
      let (aOffsets, cOffsets, taps) = (binding.offsets(aRows), binding.offsets(cRows), binding.offsets(noTap))
      let workspace = binding.scratch(packing)
      return { tile, worker in
        let group = tile / tiling.tiles
        let rowBlock = tiling.rowBlock(tile % tiling.tiles / tiling.panelBlocks)
        let (groupRow, rowLimit) = (rowBlock.lowerBound, rowBlock.count)
        let rowCount = min(rowLimit, max(0, lengths.map { Int($0[group]) - groupRow } ?? rowLimit))
        let firstRow = group * groupRows + groupRow
        let firstPanel = tile % tiling.panelBlocks * tiling.panelsPerBlock
        let lastPanel = min(firstPanel + tiling.panelsPerBlock, b.panels)
        let firstColumn = firstPanel * b.panelColumns
        let columnCount = min(lastPanel * b.panelColumns, b.columns) - firstColumn
        let block = cBase + firstRow * b.columns
        let start = addendBase.map { $0 + firstRow * b.columns }
        if rowCount == 1 {
          kernels.vectorProduct(
            VectorProduct(
              a: aBase + firstRow * b.depth, depth: b.depth, b: bBase + firstPanel * b.panelElements,
              panelStride: b.panelElements, c: block + firstColumn, columns: columnCount,
              bias: biasBase.map { $0 + firstColumn }, addend: start.map { $0 + firstColumn },
              relu: activation == .relu))
        }
        let packed = workspace.base + worker * workspace.stride
        for depthBlock in 0..<(rowCount > 1 ? tiling.depthBlocks : 0) {
          let k = depthBlock * tiling.blockDepth
          let depth = min(tiling.blockDepth, b.depth - k)
          var rows = aBase + firstRow * b.depth + k
          if tiling.packsA {
            for row in 0..<rowCount { (packed + row * aStride).update(from: rows + row * b.depth, count: depth) }
            rows = UnsafePointer(packed)
          }
          let isLast = depthBlock == tiling.depthBlocks - 1
          for panel in firstPanel..<lastPanel {
            let column = panel * b.panelColumns
            let weights = bBase + panel * b.panelElements + k * b.panelColumns
            let next =
              panel + 1 < lastPanel && rowCount <= RowProduct.fewRows ? weights + b.panelElements : nil
            kernels.rowProduct(
              RowProduct(
                a: rows, aRows: aOffsets, taps: taps, tapCount: 1, depth: depth,
                b: weights, c: block + column, cRows: cOffsets,
                rows: rowCount, columns: min(b.panelColumns, b.columns - column),
                bias: k == 0 ? biasBase.map { $0 + column } : nil,
                addend: k == 0 ? start.map { $0 + column } : nil, accumulate: k > 0,
                relu: isLast && activation == .relu, next: next, nextFloats: depth * b.panelColumns))
          }
        }
        if zeroesPadding {
          for row in rowCount..<rowLimit {
            (block + row * b.columns + firstColumn).update(repeating: 0, count: columnCount)
          }
        }
        if activation == .relu || activation == .linear { return }
        for row in 0..<rowCount {
          let segment = block + row * b.columns + firstColumn
          kernels.activationForward(activation, segment, segment, columnCount)
        }
      }
    }
  }
}
