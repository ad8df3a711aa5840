import NNKitKernelTable

// MARK: Gradient of the output

/// `A y` of F(4×4, 3×3) for the points ±p, whose square is `square`.
@_transparent
private func transformInner(
  _ y0: Vector, _ y1: Vector, _ y2: Vector, _ y3: Vector, _ point: Float, _ square: Float
) -> VectorPair {
  let factor = Vector(repeating: square)
  return plusAndMinus(multiplyAdd(factor, y2, y0), point, multiplyAdd(factor, y3, y1))
}

/// Two rows of planes of `A dY Aᵀ`: see `WinogradOutputGradient`.
func winogradOutputGradient(_ gradient: WinogradOutputGradient) {
  if gradient.rowPair == 0 {
    transformOuterRow(gradient)
  } else if gradient.rowPair == 1 {
    transformInnerRow(gradient, winogradSmallPoint, 0.5)
  } else {
    transformInnerRow(gradient, winogradLargePoint, 2)
  }
}

/// Calls `whole(source, target)` for each full vector of each tile, and `last` for what is left of each.
@inline(__always)
private func forEachVector(
  _ gradient: WinogradOutputGradient,
  _ whole: (_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) -> Void,
  last: (_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ lanes: Int) -> Void
) {
  var tile = 0
  while tile < gradient.tiles {
    var source = gradient.source + tile &* 4 &* gradient.pixelStride
    var target = gradient.output + tile &* gradient.tileStride
    var lanes = gradient.columns
    while lanes >= vectorWidth {
      whole(source, target)
      source += vectorWidth
      target += vectorWidth
      lanes &-= vectorWidth
    }
    if lanes > 0 { last(source, target, lanes) }
    tile &+= 1
  }
}

@inline(never)
private func transformOuterRow(_ gradient: WinogradOutputGradient) {
  forEachVector(gradient) {
    transformOuterTile($0, $1, gradient, vectorWidth)
  } last: {
    transformLastOuterTile($0, $1, gradient, $2)
  }
}

@inline(never)
private func transformInnerRow(_ gradient: WinogradOutputGradient, _ point: Float, _ square: Float) {
  forEachVector(gradient) {
    transformInnerTile($0, $1, gradient, point, square, vectorWidth)
  } last: {
    transformLastInnerTile($0, $1, gradient, point, square, $2)
  }
}

@inline(never)
private func transformLastOuterTile(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradOutputGradient,
  _ lanes: Int
) {
  transformOuterTile(source, target, gradient, lanes)
}

@inline(never)
private func transformLastInnerTile(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradOutputGradient,
  _ point: Float, _ square: Float, _ lanes: Int
) {
  transformInnerTile(source, target, gradient, point, square, lanes)
}

@_transparent
private func transformOuterTile(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradOutputGradient,
  _ lanes: Int
) {
  storeTransformedRows(
    outerColumn(source, gradient.lineStride, lanes),
    outerColumn(source + gradient.pixelStride, gradient.lineStride, lanes),
    outerColumn(source + 2 &* gradient.pixelStride, gradient.lineStride, lanes),
    outerColumn(source + 3 &* gradient.pixelStride, gradient.lineStride, lanes), target, gradient.planeStride, lanes)
}

@_transparent
private func transformInnerTile(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradOutputGradient,
  _ point: Float, _ square: Float, _ lanes: Int
) {
  storeTransformedRows(
    innerColumn(source, gradient.lineStride, lanes, point, square),
    innerColumn(source + gradient.pixelStride, gradient.lineStride, lanes, point, square),
    innerColumn(source + 2 &* gradient.pixelStride, gradient.lineStride, lanes, point, square),
    innerColumn(source + 3 &* gradient.pixelStride, gradient.lineStride, lanes, point, square), target,
    gradient.planeStride, lanes)
}

@_transparent
private func outerColumn(_ source: UnsafePointer<Float>, _ lineStride: Int, _ lanes: Int) -> VectorPair {
  (loadLanes(source, lanes), loadLanes(source + 3 &* lineStride, lanes))
}

@_transparent
private func innerColumn(
  _ source: UnsafePointer<Float>, _ lineStride: Int, _ lanes: Int, _ point: Float, _ square: Float
) -> VectorPair {
  transformInner(
    loadLanes(source, lanes), loadLanes(source + lineStride, lanes), loadLanes(source + 2 &* lineStride, lanes),
    loadLanes(source + 3 &* lineStride, lanes), point, square)
}

/// The last product with `Aᵀ` for two rows of a tile, of which these are the columns.
@_transparent
private func storeTransformedRows(
  _ c0: VectorPair, _ c1: VectorPair, _ c2: VectorPair, _ c3: VectorPair, _ target: UnsafeMutablePointer<Float>,
  _ planeStride: Int, _ lanes: Int
) {
  storePair((c0.0, c3.0), target, planeStride, lanes)
  storePair(
    transformInner(c0.0, c1.0, c2.0, c3.0, winogradSmallPoint, 0.5), target + 2 &* planeStride, planeStride, lanes)
  storePair(
    transformInner(c0.0, c1.0, c2.0, c3.0, winogradLargePoint, 2), target + 4 &* planeStride, planeStride, lanes)
  let lower = target + 6 &* planeStride
  storePair((c0.1, c3.1), lower, planeStride, lanes)
  storePair(
    transformInner(c0.1, c1.1, c2.1, c3.1, winogradSmallPoint, 0.5), lower + 2 &* planeStride, planeStride, lanes)
  storePair(transformInner(c0.1, c1.1, c2.1, c3.1, winogradLargePoint, 2), lower + 4 &* planeStride, planeStride, lanes)
}

// MARK: Gradient of the weights

/// `Gᵀ u` of F(4×4, 3×3).
@_transparent
private func transformToThree(
  _ zero: Vector, _ infinity: Vector, _ small: Vector, _ minusSmall: Vector, _ large: Vector, _ minusLarge: Vector
) -> (Vector, Vector, Vector) {
  let (smallSum, largeSum) = (small + minusSmall, large + minusLarge)
  let smallOdd = Vector(repeating: -2.0 / 3 * winogradSmallPoint) * (small - minusSmall)
  return (
    multiplyAdd(
      Vector(repeating: 1.0 / 6), largeSum, multiplyAdd(Vector(repeating: -2.0 / 3), smallSum, zero)),
    multiplyAdd(Vector(repeating: winogradLargePoint / 6), large - minusLarge, smallOdd),
    multiplyAdd(Vector(repeating: 1.0 / 3), largeSum - smallSum, infinity)
  )
}

/// `Gᵀ dU G`: see `WinogradKernelGradient`.
func winogradKernelGradient(_ gradient: WinogradKernelGradient) {
  var row = 0
  while row < gradient.rows {
    var products = gradient.products + row &* gradient.columns
    var target = gradient.output + row &* gradient.rowStride
    var lanes = gradient.columns
    while lanes >= vectorWidth {
      transformWeights(products, target, gradient, vectorWidth)
      products += vectorWidth
      target += vectorWidth
      lanes &-= vectorWidth
    }
    if lanes > 0 { transformLastWeights(products, target, gradient, lanes) }
    row &+= 1
  }
}

@inline(never)
private func transformLastWeights(
  _ products: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradKernelGradient,
  _ lanes: Int
) {
  transformWeights(products, target, gradient, lanes)
}

@_transparent
private func transformWeights(
  _ products: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ gradient: WinogradKernelGradient,
  _ lanes: Int
) {
  let (planeStride, tapStride) = (gradient.planeStride, gradient.tapStride)
  let c0 = columnOfThree(products, planeStride, lanes)
  let c1 = columnOfThree(products + planeStride, planeStride, lanes)
  let c2 = columnOfThree(products + 2 &* planeStride, planeStride, lanes)
  let c3 = columnOfThree(products + 3 &* planeStride, planeStride, lanes)
  let c4 = columnOfThree(products + 4 &* planeStride, planeStride, lanes)
  let c5 = columnOfThree(products + 5 &* planeStride, planeStride, lanes)
  storeThree(transformToThree(c0.0, c1.0, c2.0, c3.0, c4.0, c5.0), target, tapStride, lanes)
  storeThree(transformToThree(c0.1, c1.1, c2.1, c3.1, c4.1, c5.1), target + 3 &* tapStride, tapStride, lanes)
  storeThree(transformToThree(c0.2, c1.2, c2.2, c3.2, c4.2, c5.2), target + 6 &* tapStride, tapStride, lanes)
}

@_transparent
private func columnOfThree(_ products: UnsafePointer<Float>, _ planeStride: Int, _ lanes: Int) -> (
  Vector, Vector, Vector
) {
  transformToThree(
    loadLanes(products, lanes), loadLanes(products + 6 &* planeStride, lanes),
    loadLanes(products + 12 &* planeStride, lanes), loadLanes(products + 18 &* planeStride, lanes),
    loadLanes(products + 24 &* planeStride, lanes), loadLanes(products + 30 &* planeStride, lanes))
}

@_transparent
private func storeThree(
  _ row: (Vector, Vector, Vector), _ target: UnsafeMutablePointer<Float>, _ tapStride: Int, _ lanes: Int
) {
  storeLanes(row.0, target, lanes)
  storeLanes(row.1, target + tapStride, lanes)
  storeLanes(row.2, target + 2 &* tapStride, lanes)
}
