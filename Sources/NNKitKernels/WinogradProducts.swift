import NNKitKernelTable

/// The products of all planes: see `WinogradProducts`.
///
/// One call for all: with few channels a product takes little longer than a call with all its arguments. The rows are
/// dealt to tiles as those of `rowProduct` are.
func winogradProducts(_ products: WinogradProducts) {
  let wide = RowBlocks(products, largest: tileRows)
  let isTall = tileRows > narrowTileRows && products.depth >= vectorWidth && products.depth & 1023 != 0
  let narrow = RowBlocks(products, largest: isTall ? tileRows : narrowTileRows)
  var panel = products.b
  var plane = 0
  while plane < products.planes {
    let a = products.a + plane &* products.aPlaneStride
    let c = products.c + plane &* products.cPlaneStride
    var column = 0
    while column < products.columns {
      let columns = products.columns &- column
      if columns <= vectorWidth {
        multiplyNarrowPanel(products, narrow, a, panel, c + column)
      } else {
        let isLast = plane &+ 1 == products.planes && columns <= panelColumns && !products.hasNext
        multiplyPanel(products, wide, a, panel, c + column, fetchesNext: !isLast)
      }
      panel += products.panelStride
      column &+= panelColumns
    }
    plane &+= 1
  }
}

/// As few blocks of rows as tiles of `largest` allow: the first `largerCount` have `size` rows, the others one less.
private struct RowBlocks {
  let count: Int
  let size: Int
  let largerCount: Int
  /// Bytes of the next panel that a block of either size fetches in a step of the depth: all blocks fetch the whole.
  let largerFetch: Int
  let smallerFetch: Int

  @inline(__always)
  init(_ products: WinogradProducts, largest: Int) {
    let rows = products.rows
    count = (rows &+ largest &- 1) / largest
    size = (rows &+ count &- 1) / (count == 0 ? 1 : count)
    largerCount = rows &- count &* (size &- 1)
    let bytes = rows > RowProduct.fewRows ? 0 : panelColumns &* MemoryLayout<Float>.size
    largerFetch = (bytes &* size &+ rows &- 1) / (rows == 0 ? 1 : rows)
    smallerFetch = (bytes &* (size &- 1) &+ rows &- 1) / (rows == 0 ? 1 : rows)
  }
}

/// All rows and a panel of more columns than a vector has.
@inline(__always)
private func multiplyPanel(
  _ products: WinogradProducts, _ blocks: RowBlocks, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, fetchesNext: Bool
) {
  var (a, c) = (a, c)
  // Without any, a line of the panel that is here is fetched.
  var next = UnsafeRawPointer(fetchesNext ? panel + products.panelStride : panel)
  var block = 0
  while block < blocks.count {
    let isLarger = block < blocks.largerCount
    let rows = isLarger ? blocks.size : blocks.size &- 1
    let fetch = fetchesNext ? (isLarger ? blocks.largerFetch : blocks.smallerFetch) : 0
    switch rows {
    case 1: multiply1x2(products, a, panel, c, next, fetch)
    case 2: multiply2x2(products, a, panel, c, next, fetch)
    case 3: multiply3x2(products, a, panel, c, next, fetch)
    case 4: multiply4x2(products, a, panel, c, next, fetch)
    #if NNKIT_AVX2 || NNKIT_AVX512
      case 5: multiply5x2(products, a, panel, c, next, fetch)
      case 6: multiply6x2(products, a, panel, c, next, fetch)
    #endif
    #if NNKIT_AVX512
      case 7: multiply7x2(products, a, panel, c, next, fetch)
      case 8: multiply8x2(products, a, panel, c, next, fetch)
      case 9: multiply9x2(products, a, panel, c, next, fetch)
      case 10: multiply10x2(products, a, panel, c, next, fetch)
      case 11: multiply11x2(products, a, panel, c, next, fetch)
      case 12: multiply12x2(products, a, panel, c, next, fetch)
    #endif
    default: break
    }
    a += rows &* products.depth
    c += rows &* products.cRowStride
    next += fetch &* products.depth
    block &+= 1
  }
}

/// All rows and a panel of no more columns than a vector has.
@inline(__always)
private func multiplyNarrowPanel(
  _ products: WinogradProducts, _ blocks: RowBlocks, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  var (a, c) = (a, c)
  var block = 0
  while block < blocks.count {
    let rows = block < blocks.largerCount ? blocks.size : blocks.size &- 1
    switch rows {
    case 1: multiply1x1(products, a, panel, c)
    case 2: multiply2x1(products, a, panel, c)
    case 3: multiply3x1(products, a, panel, c)
    case 4: multiply4x1(products, a, panel, c)
    case 5: multiply5x1(products, a, panel, c)
    case 6: multiply6x1(products, a, panel, c)
    case 7: multiply7x1(products, a, panel, c)
    case 8: multiply8x1(products, a, panel, c)
    #if NNKIT_AVX512
      case 9: multiply9x1(products, a, panel, c)
      case 10: multiply10x1(products, a, panel, c)
      case 11: multiply11x1(products, a, panel, c)
      case 12: multiply12x1(products, a, panel, c)
    #endif
    default: break
    }
    a += rows &* products.depth
    c += rows &* products.cRowStride
    block &+= 1
  }
}

/// The micro-kernel: `rows` rows, `accumulators / rows` vectors of columns. As with `rowProduct`, the last two arguments
/// only carry the tile's size as types.
@inline(__always)
private func multiplyTile<let rows: Int, let accumulators: Int>(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int,
  _ sumsOfTile: InlineArray<accumulators, Vector>, _ offsetsOfTile: InlineArray<rows, Int>
) {
  var sums = sumsOfTile
  var offsets = offsetsOfTile
  let vectors = accumulators / rows
  for row in 0..<rows { offsets[row] = row &* products.depth }
  var (b, next) = (panel, next)
  multiplyDepth(a, offsets, &b, products.depth, &next, fetch, &sums)
  for row in 0..<rows { storeVector(sums[row * vectors], c + row &* products.cRowStride) }
  if vectors == 2 {
    for row in 0..<rows { storeVector(sums[row * vectors + 1], c + (row &* products.cRowStride &+ vectorWidth)) }
  }
}

// MARK: The tiles, rows x vectors of columns

@inline(never)
private func multiply1x2(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
) {
  multiplyTile(
    products, a, panel, c, next, fetch, InlineArray<2, Vector>(repeating: Vector()),
    InlineArray<1, Int>(repeating: 0))
}

@inline(never)
private func multiply2x2(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
) {
  multiplyTile(
    products, a, panel, c, next, fetch, InlineArray<4, Vector>(repeating: Vector()),
    InlineArray<2, Int>(repeating: 0))
}

@inline(never)
private func multiply3x2(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
) {
  multiplyTile(
    products, a, panel, c, next, fetch, InlineArray<6, Vector>(repeating: Vector()),
    InlineArray<3, Int>(repeating: 0))
}

@inline(never)
private func multiply4x2(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
) {
  multiplyTile(
    products, a, panel, c, next, fetch, InlineArray<8, Vector>(repeating: Vector()),
    InlineArray<4, Int>(repeating: 0))
}

#if NNKIT_AVX2 || NNKIT_AVX512

  @inline(never)
  private func multiply5x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<10, Vector>(repeating: Vector()),
      InlineArray<5, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply6x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<12, Vector>(repeating: Vector()),
      InlineArray<6, Int>(repeating: 0))
  }

#endif

#if NNKIT_AVX512

  @inline(never)
  private func multiply7x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<14, Vector>(repeating: Vector()),
      InlineArray<7, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply8x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<16, Vector>(repeating: Vector()),
      InlineArray<8, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply9x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<18, Vector>(repeating: Vector()),
      InlineArray<9, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply10x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<20, Vector>(repeating: Vector()),
      InlineArray<10, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply11x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<22, Vector>(repeating: Vector()),
      InlineArray<11, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply12x2(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ next: UnsafeRawPointer, _ fetch: Int
  ) {
    multiplyTile(
      products, a, panel, c, next, fetch, InlineArray<24, Vector>(repeating: Vector()),
      InlineArray<12, Int>(repeating: 0))
  }

#endif

@inline(never)
private func multiply1x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<1, Vector>(repeating: Vector()),
    InlineArray<1, Int>(repeating: 0))
}

@inline(never)
private func multiply2x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<2, Vector>(repeating: Vector()),
    InlineArray<2, Int>(repeating: 0))
}

@inline(never)
private func multiply3x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<3, Vector>(repeating: Vector()),
    InlineArray<3, Int>(repeating: 0))
}

@inline(never)
private func multiply4x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<4, Vector>(repeating: Vector()),
    InlineArray<4, Int>(repeating: 0))
}

@inline(never)
private func multiply5x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<5, Vector>(repeating: Vector()),
    InlineArray<5, Int>(repeating: 0))
}

@inline(never)
private func multiply6x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<6, Vector>(repeating: Vector()),
    InlineArray<6, Int>(repeating: 0))
}

@inline(never)
private func multiply7x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<7, Vector>(repeating: Vector()),
    InlineArray<7, Int>(repeating: 0))
}

@inline(never)
private func multiply8x1(
  _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  multiplyTile(
    products, a, panel, c, panel, 0, InlineArray<8, Vector>(repeating: Vector()),
    InlineArray<8, Int>(repeating: 0))
}

#if NNKIT_AVX512

  @inline(never)
  private func multiply9x1(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    multiplyTile(
      products, a, panel, c, panel, 0, InlineArray<9, Vector>(repeating: Vector()),
      InlineArray<9, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply10x1(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    multiplyTile(
      products, a, panel, c, panel, 0, InlineArray<10, Vector>(repeating: Vector()),
      InlineArray<10, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply11x1(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    multiplyTile(
      products, a, panel, c, panel, 0, InlineArray<11, Vector>(repeating: Vector()),
      InlineArray<11, Int>(repeating: 0))
  }

  @inline(never)
  private func multiply12x1(
    _ products: WinogradProducts, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    multiplyTile(
      products, a, panel, c, panel, 0, InlineArray<12, Vector>(repeating: Vector()),
      InlineArray<12, Int>(repeating: 0))
  }

#endif
