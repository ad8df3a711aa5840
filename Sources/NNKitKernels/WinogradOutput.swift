import CNNKitInstructions
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
  let (smallOdd, largeOdd) = (small - minusSmall, large - minusLarge)
  return (
    zero + (smallSum + largeSum),
    multiplyAdd(
      Vector(repeating: winogradLargePoint), largeOdd, Vector(repeating: winogradSmallPoint) * smallOdd),
    multiplyAdd(Vector(repeating: 2), largeSum, Vector(repeating: 0.5) * smallSum),
    multiplyAdd(
      Vector(repeating: 2 * winogradLargePoint), largeOdd,
      multiplyAdd(Vector(repeating: 0.5 * winogradSmallPoint), smallOdd, infinity))
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
    prefetchTile(output, x &+ tilesAhead &* size)
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

/// Lines of the output come from far away: a few tiles are computed meanwhile.
private let tilesAhead = 3

@inline(__always)
private func prefetchTile(_ output: WinogradOutput, _ x: Int) {
  if x &+ output.size > output.width { return }
  var row = 0
  while row < output.height {
    var column = 0
    while column < output.size {
      let pixel = output.output + (row &* output.rowStep &+ (x &+ column) &* output.pixelStride)
      nnkit_prefetch_for_write(pixel)
      if output.columns > vectorWidth { nnkit_prefetch_for_write(pixel + vectorWidth) }
      column &+= 1
    }
    row &+= 1
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
  let c0 = columnOfSix(products, output.planeStride, lanes)
  let c1 = columnOfSix(products + output.planeStride, output.planeStride, lanes)
  let c2 = columnOfSix(products + 2 &* output.planeStride, output.planeStride, lanes)
  let c3 = columnOfSix(products + 3 &* output.planeStride, output.planeStride, lanes)
  let c4 = columnOfSix(products + 4 &* output.planeStride, output.planeStride, lanes)
  let c5 = columnOfSix(products + 5 &* output.planeStride, output.planeStride, lanes)
  storePixels(transformSix(c0.0, c1.0, c2.0, c3.0, c4.0, c5.0), bias, output, pixel, width, lanes)
  if height < 2 { return }
  storePixels(
    transformSix(c0.1, c1.1, c2.1, c3.1, c4.1, c5.1), bias, output, pixel + output.rowStep, width, lanes)
  if height < 3 { return }
  storePixels(
    transformSix(c0.2, c1.2, c2.2, c3.2, c4.2, c5.2), bias, output, pixel + 2 &* output.rowStep, width, lanes)
  if height < 4 { return }
  storePixels(
    transformSix(c0.3, c1.3, c2.3, c3.3, c4.3, c5.3), bias, output, pixel + 3 &* output.rowStep, width, lanes)
}

@_transparent
private func columnOfSix(_ products: UnsafePointer<Float>, _ planeStride: Int, _ lanes: Int) -> VectorFour {
  transformSix(
    loadLanes(products, lanes), loadLanes(products + 6 &* planeStride, lanes),
    loadLanes(products + 12 &* planeStride, lanes), loadLanes(products + 18 &* planeStride, lanes),
    loadLanes(products + 24 &* planeStride, lanes), loadLanes(products + 30 &* planeStride, lanes))
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
