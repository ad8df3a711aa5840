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

/// The mean of each window: see `Pool2D`. Order of sums: ascending places, those of large windows by blocks.
func averagePool2DForward(_ pool: Pool2D) {
  let geometry = pool.geometry
  let channels = geometry.channels
  var row = pool.rowStart
  while row < pool.rowEnd {
    var column = 0
    while column < geometry.outputWidth {
      let window = PoolWindow(geometry, row: row, column: column)
      let output = pool.output + (row &* geometry.outputWidth &+ column) &* channels
      let divisor = divisor(geometry, window)
      if (window.bottom &- window.top) &* (window.right &- window.left) > termsPerBlock {
        averagesOfLargeWindow(pool, window, divisor, output)
      } else {
        averagesOfWindow(pool, window, divisor, output)
      }
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

/// All channels of one output pixel whose window has more places than are summed in single precision.
@inline(never)
private func averagesOfLargeWindow(
  _ pool: Pool2D, _ window: PoolWindow, _ divisor: Float, _ output: UnsafeMutablePointer<Float>
) {
  let (pixelStride, width) = (pool.geometry.channels, pool.geometry.inputWidth)
  var c = 0
  while c < pool.channels {
    let lanes = pool.channels &- c
    var total = DoubleLanes(repeating: 0)
    var sum = Vector()
    var terms = 0
    var y = window.top
    while y < window.bottom {
      var source = pool.input + ((y &* width &+ window.left) &* pixelStride &+ c)
      var x = window.left
      while x < window.right {
        let end = min(window.right, x &+ termsPerBlock &- terms)
        terms &+= end &- x
        while x < end {
          sum += loadLanes(source, lanes)
          source += pixelStride
          x &+= 1
        }
        if terms == termsPerBlock {
          total = total + DoubleLanes(sum)
          (sum, terms) = (Vector(), 0)
        }
      }
      y &+= 1
    }
    total = total + DoubleLanes(sum)
    storeLanes((total / DoubleLanes(repeating: Double(divisor))).rounded, output + c, lanes)
    c &+= vectorWidth
  }
}

/// Spreads each output's gradient evenly over its window: see `Pool2DGradient`.
func averagePool2DBackward(_ pool: Pool2DGradient) {
  let geometry = pool.geometry
  let channels = geometry.channels
  let overlap =
    ((geometry.windowHeight &- 1) / geometry.strideHeight &+ 1)
    &* ((geometry.windowWidth &- 1) / geometry.strideWidth &+ 1)
  if overlap > termsPerBlock { return gatherGradient(pool) }
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

/// Windows along one axis that hold pixel `pixel`, given by the first one and the one behind the last.
@inline(__always)
private func windows(
  _ pixel: Int, _ padding: Int, _ window: Int, _ stride: Int, _ count: Int
) -> (first: Int, end: Int) {
  let place = pixel &+ padding
  return (place < window ? 0 : (place &- window) / stride &+ 1, min(count, place / stride &+ 1))
}

/// The gradient pixel by pixel where each lies in more windows than are summed in single precision.
@inline(never)
private func gatherGradient(_ pool: Pool2DGradient) {
  let geometry = pool.geometry
  let channels = geometry.channels
  var y = 0
  while y < geometry.inputHeight {
    let rows = windows(
      y, geometry.padTop, geometry.windowHeight, geometry.strideHeight, geometry.outputHeight)
    var x = 0
    while x < geometry.inputWidth {
      let columns = windows(
        x, geometry.padLeft, geometry.windowWidth, geometry.strideWidth, geometry.outputWidth)
      var c = 0
      while c < channels {
        let lanes = channels &- c
        var total = DoubleLanes(repeating: 0)
        var row = rows.first
        while row < rows.end {
          var column = columns.first
          while column < columns.end {
            let end = min(columns.end, column &+ termsPerBlock)
            var sum = Vector()
            while column < end {
              let divisor = divisor(geometry, PoolWindow(geometry, row: row, column: column))
              let gradient = loadLanes(pool.dOutput + ((row &* geometry.outputWidth &+ column) &* channels &+ c), lanes)
              sum += gradient / Vector(repeating: divisor)
              column &+= 1
            }
            total = total + DoubleLanes(sum)
          }
          row &+= 1
        }
        storeLanes(total.rounded, pool.dInput + ((y &* geometry.inputWidth &+ x) &* channels &+ c), lanes)
        c &+= vectorWidth
      }
      x &+= 1
    }
    y &+= 1
  }
}
