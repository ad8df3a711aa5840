import NNKitKernelTable

// Products that take two of three steps of their depth in pairs: see `PairedProduct`. They serve recurrent layers in
// training, whose operands are what errors relative to the largest elements of a row suit: states, which lie in
// -1 ... 1, recurrent weights, and gradients of gates, which are only ever summed.

extension PlanBuilder {
  /// Whether a product of these sizes is computed in pairs, where its layer allows that: on processors that add beside
  /// multiplying, from the size on at which packing both operands costs little.
  func pairsProducts(rows: Int, depth: Int, columns: Int) -> Bool {
    isTraining && kernels.level == .avx512 && CPUFeatures.addsBesideMultiplying && rows >= 8 && depth >= 128
      && columns >= 64
  }
}

/// What `balancePairs` says about a block: `width` terms, then `width` scales.
struct PairBalances {
  let terms: UnsafeMutablePointer<Float>
  let scales: UnsafeMutablePointer<Float>

  init(_ memory: UnsafeMutablePointer<Float>, width: Int) {
    terms = memory
    scales = memory + width
  }
}

/// Packed weights while a step runs.
struct BoundWeights {
  let weights: PackedWeights
  let panels: UnsafePointer<Float>
  private let balances: UnsafeMutablePointer<Float>?

  init(_ binding: Binding, _ weights: PackedWeights) {
    self.weights = weights
    panels = UnsafePointer(binding.floats(weights.tensor))
    balances = weights.balances.map { binding.floats($0) }
  }

  var isPaired: Bool { balances != nil }

  /// Of a panel of paired weights.
  @inline(__always)
  func balance(_ panel: Int) -> PairBalances {
    PairBalances(
      (balances ?? UnsafeMutablePointer(mutating: panels)) + panel * 2 * weights.panelColumns,
      width: weights.panelColumns)
  }
}

extension PackedWeights {
  /// Every tensor that a product with these weights reads.
  var tensors: [Tensor] { [tensor] + (balances.map { [$0] } ?? []) }

  /// The scratch memory in which `KernelTable.pairedRowProducts` packs its rows; 0 where they need none.
  func rowFloats(_ kernels: KernelTable) -> Int { balances == nil ? 0 : kernels.pairedRows * (depth + 2) }
}

extension KernelTable {
  /// `C[cRows] (+)= A[aRows] · B + bias` for up to `pairedRows` rows, with paired weights. `scratch`: `rowFloats`.
  @inline(__always)
  func pairedRowProducts(
    _ a: UnsafePointer<Float>, _ aRows: UnsafePointer<Int>, _ b: BoundWeights, to c: UnsafeMutablePointer<Float>,
    _ cRows: UnsafePointer<Int>, rows: Int, accumulate: Bool, scratch: UnsafeMutablePointer<Float>
  ) {
    let balance = packRows(a, aRows, rows: rows, depth: b.weights.depth, to: scratch)
    for panel in 0..<b.weights.panels {
      pairedProduct(
        scratch, balance, b, panel: panel, to: c, cRows, rows: rows, bias: nil, accumulate: accumulate)
    }
  }

  /// Packs and balances up to `pairedRows` rows; `block` has room for `pairedRows · (depth + 2)` floats.
  @inline(__always)
  func packRows(
    _ a: UnsafePointer<Float>, _ aRows: UnsafePointer<Int>, rows: Int, depth: Int,
    to block: UnsafeMutablePointer<Float>
  ) -> PairBalances {
    let balance = PairBalances(block + depth * pairedRows, width: pairedRows)
    packPairedRows(PairedRows(source: a, rows: aRows, count: rows, depth: depth, block: block))
    balancePairs(
      PairedBalance(block: block, depth: depth, width: pairedRows, terms: balance.terms, scales: balance.scales))
    return balance
  }

  /// One block of rows by one panel.
  @inline(__always)
  func pairedProduct(
    _ block: UnsafeMutablePointer<Float>, _ balance: PairBalances, _ b: BoundWeights, panel: Int,
    to c: UnsafeMutablePointer<Float>, _ cRows: UnsafePointer<Int>, rows: Int, bias: UnsafePointer<Float>?,
    accumulate: Bool
  ) {
    let (column, panelBalance) = (panel * panelColumns, b.balance(panel))
    pairedProduct(
      PairedProduct(
        a: block, aStride: pairedRows, aTerms: balance.terms, aScales: balance.scales,
        b: b.panels + panel * b.weights.panelElements, bTerms: panelBalance.terms, bScales: panelBalance.scales,
        depth: b.weights.depth, c: c + column, cRows: cRows, rows: rows,
        columns: min(panelColumns, b.weights.columns - column), bias: bias.map { $0 + column }, accumulate: accumulate))
  }
}

extension PlanBuilder {
  /// Adds `C = A · B + bias` as `matrixProduct` does, with paired weights.
  func pairedMatrixProduct(
    _ name: String, _ a: Tensor, rows: Int, _ b: PackedWeights, bias: Tensor?, to c: Tensor,
    sequences: SequenceLengths?, zeroesPadding: Bool
  ) throws(NNKitError) {
    let kernels = kernels
    let groups = sequences == nil ? 1 : batch
    let groupRows = rows / groups
    // The packed rows of a tile stay in the second-level cache while all panels pass by.
    let tileRows = max(1, min(8, (96 << 10) / (b.depth * kernels.pairedRows))) * kernels.pairedRows
    let tilesPerGroup = ceilDivide(groupRows, tileRows)
    let aRows = table((0..<kernels.pairedRows).map { $0 * b.depth })
    let cRows = table((0..<kernels.pairedRows).map { $0 * b.columns })
    let blockFloats = b.rowFloats(kernels)
    let packing = try scratch(floats: tileRows / kernels.pairedRows * blockFloats)
    step(
      name, reads: [a] + b.tensors + [bias, sequences?.tensor].compactMap { $0 }, writes: [c], scratch: packing,
      tiles: groups * tilesPerGroup, work: [rows, b.depth, b.columns]
    ) { binding in
      let (source, target) = (UnsafePointer(binding.floats(a)), binding.floats(c))
      let weights = BoundWeights(binding, b)
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let lengths = sequences.map { binding.integers($0.tensor) }
      let (aOffsets, cOffsets) = (binding.offsets(aRows), binding.offsets(cRows))
      let workspace = binding.scratch(packing)
      return { tile, worker in
        let (group, groupRow) = (tile / tilesPerGroup, tile % tilesPerGroup * tileRows)
        let rowLimit = min(tileRows, groupRows - groupRow)
        let rowCount = min(rowLimit, max(0, lengths.map { Int($0[group]) - groupRow } ?? rowLimit))
        let firstRow = group * groupRows + groupRow
        let packed = workspace.base + worker * workspace.stride
        let blocks = ceilDivide(rowCount, kernels.pairedRows)
        for block in 0..<blocks {
          let row = block * kernels.pairedRows
          _ = kernels.packRows(
            source + (firstRow + row) * b.depth, aOffsets, rows: min(kernels.pairedRows, rowCount - row),
            depth: b.depth, to: packed + block * blockFloats)
        }
        for panel in 0..<b.panels {
          for block in 0..<blocks {
            let row = block * kernels.pairedRows
            let rows = packed + block * blockFloats
            kernels.pairedProduct(
              rows, PairBalances(rows + b.depth * kernels.pairedRows, width: kernels.pairedRows), weights, panel: panel,
              to: target + (firstRow + row) * b.columns, cOffsets, rows: min(kernels.pairedRows, rowCount - row),
              bias: biasBase, accumulate: false)
          }
        }
        if zeroesPadding {
          (target + (firstRow + rowCount) * b.columns).update(repeating: 0, count: (rowLimit - rowCount) * b.columns)
        }
      }
    }
  }
}
