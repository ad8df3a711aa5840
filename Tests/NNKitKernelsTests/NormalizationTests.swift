import NNKitKernelTable
import Testing

@Suite struct NormalizationTests {
  private static let rowCounts = [1, 2, 31, 32, 33, 64, 101]

  private func columnCounts(_ table: KernelTable) -> [Int] {
    [1, 3, table.width - 1, table.width, table.width + 1, 2 * table.width, 4 * table.width, 5 * table.width + 2]
  }

  private func stride(_ columns: Int) -> Int { (columns + 15) / 16 * 16 }

  /// Mean and sum of squared deviations of a column, in two passes of double precision.
  private func exactMoments(_ x: [Float], _ column: Int, _ columns: Int) -> (mean: Double, squares: Double) {
    let values = Swift.stride(from: column, to: x.count, by: columns).map { Double(x[$0]) }
    let mean = values.reduce(0, +) / Double(values.count)
    return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) })
  }

  /// `Σ (x - p)²` and `max |x - p|`, with `p` the first row of each block of 32: what the kernel sums.
  private func pivoted(_ x: [Float], _ column: Int, _ columns: Int) -> (squares: Double, largest: Double) {
    var (squares, largest) = (0.0, 0.0)
    for row in 0..<x.count / columns {
      let d = Double(x[row * columns + column]) - Double(x[row / 32 * 32 * columns + column])
      squares += d * d
      largest = max(largest, abs(d))
    }
    return (squares, largest)
  }

  @Test(arguments: testedLevels)
  func momentsMatchReferenceFarFromZero(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 42)
    for columns in columnCounts(table) {
      for rows in Self.rowCounts {
        for placement in Placement.allCases {
          let x = GuardedBuffer(numbers.floats(rows * columns, 1000...1001), placement)
          // An outlier in the first row: what is subtracted is far from the mean.
          if columns > 2 { x[2] = -4000 }
          let mean = GuardedBuffer(stride(columns), placement, repeating: Double.nan)
          let squares = GuardedBuffer(stride(columns), placement, repeating: Double.nan)
          table.columnMoments(
            ColumnMoments(x: x.read, rows: rows, columns: columns, mean: mean.pointer, squares: squares.pointer))
          for c in 0..<columns {
            let exact = exactMoments(x.array, c, columns)
            let (sum, largest) = pivoted(x.array, c, columns)
            // Up to 32 additions a block and the rounding of each difference.
            #expect(abs(mean[c] - exact.mean) <= 34 * roundOff * largest + 1e-12)
            // The same for the squares, and twice for the square of the sum that is taken off.
            #expect(abs(squares[c] - exact.squares) <= 104 * roundOff * sum + 1e-9)
            #expect(squares[c] >= 0)
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func aConstantColumnHasNoVariance(level: InstructionSetLevel) {
    let table = kernels(level)
    let x = GuardedBuffer(200, .beforeGuard, repeating: Float(123_456.7))
    let mean = GuardedBuffer(16, .beforeGuard, repeating: Double.nan)
    let squares = GuardedBuffer(16, .beforeGuard, repeating: Double.nan)
    table.columnMoments(
      ColumnMoments(x: x.read, rows: 40, columns: 5, mean: mean.pointer, squares: squares.pointer))
    for c in 0..<5 { #expect(mean[c] == Double(Float(123_456.7)) && squares[c] == 0) }
  }

  @Test(arguments: testedLevels)
  func statisticsJoinChunks(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 43)
    for channels in columnCounts(table) {
      for (rows, rowsPerChunk) in [(1, 32), (7, 3), (96, 32), (101, 32)] {
        for placement in Placement.allCases {
          let x = numbers.floats(rows * channels, 2...5)
          let (stride, chunks) = (stride(channels), (rows + rowsPerChunk - 1) / rowsPerChunk)
          let moments = GuardedBuffer(2 * chunks * stride, placement, repeating: 0.0)
          for chunk in 0..<chunks {
            let part = Array(x[(chunk * rowsPerChunk * channels)..<min((chunk + 1) * rowsPerChunk, rows) * channels])
            for c in 0..<channels {
              let exact = exactMoments(part, c, channels)
              moments[2 * chunk * stride + c] = exact.mean
              moments[(2 * chunk + 1) * stride + c] = exact.squares
            }
          }
          let gamma = GuardedBuffer(numbers.floats(channels, -2...2), placement)
          let results = (0..<4).map { _ in GuardedBuffer(channels, placement, repeating: Float.nan) }
          table.batchNormStatistics(
            BatchNormStatistics(
              moments: ChunkedSums(
                sums: moments.read, chunks: chunks, rowsPerChunk: rowsPerChunk, rows: rows, stride: stride),
              channels: channels, gamma: gamma.read, epsilon: 0.01, mean: results[0].pointer,
              variance: results[1].pointer, inverseDeviation: results[2].pointer, scale: results[3].pointer))
          for c in 0..<channels {
            let exact = exactMoments(x, c, channels)
            let variance = exact.squares / Double(rows)
            let inverse = 1 / (variance + 0.01).squareRoot()
            // In double precision, but for the last rounding.
            #expect(ulps(results[0][c], exact.mean) <= 0.51)
            #expect(abs(Double(results[1][c]) - variance) <= 1.01 * roundOff * variance + 1e-14)
            #expect(ulps(results[2][c], inverse) <= 0.51)
            #expect(ulps(results[3][c], Double(gamma[c]) * inverse) <= 0.51)
          }
        }
      }
    }
  }

  /// A normalisation with factors of its own, and data for it.
  private struct Case {
    let rows: Int
    let channels: Int
    let x: GuardedBuffer<Float>
    let dy: GuardedBuffer<Float>
    let mean: GuardedBuffer<Float>
    let scale: GuardedBuffer<Float>
    let shift: GuardedBuffer<Float>
    let relu: Bool

    init(_ numbers: inout TestNumbers, rows: Int, channels: Int, relu: Bool, _ placement: Placement) {
      (self.rows, self.channels, self.relu) = (rows, channels, relu)
      x = GuardedBuffer(numbers.floats(rows * channels), placement)
      dy = GuardedBuffer(numbers.floats(rows * channels), placement)
      mean = GuardedBuffer(numbers.floats(channels), placement)
      scale = GuardedBuffer(numbers.floats(channels, -2...2), placement)
      shift = GuardedBuffer(numbers.floats(channels), placement)
    }

    var normalization: ChannelNormalization {
      ChannelNormalization(channels: channels, mean: mean.read, scale: scale.read, shift: shift.read, relu: relu)
    }

    func difference(_ index: Int) -> Double { Double(x[index] - mean[index % channels]) }

    /// The output of the normalisation before a ReLU; its sign decides as the kernel's does, except within a rounding
    /// of zero.
    func z(_ index: Int) -> Double {
      difference(index) * Double(scale[index % channels]) + Double(shift[index % channels])
    }

    func dz(_ index: Int) -> Double { relu && z(index) <= 0 ? 0 : Double(dy[index]) }
  }

  private func forEachCase(_ table: KernelTable, seed: UInt64, _ body: (Case, Placement) -> Void) {
    var numbers = TestNumbers(seed: seed)
    for channels in columnCounts(table) {
      for rows in Self.rowCounts {
        for relu in [false, true] {
          for placement in Placement.allCases {
            let test = Case(&numbers, rows: rows, channels: channels, relu: relu, placement)
            // The kernels see pointers into the case's buffers only.
            withExtendedLifetime(test) { body(test, placement) }
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func forwardMatchesReferenceAndMayReplaceItsInput(level: InstructionSetLevel) {
    let table = kernels(level)
    forEachCase(table, seed: 44) { test, placement in
      let y = GuardedBuffer(test.x.count, placement, repeating: Float.nan)
      table.batchNormForward(
        BatchNorm(normalization: test.normalization, x: test.x.read, y: y.pointer, rows: test.rows))
      for i in 0..<y.count {
        let exact = test.relu ? max(0, test.z(i)) : test.z(i)
        // Two roundings of numbers not above 5.
        #expect(abs(Double(y[i]) - exact) <= 10 * roundOff)
      }
      let replaced = GuardedBuffer(test.x.array, placement)
      table.batchNormForward(
        BatchNorm(normalization: test.normalization, x: replaced.read, y: replaced.pointer, rows: test.rows))
      #expect(sameBits(replaced.array, y.array))
      for relu in [false, true] {
        let sum = GuardedBuffer(test.dy.array, placement)
        table.batchNormForward(
          BatchNorm(
            normalization: test.normalization, x: test.x.read, addend: sum.read, relu: relu, y: sum.pointer,
            rows: test.rows))
        #expect(sum.array.indices.allSatisfy { sum[$0] == (relu ? max(0, y[$0] + test.dy[$0]) : y[$0] + test.dy[$0]) })
      }
    }
  }

  @Test(arguments: testedLevels)
  func gradientsMatchReference(level: InstructionSetLevel) {
    let table = kernels(level)
    forEachCase(table, seed: 45) { test, placement in
      let (rows, channels, stride) = (test.rows, test.channels, stride(test.channels))
      let sums = GuardedBuffer(2 * stride, placement, repeating: Double.nan)
      table.batchNormSums(
        BatchNormSums(
          normalization: test.normalization, x: test.x.read, dy: test.dy.read, rows: rows, sums: sums.pointer,
          stride: stride))
      let inverse = GuardedBuffer(channels, placement, repeating: Float(1.75))
      let results = (0..<4).map { _ in GuardedBuffer(channels, placement, repeating: Float.nan) }
      table.batchNormParameterGradient(
        BatchNormParameterGradient(
          sums: ChunkedSums(sums: sums.read, chunks: 1, rowsPerChunk: rows, rows: rows, stride: stride),
          channels: channels, scale: test.scale.read, inverseDeviation: inverse.read, dGamma: results[0].pointer,
          dBeta: results[1].pointer, slope: results[2].pointer, offset: results[3].pointer))
      let dx = GuardedBuffer(test.x.count, placement, repeating: Float.nan)
      table.batchNormBackward(
        BatchNormGradient(
          normalization: test.normalization, x: test.x.read, dy: test.dy.read, dx: dx.pointer, rows: rows,
          slope: results[2].read, offset: results[3].read))
      for c in 0..<channels {
        let places = (0..<rows).map { $0 * channels + c }
        let dBeta = places.reduce(0) { $0 + test.dz($1) }
        let products = places.reduce(0) { $0 + test.dz($1) * test.difference($1) }
        // Up to 32 additions of a block, of numbers not above 1 and 2; and the rounding of the result.
        let allowed = 36 * roundOff * Double(rows)
        #expect(abs(Double(results[1][c]) - dBeta) <= allowed)
        #expect(abs(Double(results[0][c]) - 1.75 * products) <= 4 * allowed)
        let (scale, slope, offset) = (Double(test.scale[c]), Double(results[2][c]), Double(results[3][c]))
        #expect(abs(offset + scale * dBeta / Double(rows)) <= 3 * 36 * roundOff)
        #expect(abs(slope + scale * 1.75 * 1.75 * products / Double(rows)) <= 12 * 36 * roundOff)
        for i in places {
          let exact = scale * test.dz(i) + slope * test.difference(i) + offset
          #expect(abs(Double(dx[i]) - exact) <= 32 * roundOff)
        }
      }
      // `dx` may be `dy`.
      withExtendedLifetime(results) {
        table.batchNormBackward(
          BatchNormGradient(
            normalization: test.normalization, x: test.x.read, dy: test.dy.read, dx: test.dy.pointer, rows: rows,
            slope: results[2].read, offset: results[3].read))
      }
      #expect(sameBits(test.dy.array, dx.array))
    }
  }

  @Test(arguments: testedLevels)
  func parameterGradientsAddChunks(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 46)
    let (channels, stride, chunks) = (2 * table.width + 1, stride(2 * table.width + 1), 3)
    let sums = GuardedBuffer(2 * chunks * stride, .beforeGuard, repeating: 0.0)
    for i in 0..<sums.count { sums[i] = Double(numbers.float()) }
    let ones = GuardedBuffer(channels, .beforeGuard, repeating: Float(1))
    let results = (0..<4).map { _ in GuardedBuffer(channels, .beforeGuard, repeating: Float.nan) }
    table.batchNormParameterGradient(
      BatchNormParameterGradient(
        sums: ChunkedSums(sums: sums.read, chunks: chunks, rowsPerChunk: 4, rows: 10, stride: stride),
        channels: channels, scale: ones.read, inverseDeviation: ones.read, dGamma: results[0].pointer,
        dBeta: results[1].pointer, slope: results[2].pointer, offset: results[3].pointer))
    for c in 0..<channels {
      let dBeta = (0..<chunks).reduce(0.0) { $0 + sums[2 * $1 * stride + c] }
      let dGamma = (0..<chunks).reduce(0.0) { $0 + sums[(2 * $1 + 1) * stride + c] }
      #expect(results[0][c] == Float(dGamma) && results[1][c] == Float(dBeta))
      #expect(ulps(results[2][c], -dGamma / 10) <= 0.51 && ulps(results[3][c], -dBeta / 10) <= 0.51)
    }
  }

  @Test(arguments: testedLevels)
  func nanStaysInItsChannel(level: InstructionSetLevel) {
    let table = kernels(level)
    let x = GuardedBuffer([1, .nan, 3, 4], .beforeGuard)
    let factors = GuardedBuffer([1, 1], .beforeGuard)
    let y = GuardedBuffer(4, .beforeGuard, repeating: Float(0))
    table.batchNormForward(
      BatchNorm(
        normalization: ChannelNormalization(
          channels: 2, mean: factors.read, scale: factors.read, shift: factors.read, relu: true),
        x: x.read, y: y.pointer, rows: 2))
    #expect(y[0] == 1 && y[1].isNaN && y[2] == 3 && y[3] == 4)
  }
}
