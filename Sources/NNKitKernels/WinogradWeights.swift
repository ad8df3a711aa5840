import NNKitKernelTable

/// `G g` of F(2×2, 3×3).
@_transparent
private func transformToFour(_ g0: Vector, _ g1: Vector, _ g2: Vector) -> VectorFour {
  let half = Vector(repeating: 0.5)
  let outer = (g0 + g2) * half
  let inner = g1 * half
  return (g0, g2, outer + inner, outer - inner)
}

/// `G g` of F(4×4, 3×3).
@_transparent
private func transformToSix(_ g0: Vector, _ g1: Vector, _ g2: Vector) -> VectorSix {
  let third = Vector(repeating: 1.0 / 3) * g2
  let small = plusAndMinus(
    multiplyAdd(Vector(repeating: -2.0 / 3), g0, Vector() - third), -2.0 / 3 * winogradSmallPoint, g1)
  let large = plusAndMinus(multiplyAdd(Vector(repeating: 1.0 / 6), g0, third), winogradLargePoint / 6, g1)
  return (g0, g2, small.0, small.1, large.0, large.1)
}

/// The weight transform: see `WinogradWeights`. A few rows of the nine taps are packed side by side first, which makes
/// rows of whole vectors of them in either orientation.
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
      let target = weights.panels + (k &* panelColumns &+ i)
      if weights.size == 2 {
        transformToFour(UnsafePointer(weights.scratch + i), tapFloats, target, weights.planeStride)
      } else {
        transformToSix(UnsafePointer(weights.scratch + i), tapFloats, target, weights.planeStride)
      }
      i &+= vectorWidth
    }
    k &+= WinogradWeights.depthPerBlock
  }
}

/// One vector of each of the nine taps becomes one of each of the 16 planes.
@inline(__always)
private func transformToFour(
  _ taps: UnsafePointer<Float>, _ tapStride: Int, _ planes: UnsafeMutablePointer<Float>, _ planeStride: Int
) {
  let c0 = columnOfFour(taps, tapStride)
  let c1 = columnOfFour(taps + tapStride, tapStride)
  let c2 = columnOfFour(taps + 2 &* tapStride, tapStride)
  storeRow(transformToFour(c0.0, c1.0, c2.0), planes, planeStride)
  storeRow(transformToFour(c0.1, c1.1, c2.1), planes + 4 &* planeStride, planeStride)
  storeRow(transformToFour(c0.2, c1.2, c2.2), planes + 8 &* planeStride, planeStride)
  storeRow(transformToFour(c0.3, c1.3, c2.3), planes + 12 &* planeStride, planeStride)
}

@_transparent
private func columnOfFour(_ taps: UnsafePointer<Float>, _ tapStride: Int) -> VectorFour {
  transformToFour(loadVector(taps), loadVector(taps + 3 &* tapStride), loadVector(taps + 6 &* tapStride))
}

@_transparent
private func storeRow(_ row: VectorFour, _ planes: UnsafeMutablePointer<Float>, _ planeStride: Int) {
  storePair((row.0, row.1), planes, planeStride, vectorWidth)
  storePair((row.2, row.3), planes + 2 &* planeStride, planeStride, vectorWidth)
}

/// One vector of each of the nine taps becomes one of each of the 36 planes.
@inline(__always)
private func transformToSix(
  _ taps: UnsafePointer<Float>, _ tapStride: Int, _ planes: UnsafeMutablePointer<Float>, _ planeStride: Int
) {
  // Rows of G g: six for each of its three columns.
  var rows = InlineArray<18, Vector>(repeating: Vector())
  var j = 0
  while j < 3 {
    let column = columnOfSix(taps + j &* tapStride, tapStride)
    rows[j] = column.0
    rows[3 &+ j] = column.1
    rows[6 &+ j] = column.2
    rows[9 &+ j] = column.3
    rows[12 &+ j] = column.4
    rows[15 &+ j] = column.5
    j &+= 1
  }
  var target = planes
  var i = 0
  while i < 18 {
    storeRow(transformToSix(rows[i], rows[i &+ 1], rows[i &+ 2]), target, planeStride)
    target += 6 &* planeStride
    i &+= 3
  }
}

@_transparent
private func columnOfSix(_ taps: UnsafePointer<Float>, _ tapStride: Int) -> VectorSix {
  transformToSix(loadVector(taps), loadVector(taps + 3 &* tapStride), loadVector(taps + 6 &* tapStride))
}

@_transparent
private func storeRow(_ row: VectorSix, _ planes: UnsafeMutablePointer<Float>, _ planeStride: Int) {
  storePair((row.0, row.1), planes, planeStride, vectorWidth)
  storePair((row.2, row.3), planes + 2 &* planeStride, planeStride, vectorWidth)
  storePair((row.4, row.5), planes + 4 &* planeStride, planeStride, vectorWidth)
}
