import NNKitKernelTable

/// The depth of a weight gradient: pairs of rows of `A` and `B`, in two nested loops.
struct DepthLoops {
  var outer: Int
  var inner: Int
  /// Of the first row, and from one iteration of the outer loop to the next, in elements.
  var aStart = 0
  var aOuterStep: Int
  var aInnerStep: Int
  var bStart = 0
  var bOuterStep: Int
  var bInnerStep: Int
  /// Where the outer loop runs over sequences with their own lengths: the inner loop then ends after
  /// `length - lengthLess` steps.
  var sequences: SequenceLengths?
  var lengthLess = 0

  var depth: Int { outer * inner }
}

extension PlanBuilder {
  /// Adds `C[m][first + n] = Σ_d A[d][m] · B[d][n]` for `rows` rows of `C` and `columns` of its columns from
  /// `firstColumn` on, and, where `bias` is given, `bias[n] = Σ_d B[d][n]`. Where `C` is small and the depth large, chunks of the depth are summed on their own
  /// and then added in ascending order; their number depends on the sizes alone.
  ///
  /// A tile that uses its part of `A` for several panels of `B` packs both: rows of `A` are often a power of two apart,
  /// and would push one another out of the cache.
  func weightGradient(
    _ name: String, _ a: Tensor, _ b: Tensor, _ loops: DepthLoops, rows: Int, columns: Int, to c: Tensor,
    firstColumn: Int = 0, bias: Tensor?, inPairs: Bool = false
  ) throws(NNKitError) {
    if inPairs && loops.sequences == nil && pairsProducts(rows: rows, depth: loops.depth, columns: columns) {
      return try pairedWeightGradient(
        name, a, b, loops, rows: rows, columns: columns, to: c, firstColumn: firstColumn, bias: bias)
    }
    let kernels = kernels
    let tiling = WeightGradientTiling(
      rows: rows, columns: columns, panelRows: kernels.panelRows, panelColumns: kernels.panelColumns,
      packsFewPanels: kernels.packsRowsOfFewPanels)
    let chunks = WeightGradientChunks(loops, tiles: tiling.tiles, sums: rows * columns)
    let partials = try PartialSums(self, chunks: chunks.count, sizes: [rows * columns, bias == nil ? 0 : columns])
    let place = ColumnRange(first: firstColumn, columns: columns, stride: c.count / rows)
    let aPanelFloats = chunks.callDepth * tiling.panelRows
    let bPanelFloats = chunks.callDepth * tiling.panelColumns
    let packsA = tiling.packsA
    let bGroup = min(tiling.bPanelsPerBlock, 4)
    let sharedA =
      packsA && tiling.bBlocks > 2
      ? try packedRows(
        name, a, first: loops.aStart, outer: (loops.outer, loops.aOuterStep), inner: (loops.inner, loops.aInnerStep),
        columns: rows, packsRows: true) : nil
    let sharedB =
      packsA && tiling.aBlocks > 2
      ? try packedRows(
        name, b, first: loops.bStart, outer: (loops.outer, loops.bOuterStep), inner: (loops.inner, loops.bInnerStep),
        columns: columns, packsRows: false) : nil
    let packedFloats = (packsA && sharedA == nil ? tiling.aPanelsPerBlock * aPanelFloats : 0) + bGroup * bPanelFloats
    let scratch = try scratch(floats: packedFloats)

    step(
      name, reads: [sharedA ?? a, sharedB ?? b] + (loops.sequences.map { [$0.tensor] } ?? []),
      writes: [c] + (bias.map { [$0] } ?? []) + partials.tensors, scratch: scratch, tiles: tiling.tiles * chunks.count,
      work: [loops.depth, rows, columns]
    ) { binding in
      let sharedRows = sharedA.map { UnsafePointer(binding.floats($0)) }
      let aBase = sharedRows ?? UnsafePointer(binding.floats(a)) + loops.aStart
      let shared = sharedB.map { UnsafePointer(binding.floats($0)) }
      let bBase = shared ?? UnsafePointer(binding.floats(b)) + loops.bStart
      let cTargets = partials.target(binding, 0, c)
      let biasTargets = partials.target(binding, 1, bias ?? c)
      let workspace = binding.scratch(scratch)
      let lengths = loops.sequences.map { binding.integers($0.tensor) }
      return { tile, worker in
        let chunk = tile / tiling.tiles
        let (aPanels, bPanels) = tiling.block(tile % tiling.tiles)
        let packedBs = workspace.base + worker * workspace.stride
        let packedA = packedBs + bGroup * bPanelFloats
        // The first chunk's sums go to C itself, those of the others to a matrix of these columns alone.
        let result = cTargets(chunk) + (chunk == 0 ? place.first : 0)
        let resultStride = chunk == 0 ? place.stride : columns
        let biasTarget = biasTargets(chunk)
        var accumulate = false
        chunks.forEachCall(chunk, loops, lengths) { outerStart, outerCount, innerStart, innerCount in
          let depth = outerCount * innerCount
          let aRows = aBase + outerStart * loops.aOuterStep + innerStart * loops.aInnerStep
          let start = outerStart * loops.inner + innerStart
          if packsA && sharedA == nil {
            kernels.packPanels(
              aRows, outerStep: loops.aOuterStep, outerCount, innerStep: loops.aInnerStep, innerCount, aPanels,
              of: rows, to: packedA, aPanelFloats, packsRows: true)
          }
          let nextFloats = ceilDivide(depth * tiling.panelColumns, aPanels.count)
          for panel in bPanels {
            let inGroup = (panel - bPanels.lowerBound) % bGroup
            if inGroup == 0 && shared == nil {
              kernels.packPanels(
                bBase + outerStart * loops.bOuterStep + innerStart * loops.bInnerStep, outerStep: loops.bOuterStep,
                outerCount, innerStep: loops.bInnerStep, innerCount, panel..<min(panel + bGroup, bPanels.upperBound),
                of: columns, to: packedBs, bPanelFloats, packsRows: false)
            }
            let packedB =
              shared.map { $0 + (panel * loops.depth + start) * tiling.panelColumns }
              ?? UnsafePointer(packedBs + inGroup * bPanelFloats)
            let column = panel * tiling.panelColumns
            let columnCount = min(tiling.panelColumns, columns - column)
            let next =
              shared != nil && panel + 1 < bPanels.upperBound ? packedB + loops.depth * tiling.panelColumns : nil
            for aPanel in aPanels where packsA {
              let row = aPanel * tiling.panelRows
              let packed =
                sharedRows.map { $0 + (aPanel * loops.depth + start) * tiling.panelRows }
                ?? UnsafePointer(packedA + (aPanel - aPanels.lowerBound) * aPanelFloats)
              kernels.columnProduct(
                ColumnProduct(
                  packedA: packed, panelRows: tiling.panelRows, depth: depth, b: packedB,
                  bStride: tiling.panelColumns, c: result + row * resultStride + column,
                  cStride: resultStride, rows: min(tiling.panelRows, rows - row), columns: columnCount,
                  accumulate: accumulate, next: next.map { $0 + (aPanel - aPanels.lowerBound) * nextFloats },
                  nextFloats: nextFloats))
            }
            if !packsA {
              let row = aPanels.lowerBound * tiling.panelRows
              kernels.columnProduct(
                ColumnProduct(
                  a: aRows + row, aSteps: (0, loops.aOuterStep, loops.aInnerStep),
                  depths: (1, outerCount, innerCount), b: packedB,
                  bStride: tiling.panelColumns, c: result + row * resultStride + column,
                  cStride: resultStride, rows: min(aPanels.count * tiling.panelRows, rows - row),
                  columns: columnCount, accumulate: accumulate))
            }
            if bias != nil && aPanels.lowerBound == 0 {
              kernels.columnSum(packedB, depth, columnCount, tiling.panelColumns, biasTarget + column, accumulate)
            }
          }
          accumulate = true
        }
      }
    }
    partials.addReduction(self, name, to: [c] + (bias.map { [$0] } ?? []), columns: place)
  }
}

extension PlanBuilder {
  /// Adds a step that packs the rows of `A` or `B` once for all tiles: panel `p` has its rows of the whole depth one
  /// after the other.
  func packedRows(
    _ name: String, _ matrix: Tensor, first: Int = 0, outer: (count: Int, step: Int), inner: (count: Int, step: Int),
    columns: Int, packsRows: Bool
  ) throws(NNKitError) -> Tensor {
    let kernels = kernels
    let width = packsRows ? kernels.panelRows : kernels.panelColumns
    let panels = ceilDivide(columns, width)
    let depth = outer.count * inner.count
    let packed = try floats([panels, depth, width])
    let rowsPerTile = 64
    let tilesPerOuter = ceilDivide(inner.count, rowsPerTile)
    step(
      "\(name), packing", reads: [matrix], writes: [packed], tiles: outer.count * tilesPerOuter,
      work: [depth, columns]
    ) { binding in
      let source = UnsafePointer(binding.floats(matrix)) + first
      let target = binding.floats(packed)
      return { tile, _ in
        let (i, start) = (tile / tilesPerOuter, tile % tilesPerOuter * rowsPerTile)
        kernels.packPanels(
          source + i * outer.step + start * inner.step, outerStep: 0, 1, innerStep: inner.step,
          min(rowsPerTile, inner.count - start), 0..<panels, of: columns,
          to: target + (i * inner.count + start) * width, depth * width, packsRows: packsRows)
      }
    }
    return packed
  }
}

extension KernelTable {
  /// `columnProduct` in calls of a thousand steps, whose sums are added: rounding errors grow with the steps of one.
  @inline(__always)
  func columnProductByBlocks(_ product: ColumnProduct) {
    let longest = 1024
    let (outerCount, middleCount, depth) = product.depths
    guard depth > longest else { return columnProduct(product) }
    var block = product
    for outer in 0..<outerCount {
      for middle in 0..<middleCount {
        for start in stride(from: 0, to: depth, by: longest) {
          let count = min(longest, depth - start)
          block.depths = (1, 1, count)
          block.a =
            product.a + (outer * product.aSteps.0 + middle * product.aSteps.1 + start * product.aSteps.2)
          columnProduct(block)
          block.b += count * product.bStride
          block.accumulate = true
        }
      }
    }
  }

  /// Whether weight gradients pack rows of `A` that few panels of `B` use. At AVX-512 a panel has twice the columns, and
  /// reads its rows of `A` half as often.
  var packsRowsOfFewPanels: Bool { level != .avx512 }

  /// Packs some panels of the rows that two nested loops visit, which have `columns` elements. Of many rows a few at a
  /// time, so that each row's panels are read one after the other.
  @inline(__always)
  func packPanels(
    _ source: UnsafePointer<Float>, outerStep: Int, _ outerCount: Int, innerStep: Int, _ innerCount: Int,
    _ panels: Range<Int>, of columns: Int, to packed: UnsafeMutablePointer<Float>, _ panelFloats: Int, packsRows: Bool
  ) {
    let width = packsRows ? panelRows : panelColumns
    let rowsAtOnce = panels.count > 1 && innerCount > 32 ? 8 : innerCount
    for outer in 0..<outerCount {
      for inner in stride(from: 0, to: innerCount, by: max(1, rowsAtOnce)) {
        let depth = min(rowsAtOnce, innerCount - inner)
        var panel = packed + (outer * innerCount + inner) * width
        for index in panels {
          let column = index * width
          packPanel(
            PanelPacking(
              source: source + outer * outerStep + inner * innerStep + column, depthStride: innerStep, columnStride: 1,
              depth: depth, columns: min(width, columns - column), panel: panel, packsRows: packsRows))
          panel += panelFloats
        }
      }
    }
  }
}

/// How the matrix of a weight gradient is divided into tiles of panels of `A` (its rows) and of `B` (its columns). A
/// function of the sizes alone.
struct WeightGradientTiling {
  /// Of a panel of `A`.
  let panelRows: Int
  let panelColumns: Int
  let aPanelsPerBlock: Int
  private let aPanels: Int
  let aBlocks: Int
  private let bPanels: Int
  let bPanelsPerBlock: Int
  /// Whether enough panels of `B` meet a packed block of `A`.
  var packsA: Bool { bPanelsPerBlock >= Self.panelsThatPack }
  let bBlocks: Int
  let tiles: Int

  /// Packed, as many rows of `A` and a panel of `B` fill about half of the second-level cache, or all of a small one.
  static let mostRows = 192
  static let panelsThatPack = 4

  /// With `packsFewPanels` a tile has enough panels of `B` to pack `A` wherever there are that many.
  init(rows: Int, columns: Int, panelRows: Int, panelColumns: Int, packsFewPanels: Bool) {
    self.panelRows = panelRows
    self.panelColumns = panelColumns
    aPanels = ceilDivide(rows, panelRows)
    bPanels = ceilDivide(columns, panelColumns)
    let aLimit = max(1, Self.mostRows / panelRows)
    aBlocks = ceilDivide(aPanels, aLimit)
    aPanelsPerBlock = ceilDivide(aPanels, aBlocks)
    let mostBBlocks = packsFewPanels ? max(1, bPanels / Self.panelsThatPack) : bPanels
    bBlocks = min(mostBBlocks, ceilDivide(12, aBlocks))
    bPanelsPerBlock = ceilDivide(bPanels, bBlocks)
    tiles = aBlocks * bBlocks
  }

  @inline(__always)
  func block(_ tile: Int) -> (aPanels: Range<Int>, bPanels: Range<Int>) {
    let (a, b) = (tile / bBlocks, tile % bBlocks)
    return (
      a * aPanels / aBlocks..<(a + 1) * aPanels / aBlocks, b * bPanels / bBlocks..<(b + 1) * bPanels / bBlocks
    )
  }
}

/// How the depth of a weight gradient is divided: into chunks for different tiles, and each chunk into calls whose
/// packed panel fits the first- and second-level cache.
struct WeightGradientChunks {
  let count: Int
  /// The largest depth of one call.
  let callDepth: Int
  private let splitsOuter: Bool
  private let perChunk: Int
  private static let cacheDepth = 512

  /// `sums`: in the matrix of the gradient.
  init(_ loops: DepthLoops, tiles: Int, sums: Int) {
    splitsOuter = loops.outer > 1
    let divisible = splitsOuter ? loops.outer : loops.inner
    let forThreads = tiles >= 8 ? 1 : min(ceilDivide(8, tiles), max(1, loops.depth / 256))
    let calls =
      loops.sequences == nil
      ? ceilDivide(loops.depth, Self.cacheDepth) : loops.outer * ceilDivide(loops.inner, Self.cacheDepth)
    let wanted = min(max(forThreads, PartialSums.chunks(ofBlocks: calls, sums: sums)), divisible)
    perChunk = max(1, ceilDivide(divisible, max(1, wanted)))
    count = max(1, ceilDivide(divisible, perChunk))
    callDepth = min(loops.depth, Self.cacheDepth)
  }

  /// Calls `body` for each call's part of the loops, in ascending order. Where there is nothing to sum, there is one
  /// call of depth zero, so that the sums are written.
  @inline(__always)
  func forEachCall(
    _ chunk: Int, _ loops: DepthLoops, _ lengths: UnsafePointer<Int32>?,
    _ body: (_ outerStart: Int, _ outerCount: Int, _ innerStart: Int, _ innerCount: Int) -> Void
  ) {
    let part = chunk * perChunk..<min((chunk + 1) * perChunk, splitsOuter ? loops.outer : loops.inner)
    let outerRange = splitsOuter ? part : 0..<loops.outer
    let innerRange = splitsOuter ? 0..<loops.inner : part
    let outersPerCall = lengths != nil ? 1 : max(1, Self.cacheDepth / max(1, innerRange.count))
    var isEmpty = true
    var outer = outerRange.lowerBound
    while outer < outerRange.upperBound {
      let outerCount = min(outersPerCall, outerRange.upperBound - outer)
      let innerEnd = min(innerRange.upperBound, lengths.map { Int($0[outer]) - loops.lengthLess } ?? .max)
      var inner = innerRange.lowerBound
      while inner < innerEnd {
        let innerCount = min(Self.cacheDepth, innerEnd - inner)
        body(outer, outerCount, inner, innerCount)
        isEmpty = false
        inner += innerCount
      }
      outer += outerCount
    }
    if isEmpty { body(0, 1, 0, 0) }
  }
}

/// Some columns of a matrix whose rows lie `stride` elements apart.
struct ColumnRange {
  let first: Int
  let columns: Int
  let stride: Int
}

/// Memory for sums that are computed in several chunks: the first chunk writes to the result itself, the others to
/// partial sums, which a step of their own adds in ascending order.
struct PartialSums {
  private let sizes: [Int]
  private let chunks: Int
  let tensors: [Tensor]

  /// The sums of so many blocks are added in one chunk: rounding errors grow with the blocks of a chunk, not with all.
  private static let blocksPerChunk = 512
  private static let affordableBytes = 32 << 20

  /// How many chunks the sums of `blocks` blocks, of `sums` sums each, are divided into for accuracy, as far as memory
  /// for their partial sums can be afforded.
  static func chunks(ofBlocks blocks: Int, sums: Int) -> Int {
    max(1, min(ceilDivide(blocks, blocksPerChunk), affordableBytes / (4 * max(1, sums))))
  }

  init(_ plan: PlanBuilder, chunks: Int, sizes: [Int]) throws(NNKitError) {
    self.chunks = chunks
    self.sizes = sizes
    var tensors: [Tensor] = []
    if chunks > 1 {
      for size in sizes { tensors.append(try plan.floats([chunks - 1, size])) }
    }
    self.tensors = tensors
  }

  /// Where a chunk's sums of result `index` go.
  func target(_ binding: Binding, _ index: Int, _ result: Tensor) -> (_ chunk: Int) -> UnsafeMutablePointer<Float> {
    let first = binding.floats(result)
    guard chunks > 1 else { return { _ in first } }
    let others = binding.floats(tensors[index])
    let size = sizes[index]
    return { chunk in chunk == 0 ? first : others + (chunk - 1) * size }
  }

  /// Adds the partial sums to the results; those of the first result to some of its columns, where `columns` says so.
  func addReduction(_ plan: PlanBuilder, _ name: String, to results: [Tensor], columns: ColumnRange? = nil) {
    guard chunks > 1 else { return }
    let kernels = plan.kernels
    for (index, result) in results.enumerated() {
      let (size, chunks, partial) = (sizes[index], chunks, tensors[index])
      if index == 0, let columns, columns.columns < columns.stride {
        plan.step(
          "\(name), sum of chunks", reads: [partial, result], writes: [result],
          tiles: ceilDivide(size, columns.columns), work: [size, chunks]
        ) { binding in
          let sum = binding.floats(result) + columns.first
          let parts = UnsafePointer(binding.floats(partial))
          return { row, _ in
            for chunk in 0..<chunks - 1 {
              kernels.accumulate(
                parts + chunk * size + row * columns.columns, sum + row * columns.stride, columns.columns)
            }
          }
        }
        continue
      }
      let block = 8192
      plan.step(
        "\(name), sum of chunks", reads: [partial, result], writes: [result], tiles: ceilDivide(size, block),
        work: [size, chunks]
      ) { binding in
        let sum = binding.floats(result)
        let parts = UnsafePointer(binding.floats(partial))
        return { tile, _ in
          let first = tile * block
          for chunk in 0..<chunks - 1 {
            kernels.accumulate(parts + chunk * size + first, sum + first, min(block, size - first))
          }
        }
      }
    }
  }
}
