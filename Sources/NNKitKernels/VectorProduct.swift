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
  var sums = InlineArray<8, Vector>(repeating: Vector())
  let c = product.c + column
  if let start = product.accumulate ? UnsafePointer(product.c) : product.addend {
    for i in 0..<8 { sums[i] = loadVector(start + (column &+ i &* vectorWidth)) }
  }
  if let bias = product.bias {
    for i in 0..<8 { sums[i] += loadVector(bias + (column &+ i &* vectorWidth)) }
  }
  let stride = product.panelStride
  var b = product.b + column / panelColumns &* stride
  var a = product.a
  var remaining = product.depth
  while remaining > 0 {
    let factor = Vector(repeating: a.pointee)
    sums[0] = multiplyAdd(factor, loadVector(b), sums[0])
    sums[1] = multiplyAdd(factor, loadVector(b + vectorWidth), sums[1])
    sums[2] = multiplyAdd(factor, loadVector(b + stride), sums[2])
    sums[3] = multiplyAdd(factor, loadVector(b + (stride &+ vectorWidth)), sums[3])
    sums[4] = multiplyAdd(factor, loadVector(b + 2 &* stride), sums[4])
    sums[5] = multiplyAdd(factor, loadVector(b + (2 &* stride &+ vectorWidth)), sums[5])
    sums[6] = multiplyAdd(factor, loadVector(b + 3 &* stride), sums[6])
    sums[7] = multiplyAdd(factor, loadVector(b + (3 &* stride &+ vectorWidth)), sums[7])
    a += 1
    b += panelColumns
    remaining &-= 1
  }
  for i in 0..<8 {
    storeVector(product.relu ? atLeast(0, sums[i]) : sums[i], c + i &* vectorWidth)
  }
}

/// Two whole panels from `column` on: their four sums just hide the latency of a multiply-add.
@inline(never)
private func twoPanels(_ product: VectorProduct, _ column: Int) {
  var sums = InlineArray<4, Vector>(repeating: Vector())
  let c = product.c + column
  if let start = product.accumulate ? UnsafePointer(product.c) : product.addend {
    for i in 0..<4 { sums[i] = loadVector(start + (column &+ i &* vectorWidth)) }
  }
  if let bias = product.bias {
    for i in 0..<4 { sums[i] += loadVector(bias + (column &+ i &* vectorWidth)) }
  }
  let stride = product.panelStride
  var b = product.b + column / panelColumns &* stride
  var a = product.a
  var remaining = product.depth
  while remaining > 0 {
    let factor = Vector(repeating: a.pointee)
    sums[0] = multiplyAdd(factor, loadVector(b), sums[0])
    sums[1] = multiplyAdd(factor, loadVector(b + vectorWidth), sums[1])
    sums[2] = multiplyAdd(factor, loadVector(b + stride), sums[2])
    sums[3] = multiplyAdd(factor, loadVector(b + (stride &+ vectorWidth)), sums[3])
    a += 1
    b += panelColumns
    remaining &-= 1
  }
  for i in 0..<4 {
    storeVector(product.relu ? atLeast(0, sums[i]) : sums[i], c + i &* vectorWidth)
  }
}
