import NNKitKernelTable

/// Batch normalisation of 64 channels: the passes over rows, and what is joined from eight chunks of them.
let normalizationRows: [KernelRow] =
  Place.allCases.flatMap { place in
    [
      KernelRow("columnMoments", "64 columns, \(place.name)") { table in
        let rows = place.bytes / (4 * channels)
        let (x, moments) = (try Floats(rows * channels), Doubles(2 * channels))
        return (
          .bytes(4 * channels * rows),
          {
            table.columnMoments(
              ColumnMoments(
                x: x.read, rows: rows, columns: channels, mean: moments.pointer, squares: moments.pointer + channels))
          }
        )
      },
      KernelRow("batchNormForward", "64 channels, \(place.name)") { table in
        let rows = place.bytes / (8 * channels)
        let (x, y, norm) = (try Floats(rows * channels), try Floats(rows * channels), try Norm())
        return (
          .bytes(8 * channels * rows),
          { table.batchNormForward(BatchNorm(normalization: norm.arguments, x: x.read, y: y.pointer, rows: rows)) }
        )
      },
      KernelRow("batchNormSums", "64 channels, \(place.name)") { table in
        let rows = place.bytes / (8 * channels)
        let (x, dy, norm) = (try Floats(rows * channels), try Floats(rows * channels), try Norm())
        let sums = Doubles(2 * channels)
        return (
          .bytes(8 * channels * rows),
          {
            table.batchNormSums(
              BatchNormSums(
                normalization: norm.arguments, x: x.read, dy: dy.read, rows: rows, sums: sums.pointer, stride: channels)
            )
          }
        )
      },
      KernelRow("batchNormBackward", "64 channels, \(place.name)") { table in
        let rows = place.bytes / (12 * channels)
        let (x, dy, dx) = (try Floats(rows * channels), try Floats(rows * channels), try Floats(rows * channels))
        let (slope, offset, norm) = (try Floats(channels), try Floats(channels), try Norm())
        return (
          .bytes(12 * channels * rows),
          {
            table.batchNormBackward(
              BatchNormGradient(
                normalization: norm.arguments, x: x.read, dy: dy.read, dx: dx.pointer, rows: rows, slope: slope.read,
                offset: offset.read))
          }
        )
      },
    ]
  } + joiningRows

private let joiningRows = [
  KernelRow("batchNormStatistics", "8 chunks of 64 channels") { table in
    let (sums, gamma) = (Doubles(chunks * 2 * channels), try Floats(channels))
    let (mean, variance) = (try Floats(channels), try Floats(channels))
    let (inverseDeviation, scale) = (try Floats(channels), try Floats(channels))
    return (
      .elements(chunks * channels),
      {
        table.batchNormStatistics(
          BatchNormStatistics(
            moments: sums.chunked, channels: channels, gamma: gamma.read, epsilon: 1e-5, mean: mean.pointer,
            variance: variance.pointer, inverseDeviation: inverseDeviation.pointer, scale: scale.pointer))
      }
    )
  },
  KernelRow("batchNormParameterGradient", "8 chunks of 64 channels") { table in
    let (sums, scale, inverseDeviation) = (Doubles(chunks * 2 * channels), try Floats(channels), try Floats(channels))
    let (dGamma, dBeta, slope) = (try Floats(channels), try Floats(channels), try Floats(channels))
    let offset = try Floats(channels)
    return (
      .elements(chunks * channels),
      {
        table.batchNormParameterGradient(
          BatchNormParameterGradient(
            sums: sums.chunked, channels: channels, scale: scale.read, inverseDeviation: inverseDeviation.read,
            dGamma: dGamma.pointer, dBeta: dBeta.pointer, slope: slope.pointer, offset: offset.pointer))
      }
    )
  },
]

private let channels = 64
private let chunks = 8

/// The parameters of a normalisation, with a ReLU.
private final class Norm {
  private let mean: Floats
  private let scale: Floats
  private let shift: Floats

  init() throws { (mean, scale, shift) = (try Floats(channels), try Floats(channels), try Floats(channels)) }

  var arguments: ChannelNormalization {
    ChannelNormalization(channels: channels, mean: mean.read, scale: scale.read, shift: shift.read, relu: true)
  }
}

/// Doubles at an address that stays, all 1.
private final class Doubles {
  let pointer: UnsafeMutablePointer<Double>

  init(_ count: Int) {
    pointer = .allocate(capacity: count)
    pointer.initialize(repeating: 1, count: count)
  }

  deinit { pointer.deallocate() }

  /// The sums of 8 chunks of 32 rows.
  var chunked: ChunkedSums {
    ChunkedSums(sums: UnsafePointer(pointer), chunks: chunks, rowsPerChunk: 32, rows: 32 * chunks, stride: channels)
  }
}
