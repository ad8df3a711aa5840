import NNKitKernelTable

/// `output[p, c] = bias[c] + Σ_t source[p + t, c] · weights[t, c]`: see `DepthwiseConvolution`.
///
/// A tile is a few neighbouring pixels and one vector of channels; its sums stay in registers over all places. Where the
/// innermost places and the pixels lie on one grid, as in windows of 3 or 5 columns, pixels that several windows share
/// are loaded once.
func depthwiseConvolution(_ convolution: DepthwiseConvolution) {
  let geometry = convolution.geometry
  if geometry.channels < vectorWidth {
    depthwiseNarrow(convolution)
    return
  }
  let (step, pixelStep) = (geometry.sourcePlaceSteps.2, geometry.sourceSteps.1)
  let run = geometry.places.1 == 1 && (pixelStep == step || pixelStep == 2 &* step) ? geometry.places.2 : 0
  let isDense = pixelStep == step
  var row = 0
  while row < geometry.pixels.rows {
    var source = convolution.source + row &* geometry.sourceSteps.0
    var output = convolution.output + row &* geometry.outputSteps.0
    var left = geometry.pixels.columns
    while left > 0 {
      let pixels = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1
      if run == 3 && isDense {
        depthwise3x1(convolution, source, output, pixels)
      } else if run == 3 {
        depthwise3x2(convolution, source, output, pixels)
      } else if run == 5 && isDense {
        depthwise5x1(convolution, source, output, pixels)
      } else if run == 5 {
        depthwise5x2(convolution, source, output, pixels)
      } else {
        depthwiseAny(convolution, source, output, pixels)
      }
      source += pixels &* pixelStep
      output += pixels &* geometry.outputSteps.1
      left &-= pixels
    }
    row &+= 1
  }
}

/// `pixels` neighbouring pixels, all channels, a whole vector at least. Of the innermost places there are `taps`, one
/// pixel's being `stride` steps of a place from the next's, and none between them and the outermost; without `taps`,
/// any number of any places.
///
/// The last two arguments only carry sizes as types; with them known, the arrays become registers.
@inline(__always)
private func depthwiseTile<let pixels: Int, let taps: Int>(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  stride: Int, _ sumsOfTile: InlineArray<pixels, Vector>, _ factorsOfTile: InlineArray<taps, Vector>
) {
  let places = convolution.geometry.places
  let sourceSteps = convolution.geometry.sourcePlaceSteps
  let weightSteps = convolution.geometry.weightPlaceSteps
  let pixelStep = convolution.geometry.sourceSteps.1
  let outputStep = convolution.geometry.outputSteps.1
  let channels = convolution.geometry.channels
  var c = 0
  while c < channels {
    // The last vector reaches back over channels that are done, so that it is whole.
    if c > channels &- vectorWidth { c = channels &- vectorWidth }
    var sums = sumsOfTile
    if let bias = convolution.bias {
      let first = loadVector(bias + c)
      for pixel in 0..<pixels { sums[pixel] = first }
    }
    if taps > 0 {
      let step = sourceSteps.2
      var x = source + c
      var w = convolution.weights + c
      var rows = places.0
      while rows > 0 {
        for tap in 0..<taps {
          let factor = loadVector(w + tap &* weightSteps.2)
          for pixel in 0..<pixels {
            sums[pixel] = multiplyAdd(loadVector(x + (pixel &* stride &+ tap) &* step), factor, sums[pixel])
          }
        }
        x += sourceSteps.0
        w += weightSteps.0
        rows &-= 1
      }
    } else {
      var outer = 0
      while outer < places.0 {
        var middle = 0
        while middle < places.1 {
          var x = source + (c &+ outer &* sourceSteps.0 &+ middle &* sourceSteps.1)
          var w = convolution.weights + (c &+ outer &* weightSteps.0 &+ middle &* weightSteps.1)
          var remaining = places.2
          while remaining > 0 {
            let factor = loadVector(w)
            for pixel in 0..<pixels {
              sums[pixel] = multiplyAdd(loadVector(x + pixel &* pixelStep), factor, sums[pixel])
            }
            x += sourceSteps.2
            w += weightSteps.2
            remaining &-= 1
          }
          middle &+= 1
        }
        outer &+= 1
      }
    }
    if convolution.relu {
      for pixel in 0..<pixels { sums[pixel] = atLeast(0, sums[pixel]) }
    }
    for pixel in 0..<pixels { storeVector(sums[pixel], output + (c &+ pixel &* outputStep)) }
    c &+= vectorWidth
  }
}

/// Fewer channels than a vector has lanes: one pixel after another.
@inline(never)
private func depthwiseNarrow(_ convolution: DepthwiseConvolution) {
  let geometry = convolution.geometry
  let lanes = geometry.channels
  var row = 0
  while row < geometry.pixels.rows {
    var column = 0
    while column < geometry.pixels.columns {
      let source = convolution.source + (row &* geometry.sourceSteps.0 &+ column &* geometry.sourceSteps.1)
      var sum = Vector()
      if let bias = convolution.bias { sum = loadPartialVector(bias, lanes) }
      var outer = 0
      while outer < geometry.places.0 {
        var middle = 0
        while middle < geometry.places.1 {
          var x = source + (outer &* geometry.sourcePlaceSteps.0 &+ middle &* geometry.sourcePlaceSteps.1)
          var w = convolution.weights + (outer &* geometry.weightPlaceSteps.0 &+ middle &* geometry.weightPlaceSteps.1)
          var remaining = geometry.places.2
          while remaining > 0 {
            sum = multiplyAdd(loadPartialVector(x, lanes), loadPartialVector(w, lanes), sum)
            x += geometry.sourcePlaceSteps.2
            w += geometry.weightPlaceSteps.2
            remaining &-= 1
          }
          middle &+= 1
        }
        outer &+= 1
      }
      if convolution.relu { sum = atLeast(0, sum) }
      storePartialVector(
        sum, convolution.output + (row &* geometry.outputSteps.0 &+ column &* geometry.outputSteps.1), lanes)
      column &+= 1
    }
    row &+= 1
  }
}

// MARK: The tiles, by the innermost places and the stride

/// Calls one of four tiles.
@inline(__always)
private func depthwiseTiles<let taps: Int>(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int, stride: Int, _ factors: InlineArray<taps, Vector>
) {
  switch pixels {
  case 1:
    depthwiseTile(
      convolution, source, output, stride: stride, InlineArray<1, Vector>(repeating: Vector()), factors)
  case 2:
    depthwiseTile(
      convolution, source, output, stride: stride, InlineArray<2, Vector>(repeating: Vector()), factors)
  case 4:
    depthwiseTile(
      convolution, source, output, stride: stride, InlineArray<4, Vector>(repeating: Vector()), factors)
  default:
    depthwiseTile(
      convolution, source, output, stride: stride, InlineArray<8, Vector>(repeating: Vector()), factors)
  }
}

@inline(never)
private func depthwise3x1(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int
) {
  depthwiseTiles(convolution, source, output, pixels, stride: 1, InlineArray<3, Vector>(repeating: Vector()))
}

@inline(never)
private func depthwise3x2(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int
) {
  depthwiseTiles(convolution, source, output, pixels, stride: 2, InlineArray<3, Vector>(repeating: Vector()))
}

@inline(never)
private func depthwise5x1(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int
) {
  depthwiseTiles(convolution, source, output, pixels, stride: 1, InlineArray<5, Vector>(repeating: Vector()))
}

@inline(never)
private func depthwise5x2(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int
) {
  depthwiseTiles(convolution, source, output, pixels, stride: 2, InlineArray<5, Vector>(repeating: Vector()))
}

@inline(never)
private func depthwiseAny(
  _ convolution: DepthwiseConvolution, _ source: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>,
  _ pixels: Int
) {
  depthwiseTiles(convolution, source, output, pixels, stride: 0, InlineArray<0, Vector>(repeating: Vector()))
}
