import NNKitKernelTable

/// The places of the input that one window covers.
struct PoolWindow {
  var top: Int
  var bottom: Int
  var left: Int
  var right: Int
  /// Which of the window's places, those outside the input counted too, the first one in the input is.
  var firstPlace: Int

  @inline(__always)
  init(_ geometry: PoolGeometry, row: Int, column: Int) {
    let y = row &* geometry.strideHeight &- geometry.padTop
    let x = column &* geometry.strideWidth &- geometry.padLeft
    top = y < 0 ? 0 : y
    left = x < 0 ? 0 : x
    bottom = y &+ geometry.windowHeight < geometry.inputHeight ? y &+ geometry.windowHeight : geometry.inputHeight
    right = x &+ geometry.windowWidth < geometry.inputWidth ? x &+ geometry.windowWidth : geometry.inputWidth
    firstPlace = (top &- y) &* geometry.windowWidth &+ left &- x
  }
}

/// The largest value of each window, and where it came from: see `Pool2D`.
func maxPool2DForward(_ pool: Pool2D, _ argmax: UnsafeMutableRawPointer?) {
  let geometry = pool.geometry
  let placeBytes = geometry.placeBytes
  let channels = geometry.channels
  var row = pool.rowStart
  while row < pool.rowEnd {
    var column = argmax == nil ? maximaOfSquares(pool, row) : 0
    while column < geometry.outputWidth {
      let window = PoolWindow(geometry, row: row, column: column)
      let offset = (row &* geometry.outputWidth &+ column) &* channels
      let output = pool.output + offset
      if let argmax {
        maximaOfWindow(pool, window, output, argmax + offset &* placeBytes, placeBytes)
      } else {
        maximaOfWindow(pool, window, output)
      }
      column &+= 1
    }
    row &+= 1
  }
}

/// The first pixels of a row of outputs whose windows are 2 × 2 places, all inside the input: the usual ones, without
/// loops over places. Returns how many those are.
@inline(never)
private func maximaOfSquares(_ pool: Pool2D, _ row: Int) -> Int {
  let (geometry, channels, pixelStride) = (pool.geometry, pool.channels, pool.geometry.channels)
  let lineStride = geometry.inputWidth &* pixelStride
  let y = row &* geometry.strideHeight
  guard geometry.windowHeight == 2, geometry.windowWidth == 2, geometry.padTop == 0, geometry.padLeft == 0,
    channels >= vectorWidth, y &+ 2 <= geometry.inputHeight
  else { return 0 }
  var upper = pool.input + y &* lineStride
  var output = pool.output + row &* geometry.outputWidth &* pixelStride
  var column = 0
  var x = 0
  while column < geometry.outputWidth && x &+ 2 <= geometry.inputWidth {
    let lower = upper + lineStride
    var c = 0
    while c < channels {
      // The last vector reaches back over channels that are done, so that it is whole.
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      let (a, b) = (loadVector(upper + c), loadVector(upper + (pixelStride &+ c)))
      let (d, e) = (loadVector(lower + c), loadVector(lower + (pixelStride &+ c)))
      let hasNaN = (a .!= a) .| (b .!= b) .| ((d .!= d) .| (e .!= e))
      let largest = larger(larger(larger(a, b), d), e)
      storeVector(largest.blended(with: Vector(repeating: .nan), where: hasNaN), output + c)
      c &+= vectorWidth
    }
    upper += geometry.strideWidth &* pixelStride
    output += pixelStride
    x &+= geometry.strideWidth
    column &+= 1
  }
  return column
}

/// `x > best ? x : best`: one instruction.
@_transparent
private func larger(_ best: Vector, _ x: Vector) -> Vector { best.blended(with: x, where: x .> best) }

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

/// All channels of one output pixel, with the places that the maxima came from.
@inline(__always)
private func maximaOfWindow(
  _ pool: Pool2D, _ window: PoolWindow, _ output: UnsafeMutablePointer<Float>, _ argmax: UnsafeMutableRawPointer,
  _ placeBytes: Int
) {
  let channels = pool.geometry.channels
  let width = pool.geometry.inputWidth
  let windowWidth = Int32(truncatingIfNeeded: pool.geometry.windowWidth)
  let firstPlace = Int32(truncatingIfNeeded: window.firstPlace)
  var c = 0
  if channels >= vectorWidth {
    while c < channels {
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      // Starts from the first place, so that a window of -∞ names a place of its own.
      var best = loadVector(pool.input + ((window.top &* width &+ window.left) &* channels &+ c))
      var place = IntegerVector(repeating: firstPlace)
      var row = firstPlace
      var y = window.top
      while y < window.bottom {
        var index = row
        var source = pool.input + ((y &* width &+ window.left) &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(loadVector(source), index, &best, &place)
          source += channels
          index &+= 1
          x &+= 1
        }
        row &+= windowWidth
        y &+= 1
      }
      storeVector(best, output + c)
      storePlaces(place, argmax, c, placeBytes)
      c &+= vectorWidth
    }
  } else if channels >= NarrowVector.scalarCount {
    while c < channels {
      if c > channels &- NarrowVector.scalarCount { c = channels &- NarrowVector.scalarCount }
      var best = loadNarrow(pool.input + ((window.top &* width &+ window.left) &* channels &+ c))
      var place = SIMD4<Int32>(repeating: firstPlace)
      var row = firstPlace
      var y = window.top
      while y < window.bottom {
        var index = row
        var source = pool.input + ((y &* width &+ window.left) &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(loadNarrow(source), index, &best, &place)
          source += channels
          index &+= 1
          x &+= 1
        }
        row &+= windowWidth
        y &+= 1
      }
      storeNarrow(best, output + c)
      storeNarrowPlaces(place, argmax, c, placeBytes)
      c &+= NarrowVector.scalarCount
    }
  } else {
    while c < channels {
      // In a vector, although one lane counts: a comparison of scalars would become a branch, guessed wrong often.
      var best = NarrowVector(repeating: pool.input[(window.top &* width &+ window.left) &* channels &+ c])
      var place = SIMD4<Int32>(repeating: firstPlace)
      var row = firstPlace
      var y = window.top
      while y < window.bottom {
        var index = row
        var source = pool.input + ((y &* width &+ window.left) &* channels &+ c)
        var x = window.left
        while x < window.right {
          takeLarger(NarrowVector(repeating: source.pointee), index, &best, &place)
          source += channels
          index &+= 1
          x &+= 1
        }
        row &+= windowWidth
        y &+= 1
      }
      output[c] = best[0]
      storePlace(place[0], argmax, c, placeBytes)
      c &+= 1
    }
  }
}

/// Puts `value` and `index` in the lanes where `value` is larger than `best`, or the first NaN.
@_transparent
private func takeLarger(_ value: Vector, _ index: Int32, _ best: inout Vector, _ place: inout IntegerVector) {
  let isLarger = (value .> best) .| ((value .!= value) .& (best .== best))
  best = best.blended(with: value, where: isLarger)
  place = place.blended(with: IntegerVector(repeating: index), where: isLarger)
}

#if NNKIT_AVX2 || NNKIT_AVX512
  /// Puts `value` and `index` in the lanes where `value` is larger than `best`, or the first NaN.
  @_transparent
  private func takeLarger(
    _ value: NarrowVector, _ index: Int32, _ best: inout NarrowVector, _ place: inout SIMD4<Int32>
  ) {
    let isLarger = (value .> best) .| ((value .!= value) .& (best .== best))
    best = best.blended(with: value, where: isLarger)
    place = place.blended(with: SIMD4(repeating: index), where: isLarger)
  }
#endif

/// Stores places `index`, `index + 1`, ... as bytes or as 32-bit integers.
@_transparent
private func storePlaces(_ places: IntegerVector, _ base: UnsafeMutableRawPointer, _ index: Int, _ placeBytes: Int) {
  if placeBytes == 1 {
    for lane in 0..<vectorWidth { storePlace(places[lane], base, index &+ lane, 1) }
  } else {
    (base + 4 &* index).storeBytes(of: places, as: IntegerVector.self)
  }
}

@_transparent
private func storeNarrowPlaces(
  _ places: SIMD4<Int32>, _ base: UnsafeMutableRawPointer, _ index: Int, _ placeBytes: Int
) {
  if placeBytes == 1 {
    for lane in 0..<4 { storePlace(places[lane], base, index &+ lane, 1) }
  } else {
    (base + 4 &* index).storeBytes(of: places, as: SIMD4<Int32>.self)
  }
}

@_transparent
private func storePlace(_ place: Int32, _ base: UnsafeMutableRawPointer, _ index: Int, _ placeBytes: Int) {
  if placeBytes == 1 {
    base.storeBytes(of: UInt8(truncatingIfNeeded: place), toByteOffset: index, as: UInt8.self)
  } else {
    base.storeBytes(of: place, toByteOffset: 4 &* index, as: Int32.self)
  }
}

@_transparent
private func loadPlace(_ base: UnsafeRawPointer, _ index: Int, _ placeBytes: Int) -> Int32 {
  placeBytes == 1
    ? Int32(truncatingIfNeeded: base.load(fromByteOffset: index, as: UInt8.self))
    : base.load(fromByteOffset: 4 &* index, as: Int32.self)
}

@_transparent
private func loadPlaces(_ base: UnsafeRawPointer, _ index: Int, _ placeBytes: Int) -> IntegerVector {
  if placeBytes != 1 { return (base + 4 &* index).loadUnaligned(as: IntegerVector.self) }
  var places = IntegerVector()
  for lane in 0..<vectorWidth { places[lane] = loadPlace(base, index &+ lane, 1) }
  return places
}

/// Hands each output's gradient to the place its maximum came from: see `Pool2DGradient`.
func maxPool2DBackward(_ pool: Pool2DGradient, _ argmax: UnsafeRawPointer) {
  let geometry = pool.geometry
  let channels = geometry.channels
  let placeBytes = geometry.placeBytes
  clear(pool.dInput, geometry.inputHeight &* geometry.inputWidth &* channels)
  // Comparing a vector with every place of a small window beats looking lane by lane.
  let comparesPlaces = geometry.windowHeight &* geometry.windowWidth <= 9
  let windowWidth = Int32(truncatingIfNeeded: geometry.windowWidth)
  var row = 0
  while row < geometry.outputHeight {
    var column = 0
    while column < geometry.outputWidth {
      let offset = (row &* geometry.outputWidth &+ column) &* channels
      let dOutput = pool.dOutput + offset
      let places = argmax + offset &* placeBytes
      var c = 0
      if comparesPlaces {
        let window = PoolWindow(geometry, row: row, column: column)
        while c &+ vectorWidth <= channels {
          spreadGradient(pool, window, c, loadVector(dOutput + c), loadPlaces(places, c, placeBytes))
          c &+= vectorWidth
        }
      }
      // Of the window's place 0, which may lie outside the input.
      let origin =
        (row &* geometry.strideHeight &- geometry.padTop) &* geometry.inputWidth
        &+ column &* geometry.strideWidth &- geometry.padLeft
      while c < channels {
        let (y, x) = loadPlace(places, c, placeBytes).quotientAndRemainder(dividingBy: windowWidth)
        let pixel = origin &+ Int(truncatingIfNeeded: y) &* geometry.inputWidth &+ Int(truncatingIfNeeded: x)
        pool.dInput[pixel &* channels &+ c] += dOutput[c]
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
  _ pool: Pool2DGradient, _ window: PoolWindow, _ c: Int, _ gradient: Vector, _ places: IntegerVector
) {
  let channels = pool.geometry.channels
  let windowWidth = Int32(truncatingIfNeeded: pool.geometry.windowWidth)
  var row = Int32(truncatingIfNeeded: window.firstPlace)
  var y = window.top
  while y < window.bottom {
    var index = row
    var target = pool.dInput + ((y &* pool.geometry.inputWidth &+ window.left) &* channels &+ c)
    var x = window.left
    while x < window.right {
      let current = loadVector(target)
      let isPlace = places .== IntegerVector(repeating: index)
      storeVector(current.blended(with: current + gradient, where: isPlace), target)
      target += channels
      index &+= 1
      x &+= 1
    }
    row &+= windowWidth
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
