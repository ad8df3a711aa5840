/// The mean and the sum of squared deviations of each column of `x` `[rows, columns]`, `rows` ≥ 1:
/// `mean[c] = Σ_r x[r][c] / rows`, `squares[c] = Σ_r (x[r][c] - mean[c])²`.
///
/// Accuracy: blocks of 32 rows are summed in single precision as differences from their first row, so that what is
/// common to a column's values never cancels; blocks are joined in double precision, in ascending order.
/// Source: Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance (1983).
public struct ColumnMoments {
  public var x: UnsafePointer<Float>
  public var rows: Int
  public var columns: Int
  /// Both have room for `columns` rounded up to a multiple of 16; what is behind the columns is overwritten, too.
  public var mean: UnsafeMutablePointer<Double>
  public var squares: UnsafeMutablePointer<Double>

  public init(
    x: UnsafePointer<Float>, rows: Int, columns: Int, mean: UnsafeMutablePointer<Double>,
    squares: UnsafeMutablePointer<Double>
  ) {
    self.x = x
    self.rows = rows
    self.columns = columns
    self.mean = mean
    self.squares = squares
  }
}

/// Sums over rows that were computed in consecutive chunks, each of `rowsPerChunk` rows and the last one of the rest.
/// A chunk has two arrays of `stride` doubles, one behind the other: what they hold, the kernel that takes them says.
public struct ChunkedSums {
  public var sums: UnsafePointer<Double>
  public var chunks: Int
  public var rowsPerChunk: Int
  public var rows: Int
  /// The number of columns rounded up to a multiple of 16.
  public var stride: Int

  public init(sums: UnsafePointer<Double>, chunks: Int, rowsPerChunk: Int, rows: Int, stride: Int) {
    self.sums = sums
    self.chunks = chunks
    self.rowsPerChunk = rowsPerChunk
    self.rows = rows
    self.stride = stride
  }
}

/// What a batch is normalised with, joined from the moments of its chunks in ascending order. With `variance` the
/// biased one: `inverseDeviation = 1 / √(variance + epsilon)`, `scale = gamma · inverseDeviation`.
public struct BatchNormStatistics {
  /// The mean and the squares of `ColumnMoments`.
  public var moments: ChunkedSums
  public var channels: Int
  public var gamma: UnsafePointer<Float>
  public var epsilon: Double
  public var mean: UnsafeMutablePointer<Float>
  public var variance: UnsafeMutablePointer<Float>
  public var inverseDeviation: UnsafeMutablePointer<Float>
  public var scale: UnsafeMutablePointer<Float>

  public init(
    moments: ChunkedSums, channels: Int, gamma: UnsafePointer<Float>, epsilon: Double,
    mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>,
    inverseDeviation: UnsafeMutablePointer<Float>, scale: UnsafeMutablePointer<Float>
  ) {
    self.moments = moments
    self.channels = channels
    self.gamma = gamma
    self.epsilon = epsilon
    self.mean = mean
    self.variance = variance
    self.inverseDeviation = inverseDeviation
    self.scale = scale
  }
}

/// A normalisation of `channels` columns, `z = (x - mean) · scale + shift`, and whether a ReLU follows.
public struct ChannelNormalization {
  public var channels: Int
  public var mean: UnsafePointer<Float>
  public var scale: UnsafePointer<Float>
  public var shift: UnsafePointer<Float>
  public var relu: Bool

  public init(
    channels: Int, mean: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, relu: Bool
  ) {
    self.channels = channels
    self.mean = mean
    self.scale = scale
    self.shift = shift
    self.relu = relu
  }
}

/// `y = f(z)`, or with `addend` `y = g(f(z) + addend)`, for `rows` rows: `f` is the normalisation's ReLU if it has one,
/// `g` with `relu` another, NaN kept. `y` may be `x` or `addend`.
public struct BatchNorm {
  public var normalization: ChannelNormalization
  public var x: UnsafePointer<Float>
  /// As large as `x`.
  public var addend: UnsafePointer<Float>?
  public var relu: Bool
  public var y: UnsafeMutablePointer<Float>
  public var rows: Int

  public init(
    normalization: ChannelNormalization, x: UnsafePointer<Float>, addend: UnsafePointer<Float>? = nil,
    relu: Bool = false, y: UnsafeMutablePointer<Float>, rows: Int
  ) {
    self.normalization = normalization
    self.x = x
    self.addend = addend
    self.relu = relu
    self.y = y
    self.rows = rows
  }
}

/// `sums[c] = Σ_r dz` and `sums[stride + c] = Σ_r dz (x - mean[c])`, where `dz` is `dy`, or with `relu` zero where
/// `z ≤ 0`. `z` is computed again, which is cheaper than reading it. Blocks of 32 rows are summed in single precision
/// and joined in double precision, in ascending order.
public struct BatchNormSums {
  public var normalization: ChannelNormalization
  public var x: UnsafePointer<Float>
  public var dy: UnsafePointer<Float>
  public var rows: Int
  public var sums: UnsafeMutablePointer<Double>
  /// The number of channels rounded up to a multiple of 16; what is behind the channels is overwritten, too.
  public var stride: Int

  public init(
    normalization: ChannelNormalization, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, rows: Int,
    sums: UnsafeMutablePointer<Double>, stride: Int
  ) {
    self.normalization = normalization
    self.x = x
    self.dy = dy
    self.rows = rows
    self.sums = sums
    self.stride = stride
  }
}

/// The gradients of a normalisation's parameters, and the factors of `BatchNormGradient`, from the sums of
/// `BatchNormSums`: `dBeta = Σ dz`, `dGamma = inverseDeviation · Σ dz (x - mean)`,
/// `offset = -scale · dBeta / rows`, `slope = -scale · inverseDeviation · dGamma / rows`.
public struct BatchNormParameterGradient {
  public var sums: ChunkedSums
  public var channels: Int
  public var scale: UnsafePointer<Float>
  public var inverseDeviation: UnsafePointer<Float>
  public var dGamma: UnsafeMutablePointer<Float>
  public var dBeta: UnsafeMutablePointer<Float>
  public var slope: UnsafeMutablePointer<Float>
  public var offset: UnsafeMutablePointer<Float>

  public init(
    sums: ChunkedSums, channels: Int, scale: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
    dGamma: UnsafeMutablePointer<Float>, dBeta: UnsafeMutablePointer<Float>, slope: UnsafeMutablePointer<Float>,
    offset: UnsafeMutablePointer<Float>
  ) {
    self.sums = sums
    self.channels = channels
    self.scale = scale
    self.inverseDeviation = inverseDeviation
    self.dGamma = dGamma
    self.dBeta = dBeta
    self.slope = slope
    self.offset = offset
  }
}

/// `dx = scale · dz + slope · (x - mean) + offset` for `rows` rows, with `dz` as in `BatchNormSums`: the gradient
/// through the batch's own mean and variance. `dx` may be `dy` or `x`.
/// Source: Ioffe and Szegedy, Batch Normalization (2015), section 3, with the sums over the batch collected.
public struct BatchNormGradient {
  public var normalization: ChannelNormalization
  public var x: UnsafePointer<Float>
  public var dy: UnsafePointer<Float>
  public var dx: UnsafeMutablePointer<Float>
  public var rows: Int
  public var slope: UnsafePointer<Float>
  public var offset: UnsafePointer<Float>

  public init(
    normalization: ChannelNormalization, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
    dx: UnsafeMutablePointer<Float>, rows: Int, slope: UnsafePointer<Float>, offset: UnsafePointer<Float>
  ) {
    self.normalization = normalization
    self.x = x
    self.dy = dy
    self.dx = dx
    self.rows = rows
    self.slope = slope
    self.offset = offset
  }
}
