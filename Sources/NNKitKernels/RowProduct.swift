import CNNKitInstructions
import NNKitKernelTable

/// `C[r][n] = Σ_t Σ_k A[aRows[r] + taps[t] + k] · B[t][k][n]`: see `RowProduct`.
///
/// The rows are split into blocks of nearly equal size, each at most a register tile high; a block's sums stay
/// in registers from the first product to the last.
func rowProduct(_ product: RowProduct) {
  if product.columns <= vectorWidth {
    // Tall tiles pay where a tap is deep, and where no more than eight rows share a set of the first cache.
    let isTall = tileRows > narrowTileRows && product.depth >= vectorWidth && !rowsConflict(product)
    let largest = isTall ? tileRows : narrowTileRows
    forEachRowBlock(rows: product.rows, largest: largest) { rowProductNarrowTile(product, $0, $1) }
  } else {
    forEachRowBlock(rows: product.rows, largest: tileRows) { rowProductTile(product, $0, $1) }
  }
}

/// Whether the first rows lie a multiple of 4 KiB apart: in one set of the first cache, which holds eight lines.
@inline(__always)
private func rowsConflict(_ product: RowProduct) -> Bool {
  product.rows > 1 && (product.aRows[1] &- product.aRows[0]) & 1023 == 0
}

/// One block of `rows` (1 ... tileRows) rows, two vectors wide.
@inline(__always)
private func rowProductTile(_ product: RowProduct, _ row: Int, _ rows: Int) {
  switch rows {
  case 1: rowProduct1x2(product, row)
  case 2: rowProduct2x2(product, row)
  case 3: rowProduct3x2(product, row)
  case 4: rowProduct4x2(product, row)
  #if NNKIT_AVX2 || NNKIT_AVX512
    case 5: rowProduct5x2(product, row)
    case 6: rowProduct6x2(product, row)
  #endif
  #if NNKIT_AVX512
    case 7: rowProduct7x2(product, row)
    case 8: rowProduct8x2(product, row)
    case 9: rowProduct9x2(product, row)
    case 10: rowProduct10x2(product, row)
    case 11: rowProduct11x2(product, row)
    case 12: rowProduct12x2(product, row)
  #endif
  default: break
  }
}

/// One block of `rows` (1 ... narrowTileRows) rows, one vector wide.
@inline(__always)
private func rowProductNarrowTile(_ product: RowProduct, _ row: Int, _ rows: Int) {
  switch rows {
  case 1: rowProduct1x1(product, row)
  case 2: rowProduct2x1(product, row)
  case 3: rowProduct3x1(product, row)
  case 4: rowProduct4x1(product, row)
  case 5: rowProduct5x1(product, row)
  case 6: rowProduct6x1(product, row)
  case 7: rowProduct7x1(product, row)
  case 8: rowProduct8x1(product, row)
  #if NNKIT_AVX512
    case 9: rowProduct9x1(product, row)
    case 10: rowProduct10x1(product, row)
    case 11: rowProduct11x1(product, row)
    case 12: rowProduct12x1(product, row)
  #endif
  default: break
  }
}

/// The micro-kernel: `rows` rows from `firstRow` on, `accumulators / rows` vectors of columns.
///
/// The last two arguments only carry the tile's size as types; with the size known, the arrays become registers.
/// That needs every loop over rows to be unrolled, which the compiler does only while its body is small: each such
/// loop does one thing.
@inline(__always)
private func rowTile<let rows: Int, let accumulators: Int>(
  _ product: RowProduct, _ firstRow: Int, _ sumsOfTile: InlineArray<accumulators, Vector>,
  _ offsetsOfTile: InlineArray<rows, Int>
) {
  var sums = sumsOfTile
  var offsets = offsetsOfTile
  let vectors = accumulators / rows
  let isFull = product.columns == vectors * vectorWidth
  let aRows = product.aRows + firstRow
  let cRows = product.cRows + firstRow

  // Lines of C come from far away; they arrive while the sums are made.
  if !product.accumulate {
    for row in 0..<rows { nnkit_prefetch_for_write(product.c + cRows[row]) }
    // Two vectors of an AVX2 tile are one line.
    if vectors * vectorWidth > 16 {
      for row in 0..<rows { nnkit_prefetch_for_write(product.c + (cRows[row] + vectorWidth)) }
    }
  }

  if let start = product.accumulate ? UnsafePointer(product.c) : product.addend {
    if isFull {
      for row in 0..<rows { sums[row * vectors] = loadVector(start + cRows[row]) }
      if vectors == 2 {
        for row in 0..<rows { sums[row * vectors + 1] = loadVector(start + (cRows[row] + vectorWidth)) }
      }
    } else {
      var staged = InlineArray<accumulators, Vector>(repeating: Vector())
      withUnsafeMutablePointer(to: &staged) {
        loadPartialTile(UnsafeMutableRawPointer($0), rows, product.columns, start, cRows)
      }
      for index in 0..<accumulators { sums[index] = staged[index] }
    }
  }
  if let bias = product.bias {
    let last = bias + (vectors - 1) * vectorWidth
    let lastLanes = product.columns - (vectors - 1) * vectorWidth
    let lastBias = isFull ? loadVector(last) : loadPartialVector(last, lastLanes)
    let firstBias = vectors == 2 ? loadVector(bias) : lastBias
    for row in 0..<rows { sums[row * vectors] += firstBias }
    if vectors == 2 {
      for row in 0..<rows { sums[row * vectors + 1] += lastBias }
    }
  }

  for row in 0..<rows { offsets[row] = aRows[row] }
  var b = product.b
  // Each row has an equal share of what is fetched ahead; without any, a line of B that is here is fetched.
  var next = UnsafeRawPointer(product.next ?? b)
  var nextStep = 0
  let steps = product.tapCount &* product.depth
  if fetchesAhead && vectors == 2 && product.next != nil && steps > 0 {
    let bytes = product.nextFloats &* MemoryLayout<Float>.size
    let stepsOfAllRows = steps &* product.rows
    nextStep = (bytes &* rows &+ stepsOfAllRows &- 1) / stepsOfAllRows
    next += bytes &* firstRow / product.rows
  }
  var tap = 0
  while tap < product.tapCount {
    multiplyDepth(product.a + product.taps[tap], offsets, &b, product.depth, &next, nextStep, &sums)
    tap &+= 1
  }

  if product.relu {
    for row in 0..<rows { sums[row * vectors] = atLeast(0, sums[row * vectors]) }
    if vectors == 2 {
      for row in 0..<rows { sums[row * vectors + 1] = atLeast(0, sums[row * vectors + 1]) }
    }
  }
  if isFull {
    for row in 0..<rows { storeVector(sums[row * vectors], product.c + cRows[row]) }
    if vectors == 2 {
      for row in 0..<rows { storeVector(sums[row * vectors + 1], product.c + (cRows[row] + vectorWidth)) }
    }
  } else {
    var staged = InlineArray<accumulators, Vector>(repeating: Vector())
    for index in 0..<accumulators { staged[index] = sums[index] }
    withUnsafeMutablePointer(to: &staged) {
      storePartialTile(UnsafeRawPointer($0), rows, product.columns, product.c, cRows)
    }
  }
}

/// `depth` steps; moves `b` behind what it has read, and fetches at `next` ahead in each.
@inline(__always)
func multiplyDepth<let rows: Int, let accumulators: Int>(
  _ a: UnsafePointer<Float>, _ offsets: InlineArray<rows, Int>, _ b: inout UnsafePointer<Float>, _ depth: Int,
  _ next: inout UnsafeRawPointer, _ nextStep: Int, _ sums: inout InlineArray<accumulators, Vector>
) {
  var a = a
  var remaining = depth
  #if !NNKIT_AVX512
    // With four steps at a time the processor foresees the end of a short loop.
    while remaining >= 4 {
      multiplySteps(4, &a, offsets, &b, &next, nextStep, &sums)
      remaining &-= 4
    }
    if remaining & 2 != 0 { multiplySteps(2, &a, offsets, &b, &next, nextStep, &sums) }
    if remaining & 1 != 0 { multiplySteps(1, &a, offsets, &b, &next, nextStep, &sums) }
  #else
    while remaining > 0 {
      multiplySteps(1, &a, offsets, &b, &next, nextStep, &sums)
      remaining &-= 1
    }
  #endif
}

/// `count` (a constant) steps; moves `a` and `b` behind what it has read.
@inline(__always)
private func multiplySteps<let rows: Int, let accumulators: Int>(
  _ count: Int, _ a: inout UnsafePointer<Float>, _ offsets: InlineArray<rows, Int>, _ b: inout UnsafePointer<Float>,
  _ next: inout UnsafeRawPointer, _ nextStep: Int, _ sums: inout InlineArray<accumulators, Vector>
) {
  for step in 0..<count {
    multiplyStep(a + step, offsets, b + step &* panelColumns, &sums)
    if fetchesAhead && accumulators == 2 &* rows {
      nnkit_prefetch(next)
      next += nextStep
    }
  }
  a += count
  b += count &* panelColumns
}

/// One step of the depth.
@inline(__always)
private func multiplyStep<let rows: Int, let accumulators: Int>(
  _ a: UnsafePointer<Float>, _ offsets: InlineArray<rows, Int>, _ b: UnsafePointer<Float>,
  _ sums: inout InlineArray<accumulators, Vector>
) {
  let vectors = accumulators / rows
  let b0 = loadVector(b)
  let b1 = vectors == 2 ? loadVector(b + vectorWidth) : b0
  for row in 0..<rows {
    let factor = Vector(repeating: a[offsets[row]])
    sums[row * vectors] = multiplyAdd(factor, b0, sums[row * vectors])
    if vectors == 2 { sums[row * vectors + 1] = multiplyAdd(factor, b1, sums[row * vectors + 1]) }
  }
}

/// Fills a tile of `rows` rows from C where the last vector is not full. A call of its own, through memory: in the
/// tile this would outweigh the products.
@inline(never)
private func loadPartialTile(
  _ tile: UnsafeMutableRawPointer, _ rows: Int, _ columns: Int, _ c: UnsafePointer<Float>, _ cRows: UnsafePointer<Int>
) {
  var sums = tile.assumingMemoryBound(to: Float.self)
  var row = 0
  while row < rows {
    loadPartialRow(c + cRows[row], columns, sums)
    sums += roundedUpToVectors(columns)
    row &+= 1
  }
}

/// Stores a tile of `rows` rows to C where the last vector is not full.
@inline(never)
private func storePartialTile(
  _ tile: UnsafeRawPointer, _ rows: Int, _ columns: Int, _ c: UnsafeMutablePointer<Float>, _ cRows: UnsafePointer<Int>
) {
  var sums = tile.assumingMemoryBound(to: Float.self)
  var row = 0
  while row < rows {
    storePartialRow(sums, columns, c + cRows[row])
    sums += roundedUpToVectors(columns)
    row &+= 1
  }
}

// MARK: The tiles, rows x vectors of columns

@inline(never)
private func rowProduct1x2(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<2, Vector>(repeating: Vector()), InlineArray<1, Int>(repeating: 0))
}

@inline(never)
private func rowProduct2x2(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<4, Vector>(repeating: Vector()), InlineArray<2, Int>(repeating: 0))
}

@inline(never)
private func rowProduct3x2(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<6, Vector>(repeating: Vector()), InlineArray<3, Int>(repeating: 0))
}

@inline(never)
private func rowProduct4x2(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<8, Vector>(repeating: Vector()), InlineArray<4, Int>(repeating: 0))
}

#if NNKIT_AVX2 || NNKIT_AVX512

  @inline(never)
  private func rowProduct5x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<10, Vector>(repeating: Vector()), InlineArray<5, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct6x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<12, Vector>(repeating: Vector()), InlineArray<6, Int>(repeating: 0))
  }

#endif

#if NNKIT_AVX512

  @inline(never)
  private func rowProduct7x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<14, Vector>(repeating: Vector()), InlineArray<7, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct8x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<16, Vector>(repeating: Vector()), InlineArray<8, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct9x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<18, Vector>(repeating: Vector()), InlineArray<9, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct10x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<20, Vector>(repeating: Vector()), InlineArray<10, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct11x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<22, Vector>(repeating: Vector()), InlineArray<11, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct12x2(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<24, Vector>(repeating: Vector()), InlineArray<12, Int>(repeating: 0))
  }

#endif

@inline(never)
private func rowProduct1x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<1, Vector>(repeating: Vector()), InlineArray<1, Int>(repeating: 0))
}

@inline(never)
private func rowProduct2x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<2, Vector>(repeating: Vector()), InlineArray<2, Int>(repeating: 0))
}

@inline(never)
private func rowProduct3x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<3, Vector>(repeating: Vector()), InlineArray<3, Int>(repeating: 0))
}

@inline(never)
private func rowProduct4x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<4, Vector>(repeating: Vector()), InlineArray<4, Int>(repeating: 0))
}

@inline(never)
private func rowProduct5x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<5, Vector>(repeating: Vector()), InlineArray<5, Int>(repeating: 0))
}

@inline(never)
private func rowProduct6x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<6, Vector>(repeating: Vector()), InlineArray<6, Int>(repeating: 0))
}

@inline(never)
private func rowProduct7x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<7, Vector>(repeating: Vector()), InlineArray<7, Int>(repeating: 0))
}

@inline(never)
private func rowProduct8x1(_ product: RowProduct, _ row: Int) {
  rowTile(product, row, InlineArray<8, Vector>(repeating: Vector()), InlineArray<8, Int>(repeating: 0))
}

#if NNKIT_AVX512

  @inline(never)
  private func rowProduct9x1(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<9, Vector>(repeating: Vector()), InlineArray<9, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct10x1(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<10, Vector>(repeating: Vector()), InlineArray<10, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct11x1(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<11, Vector>(repeating: Vector()), InlineArray<11, Int>(repeating: 0))
  }

  @inline(never)
  private func rowProduct12x1(_ product: RowProduct, _ row: Int) {
    rowTile(product, row, InlineArray<12, Vector>(repeating: Vector()), InlineArray<12, Int>(repeating: 0))
  }

#endif
