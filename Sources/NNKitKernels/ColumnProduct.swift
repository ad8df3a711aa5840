import CNNKitInstructions
import NNKitKernelTable

/// `C[m][n] (+)= Σ_d A[offset(d) + m] · B[d][n]`: see `ColumnProduct`.
///
/// The tiles are those of `rowProduct`; the rows of a tile are neighbours in A here, so one address serves all.
func columnProduct(_ product: ColumnProduct) {
  if product.columns <= vectorWidth {
    let largest = tileRows > narrowTileRows ? tileRows : narrowTileRows
    forEachRowBlock(rows: product.rows, largest: largest) { columnProductNarrowTile(product, $0, $1) }
  } else {
    forEachRowBlock(rows: product.rows, largest: tileRows) { columnProductTile(product, $0, $1) }
  }
}

/// One block of `rows` (1 ... tileRows) rows, two vectors wide.
@inline(__always)
private func columnProductTile(_ product: ColumnProduct, _ row: Int, _ rows: Int) {
  switch rows {
  case 1: columnProduct1x2(product, row)
  case 2: columnProduct2x2(product, row)
  case 3: columnProduct3x2(product, row)
  case 4: columnProduct4x2(product, row)
  #if NNKIT_AVX2 || NNKIT_AVX512
    case 5: columnProduct5x2(product, row)
    case 6: columnProduct6x2(product, row)
  #endif
  #if NNKIT_AVX512
    case 7: columnProduct7x2(product, row)
    case 8: columnProduct8x2(product, row)
    case 9: columnProduct9x2(product, row)
    case 10: columnProduct10x2(product, row)
    case 11: columnProduct11x2(product, row)
    case 12: columnProduct12x2(product, row)
  #endif
  default: break
  }
}

/// One block of `rows` (1 ... narrowTileRows) rows, one vector wide.
@inline(__always)
private func columnProductNarrowTile(_ product: ColumnProduct, _ row: Int, _ rows: Int) {
  switch rows {
  case 1: columnProduct1x1(product, row)
  case 2: columnProduct2x1(product, row)
  case 3: columnProduct3x1(product, row)
  case 4: columnProduct4x1(product, row)
  case 5: columnProduct5x1(product, row)
  case 6: columnProduct6x1(product, row)
  case 7: columnProduct7x1(product, row)
  case 8: columnProduct8x1(product, row)
  #if NNKIT_AVX512
    case 9: columnProduct9x1(product, row)
    case 10: columnProduct10x1(product, row)
    case 11: columnProduct11x1(product, row)
    case 12: columnProduct12x1(product, row)
  #endif
  default: break
  }
}

/// The micro-kernel: `accumulators / vectors` rows from `firstRow` on, `vectors` vectors of columns.
///
/// The last two arguments only carry the tile's size as types; with the size known, the arrays become registers, as
/// in `rowTile`.
@inline(__always)
private func columnTile<let vectors: Int, let accumulators: Int>(
  _ product: ColumnProduct, _ firstRow: Int, _ sumsOfTile: InlineArray<accumulators, Vector>,
  _ factorsOfTile: InlineArray<vectors, Vector>
) {
  var sums = sumsOfTile
  var factors = factorsOfTile
  let rows = accumulators / vectors
  let isFull = product.columns == vectors * vectorWidth
  let c = product.c + firstRow * product.cStride

  // Lines of C come from far away; they arrive while the sums are made.
  for row in 0..<rows { nnkit_prefetch_for_write(c + row * product.cStride) }
  if vectors * vectorWidth > 16 {
    for row in 0..<rows { nnkit_prefetch_for_write(c + (row * product.cStride + vectorWidth)) }
  }

  let step = product.aSteps.2
  let bStride = product.bStride
  var b = product.b
  // Each row has an equal share of what is fetched ahead, and of that each iteration of the middle loop.
  var next = UnsafeRawPointer(b)
  var bytesAtOnce = 0
  let iterations = product.depths.0 &* product.depths.1
  if fetchesAhead && vectors == 2 && iterations > 0, let start = product.next {
    let bytes = product.nextFloats &* MemoryLayout<Float>.size
    next = UnsafeRawPointer(start) + bytes &* firstRow / product.rows
    bytesAtOnce = bytes &* rows / (product.rows &* iterations) &+ 1
  }
  var outer = 0
  while outer < product.depths.0 {
    var middle = 0
    while middle < product.depths.1 {
      if fetchesAhead && vectors == 2 {
        let end = next + bytesAtOnce
        var line = next
        while line < end {
          nnkit_prefetch(line)
          line += 64
        }
        next = end
      }
      var a = product.a + (firstRow + outer * product.aSteps.0 + middle * product.aSteps.1)
      var remaining = product.depths.2
      while remaining > 0 {
        for vector in 0..<vectors { factors[vector] = loadVector(b + vector * vectorWidth) }
        for row in 0..<rows {
          let element = Vector(repeating: a[row])
          for vector in 0..<vectors {
            sums[row * vectors + vector] = multiplyAdd(element, factors[vector], sums[row * vectors + vector])
          }
        }
        a += step
        b += bStride
        remaining &-= 1
      }
      middle &+= 1
    }
    outer &+= 1
  }

  if isFull && product.accumulate {
    for row in 0..<rows {
      let c = c + row * product.cStride
      for vector in 0..<vectors {
        storeVector(sums[row * vectors + vector] + loadVector(c + vector * vectorWidth), c + vector * vectorWidth)
      }
    }
  } else if isFull {
    for row in 0..<rows {
      let c = c + row * product.cStride
      for vector in 0..<vectors { storeVector(sums[row * vectors + vector], c + vector * vectorWidth) }
    }
  } else {
    var staged = InlineArray<accumulators, Vector>(repeating: Vector())
    for index in 0..<accumulators { staged[index] = sums[index] }
    withUnsafeMutablePointer(to: &staged) {
      storePartialTile(UnsafeMutableRawPointer($0), rows, product, c)
    }
  }
}

/// Stores a tile of `rows` rows to C, or adds it, where the last vector is not full. A call of its own, through memory:
/// in the tile this would outweigh the products.
@inline(never)
private func storePartialTile(
  _ tile: UnsafeMutableRawPointer, _ rows: Int, _ product: ColumnProduct, _ first: UnsafeMutablePointer<Float>
) {
  var sums = tile.assumingMemoryBound(to: Float.self)
  var c = first
  var row = 0
  while row < rows {
    if product.accumulate {
      for column in 0..<product.columns { sums[column] += c[column] }
    }
    storePartialRow(sums, product.columns, c)
    sums += roundedUpToVectors(product.columns)
    c += product.cStride
    row &+= 1
  }
}

// MARK: The tiles, rows x vectors of columns

@inline(never)
private func columnProduct1x2(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<2, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct2x2(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<4, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct3x2(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<6, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct4x2(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<8, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
}

#if NNKIT_AVX2 || NNKIT_AVX512

  @inline(never)
  private func columnProduct5x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<10, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct6x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<12, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

#endif

#if NNKIT_AVX512

  @inline(never)
  private func columnProduct7x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<14, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct8x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<16, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct9x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<18, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct10x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<20, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct11x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<22, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct12x2(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<24, Vector>(repeating: Vector()), InlineArray<2, Vector>(repeating: Vector()))
  }

#endif

@inline(never)
private func columnProduct1x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<1, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct2x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<2, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct3x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<3, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct4x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<4, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct5x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<5, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct6x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<6, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct7x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<7, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

@inline(never)
private func columnProduct8x1(_ product: ColumnProduct, _ row: Int) {
  columnTile(product, row, InlineArray<8, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
}

#if NNKIT_AVX512

  @inline(never)
  private func columnProduct9x1(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<9, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct10x1(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<10, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct11x1(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<11, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func columnProduct12x1(_ product: ColumnProduct, _ row: Int) {
    columnTile(product, row, InlineArray<12, Vector>(repeating: Vector()), InlineArray<1, Vector>(repeating: Vector()))
  }

#endif
