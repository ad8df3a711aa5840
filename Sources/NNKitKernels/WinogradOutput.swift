import NNKitKernelTable

/// `Aᵀ m` of F(2×2, 3×3).
@_transparent
private func transformFour(_ zero: Vector, _ infinity: Vector, _ plus: Vector, _ minus: Vector) -> VectorPair {
  (zero + (plus + minus), (plus - minus) - infinity)
}

/// `Aᵀ m` of F(4×4, 3×3).
@_transparent
private func transformSix(
  _ zero: Vector, _ infinity: Vector, _ small: Vector, _ minusSmall: Vector, _ large: Vector, _ minusLarge: Vector
) -> VectorFour {
  let (smallSum, largeSum) = (small + minusSmall, large + minusLarge)
  let smallOdd = (small - minusSmall) * Vector(repeating: winogradSmallPoint)
  let largeOdd = (large - minusLarge) * Vector(repeating: winogradLargePoint)
  let (half, two) = (Vector(repeating: 0.5), Vector(repeating: 2))
  return (
    zero + (smallSum + largeSum), smallOdd + largeOdd, half * smallSum + two * largeSum,
    half * smallOdd + two * largeOdd + infinity
  )
}

/// The output transform, bias, addend and ReLU: see `WinogradOutput`.
func winogradOutput(_ output: WinogradOutput) {
  let size = output.size
  var firstProducts = output.products
  var x = 0
  while x < output.width {
    let width = output.width &- x < size ? output.width &- x : size
    let isWhole = width == size && output.height == size
    var products = firstProducts
    var pixel = output.output + x &* output.pixelStride
    var bias = output.bias
    var lanes = output.columns
    while lanes > 0 {
      if isWhole && lanes >= vectorWidth {
        if size == 2 {
          transformWholeTile2(products, pixel, bias, output)
        } else {
          transformWholeTile4(products, pixel, bias, output)
        }
      } else if size == 2 {
        transformPartialTile2(products, pixel, bias, output, width, lanes)
      } else {
        transformPartialTile4(products, pixel, bias, output, width, lanes)
      }
      products += vectorWidth
      pixel += vectorWidth
      bias = bias.map { $0 + vectorWidth }
      lanes &-= vectorWidth
    }
    firstProducts += output.tileStride
    x &+= size
  }
}

// One vector of a tile. Each is a function of its own, in which sizes are constants where they can be.

@inline(never)
private func transformWholeTile2(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput
) {
  transformTile2(products, pixel, bias, output, height: 2, width: 2, lanes: vectorWidth)
}

@inline(never)
private func transformPartialTile2(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput, _ width: Int, _ lanes: Int
) {
  transformTile2(products, pixel, bias, output, height: output.height, width: width, lanes: lanes)
}

@inline(never)
private func transformWholeTile4(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput
) {
  transformTile4(products, pixel, bias, output, height: 4, width: 4, lanes: vectorWidth)
}

@inline(never)
private func transformPartialTile4(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput, _ width: Int, _ lanes: Int
) {
  transformTile4(products, pixel, bias, output, height: output.height, width: width, lanes: lanes)
}

@_transparent
private func transformTile2(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput, height: Int, width: Int, lanes: Int
) {
  let bias = bias.map { loadLanes($0, lanes) } ?? Vector()
  let c0 = columnOfFour(products, output.planeStride, lanes)
  let c1 = columnOfFour(products + output.planeStride, output.planeStride, lanes)
  let c2 = columnOfFour(products + 2 &* output.planeStride, output.planeStride, lanes)
  let c3 = columnOfFour(products + 3 &* output.planeStride, output.planeStride, lanes)
  storePixels(transformFour(c0.0, c1.0, c2.0, c3.0), bias, output, pixel, width, lanes)
  if height > 1 {
    storePixels(transformFour(c0.1, c1.1, c2.1, c3.1), bias, output, pixel + output.rowStep, width, lanes)
  }
}

@_transparent
private func columnOfFour(_ products: UnsafePointer<Float>, _ planeStride: Int, _ lanes: Int) -> VectorPair {
  transformFour(
    loadLanes(products, lanes), loadLanes(products + 4 &* planeStride, lanes),
    loadLanes(products + 8 &* planeStride, lanes), loadLanes(products + 12 &* planeStride, lanes))
}

@_transparent
private func transformTile4(
  _ products: UnsafePointer<Float>, _ pixel: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ output: WinogradOutput, height: Int, width: Int, lanes: Int
) {
  let bias = bias.map { loadLanes($0, lanes) } ?? Vector()
  // Rows 0 and 2 take the sums of the products for p and -p, rows 1 and 3 their differences.
  storePixels(
    evenColumn(products, output.planeStride, lanes),
    evenColumn(products + output.planeStride, output.planeStride, lanes),
    evenColumn(products + 2 &* output.planeStride, output.planeStride, lanes),
    evenColumn(products + 3 &* output.planeStride, output.planeStride, lanes),
    evenColumn(products + 4 &* output.planeStride, output.planeStride, lanes),
    evenColumn(products + 5 &* output.planeStride, output.planeStride, lanes), bias, output, pixel, height, width, lanes
  )
  if height < 2 { return }
  storePixels(
    oddColumn(products, output.planeStride, lanes),
    oddColumn(products + output.planeStride, output.planeStride, lanes),
    oddColumn(products + 2 &* output.planeStride, output.planeStride, lanes),
    oddColumn(products + 3 &* output.planeStride, output.planeStride, lanes),
    oddColumn(products + 4 &* output.planeStride, output.planeStride, lanes),
    oddColumn(products + 5 &* output.planeStride, output.planeStride, lanes), bias, output, pixel + output.rowStep,
    height &- 1, width, lanes)
}

/// Rows 0 and 2 of a column of `Aᵀ M` of F(4×4, 3×3).
@_transparent
private func evenColumn(_ products: UnsafePointer<Float>, _ planeStride: Int, _ lanes: Int) -> VectorPair {
  let small = loadLanes(products + 12 &* planeStride, lanes) + loadLanes(products + 18 &* planeStride, lanes)
  let large = loadLanes(products + 24 &* planeStride, lanes) + loadLanes(products + 30 &* planeStride, lanes)
  return (
    loadLanes(products, lanes) + (small + large), Vector(repeating: 0.5) * small + Vector(repeating: 2) * large
  )
}

/// Rows 1 and 3 of a column of `Aᵀ M` of F(4×4, 3×3).
@_transparent
private func oddColumn(_ products: UnsafePointer<Float>, _ planeStride: Int, _ lanes: Int) -> VectorPair {
  let small =
    Vector(repeating: winogradSmallPoint)
    * (loadLanes(products + 12 &* planeStride, lanes) - loadLanes(products + 18 &* planeStride, lanes))
  let large =
    Vector(repeating: winogradLargePoint)
    * (loadLanes(products + 24 &* planeStride, lanes) - loadLanes(products + 30 &* planeStride, lanes))
  return (
    small + large,
    Vector(repeating: 0.5) * small + Vector(repeating: 2) * large + loadLanes(products + 6 &* planeStride, lanes)
  )
}

/// The last product with `A` for two rows of a tile, the second two lines below the first and only where `height` > 2.
@_transparent
private func storePixels(
  _ c0: VectorPair, _ c1: VectorPair, _ c2: VectorPair, _ c3: VectorPair, _ c4: VectorPair, _ c5: VectorPair,
  _ bias: Vector, _ output: WinogradOutput, _ target: UnsafeMutablePointer<Float>, _ height: Int, _ width: Int,
  _ lanes: Int
) {
  storePixels(transformSix(c0.0, c1.0, c2.0, c3.0, c4.0, c5.0), bias, output, target, width, lanes)
  if height < 3 { return }
  storePixels(
    transformSix(c0.1, c1.1, c2.1, c3.1, c4.1, c5.1), bias, output, target + 2 &* output.rowStep, width, lanes)
}

/// One row of a tile's pixels.
@_transparent
private func storePixels(
  _ pixels: VectorFour, _ bias: Vector, _ output: WinogradOutput, _ target: UnsafeMutablePointer<Float>, _ width: Int,
  _ lanes: Int
) {
  storePixels((pixels.0, pixels.1), bias, output, target, width, lanes)
  let third = target + 2 &* output.pixelStride
  if width > 2 { storePixels((pixels.2, pixels.3), bias, output, third, width &- 2, lanes) }
}

/// The first `width` (1 or more) of two pixels.
@_transparent
private func storePixels(
  _ pixels: VectorPair, _ bias: Vector, _ output: WinogradOutput, _ target: UnsafeMutablePointer<Float>, _ width: Int,
  _ lanes: Int
) {
  storePixel(bias + pixels.0, output, target, lanes)
  if width > 1 { storePixel(bias + pixels.1, output, target + output.pixelStride, lanes) }
}

@_transparent
private func storePixel(
  _ sum: Vector, _ output: WinogradOutput, _ target: UnsafeMutablePointer<Float>, _ lanes: Int
) {
  var y = sum
  if let addend = output.addend {
    y += loadLanes(addend + (UnsafePointer(target) - UnsafePointer(output.output)), lanes)
  }
  storeLanes(output.relu ? atLeast(0, y) : y, target, lanes)
}
