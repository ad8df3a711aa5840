import NNKitKernelTable

/// `dWeights[t, c] += Σ_p source[p + t, c] · dOutput[p, c]`: see `DepthwiseWeightGradient`.
///
/// One vector of channels after another; the sums of some places stay in registers over all pixels: those of a whole
/// window of 3 × 3, else of up to five innermost places.
func depthwiseWeightGradient(_ gradient: DepthwiseWeightGradient) {
  let places = gradient.geometry.places
  let stride = strideOfPlaces(gradient.geometry)
  if places.0 == 3 && places.1 == 1 && places.2 == 3 && stride > 0 {
    if stride == 1 {
      gradient3x3Stride1(gradient, gradient.source, gradient.dWeights)
    } else {
      gradient3x3Stride2(gradient, gradient.source, gradient.dWeights)
    }
    return
  }
  var outer = 0
  while outer < places.0 {
    var middle = 0
    while middle < places.1 {
      var inner = 0
      while inner < places.2 {
        let left = places.2 &- inner
        // Six are better as 3 + 3 than as 5 + 1: a single sum waits for itself.
        let taps = left == 6 ? 3 : left > 5 ? 5 : left
        depthwiseGradientRun(gradient, outer, middle, inner, taps, stride)
        inner &+= taps
      }
      middle &+= 1
    }
    outer &+= 1
  }
}

/// 1 or 2 where one pixel is so many steps of an innermost place from the next and vectors are whole, else 0.
@inline(__always)
private func strideOfPlaces(_ geometry: DepthwiseGeometry) -> Int {
  let (step, pixelStep) = (geometry.sourcePlaceSteps.2, geometry.sourceSteps.1)
  if geometry.channels < vectorWidth { return 0 }
  return pixelStep == step ? 1 : pixelStep == 2 &* step ? 2 : 0
}

/// All pixels, `rows` rows of `taps` innermost places from the given place on, one vector from channel `c` on of which
/// the first `lanes` lanes are read. Adds the lanes from `firstNew` on to `dWeights`. Where one pixel is `stride` steps
/// of a place from the next, several are taken at once, and what their windows share is loaded once; else it is 0.
@inline(__always)
private func gradientTile<let rows: Int, let taps: Int, let sums: Int, let pixels: Int>(
  _ gradient: DepthwiseWeightGradient, source: UnsafePointer<Float>, dWeights: UnsafeMutablePointer<Float>, _ c: Int,
  lanes: Int, firstNew: Int, stride: Int, _ rowsOfTile: InlineArray<rows, Int>, _ tapsOfTile: InlineArray<taps, Int>,
  _ sumsOfTile: InlineArray<sums, Vector>, _ factorsOfTile: InlineArray<pixels, Vector>
) {
  let geometry = gradient.geometry
  let (rowStep, step) = (geometry.sourcePlaceSteps.0, geometry.sourcePlaceSteps.2)
  var total = sumsOfTile
  var factors = factorsOfTile
  var row = 0
  while row < geometry.pixels.rows {
    var x = source + (c &+ row &* geometry.sourceSteps.0)
    var dy = gradient.dOutput + (c &+ row &* geometry.outputSteps.0)
    var remaining = geometry.pixels.columns
    if stride > 0 {
      while remaining >= pixels {
        for pixel in 0..<pixels { factors[pixel] = loadVector(dy + pixel &* geometry.outputSteps.1) }
        for m in 0..<rows {
          let line = x + m &* rowStep
          for pixel in 0..<pixels {
            for tap in 0..<taps {
              total[m &* taps &+ tap] = multiplyAdd(
                loadVector(line + (pixel &* stride &+ tap) &* step), factors[pixel], total[m &* taps &+ tap])
            }
          }
        }
        x += pixels &* stride &* step
        dy += pixels &* geometry.outputSteps.1
        remaining &-= pixels
      }
    }
    while remaining > 0 {
      let factor = loadLanes(dy, lanes)
      for m in 0..<rows {
        for tap in 0..<taps {
          total[m &* taps &+ tap] = multiplyAdd(
            loadLanes(x + (m &* rowStep &+ tap &* step), lanes), factor, total[m &* taps &+ tap])
        }
      }
      x += geometry.sourceSteps.1
      dy += geometry.outputSteps.1
      remaining &-= 1
    }
    row &+= 1
  }
  // Through memory, in a call of its own: a loop over the sums that is not unrolled would keep them there all the time.
  var staged = InlineArray<sums, Vector>(repeating: Vector())
  for index in 0..<sums { staged[index] = total[index] }
  withUnsafePointer(to: &staged) {
    addSums(UnsafeRawPointer($0), rows, taps, dWeights + c, geometry.weightPlaceSteps, lanes: lanes, from: firstNew)
  }
}

/// Adds the lanes from `first` to `lanes` of each sum to its weight.
@inline(never)
private func addSums(
  _ sums: UnsafeRawPointer, _ rows: Int, _ taps: Int, _ dWeights: UnsafeMutablePointer<Float>, _ steps: (Int, Int, Int),
  lanes: Int, from first: Int
) {
  var sum = sums.assumingMemoryBound(to: Float.self)
  var row = 0
  while row < rows {
    var tap = 0
    while tap < taps {
      let target = dWeights + (row &* steps.0 &+ tap &* steps.2)
      if lanes &- first == vectorWidth {
        storeVector(loadVector(target) + loadVector(sum), target)
      } else {
        let rest = lanes &- first
        storePartialVector(
          loadPartialVector(target + first, rest) + loadPartialVector(sum + first, rest), target + first, rest)
      }
      sum += vectorWidth
      tap &+= 1
    }
    row &+= 1
  }
}

/// Pixels that are taken at once: with the sums of nine places they fill the registers.
#if NNKIT_AVX512
  private typealias PixelsOfTile = InlineArray<4, Vector>
#else
  private typealias PixelsOfTile = InlineArray<2, Vector>
#endif

/// All channels of `rows` × `taps` places.
@inline(__always)
private func gradientOfChannels<let rows: Int, let taps: Int, let sums: Int>(
  _ gradient: DepthwiseWeightGradient, source: UnsafePointer<Float>, dWeights: UnsafeMutablePointer<Float>,
  stride: Int = 0, _ rowsOfTile: InlineArray<rows, Int>, _ tapsOfTile: InlineArray<taps, Int>,
  _ sumsOfTile: InlineArray<sums, Vector>
) {
  let pixels = PixelsOfTile(repeating: Vector())
  let channels = gradient.geometry.channels
  if stride == 0 && channels < vectorWidth {
    gradientTile(
      gradient, source: source, dWeights: dWeights, 0, lanes: channels, firstNew: 0, stride: 0, rowsOfTile,
      tapsOfTile, sumsOfTile, pixels)
    return
  }
  var c = 0
  while c < channels {
    // The last vector reaches back over channels that are done, so that it is whole.
    let first = c > channels &- vectorWidth ? channels &- vectorWidth : c
    gradientTile(
      gradient, source: source, dWeights: dWeights, first, lanes: vectorWidth, firstNew: c &- first, stride: stride,
      rowsOfTile, tapsOfTile, sumsOfTile, pixels)
    c &+= vectorWidth
  }
}

@inline(never)
private func gradient3x3Stride1(
  _ gradient: DepthwiseWeightGradient, _ source: UnsafePointer<Float>, _ dWeights: UnsafeMutablePointer<Float>
) {
  gradientOfChannels(
    gradient, source: source, dWeights: dWeights, stride: 1, InlineArray<3, Int>(repeating: 0),
    InlineArray<3, Int>(repeating: 0), InlineArray<9, Vector>(repeating: Vector()))
}

@inline(never)
private func gradient3x3Stride2(
  _ gradient: DepthwiseWeightGradient, _ source: UnsafePointer<Float>, _ dWeights: UnsafeMutablePointer<Float>
) {
  gradientOfChannels(
    gradient, source: source, dWeights: dWeights, stride: 2, InlineArray<3, Int>(repeating: 0),
    InlineArray<3, Int>(repeating: 0), InlineArray<9, Vector>(repeating: Vector()))
}

@inline(never)
private func gradient5Stride1(
  _ gradient: DepthwiseWeightGradient, _ source: UnsafePointer<Float>, _ dWeights: UnsafeMutablePointer<Float>
) {
  gradientOfChannels(
    gradient, source: source, dWeights: dWeights, stride: 1, InlineArray<1, Int>(repeating: 0),
    InlineArray<5, Int>(repeating: 0), InlineArray<5, Vector>(repeating: Vector()))
}

@inline(never)
private func gradient5Stride2(
  _ gradient: DepthwiseWeightGradient, _ source: UnsafePointer<Float>, _ dWeights: UnsafeMutablePointer<Float>
) {
  gradientOfChannels(
    gradient, source: source, dWeights: dWeights, stride: 2, InlineArray<1, Int>(repeating: 0),
    InlineArray<5, Int>(repeating: 0), InlineArray<5, Vector>(repeating: Vector()))
}

/// `taps` (1 ... 5) innermost places from place `(outer, middle, inner)` on.
@inline(never)
private func depthwiseGradientRun(
  _ gradient: DepthwiseWeightGradient, _ outer: Int, _ middle: Int, _ inner: Int, _ taps: Int,
  _ stride: Int
) {
  let (sourceSteps, weightSteps) = (gradient.geometry.sourcePlaceSteps, gradient.geometry.weightPlaceSteps)
  let source =
    gradient.source + (outer &* sourceSteps.0 &+ middle &* sourceSteps.1 &+ inner &* sourceSteps.2)
  let dWeights =
    gradient.dWeights + (outer &* weightSteps.0 &+ middle &* weightSteps.1 &+ inner &* weightSteps.2)
  let row = InlineArray<1, Int>(repeating: 0)
  switch taps {
  case 1:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<1, Int>(repeating: 0),
      InlineArray<1, Vector>(repeating: Vector()))
  case 2:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<2, Int>(repeating: 0),
      InlineArray<2, Vector>(repeating: Vector()))
  case 3:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<3, Int>(repeating: 0),
      InlineArray<3, Vector>(repeating: Vector()))
  case 4:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<4, Int>(repeating: 0),
      InlineArray<4, Vector>(repeating: Vector()))
  case 5 where stride == 1:
    gradient5Stride1(gradient, source, dWeights)
  case 5 where stride == 2:
    gradient5Stride2(gradient, source, dWeights)
  default:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<5, Int>(repeating: 0),
      InlineArray<5, Vector>(repeating: Vector()))
  }
}
