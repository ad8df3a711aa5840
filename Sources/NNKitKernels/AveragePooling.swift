#if NNKIT_AVX2 || NNKIT_AVX512
  import NNKitKernels
#endif

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
  let channels = pool.geometry.channels
  let width = pool.geometry.inputWidth
  var c = 0
  if channels >= vectorWidth {
    while c < channels {
      // The last vector reaches back over channels that are done, so that it is whole.
      if c > channels &- vectorWidth { c = channels &- vectorWidth }
      var sum = Vector()
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* channels &+ c)
        var x = window.left
        while x < window.right {
          sum += loadVector(source)
          source += channels
          x &+= 1
        }
        y &+= 1
      }
      storeVector(sum / Vector(repeating: divisor), output + c)
      c &+= vectorWidth
    }
  } else if channels >= 4 {
    var sum = Vector()
    var y = window.top
    while y < window.bottom {
      var source = pool.input + (y &* width &+ window.left) &* channels
      var x = window.left
      while x < window.right {
        sum += loadPartialVector(source, channels)
        source += channels
        x &+= 1
      }
      y &+= 1
    }
    storePartialVector(sum / Vector(repeating: divisor), output, channels)
  } else {
    while c < channels {
      var sum: Float = 0
      var y = window.top
      while y < window.bottom {
        var source = pool.input + ((y &* width &+ window.left) &* channels &+ c)
        var x = window.left
        while x < window.right {
          sum += source.pointee
          source += channels
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
      var c = 0
      while c < channels {
        let rest = channels &- c
        let isWhole = rest >= vectorWidth
        let gradient =
          (isWhole ? loadVector(dOutput + c) : loadPartialVector(dOutput + c, rest)) / Vector(repeating: divisor)
        var y = window.top
        while y < window.bottom {
          var target = pool.dInput + ((y &* geometry.inputWidth &+ window.left) &* channels &+ c)
          var x = window.left
          while x < window.right {
            if isWhole {
              storeVector(loadVector(target) + gradient, target)
            } else {
              storePartialVector(loadPartialVector(target, rest) + gradient, target, rest)
            }
            target += channels
            x &+= 1
          }
          y &+= 1
        }
        c &+= vectorWidth
      }
      column &+= 1
    }
    row &+= 1
  }
}
