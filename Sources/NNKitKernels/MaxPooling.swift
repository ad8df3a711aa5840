import NNKitKernelTable

/// The places of the input that one window covers.
struct PoolWindow {
  var top: Int
  var bottom: Int
  var left: Int
  var right: Int

  @inline(__always)
  init(_ geometry: PoolGeometry, row: Int, column: Int) {
    let y = row &* geometry.strideHeight &- geometry.padTop
    let x = column &* geometry.strideWidth &- geometry.padLeft
    top = y < 0 ? 0 : y
    left = x < 0 ? 0 : x
    bottom = y &+ geometry.windowHeight < geometry.inputHeight ? y &+ geometry.windowHeight : geometry.inputHeight
    right = x &+ geometry.windowWidth < geometry.inputWidth ? x &+ geometry.windowWidth : geometry.inputWidth
  }
}

/// The largest value of each window, and where it came from: see `Pool2D`.
func maxPool2DForward(_ pool: Pool2D, _ argmax: UnsafeMutablePointer<Int32>?) {
  let geometry = pool.geometry
  let channels = geometry.channels
  var row = pool.rowStart
  while row < pool.rowEnd {
    var column = 0
    while column < geometry.outputWidth {
      let window = PoolWindow(geometry, row: row, column: column)
      let offset = (row &* geometry.outputWidth &+ column) &* channels
      let output = pool.output + offset
      if let argmax {
        maximaOfWindow(pool, window, output, argmax + offset)
      } else {
        maximaOfWindow(pool, window, output)
      }
      column &+= 1
    }
    row &+= 1
  }
}

/// All channels of one output pixel, without places.
@inline(__always)
private func maximaOfWindow(_ pool: Pool2D, _ window: PoolWindow, _ output: UnsafeMutablePointer<Float>) {
  let (channels, pixelStride) = (pool.channels, pool.geometry.channels)
  let width = pool.geometry.inputWidth
  var c = 0
  if channels >= vectorWidth {
    while c < channels {
      // The last vector reaches back over channels that are done, so that it is whole.
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      var best = Vector(repeating: -.infinity)
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          best = maximumKeepingNaN(best, loadVector(source))
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      storeVector(best, output + c)
      c &+= vectorWidth
    }
  } else if channels >= NarrowVector.scalarCount {
    while c < channels {
      if c > channels &- NarrowVector.scalarCount { c = channels &- NarrowVector.scalarCount }
      var best = NarrowVector(repeating: -.infinity)
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          best = maximumKeepingNaN(best, loadNarrow(source))
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      storeNarrow(best, output + c)
      c &+= NarrowVector.scalarCount
    }
  } else {
    while c < channels {
      var best = -Float.infinity
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          best = maximumKeepingNaN(best, source.pointee)
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      output[c] = best
      c &+= 1
    }
  }
}

/// All channels of one output pixel, with the pixels that the maxima came from.
@inline(__always)
private func maximaOfWindow(
  _ pool: Pool2D, _ window: PoolWindow, _ output: UnsafeMutablePointer<Float>, _ argmax: UnsafeMutablePointer<Int32>
) {
  let channels = pool.geometry.channels
  let width = pool.geometry.inputWidth
  let firstPixel = Int32(truncatingIfNeeded: window.top &* width &+ window.left)
  var c = 0
  if channels >= vectorWidth {
    while c < channels {
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      // Starts from the first place, so that a window of -∞ names a place of its own.
      var best = loadVector(pool.input + ((window.top &* width &+ window.left) &* channels &+ c))
      var place = IntegerVector(repeating: firstPixel)
      var y = window.top
      while y < window.bottom {
        var pixel = y &* width &+ window.left
        var source = pool.input + (pixel &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(loadVector(source), Int32(truncatingIfNeeded: pixel), &best, &place)
          source += channels
          pixel &+= 1
          x &+= 1
        }
        y &+= 1
      }
      storeVector(best, output + c)
      UnsafeMutableRawPointer(argmax + c).storeBytes(of: place, as: IntegerVector.self)
      c &+= vectorWidth
    }
  } else if channels >= NarrowVector.scalarCount {
    while c < channels {
      if c > channels &- NarrowVector.scalarCount { c = channels &- NarrowVector.scalarCount }
      var best = loadNarrow(pool.input + ((window.top &* width &+ window.left) &* channels &+ c))
      var place = SIMD4<Int32>(repeating: firstPixel)
      var y = window.top
      while y < window.bottom {
        var pixel = y &* width &+ window.left
        var source = pool.input + (pixel &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(loadNarrow(source), Int32(truncatingIfNeeded: pixel), &best, &place)
          source += channels
          pixel &+= 1
          x &+= 1
        }
        y &+= 1
      }
      storeNarrow(best, output + c)
      UnsafeMutableRawPointer(argmax + c).storeBytes(of: place, as: SIMD4<Int32>.self)
      c &+= NarrowVector.scalarCount
    }
  } else {
    while c < channels {
      // In a vector, although one lane counts: a comparison of scalars would become a branch, guessed wrong often.
      var best = NarrowVector(repeating: pool.input[(window.top &* width &+ window.left) &* channels &+ c])
      var place = SIMD4<Int32>(repeating: firstPixel)
      var y = window.top
      while y < window.bottom {
        var pixel = y &* width &+ window.left
        var source = pool.input + (pixel &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(NarrowVector(repeating: source.pointee), Int32(truncatingIfNeeded: pixel), &best, &place)
          source += channels
          pixel &+= 1
          x &+= 1
        }
        y &+= 1
      }
      output[c] = best[0]
      argmax[c] = place[0]
      c &+= 1
    }
  }
}

/// Puts `value` and `pixel` in the lanes where `value` is larger than `best`, or the first NaN.
@_transparent
private func takeLarger(_ value: Vector, _ pixel: Int32, _ best: inout Vector, _ place: inout IntegerVector) {
  let isLarger = (value .> best) .| ((value .!= value) .& (best .== best))
  best = best.blended(with: value, where: isLarger)
  place = place.blended(with: IntegerVector(repeating: pixel), where: isLarger)
}

#if NNKIT_AVX2 || NNKIT_AVX512
  /// Puts `value` and `pixel` in the lanes where `value` is larger than `best`, or the first NaN.
  @_transparent
  private func takeLarger(
    _ value: NarrowVector, _ pixel: Int32, _ best: inout NarrowVector, _ place: inout SIMD4<Int32>
  ) {
    let isLarger = (value .> best) .| ((value .!= value) .& (best .== best))
    best = best.blended(with: value, where: isLarger)
    place = place.blended(with: SIMD4(repeating: pixel), where: isLarger)
  }
#endif

/// Hands each output's gradient to the place its maximum came from: see `Pool2DGradient`.
func maxPool2DBackward(_ pool: Pool2DGradient, _ argmax: UnsafePointer<Int32>) {
  let geometry = pool.geometry
  let channels = geometry.channels
  clear(pool.dInput, geometry.inputHeight &* geometry.inputWidth &* channels)
  // Comparing a vector with every place of a small window beats looking lane by lane.
  let comparesPlaces = geometry.windowHeight &* geometry.windowWidth <= 9
  var row = 0
  while row < geometry.outputHeight {
    var column = 0
    while column < geometry.outputWidth {
      let offset = (row &* geometry.outputWidth &+ column) &* channels
      let dOutput = pool.dOutput + offset
      let places = argmax + offset
      var c = 0
      if comparesPlaces {
        let window = PoolWindow(geometry, row: row, column: column)
        while c &+ vectorWidth <= channels {
          spreadGradient(pool, window, c, loadVector(dOutput + c), places + c)
          c &+= vectorWidth
        }
      }
      while c < channels {
        pool.dInput[Int(places[c]) &* channels &+ c] += dOutput[c]
        c &+= 1
      }
      column &+= 1
    }
    row &+= 1
  }
}

/// Adds `gradient` to channels `c ..< c + vectorWidth` of the pixels of `window` that `places` names.
@inline(__always)
private func spreadGradient(
  _ pool: Pool2DGradient, _ window: PoolWindow, _ c: Int, _ gradient: Vector, _ places: UnsafePointer<Int32>
) {
  let channels = pool.geometry.channels
  let place = UnsafeRawPointer(places).loadUnaligned(as: IntegerVector.self)
  var y = window.top
  while y < window.bottom {
    var x = window.left
    while x < window.right {
      let pixel = y &* pool.geometry.inputWidth &+ x
      let target = pool.dInput + (pixel &* channels &+ c)
      let current = loadVector(target)
      let isPlace = place .== IntegerVector(repeating: Int32(truncatingIfNeeded: pixel))
      storeVector(current.blended(with: current + gradient, where: isPlace), target)
      x &+= 1
    }
    y &+= 1
  }
}

/// Sets `count` floats to zero.
@inline(__always)
func clear(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i < count {
    target[i] = 0
    i &+= 1
  }
}
