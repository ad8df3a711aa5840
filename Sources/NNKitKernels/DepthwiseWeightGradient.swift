import NNKitKernelTable

/// `dWeights[t, c] += Σ_p source[p + t, c] · dOutput[p, c]`: see `DepthwiseWeightGradient`.
///
/// One vector of channels after another; the sums of some places stay in registers over all pixels: those of a whole
/// window of 3 × 3, else of up to five innermost places.
func depthwiseWeightGradient(_ gradient: DepthwiseWeightGradient) {
  let places = gradient.geometry.places
  if places.1 == 1 && places.2 == 3 && places.0 == 3 {
    depthwiseGradient3x3(gradient)
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
        depthwiseGradientRun(gradient, outer, middle, inner, taps)
        inner &+= taps
      }
      middle &+= 1
    }
    outer &+= 1
  }
}

/// All pixels, `rows` rows of `taps` innermost places from the given place on, one vector from channel `c` on of which
/// the first `lanes` lanes are read. Adds the lanes from `firstNew` on to `dWeights`.
@inline(__always)
private func gradientTile<let rows: Int, let taps: Int, let sums: Int>(
  _ gradient: DepthwiseWeightGradient, source: UnsafePointer<Float>, dWeights: UnsafeMutablePointer<Float>, _ c: Int,
  lanes: Int, firstNew: Int, _ rowsOfTile: InlineArray<rows, Int>, _ tapsOfTile: InlineArray<taps, Int>,
  _ sumsOfTile: InlineArray<sums, Vector>
) {
  let geometry = gradient.geometry
  let (rowStep, step) = (geometry.sourcePlaceSteps.0, geometry.sourcePlaceSteps.2)
  var total = sumsOfTile
  var row = 0
  while row < geometry.pixels.rows {
    var x = source + (c &+ row &* geometry.sourceSteps.0)
    var dy = gradient.dOutput + (c &+ row &* geometry.outputSteps.0)
    var remaining = geometry.pixels.columns
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
  for m in 0..<rows {
    for tap in 0..<taps {
      let target = dWeights + (c &+ m &* geometry.weightPlaceSteps.0 &+ tap &* geometry.weightPlaceSteps.2)
      if firstNew == 0 {
        storeLanes(loadLanes(target, lanes) + total[m &* taps &+ tap], target, lanes)
      } else {
        addLastLanes(total[m &* taps &+ tap], target, from: firstNew)
      }
    }
  }
}

/// `target[lane] += vector[lane]` for the lanes from `first` on.
@inline(__always)
private func addLastLanes(_ vector: Vector, _ target: UnsafeMutablePointer<Float>, from first: Int) {
  // What lies before is written as it was.
  var kept = Vector()
  let old = loadVector(target)
  kept = old + vector
  var lane = 0
  while lane < first {
    kept[lane] = old[lane]
    lane &+= 1
  }
  storeVector(kept, target)
}

/// All channels of `rows` × `taps` places.
@inline(__always)
private func gradientOfChannels<let rows: Int, let taps: Int, let sums: Int>(
  _ gradient: DepthwiseWeightGradient, source: UnsafePointer<Float>, dWeights: UnsafeMutablePointer<Float>,
  _ rowsOfTile: InlineArray<rows, Int>, _ tapsOfTile: InlineArray<taps, Int>, _ sumsOfTile: InlineArray<sums, Vector>
) {
  let channels = gradient.geometry.channels
  if channels < vectorWidth {
    gradientTile(
      gradient, source: source, dWeights: dWeights, 0, lanes: channels, firstNew: 0, rowsOfTile, tapsOfTile, sumsOfTile)
    return
  }
  var c = 0
  while c < channels {
    // The last vector reaches back over channels that are done, so that it is whole.
    let first = c > channels &- vectorWidth ? channels &- vectorWidth : c
    gradientTile(
      gradient, source: source, dWeights: dWeights, first, lanes: vectorWidth, firstNew: c &- first, rowsOfTile,
      tapsOfTile, sumsOfTile)
    c &+= vectorWidth
  }
}

@inline(never)
private func depthwiseGradient3x3(_ gradient: DepthwiseWeightGradient) {
  gradientOfChannels(
    gradient, source: gradient.source, dWeights: gradient.dWeights, InlineArray<3, Int>(repeating: 0),
    InlineArray<3, Int>(repeating: 0), InlineArray<9, Vector>(repeating: Vector()))
}

/// `taps` (1 ... 5) innermost places from place `(outer, middle, inner)` on.
@inline(never)
private func depthwiseGradientRun(
  _ gradient: DepthwiseWeightGradient, _ outer: Int, _ middle: Int, _ inner: Int, _ taps: Int
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
  default:
    gradientOfChannels(
      gradient, source: source, dWeights: dWeights, row, InlineArray<5, Int>(repeating: 0),
      InlineArray<5, Vector>(repeating: Vector()))
  }
}
