import NNKitKernelTable

/// `C[r][n] (+)= Σ_k A[k][r] · B[k][n]` by Winograd's inner product: see `PairedProduct`.
func pairedProduct(_ product: PairedProduct) {
  switch (product.rows &+ 3) / 4 {
  case 1: pairedTile4(product)
  #if NNKIT_AVX512
    case 2: pairedTile8(product)
    case 3: pairedTile12(product)
    case 4: pairedTile16(product)
  #elseif NNKIT_AVX2
    case 2: pairedTile8(product)
  #endif
  default: break
  }
}

/// Rows of the largest tile: with the vectors of B and two sums they fill the registers.
@inline(__always)
var pairedRows: Int { vectorWidth }

/// The micro-kernel: one vector of columns at a time, since the processor adds an element of A that it reads from memory
/// to a vector in one step, and would have to keep it in a register for two.
///
/// The last argument only carries the tile's size as a type, as in `rowTile`.
@inline(__always)
private func pairedTile<let rows: Int>(_ product: PairedProduct, _ sumsOfTile: InlineArray<rows, Vector>) {
  let stride = product.aStride
  let groups = product.depth / 3
  let rest = product.depth &- 3 &* groups
  var column = 0
  while column < product.columns {
    var sums = sumsOfTile
    let columnTerms = loadVector(product.bTerms + column)
    for row in 0..<rows { sums[row] = Vector() - (columnTerms + Vector(repeating: product.aTerms[row])) }

    var a = product.a
    var b = product.b + column
    var remaining = groups
    while remaining > 0 {
      let b0 = loadVector(b)
      let b1 = loadVector(b + panelColumns)
      let b2 = loadVector(b + 2 &* panelColumns)
      let a1 = a + stride
      let a2 = a1 + stride
      for row in 0..<4 {
        sums[row] = multiplyAdd(Vector(repeating: a[row]) + b1, Vector(repeating: a1[row]) + b0, sums[row])
      }
      if rows > 4 {
        for row in 4..<8 {
          sums[row] = multiplyAdd(Vector(repeating: a[row]) + b1, Vector(repeating: a1[row]) + b0, sums[row])
        }
      }
      if rows > 8 {
        for row in 8..<12 {
          sums[row] = multiplyAdd(Vector(repeating: a[row]) + b1, Vector(repeating: a1[row]) + b0, sums[row])
        }
      }
      if rows > 12 {
        for row in 12..<16 {
          sums[row] = multiplyAdd(Vector(repeating: a[row]) + b1, Vector(repeating: a1[row]) + b0, sums[row])
        }
      }
      for row in 0..<rows { sums[row] = multiplyAdd(Vector(repeating: a2[row]), b2, sums[row]) }
      a = a2 + stride
      b += 3 &* panelColumns
      remaining &-= 1
    }
    remaining = rest
    while remaining > 0 {
      let b0 = loadVector(b)
      for row in 0..<rows { sums[row] = multiplyAdd(Vector(repeating: a[row]), b0, sums[row]) }
      a += stride
      b += panelColumns
      remaining &-= 1
    }

    var staged = InlineArray<rows, Vector>(repeating: Vector())
    for row in 0..<rows { staged[row] = sums[row] }
    withUnsafeMutablePointer(to: &staged) { storeTile(UnsafeRawPointer($0), product, column) }
    column &+= vectorWidth
  }
}

/// Scales a tile and adds it to C, or writes it there. A call of its own, through memory: in the tile this would take
/// registers from the sums.
@inline(never)
private func storeTile(_ tile: UnsafeRawPointer, _ product: PairedProduct, _ column: Int) {
  var sums = tile.assumingMemoryBound(to: Float.self)
  let scales = loadVector(product.bScales + column)
  let lanes = product.columns &- column
  var row = 0
  if lanes >= vectorWidth {
    var bias = Vector()
    if let values = product.bias { bias = loadVector(values + column) }
    while row < product.rows {
      let c = product.c + (product.cRows[row] &+ column)
      let scale = scales * Vector(repeating: product.aScales[row])
      let start = product.accumulate ? loadVector(c) + bias : bias
      storeVector(multiplyAdd(loadVector(sums), scale, start), c)
      sums += vectorWidth
      row &+= 1
    }
  } else {
    var bias = Vector()
    if let values = product.bias { bias = loadLanes(values + column, lanes) }
    while row < product.rows {
      let c = product.c + (product.cRows[row] &+ column)
      let scale = scales * Vector(repeating: product.aScales[row])
      let start = product.accumulate ? loadLanes(c, lanes) + bias : bias
      storeLanes(multiplyAdd(loadVector(sums), scale, start), c, lanes)
      sums += vectorWidth
      row &+= 1
    }
  }
}

@inline(never)
private func pairedTile4(_ product: PairedProduct) {
  pairedTile(product, InlineArray<4, Vector>(repeating: Vector()))
}

#if NNKIT_AVX2 || NNKIT_AVX512

  @inline(never)
  private func pairedTile8(_ product: PairedProduct) {
    pairedTile(product, InlineArray<8, Vector>(repeating: Vector()))
  }

#endif

#if NNKIT_AVX512

  @inline(never)
  private func pairedTile12(_ product: PairedProduct) {
    pairedTile(product, InlineArray<12, Vector>(repeating: Vector()))
  }

  @inline(never)
  private func pairedTile16(_ product: PairedProduct) {
    pairedTile(product, InlineArray<16, Vector>(repeating: Vector()))
  }

#endif

/// Scales a packed block's columns and sums what their pairs add to a product: see `PairedBalance`.
func balancePairs(_ balance: PairedBalance) {
  var column = 0
  while column < balance.width {
    balanceVector(balance, column)
    column &+= vectorWidth
  }
}

@inline(never)
private func balanceVector(_ balance: PairedBalance, _ column: Int) {
  let (block, width) = (balance.block + column, balance.width)
  var largest = Vector()
  var next = block
  var k = 0
  while k < balance.depth {
    let magnitude = absolute(loadVector(next))
    largest = largest.blended(with: magnitude, where: magnitude .> largest)
    next += width
    k &+= 1
  }
  // 2^e ≤ largest < 2^(e+1), kept where both 2^e and its inverse are numbers.
  let exponents = IntegerVector(truncatingIfNeeded: integers(of: largest)) &>> 23
  let low = exponents.blended(with: IntegerVector(repeating: 1), where: exponents .< IntegerVector(repeating: 1))
  let kept = low.blended(with: IntegerVector(repeating: 253), where: low .> IntegerVector(repeating: 253))
  let scale = vector(ofIntegers: (IntegerVector(repeating: 254) &- kept) &<< 23)
  let inverse = vector(ofIntegers: kept &<< 23)
  storeVector(inverse.blended(with: Vector(), where: largest .== Vector()), balance.scales + column)

  let groups = balance.depth / 3
  var sign = scale
  next = block
  k = 0
  while k < groups {
    storeVector(loadVector(next) * sign, next)
    storeVector(loadVector(next + width) * scale, next + width)
    storeVector(loadVector(next + 2 &* width) * scale, next + 2 &* width)
    sign = Vector() - sign
    next += 3 &* width
    k &+= 1
  }
  k &*= 3
  while k < balance.depth {
    storeVector(loadVector(next) * scale, next)
    next += width
    k &+= 1
  }

  // Every row or column that meets this one sees the same error of the terms, so that it would add up where many
  // products are summed: in double precision it is a single rounding.
  var terms = DoubleLanes(repeating: 0)
  next = block
  k = 0
  while k < groups {
    terms = terms + DoubleLanes(loadVector(next)) * DoubleLanes(loadVector(next + width))
    next += 3 &* width
    k &+= 1
  }
  storeVector(terms.rounded, balance.terms + column)
}

/// `block[k][r] = source[rows[r] + k]`, zero for rows that are not there: see `PairedRows`.
func packPairedRows(_ packing: PairedRows) {
  var row = 0
  while row < pairedRows {
    if row &+ 4 <= packing.count {
      transposeFourRows(packing, row)
    } else {
      var single = row
      while single < row &+ 4 {
        copyOneRow(packing, single)
        single &+= 1
      }
    }
    row &+= 4
  }
}

/// Four rows become four columns, through 4 × 4 blocks in registers.
@inline(never)
private func transposeFourRows(_ packing: PairedRows, _ row: Int) {
  var r0 = UnsafeRawPointer(packing.source + packing.rows[row])
  var r1 = UnsafeRawPointer(packing.source + packing.rows[row &+ 1])
  var r2 = UnsafeRawPointer(packing.source + packing.rows[row &+ 2])
  var r3 = UnsafeRawPointer(packing.source + packing.rows[row &+ 3])
  var target = UnsafeMutableRawPointer(packing.block + row)
  let targetBytes = pairedRows &* 4
  var remaining = packing.depth
  while remaining >= 4 {
    let x0 = r0.loadUnaligned(as: SIMD4<Float>.self)
    let x1 = r1.loadUnaligned(as: SIMD4<Float>.self)
    let x2 = r2.loadUnaligned(as: SIMD4<Float>.self)
    let x3 = r3.loadUnaligned(as: SIMD4<Float>.self)
    storeTransposed(x0, x1, x2, x3, target, stride: targetBytes)
    r0 += 16
    r1 += 16
    r2 += 16
    r3 += 16
    target += 4 &* targetBytes
    remaining &-= 4
  }
  while remaining > 0 {
    let column = target.assumingMemoryBound(to: Float.self)
    column[0] = r0.load(as: Float.self)
    column[1] = r1.load(as: Float.self)
    column[2] = r2.load(as: Float.self)
    column[3] = r3.load(as: Float.self)
    r0 += 4
    r1 += 4
    r2 += 4
    r3 += 4
    target += targetBytes
    remaining &-= 1
  }
}

/// One row, or zeros where there is none.
@inline(never)
private func copyOneRow(_ packing: PairedRows, _ row: Int) {
  var target = packing.block + row
  var k = 0
  if row < packing.count {
    let source = packing.source + packing.rows[row]
    while k < packing.depth {
      target.pointee = source[k]
      target += pairedRows
      k &+= 1
    }
  } else {
    while k < packing.depth {
      target.pointee = 0
      target += pairedRows
      k &+= 1
    }
  }
}
