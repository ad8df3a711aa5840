import NNKitKernelTable

extension PlanBuilder {
  /// Adds `C[m][first + n] = Σ_d A[d][m] · B[d][n]` as `weightGradient` does, in pairs: see `PairedProduct`.
  ///
  /// Both operands are packed once, in blocks of the depth that are balanced each on its own, so that an outlier costs
  /// only its own block accuracy.
  func pairedWeightGradient(
    _ name: String, _ a: Tensor, _ b: Tensor, _ loops: DepthLoops, rows: Int, columns: Int, to c: Tensor,
    firstColumn: Int, bias: Tensor?
  ) throws(NNKitError) {
    let kernels = kernels
    let blocks = PairedBlocks(loops)
    let packedA = try PairedPanels(self, blocks, columns: rows)
    let packedB = try PairedPanels(self, blocks, columns: columns)
    let (aGroups, bGroups) = (packedA.groups, packedB.groups)
    step(
      "\(name), packing", reads: [a, b], writes: packedA.tensors + packedB.tensors + (bias.map { [$0] } ?? []),
      tiles: aGroups + bGroups, work: [loops.depth, rows + columns]
    ) { binding in
      let (aSource, bSource) = (
        UnsafePointer(binding.floats(a)) + loops.aStart, UnsafePointer(binding.floats(b)) + loops.bStart
      )
      let (boundA, boundB) = (packedA.bind(binding), packedB.bind(binding))
      let biasSums = bias.map { binding.floats($0) }
      return { tile, _ in
        if tile < bGroups {
          boundB.pack(kernels, bSource, loops.bOuterStep, loops.bInnerStep, group: tile, sums: biasSums)
        } else {
          boundA.pack(kernels, aSource, loops.aOuterStep, loops.aInnerStep, group: tile - bGroups, sums: nil)
        }
      }
    }

    let tiling = WeightGradientTiling(
      rows: rows, columns: columns, panelRows: kernels.panelColumns, panelColumns: kernels.panelColumns,
      packsFewPanels: false)
    let panelColumns = kernels.panelColumns
    // Rows of C that are a power of two apart would push one another out of the cache between the blocks.
    let localStride = tiling.bPanelsPerBlock * panelColumns + 16
    let local = try scratch(floats: tiling.aPanelsPerBlock * panelColumns * localStride)
    let cRows = table((0..<kernels.pairedRows).map { $0 * localStride })
    let cStride = c.count / rows
    step(
      name, reads: packedA.tensors + packedB.tensors, writes: [c], scratch: local, tiles: tiling.tiles,
      work: [loops.depth, rows, columns]
    ) { binding in
      let (boundA, boundB) = (packedA.bind(binding), packedB.bind(binding))
      let result = binding.floats(c) + firstColumn
      let offsets = binding.offsets(cRows)
      let workspace = binding.scratch(local)
      return { tile, worker in
        let (aPanels, bPanels) = tiling.block(tile)
        let sums = workspace.base + worker * workspace.stride
        let (firstRow, column) = (aPanels.lowerBound * panelColumns, bPanels.lowerBound * panelColumns)
        for block in 0..<blocks.count {
          for bPanel in bPanels {
            for aPanel in aPanels {
              for half in 0..<2 {
                let row = aPanel * panelColumns + half * kernels.pairedRows
                let count = min(kernels.pairedRows, rows - row)
                if count <= 0 { break }
                let (aBalance, bBalance) = (boundA.balance(aPanel, block), boundB.balance(bPanel, block))
                kernels.pairedProduct(
                  PairedProduct(
                    a: boundA.panel(aPanel, block) + half * kernels.pairedRows, aStride: panelColumns,
                    aTerms: aBalance.terms + half * kernels.pairedRows,
                    aScales: aBalance.scales + half * kernels.pairedRows, b: boundB.panel(bPanel, block),
                    bTerms: bBalance.terms, bScales: bBalance.scales, depth: blocks.depth(block),
                    c: sums + (row - firstRow) * localStride + bPanel * panelColumns - column, cRows: offsets,
                    rows: count, columns: min(panelColumns, columns - bPanel * panelColumns), accumulate: block > 0))
              }
            }
          }
        }
        let columnCount = min(bPanels.upperBound * panelColumns, columns) - column
        for row in firstRow..<min(aPanels.upperBound * panelColumns, rows) {
          (result + row * cStride + column).update(from: sums + (row - firstRow) * localStride, count: columnCount)
        }
      }
    }
  }
}

/// How the depth of a weight gradient is divided into blocks: whole iterations of its outer loop, or parts of the inner
/// one, about as many steps as a panel of them fits the second-level cache with.
private struct PairedBlocks {
  let loops: DepthLoops
  private let outersPerBlock: Int
  private let innerPerBlock: Int
  private let innerBlocks: Int
  let count: Int
  /// A multiple of the three steps that a pair and a single product take.
  private static let depth = 510

  init(_ loops: DepthLoops) {
    self.loops = loops
    innerBlocks = ceilDivide(loops.inner, Self.depth)
    innerPerBlock = ceilDivide(loops.inner, innerBlocks)
    outersPerBlock = max(1, Self.depth / loops.inner)
    count = ceilDivide(loops.outer, outersPerBlock) * innerBlocks
  }

  /// The loops of one block.
  @inline(__always)
  func part(_ block: Int) -> (outer: Range<Int>, inner: Range<Int>) {
    let (outer, inner) = (block / innerBlocks * outersPerBlock, block % innerBlocks * innerPerBlock)
    return (
      outer..<min(outer + outersPerBlock, loops.outer), inner..<min(inner + innerPerBlock, loops.inner)
    )
  }

  @inline(__always)
  func depth(_ block: Int) -> Int {
    let part = part(block)
    return part.outer.count * part.inner.count
  }

  /// Steps of the depth before a block.
  @inline(__always)
  func start(_ block: Int) -> Int {
    let part = part(block)
    return part.outer.lowerBound * loops.inner + part.outer.count * part.inner.lowerBound
  }
}

/// One operand, packed and balanced: panel by panel, each with its whole depth.
private struct PairedPanels {
  let blocks: PairedBlocks
  let columns: Int
  let panelColumns: Int
  let values: Tensor
  let balances: Tensor
  /// Panels that one tile packs together, so that it reads some cache lines side by side.
  static let panelsPerGroup = 4

  init(_ plan: PlanBuilder, _ blocks: PairedBlocks, columns: Int) throws(NNKitError) {
    self.blocks = blocks
    self.columns = columns
    panelColumns = plan.kernels.panelColumns
    let panels = ceilDivide(columns, panelColumns)
    values = try plan.floats([panels, blocks.loops.depth, panelColumns])
    balances = try plan.floats([panels, blocks.count, 2 * panelColumns])
  }

  var tensors: [Tensor] { [values, balances] }
  var panels: Int { ceilDivide(columns, panelColumns) }
  var groups: Int { ceilDivide(panels, Self.panelsPerGroup) }

  func bind(_ binding: Binding) -> BoundPairedPanels {
    BoundPairedPanels(panels: self, values: binding.floats(values), balances: binding.floats(balances))
  }
}

private struct BoundPairedPanels {
  let panels: PairedPanels
  let values: UnsafeMutablePointer<Float>
  let balances: UnsafeMutablePointer<Float>

  @inline(__always)
  func panel(_ panel: Int, _ block: Int) -> UnsafeMutablePointer<Float> {
    values + (panel * panels.blocks.loops.depth + panels.blocks.start(block)) * panels.panelColumns
  }

  @inline(__always)
  func balance(_ panel: Int, _ block: Int) -> PairBalances {
    PairBalances(
      balances + (panel * panels.blocks.count + block) * 2 * panels.panelColumns, width: panels.panelColumns)
  }

  /// Packs the panels of one group and, where `sums` is given, sums their columns.
  func pack(
    _ kernels: KernelTable, _ source: UnsafePointer<Float>, _ outerStep: Int, _ innerStep: Int, group: Int,
    sums: UnsafeMutablePointer<Float>?
  ) {
    let first = group * PairedPanels.panelsPerGroup
    let range = first..<min(first + PairedPanels.panelsPerGroup, panels.panels)
    for block in 0..<panels.blocks.count {
      let (part, depth) = (panels.blocks.part(block), panels.blocks.depth(block))
      kernels.packPanels(
        source + part.outer.lowerBound * outerStep + part.inner.lowerBound * innerStep, outerStep: outerStep,
        part.outer.count, innerStep: innerStep, part.inner.count, range, of: panels.columns,
        to: panel(first, block), panels.blocks.loops.depth * panels.panelColumns, packsRows: false)
      for index in range {
        let (packed, balance) = (panel(index, block), balance(index, block))
        if let sums {
          let column = index * panels.panelColumns
          kernels.columnSum(
            packed, depth, min(panels.panelColumns, panels.columns - column), panels.panelColumns, sums + column,
            block > 0)
        }
        kernels.balancePairs(
          PairedBalance(
            block: packed, depth: depth, width: panels.panelColumns, terms: balance.terms, scales: balance.scales))
      }
    }
  }
}
