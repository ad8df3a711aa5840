import NNKitKernelTable

/// Four vectors: a row or column of a 4 × 4 tile.
private typealias Four = (Vector, Vector, Vector, Vector)

/// `Bᵀ d` for one row or column.
@_transparent
private func transformInput(_ d0: Vector, _ d1: Vector, _ d2: Vector, _ d3: Vector) -> Four {
  (d0 - d2, d1 + d2, d2 - d1, d1 - d3)
}

/// The input transform of F(2×2, 3×3): see `WinogradInput`.
func winogradInput(_ input: WinogradInput) {
  let channels = input.channels
  var tile = 0
  while tile < input.tiles {
    let source = input.source + tile &* 2 &* channels
    let output = input.output + tile &* channels
    var c = 0
    while c < channels {
      let lanes = channels &- c
      var row = source + c
      var rows: InlineArray<16, Vector> = .init(repeating: Vector())
      var y = 0
      while y < 4 {
        let r = transformInput(
          loadLanes(row, lanes), loadLanes(row + channels, lanes), loadLanes(row + 2 &* channels, lanes),
          loadLanes(row + 3 &* channels, lanes))
        rows[4 &* y] = r.0
        rows[4 &* y &+ 1] = r.1
        rows[4 &* y &+ 2] = r.2
        rows[4 &* y &+ 3] = r.3
        row += input.lineStride
        y &+= 1
      }
      var x = 0
      while x < 4 {
        let column = transformInput(rows[x], rows[4 &+ x], rows[8 &+ x], rows[12 &+ x])
        let target = output + (x &* input.planeStride &+ c)
        storeLanes(column.0, target, lanes)
        storeLanes(column.1, target + 4 &* input.planeStride, lanes)
        storeLanes(column.2, target + 8 &* input.planeStride, lanes)
        storeLanes(column.3, target + 12 &* input.planeStride, lanes)
        x &+= 1
      }
      c &+= vectorWidth
    }
    tile &+= 1
  }
}

/// The output transform of F(2×2, 3×3), bias and ReLU: see `WinogradOutput`.
func winogradOutput(_ output: WinogradOutput) {
  let columns = output.columns
  var x = 0
  while x < output.width {
    let products = output.products + (x &>> 1) &* columns
    let isWhole = x &+ 1 < output.width
    var n = 0
    while n < columns {
      let lanes = columns &- n
      let start = output.bias.map { loadLanes($0 + n, lanes) } ?? Vector()
      // Rows of Aᵀ M, one pair for each column of M.
      var top: InlineArray<4, Vector> = .init(repeating: Vector())
      var bottom: InlineArray<4, Vector> = .init(repeating: Vector())
      var j = 0
      while j < 4 {
        let column = products + (j &* output.planeStride &+ n)
        let m0 = loadLanes(column, lanes)
        let m1 = loadLanes(column + 4 &* output.planeStride, lanes)
        let m2 = loadLanes(column + 8 &* output.planeStride, lanes)
        let m3 = loadLanes(column + 12 &* output.planeStride, lanes)
        top[j] = m0 + m1 + m2
        bottom[j] = m1 - m2 - m3
        j &+= 1
      }
      let place = x &* columns &+ n
      storePixels(top, start, output, place, lanes, isWhole)
      if output.height > 1 { storePixels(bottom, start, output, place &+ output.rowStep, lanes, isWhole) }
      n &+= vectorWidth
    }
    x &+= 2
  }
}

/// One row of a tile's pixels: the last product with `A`.
@inline(__always)
private func storePixels(
  _ m: InlineArray<4, Vector>, _ start: Vector, _ output: WinogradOutput, _ place: Int, _ lanes: Int, _ isWhole: Bool
) {
  storePixel(start + (m[0] + m[1] + m[2]), output, place, lanes)
  if isWhole { storePixel(start + (m[1] - m[2] - m[3]), output, place &+ output.columns, lanes) }
}

@inline(__always)
private func storePixel(_ sum: Vector, _ output: WinogradOutput, _ place: Int, _ lanes: Int) {
  var y = sum
  if let addend = output.addend { y += loadLanes(addend + place, lanes) }
  storeLanes(output.relu ? atLeast(0, y) : y, output.output + place, lanes)
}

/// `G g` for one row or column.
@_transparent
private func transformWeights(_ g0: Vector, _ g1: Vector, _ g2: Vector) -> Four {
  let half = Vector(repeating: 0.5)
  let outer = (g0 + g2) * half
  let inner = g1 * half
  return (g0, outer + inner, outer - inner, g2)
}

/// The weight transform of F(2×2, 3×3): see `WinogradWeights`. A few rows of the nine taps are packed side by side
/// first, which makes rows of whole vectors of them in either orientation.
func winogradWeights(_ weights: WinogradWeights) {
  let panelColumns = 2 &* vectorWidth
  let tapFloats = WinogradWeights.depthPerBlock &* panelColumns
  var k = 0
  while k < weights.depth {
    let depth = weights.depth &- k < WinogradWeights.depthPerBlock ? weights.depth &- k : WinogradWeights.depthPerBlock
    var tap = 0
    while tap < 9 {
      packPanel(
        PanelPacking(
          source: weights.source + (weights.taps[tap] &+ k &* weights.depthStride), depthStride: weights.depthStride,
          columnStride: weights.columnStride, depth: depth, columns: weights.columns,
          panel: weights.scratch + tap &* tapFloats))
      tap &+= 1
    }
    var i = 0
    while i < depth &* panelColumns {
      transformVector(
        UnsafePointer(weights.scratch + i), tapFloats, weights.panels + (k &* panelColumns &+ i), weights.planeStride)
      i &+= vectorWidth
    }
    k &+= WinogradWeights.depthPerBlock
  }
}

/// One vector of each of the nine taps becomes one of each of the 16 planes.
@inline(__always)
private func transformVector(
  _ taps: UnsafePointer<Float>, _ tapStride: Int, _ planes: UnsafeMutablePointer<Float>, _ planeStride: Int
) {
  var rows: InlineArray<12, Vector> = .init(repeating: Vector())
  var y = 0
  while y < 3 {
    let row = taps + 3 &* y &* tapStride
    let r = transformWeights(loadVector(row), loadVector(row + tapStride), loadVector(row + 2 &* tapStride))
    rows[4 &* y] = r.0
    rows[4 &* y &+ 1] = r.1
    rows[4 &* y &+ 2] = r.2
    rows[4 &* y &+ 3] = r.3
    y &+= 1
  }
  var x = 0
  while x < 4 {
    let column = transformWeights(rows[x], rows[4 &+ x], rows[8 &+ x])
    let plane = planes + x &* planeStride
    storeVector(column.0, plane)
    storeVector(column.1, plane + 4 &* planeStride)
    storeVector(column.2, plane + 8 &* planeStride)
    storeVector(column.3, plane + 12 &* planeStride)
    x &+= 1
  }
}
