import NNKitKernelTable

/// Two, four or six vectors: rows or columns of a tile, in the order of the points 0, ∞, then pairs ±p.
typealias VectorPair = (Vector, Vector)
typealias VectorFour = (Vector, Vector, Vector, Vector)
typealias VectorSix = (Vector, Vector, Vector, Vector, Vector, Vector)

/// The points of F(4×4, 3×3) besides 0 and ∞ are ±√½ and ±√2, with the squares 1/2 and 2.
let winogradSmallPoint: Float = 0.707106781
let winogradLargePoint: Float = 1.41421356

/// `even + point · odd` and `even - point · odd`.
@_transparent
func plusAndMinus(_ even: Vector, _ point: Float, _ odd: Vector) -> VectorPair {
  (multiplyAdd(Vector(repeating: point), odd, even), multiplyAdd(Vector(repeating: -point), odd, even))
}

// MARK: Input

/// `Bᵀ d` of F(2×2, 3×3).
@_transparent
private func transformFour(_ d0: Vector, _ d1: Vector, _ d2: Vector, _ d3: Vector) -> VectorFour {
  (d0 - d2, d1 - d3, d1 + d2, d2 - d1)
}

/// `Bᵀ d` of F(4×4, 3×3) for the points 0 and ∞.
@_transparent
private func transformOuter(
  _ d0: Vector, _ d1: Vector, _ d2: Vector, _ d3: Vector, _ d4: Vector, _ d5: Vector
) -> VectorPair {
  let factor = Vector(repeating: -2.5)
  return (multiplyAdd(factor, d2, d0 + d4), multiplyAdd(factor, d3, d1 + d5))
}

/// `Bᵀ d` of F(4×4, 3×3) for the points ±p; `square` is that of the other points.
@_transparent
private func transformInner(
  _ d1: Vector, _ d2: Vector, _ d3: Vector, _ d4: Vector, _ point: Float, _ square: Float
) -> VectorPair {
  let factor = Vector(repeating: -square)
  return plusAndMinus(multiplyAdd(factor, d2, d4), point, multiplyAdd(factor, d1, d3))
}

/// Two rows of planes of the input transform: see `WinogradInput`.
func winogradInput(_ input: WinogradInput) {
  if input.size == 2 && input.rowPair == 0 {
    transformOuterRow2(input)
  } else if input.size == 2 {
    transformInnerRow2(input)
  } else if input.rowPair == 0 {
    transformOuterRow4(input)
  } else if input.rowPair == 1 {
    transformInnerRow4(input, winogradSmallPoint, 2)
  } else {
    transformInnerRow4(input, winogradLargePoint, 0.5)
  }
}

/// Calls `whole(source, target)` for each full vector of each tile, and `last` for what is left of each.
@inline(__always)
private func forEachVector(
  _ input: WinogradInput, _ whole: (_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) -> Void,
  last: (_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ lanes: Int) -> Void
) {
  var tile = 0
  while tile < input.tiles {
    var source = input.source + tile &* input.size &* input.pixelStride
    var target = input.output + tile &* input.channels
    var lanes = input.channels
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

/// `forEachVector` for the rows of planes of the points 0 and ∞: `whole` and `last` add to the energy of a tile, too.
@inline(__always)
private func forEachVectorWithEnergy(
  _ input: WinogradInput,
  _ whole: (_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ energy: inout Vector) -> Void,
  last: (
    _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ lanes: Int, _ energy: inout Vector
  ) -> Void
) {
  var tile = 0
  while tile < input.tiles {
    var source = input.source + tile &* input.size &* input.pixelStride
    var target = input.output + tile &* input.channels
    var lanes = input.channels
    var energy = Vector()
    while lanes >= vectorWidth {
      whole(source, target, &energy)
      source += vectorWidth
      target += vectorWidth
      lanes &-= vectorWidth
    }
    if lanes > 0 { last(source, target, lanes, &energy) }
    if let energies = input.energies { energies[tile] = sumOfLanes(energy) }
    tile &+= 1
  }
}

/// Adds the squares of a transformed tile at the pairs of points 0 and ∞: every pixel has a part in one of the four.
@_transparent
private func addSquares(_ a: VectorPair, _ b: VectorPair, to energy: inout Vector) {
  energy = multiplyAdd(a.0, a.0, energy)
  energy = multiplyAdd(a.1, a.1, energy)
  energy = multiplyAdd(b.0, b.0, energy)
  energy = multiplyAdd(b.1, b.1, energy)
}

@inline(never)
private func transformOuterRow2(_ input: WinogradInput) {
  // Row 0 - row 2 and row 1 - row 3.
  forEachVectorWithEnergy(input) {
    transformTile2($0, $1, input, (0, 2, 1, 3), Vector(repeating: -1), vectorWidth, &$2)
  } last: {
    transformLastTile2($0, $1, input, (0, 2, 1, 3), Vector(repeating: -1), $2, &$3)
  }
}

@inline(never)
private func transformInnerRow2(_ input: WinogradInput) {
  // Row 1 + row 2 and row 2 - row 1, which belong to the points 1 and -1.
  forEachVector(input) {
    var energy = Vector()
    transformTile2($0, $1, input, (1, 2, 2, 1), Vector(repeating: 1), vectorWidth, &energy)
  } last: {
    var energy = Vector()
    transformLastTile2($0, $1, input, (1, 2, 2, 1), Vector(repeating: 1), $2, &energy)
  }
}

@inline(never)
private func transformOuterRow4(_ input: WinogradInput) {
  forEachVectorWithEnergy(input) {
    transformOuterTile4($0, $1, input, vectorWidth, &$2)
  } last: {
    transformLastOuterTile4($0, $1, input, $2, &$3)
  }
}

@inline(never)
private func transformInnerRow4(_ input: WinogradInput, _ point: Float, _ square: Float) {
  forEachVector(input) {
    transformInnerTile4($0, $1, input, point, square, vectorWidth)
  } last: {
    transformLastInnerTile4($0, $1, input, point, square, $2)
  }
}

@inline(never)
private func transformLastTile2(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput,
  _ rows: (Int, Int, Int, Int), _ sign: Vector, _ lanes: Int, _ energy: inout Vector
) {
  transformTile2(source, target, input, rows, sign, lanes, &energy)
}

@inline(never)
private func transformLastOuterTile4(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput, _ lanes: Int,
  _ energy: inout Vector
) {
  transformOuterTile4(source, target, input, lanes, &energy)
}

@inline(never)
private func transformLastInnerTile4(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput, _ point: Float,
  _ square: Float, _ lanes: Int
) {
  transformInnerTile4(source, target, input, point, square, lanes)
}

/// `row 0 + sign · row 1` and `row 2 - row 3` of four rows of a tile, and the product of both with `B`. Adds the squares at
/// the points 0 and ∞ to `energy`.
@_transparent
private func transformTile2(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput,
  _ rows: (Int, Int, Int, Int), _ sign: Vector, _ lanes: Int, _ energy: inout Vector
) {
  let (p1, p2, p3) = (input.pixelStride, 2 &* input.pixelStride, 3 &* input.pixelStride)
  let (a, b) = (source + rows.0 &* input.lineStride, source + rows.1 &* input.lineStride)
  let (c, d) = (source + rows.2 &* input.lineStride, source + rows.3 &* input.lineStride)
  let upper = transformFour(
    loadLanes(a, lanes) + sign * loadLanes(b, lanes),
    loadLanes(a + p1, lanes) + sign * loadLanes(b + p1, lanes),
    loadLanes(a + p2, lanes) + sign * loadLanes(b + p2, lanes),
    loadLanes(a + p3, lanes) + sign * loadLanes(b + p3, lanes))
  storeFour(upper, target, input.planeStride, lanes)
  let lower = transformFour(
    loadLanes(c, lanes) - loadLanes(d, lanes), loadLanes(c + p1, lanes) - loadLanes(d + p1, lanes),
    loadLanes(c + p2, lanes) - loadLanes(d + p2, lanes), loadLanes(c + p3, lanes) - loadLanes(d + p3, lanes))
  storeFour(lower, target + 4 &* input.planeStride, input.planeStride, lanes)
  addSquares((upper.0, upper.1), (lower.0, lower.1), to: &energy)
}

/// Adds the squares at the points 0 and ∞ to `energy`.
@_transparent
private func transformOuterTile4(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput, _ lanes: Int,
  _ energy: inout Vector
) {
  let (upper, lower) = storeTransformedRows(
    outerColumn(source, input.lineStride, lanes),
    outerColumn(source + input.pixelStride, input.lineStride, lanes),
    outerColumn(source + 2 &* input.pixelStride, input.lineStride, lanes),
    outerColumn(source + 3 &* input.pixelStride, input.lineStride, lanes),
    outerColumn(source + 4 &* input.pixelStride, input.lineStride, lanes),
    outerColumn(source + 5 &* input.pixelStride, input.lineStride, lanes), target, input.planeStride, lanes)
  addSquares(upper, lower, to: &energy)
}

@_transparent
private func transformInnerTile4(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ input: WinogradInput, _ point: Float,
  _ square: Float, _ lanes: Int
) {
  // The first row and the last have no part in these.
  let source = source + input.lineStride
  _ = storeTransformedRows(
    innerColumn(source, input.lineStride, lanes, point, square),
    innerColumn(source + input.pixelStride, input.lineStride, lanes, point, square),
    innerColumn(source + 2 &* input.pixelStride, input.lineStride, lanes, point, square),
    innerColumn(source + 3 &* input.pixelStride, input.lineStride, lanes, point, square),
    innerColumn(source + 4 &* input.pixelStride, input.lineStride, lanes, point, square),
    innerColumn(source + 5 &* input.pixelStride, input.lineStride, lanes, point, square), target, input.planeStride,
    lanes)
}

@_transparent
private func outerColumn(_ source: UnsafePointer<Float>, _ lineStride: Int, _ lanes: Int) -> VectorPair {
  transformOuter(
    loadLanes(source, lanes), loadLanes(source + lineStride, lanes), loadLanes(source + 2 &* lineStride, lanes),
    loadLanes(source + 3 &* lineStride, lanes), loadLanes(source + 4 &* lineStride, lanes),
    loadLanes(source + 5 &* lineStride, lanes))
}

@_transparent
private func innerColumn(
  _ source: UnsafePointer<Float>, _ lineStride: Int, _ lanes: Int, _ point: Float, _ square: Float
) -> VectorPair {
  transformInner(
    loadLanes(source, lanes), loadLanes(source + lineStride, lanes), loadLanes(source + 2 &* lineStride, lanes),
    loadLanes(source + 3 &* lineStride, lanes), point, square)
}

/// The last product with `B` for two rows of a tile, of which these are the columns; returns what belongs to the points 0
/// and ∞ in both.
@_transparent
private func storeTransformedRows(
  _ c0: VectorPair, _ c1: VectorPair, _ c2: VectorPair, _ c3: VectorPair, _ c4: VectorPair, _ c5: VectorPair,
  _ target: UnsafeMutablePointer<Float>, _ planeStride: Int, _ lanes: Int
) -> (VectorPair, VectorPair) {
  let upperOuter = transformOuter(c0.0, c1.0, c2.0, c3.0, c4.0, c5.0)
  storePair(upperOuter, target, planeStride, lanes)
  storePair(
    transformInner(c1.0, c2.0, c3.0, c4.0, winogradSmallPoint, 2), target + 2 &* planeStride, planeStride, lanes)
  storePair(
    transformInner(c1.0, c2.0, c3.0, c4.0, winogradLargePoint, 0.5), target + 4 &* planeStride, planeStride, lanes)
  let lower = target + 6 &* planeStride
  let lowerOuter = transformOuter(c0.1, c1.1, c2.1, c3.1, c4.1, c5.1)
  storePair(lowerOuter, lower, planeStride, lanes)
  storePair(
    transformInner(c1.1, c2.1, c3.1, c4.1, winogradSmallPoint, 2), lower + 2 &* planeStride, planeStride, lanes)
  storePair(
    transformInner(c1.1, c2.1, c3.1, c4.1, winogradLargePoint, 0.5), lower + 4 &* planeStride, planeStride, lanes)
  return (upperOuter, lowerOuter)
}

@_transparent
func storePair(_ pair: VectorPair, _ target: UnsafeMutablePointer<Float>, _ planeStride: Int, _ lanes: Int) {
  storeLanes(pair.0, target, lanes)
  storeLanes(pair.1, target + planeStride, lanes)
}

@_transparent
private func storeFour(_ four: VectorFour, _ target: UnsafeMutablePointer<Float>, _ planeStride: Int, _ lanes: Int) {
  storePair((four.0, four.1), target, planeStride, lanes)
  storePair((four.2, four.3), target + 2 &* planeStride, planeStride, lanes)
}
