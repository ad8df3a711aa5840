import NNKitKernelTable

/// How many places the mean over `window` is taken over.
@inline(__always)
private func divisor(_ geometry: PoolGeometry, _ window: PoolWindow) -> Float {
  let places =
    geometry.countsPadding
    ? geometry.windowHeight &* geometry.windowWidth
    : (window.bottom &- window.top) &* (window.right &- window.left)
  return Float(places)
}

/// The mean of each window: see `Pool2D`. Order of sums: ascending places.
func averagePool2DForward(_ pool: Pool2D) {
  let geometry = pool.geometry
  let channels = geometry.channels
  var row = pool.rowStart
  while row < pool.rowEnd {
    var column = 0
    while column < geometry.outputWidth {
      let window = PoolWindow(geometry, row: row, column: column)
      let output = pool.output + (row &* geometry.outputWidth &+ column) &* channels
      averagesOfWindow(pool, window, divisor(geometry, window), output)
      column &+= 1
    }
    row &+= 1
  }
}

/// All channels of one output pixel.
@inline(__always)
private func averagesOfWindow(
  _ pool: Pool2D, _ window: PoolWindow, _ divisor: Float, _ output: UnsafeMutablePointer<Float>
) {
  let (channels, pixelStride) = (pool.channels, pool.geometry.channels)
  let width = pool.geometry.inputWidth
  var c = 0
  if channels >= vectorWidth {
    while c < channels {
      // The last vector reaches back over channels that are done, so that it is whole.
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      var sum = Vector()
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          sum += loadVector(source)
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      storeVector(sum / Vector(repeating: divisor), output + c)
      c &+= vectorWidth
    }
  } else if channels >= NarrowVector.scalarCount {
    while c < channels {
      if c > channels &- NarrowVector.scalarCount { c = channels &- NarrowVector.scalarCount }
      var sum = NarrowVector()
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          sum += loadNarrow(source)
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      storeNarrow(sum / NarrowVector(repeating: divisor), output + c)
      c &+= NarrowVector.scalarCount
    }
  } else {
    while c < channels {
      var sum: Float = 0
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
        var x = window.left
        while x < window.right {
          sum += source.pointee
          source += pixelStride
          x &+= 1
        }
        y &+= 1
      }
      output[c] = sum / divisor
      c &+= 1
    }
  }
}

/// Spreads each output's gradient evenly over its window: see `Pool2DGradient`.
func averagePool2DBackward(_ pool: Pool2DGradient) {
  let geometry = pool.geometry
  let channels = geometry.channels
  clear(pool.dInput, geometry.inputHeight &* geometry.inputWidth &* channels)
  var row = 0
  while row < geometry.outputHeight {
    var column = 0
    while column < geometry.outputWidth {
      let window = PoolWindow(geometry, row: row, column: column)
      let divisor = divisor(geometry, window)
      let dOutput = pool.dOutput + (row &* geometry.outputWidth &+ column) &* channels
      spreadGradient(pool, window, divisor, dOutput)
      column &+= 1
    }
    row &+= 1
  }
}

/// Adds the gradient of all channels of one output pixel to its window.
@inline(__always)
private func spreadGradient(
  _ pool: Pool2DGradient, _ window: PoolWindow, _ divisor: Float, _ dOutput: UnsafePointer<Float>
) {
  let channels = pool.geometry.channels
  let width = pool.geometry.inputWidth
  var c = 0
  while c &+ vectorWidth <= channels {
    let gradient = loadVector(dOutput + c) / Vector(repeating: divisor)
    var y = window.top
    while y < window.bottom {
      var target = pool.dInput + ((y &* width &+ window.left) &* channels &+ c)
      var x = window.left
      while x < window.right {
        storeVector(loadVector(target) + gradient, target)
        target += channels
        x &+= 1
      }
      y &+= 1
    }
    c &+= vectorWidth
  }
  while c < channels {
    let gradient = dOutput[c] / divisor
    var y = window.top
    while y < window.bottom {
      var target = pool.dInput + ((y &* width &+ window.left) &* channels &+ c)
      var x = window.left
      while x < window.right {
        target.pointee += gradient
        target += channels
        x &+= 1
      }
      y &+= 1
    }
    c &+= 1
  }
}
