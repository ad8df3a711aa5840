import NNKitKernelTable

/// Panels that one pass over a vector multiplies at once: with one row, each panel has two sums only, too few to hide
/// the latency of a multiply-add.
private let panelsAtOnce = 4

/// `c = f(a · B + bias)` for one row: see `VectorProduct`.
func vectorProduct(_ product: VectorProduct) {
  var column = 0
  while product.columns &- column >= panelsAtOnce &* panelColumns {
    fourPanels(product, column)
    column &+= panelsAtOnce &* panelColumns
  }
  if product.columns &- column >= 2 &* panelColumns {
    twoPanels(product, column)
    column &+= 2 &* panelColumns
  }
  var (row, noOffset) = (0, 0)
  while column < product.columns {
    rowProduct(
      RowProduct(
        a: product.a, aRows: &row, taps: &noOffset, tapCount: 1, depth: product.depth,
        b: product.b + column / panelColumns &* product.panelStride, c: product.c + column, cRows: &row, rows: 1,
        columns: product.columns &- column < panelColumns ? product.columns &- column : panelColumns,
        bias: product.bias.map { $0 + column }, addend: product.addend.map { $0 + column },
        accumulate: product.accumulate, relu: product.relu))
    column &+= panelColumns
  }
}

/// Four whole panels from `column` on.
@inline(never)
private func fourPanels(_ product: VectorProduct, _ column: Int) {
  wholePanels(product, column, InlineArray<8, Vector>(repeating: Vector()))
}

/// Two whole panels from `column` on: their four sums just hide the latency of a multiply-add.
@inline(never)
private func twoPanels(_ product: VectorProduct, _ column: Int) {
  wholePanels(product, column, InlineArray<4, Vector>(repeating: Vector()))
}

/// `accumulators / 2` panels at once. The last argument only carries their number as a type; with it known, the array
/// becomes registers.
@inline(__always)
private func wholePanels<let accumulators: Int>(
  _ product: VectorProduct, _ column: Int, _ sumsOfPanels: InlineArray<accumulators, Vector>
) {
  var sums = sumsOfPanels
  let c = product.c + column
  if let start = product.accumulate ? UnsafePointer(product.c) : product.addend {
    for i in 0..<accumulators { sums[i] = loadVector(start + (column &+ i &* vectorWidth)) }
  }
  if let bias = product.bias {
    for i in 0..<accumulators { sums[i] += loadVector(bias + (column &+ i &* vectorWidth)) }
  }
  let stride = product.panelStride
  var b = product.b + column / panelColumns &* stride
  var a = product.a
  var remaining = product.depth
  while remaining > 0 {
    let factor = Vector(repeating: a.pointee)
    for i in 0..<accumulators {
      sums[i] = multiplyAdd(factor, loadVector(b + (i / 2 &* stride &+ i % 2 &* vectorWidth)), sums[i])
    }
    a += 1
    b += panelColumns
    remaining &-= 1
  }
  for i in 0..<accumulators {
    storeVector(product.relu ? atLeast(0, sums[i]) : sums[i], c + i &* vectorWidth)
  }
}
