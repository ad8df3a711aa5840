import NNKitKernelTable

/// Rows that are summed in single precision before their sums are joined in double precision. The bound of the error
/// grows with this number: differences from the block's first row are at most this much larger than the variance.
@_transparent
private var rowsPerBlock: Int { 32 }

/// The mean and the sum of squared deviations of each column: see `ColumnMoments`.
func columnMoments(_ moments: ColumnMoments) {
  let columns = moments.columns
  var first = 0
  while first < moments.rows {
    let rows = min(rowsPerBlock, moments.rows &- first)
    let block = moments.x + first &* columns
    var c = 0
    // Four vectors side by side hide the latency of the sums, and use the cache lines they touch.
    while c &+ 4 &* vectorWidth <= columns {
      var source = block + c
      let p0 = loadVector(source)
      let p1 = loadVector(source + vectorWidth)
      let p2 = loadVector(source + 2 &* vectorWidth)
      let p3 = loadVector(source + 3 &* vectorWidth)
      var (s0, s1, s2, s3) = (Vector(), Vector(), Vector(), Vector())
      var (q0, q1, q2, q3) = (Vector(), Vector(), Vector(), Vector())
      var r = 1
      while r < rows {
        source += columns
        let d0 = loadVector(source) - p0
        let d1 = loadVector(source + vectorWidth) - p1
        let d2 = loadVector(source + 2 &* vectorWidth) - p2
        let d3 = loadVector(source + 3 &* vectorWidth) - p3
        s0 += d0
        s1 += d1
        s2 += d2
        s3 += d3
        q0 = multiplyAdd(d0, d0, q0)
        q1 = multiplyAdd(d1, d1, q1)
        q2 = multiplyAdd(d2, d2, q2)
        q3 = multiplyAdd(d3, d3, q3)
        r &+= 1
      }
      joinBlock(moments, c, before: first, rows, p0, s0, q0)
      joinBlock(moments, c &+ vectorWidth, before: first, rows, p1, s1, q1)
      joinBlock(moments, c &+ 2 &* vectorWidth, before: first, rows, p2, s2, q2)
      joinBlock(moments, c &+ 3 &* vectorWidth, before: first, rows, p3, s3, q3)
      c &+= 4 &* vectorWidth
    }
    while c < columns {
      let lanes = columns &- c
      var source = block + c
      let pivot = loadLanes(source, lanes)
      var sum = Vector()
      var squares = Vector()
      var r = 1
      while r < rows {
        source += columns
        let d = loadLanes(source, lanes) - pivot
        sum += d
        squares = multiplyAdd(d, d, squares)
        r &+= 1
      }
      joinBlock(moments, c, before: first, rows, pivot, sum, squares)
      c &+= vectorWidth
    }
    first &+= rows
  }
}

/// Joins the sums of a block of `rows` rows, as differences from `pivot`, to the moments of the rows before it.
@_transparent
private func joinBlock(
  _ moments: ColumnMoments, _ column: Int, before: Int, _ rows: Int, _ pivot: Vector, _ sum: Vector, _ squares: Vector
) {
  let differences = DoubleLanes(sum)
  let offset = differences / DoubleLanes(repeating: Double(rows))
  var joined = Moments(
    mean: DoubleLanes(pivot) + offset, squares: DoubleLanes(squares) - differences * offset)
  if before > 0 {
    let earlier = Moments(
      mean: DoubleLanes(from: moments.mean + column), squares: DoubleLanes(from: moments.squares + column))
    joined = earlier.joined(before, with: joined, rows)
  }
  joined.mean.store(to: moments.mean + column)
  joined.squares.store(to: moments.squares + column)
}

/// Mean and sum of squared deviations of a vector of columns.
private struct Moments {
  var mean: DoubleLanes
  var squares: DoubleLanes

  @_transparent
  init(mean: DoubleLanes, squares: DoubleLanes) {
    self.mean = mean
    self.squares = squares
  }

  /// The moments of these `rows` rows and of `others`, `otherRows` more.
  @_transparent
  func joined(_ rows: Int, with others: Moments, _ otherRows: Int) -> Moments {
    let share = Double(otherRows) / Double(rows &+ otherRows)
    let difference = others.mean - mean
    return Moments(
      mean: mean + difference * DoubleLanes(repeating: share),
      squares: squares + others.squares + difference * difference * DoubleLanes(repeating: share * Double(rows)))
  }
}

/// What a batch is normalised with: see `BatchNormStatistics`.
func batchNormStatistics(_ statistics: BatchNormStatistics) {
  let chunked = statistics.moments
  var c = 0
  while c < statistics.channels {
    let lanes = statistics.channels &- c
    var moments = Moments(
      mean: DoubleLanes(from: chunked.sums + c), squares: DoubleLanes(from: chunked.sums + (chunked.stride &+ c)))
    var before = min(chunked.rowsPerChunk, chunked.rows)
    var chunk = 1
    while chunk < chunked.chunks {
      let source = chunked.sums + (2 &* chunk &* chunked.stride &+ c)
      let rows = min(chunked.rowsPerChunk, chunked.rows &- before)
      moments = moments.joined(
        before, with: Moments(mean: DoubleLanes(from: source), squares: DoubleLanes(from: source + chunked.stride)),
        rows)
      before &+= rows
      chunk &+= 1
    }
    let variance = moments.squares / DoubleLanes(repeating: Double(chunked.rows))
    let deviation = (variance + DoubleLanes(repeating: statistics.epsilon)).squareRoot()
    storeLanes(moments.mean.rounded, statistics.mean + c, lanes)
    storeLanes(variance.rounded, statistics.variance + c, lanes)
    storeLanes((DoubleLanes(repeating: 1) / deviation).rounded, statistics.inverseDeviation + c, lanes)
    storeLanes((DoubleLanes(loadLanes(statistics.gamma + c, lanes)) / deviation).rounded, statistics.scale + c, lanes)
    c &+= vectorWidth
  }
}

/// The sums over the rows that all gradients need: see `BatchNormSums`.
func batchNormSums(_ gradient: BatchNormSums) {
  let n = gradient.normalization
  let channels = n.channels
  var first = 0
  while first < gradient.rows {
    let rows = min(rowsPerBlock, gradient.rows &- first)
    var c = 0
    while c &+ 2 &* vectorWidth <= channels {
      let (mean0, mean1) = (loadVector(n.mean + c), loadVector(n.mean + (c &+ vectorWidth)))
      let (scale0, scale1) = (loadVector(n.scale + c), loadVector(n.scale + (c &+ vectorWidth)))
      let (shift0, shift1) = (loadVector(n.shift + c), loadVector(n.shift + (c &+ vectorWidth)))
      var (sum0, sum1) = (Vector(), Vector())
      var (product0, product1) = (Vector(), Vector())
      var offset = first &* channels &+ c
      var r = 0
      while r < rows {
        let d0 = loadVector(gradient.x + offset) - mean0
        let d1 = loadVector(gradient.x + (offset &+ vectorWidth)) - mean1
        var dz0 = loadVector(gradient.dy + offset)
        var dz1 = loadVector(gradient.dy + (offset &+ vectorWidth))
        if n.relu {
          dz0 = dz0.blended(with: Vector(), where: multiplyAdd(d0, scale0, shift0) .<= Vector())
          dz1 = dz1.blended(with: Vector(), where: multiplyAdd(d1, scale1, shift1) .<= Vector())
        }
        sum0 += dz0
        sum1 += dz1
        product0 = multiplyAdd(dz0, d0, product0)
        product1 = multiplyAdd(dz1, d1, product1)
        offset &+= channels
        r &+= 1
      }
      joinSums(gradient, c, first: first == 0, sum0, product0)
      joinSums(gradient, c &+ vectorWidth, first: first == 0, sum1, product1)
      c &+= 2 &* vectorWidth
    }
    while c < channels {
      let lanes = channels &- c
      let (mean, scale, shift) = (
        loadLanes(n.mean + c, lanes), loadLanes(n.scale + c, lanes), loadLanes(n.shift + c, lanes)
      )
      var sum = Vector()
      var product = Vector()
      var offset = first &* channels &+ c
      var r = 0
      while r < rows {
        let d = loadLanes(gradient.x + offset, lanes) - mean
        var dz = loadLanes(gradient.dy + offset, lanes)
        if n.relu { dz = dz.blended(with: Vector(), where: multiplyAdd(d, scale, shift) .<= Vector()) }
        sum += dz
        product = multiplyAdd(dz, d, product)
        offset &+= channels
        r &+= 1
      }
      joinSums(gradient, c, first: first == 0, sum, product)
      c &+= vectorWidth
    }
    first &+= rows
  }
}

@_transparent
private func joinSums(_ gradient: BatchNormSums, _ channel: Int, first: Bool, _ sum: Vector, _ product: Vector) {
  let target = gradient.sums + channel
  var total = DoubleLanes(sum)
  var products = DoubleLanes(product)
  if !first {
    total = DoubleLanes(from: target) + total
    products = DoubleLanes(from: target + gradient.stride) + products
  }
  total.store(to: target)
  products.store(to: target + gradient.stride)
}

/// Gradients of the parameters, and factors of the input's gradient: see `BatchNormParameterGradient`.
func batchNormParameterGradient(_ gradient: BatchNormParameterGradient) {
  let chunked = gradient.sums
  let inverseRows = DoubleLanes(repeating: -1 / Double(chunked.rows))
  var c = 0
  while c < gradient.channels {
    let lanes = gradient.channels &- c
    var dBeta = DoubleLanes(repeating: 0)
    var products = DoubleLanes(repeating: 0)
    var chunk = 0
    while chunk < chunked.chunks {
      let source = chunked.sums + (2 &* chunk &* chunked.stride &+ c)
      dBeta = dBeta + DoubleLanes(from: source)
      products = products + DoubleLanes(from: source + chunked.stride)
      chunk &+= 1
    }
    let inverseDeviation = DoubleLanes(loadLanes(gradient.inverseDeviation + c, lanes))
    let scale = DoubleLanes(loadLanes(gradient.scale + c, lanes)) * inverseRows
    let dGamma = products * inverseDeviation
    storeLanes(dBeta.rounded, gradient.dBeta + c, lanes)
    storeLanes(dGamma.rounded, gradient.dGamma + c, lanes)
    storeLanes((scale * dBeta).rounded, gradient.offset + c, lanes)
    storeLanes((scale * inverseDeviation * dGamma).rounded, gradient.slope + c, lanes)
    c &+= vectorWidth
  }
}
