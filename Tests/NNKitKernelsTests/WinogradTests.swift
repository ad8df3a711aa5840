import NNKitKernelTable
import Testing

/// The matrices of Winograd's algorithm for tiles of `size` × `size` output pixels, in the order of points that
/// `Winograd` states.
private struct Matrices {
  let size: Int
  let input: [[Double]]
  let weights: [[Double]]
  let output: [[Double]]

  init(_ size: Int) {
    self.size = size
    if size == 2 {
      input = [[1, 0, -1, 0], [0, 1, 0, -1], [0, 1, 1, 0], [0, -1, 1, 0]]
      weights = [[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5]]
      output = [[1, 0, 1, 1], [0, -1, 1, -1]]
    } else {
      let (a, b) = (0.5.squareRoot(), 2.0.squareRoot())
      input = [
        [1, 0, -2.5, 0, 1, 0], [0, 1, 0, -2.5, 0, 1], [0, -2 * a, -2, a, 1, 0], [0, 2 * a, -2, -a, 1, 0],
        [0, -b / 2, -0.5, b, 1, 0], [0, b / 2, -0.5, -b, 1, 0],
      ]
      weights = [
        [1, 0, 0], [0, 0, 1], [-2.0 / 3, -2 * a / 3, -1.0 / 3], [-2.0 / 3, 2 * a / 3, -1.0 / 3],
        [1.0 / 6, b / 6, 1.0 / 3], [1.0 / 6, -b / 6, 1.0 / 3],
      ]
      output = [
        [1, 0, 1, 1, 1, 1], [0, 0, a, -a, b, -b], [0, 0, 0.5, 0.5, 2, 2], [0, 1, a / 2, -a / 2, 2 * b, -2 * b],
      ]
    }
  }

  static func transposed(_ m: [[Double]]) -> [[Double]] {
    m[0].indices.map { column in m.map { $0[column] } }
  }
}

/// The transforms against plain loops in double precision. Each result is a sum of at most 36 terms, which are added in
/// two steps of six: its rounding error is at most 16 half epsilons of the sum of their magnitudes.
@Suite struct WinogradTests {
  /// `m x mᵀ`, row by row, and the same of magnitudes.
  private func transform(_ m: [[Double]], _ x: (Int, Int) -> Double) -> [(value: Double, size: Double)] {
    m.flatMap { left in
      m.map { right in
        var (value, size) = (0.0, 0.0)
        for (i, a) in left.enumerated() {
          for (j, b) in right.enumerated() {
            value += a * x(i, j) * b
            size += abs(a * x(i, j) * b)
          }
        }
        return (value, size)
      }
    }
  }

  private func isClose(_ ours: Float, _ exact: (value: Double, size: Double)) -> Bool {
    abs(Double(ours) - exact.value) <= 8 * Double(Float.ulpOfOne) * exact.size
  }

  /// What these matrices are for, in double precision: `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` is the convolution.
  @Test(arguments: [2, 4])
  func theMatricesMakeAConvolution(size: Int) {
    let matrices = Matrices(size)
    var numbers = TestNumbers(seed: 20)
    let tile = numbers.floats((size + 2) * (size + 2)).map(Double.init)
    let taps = numbers.floats(9).map(Double.init)
    let inputs = transform(matrices.input) { tile[$0 * (size + 2) + $1] }
    let weights = transform(matrices.weights) { taps[3 * $0 + $1] }
    let outputs = transform(matrices.output) {
      inputs[$0 * (size + 2) + $1].value * weights[$0 * (size + 2) + $1].value
    }
    for y in 0..<size {
      for x in 0..<size {
        var sum = 0.0
        for tap in 0..<9 { sum += taps[tap] * tile[(y + tap / 3) * (size + 2) + x + tap % 3] }
        #expect(abs(outputs[y * size + x].value - sum) < 1e-12)
      }
    }
  }

  @Test(arguments: testedLevels, [2, 4])
  func inputsAreTransformed(level: InstructionSetLevel, size: Int) {
    let table = kernels(level)
    let matrix = Matrices(size).input
    let planesOfPair = 2 * (size + 2)
    var numbers = TestNumbers(seed: 21)
    for channels in [1, table.width - 1, table.width, table.width + 1, 2 * table.width + 3] {
      for (tiles, rowPair) in [0, 1, 3].flatMap({ tiles in (0...size / 2).map { (tiles, $0) } }) {
        for placement in Placement.allCases {
          let width = size * max(1, tiles) + 2
          let pixelStride = channels + tiles
          let lineStride = width * pixelStride + 5
          let source = GuardedBuffer(
            numbers.floats((size + 1) * lineStride + (width - 1) * pixelStride + channels), placement)
          let planeStride = tiles * channels + 2
          let output = GuardedBuffer(
            [Float](repeating: 7, count: (planesOfPair - 1) * planeStride + max(1, tiles) * channels), placement)
          table.winogradInput(
            WinogradInput(
              size: size, rowPair: rowPair, source: source.read, lineStride: lineStride, pixelStride: pixelStride,
              channels: channels, tiles: tiles, output: output.pointer, planeStride: planeStride))
          for t in 0..<tiles {
            for c in 0..<channels {
              let exact = transform(matrix) { y, x in
                Double(source[y * lineStride + (size * t + x) * pixelStride + c])
              }
              for plane in 0..<planesOfPair {
                #expect(
                  isClose(output[plane * planeStride + t * channels + c], exact[rowPair * planesOfPair + plane]))
              }
            }
          }
          if tiles == 0 { #expect(output.array.allSatisfy { $0 == 7 }) }
        }
      }
    }
  }

  /// Each plane is a matrix product, and `rowProduct` has its own test against double precision.
  @Test(arguments: testedLevels)
  func productsOfAllPlanesHaveTheBitsOfRowProducts(level: InstructionSetLevel) {
    let table = kernels(level)
    let (tile, width, planes) = (table.tileRows, table.width, 3)
    let rowCounts = [0, 1, tile - 1, tile, tile + 1, 2 * tile + 1, 13, RowProduct.fewRows + 1]
    let columnCounts = [0, 1, width - 1, width, width + 1, 2 * width, 2 * width + 3, 4 * width - 1, 5 * width]
    var numbers = TestNumbers(seed: 26)
    for (rows, columns) in rowCounts.flatMap({ rows in columnCounts.map { (rows, $0) } }) {
      for (depth, hasNext) in [(1, false), (3, true), (width, true), (21, false)] {
        for placement in Placement.allCases {
          let written = (columns + width - 1) / width * width
          let panels = (columns + table.panelColumns - 1) / table.panelColumns
          let (aPlane, panelStride) = (rows * depth + 3, depth * table.panelColumns + 16)
          let (cRow, cPlane) = (written + 2, rows * (written + 2) + 5)
          let a = GuardedBuffer(numbers.floats((planes - 1) * aPlane + rows * depth), placement)
          let b = GuardedBuffer(numbers.floats(planes * panels * panelStride), placement)
          let start = [Float](repeating: 7, count: (planes - 1) * cPlane + max(0, (rows - 1) * cRow + written))
          let (ours, reference) = (GuardedBuffer(start, placement), GuardedBuffer(start, placement))
          table.winogradProducts(
            WinogradProducts(
              planes: planes, rows: rows, depth: depth, columns: columns, a: a.read, aPlaneStride: aPlane, b: b.read,
              panelStride: panelStride, c: ours.pointer, cPlaneStride: cPlane, cRowStride: cRow, hasNext: hasNext))
          let (aRows, cRows) = ((0..<rows).map { $0 * depth }, (0..<rows).map { $0 * cRow })
          var zero = 0
          for (plane, panel) in (0..<planes).flatMap({ plane in (0..<panels).map { (plane, $0) } }) {
            let column = panel * table.panelColumns
            table.rowProduct(
              RowProduct(
                a: a.read + plane * aPlane, aRows: aRows, taps: &zero, tapCount: 1, depth: depth,
                b: b.read + (plane * panels + panel) * panelStride, c: reference.pointer + (plane * cPlane + column),
                cRows: cRows, rows: rows, columns: min(table.panelColumns, written - column)))
          }
          #expect(sameBits(ours.array, reference.array), "\(rows) rows, \(columns) columns, depth \(depth)")
        }
      }
    }
  }

  @Test(arguments: testedLevels, [2, 4])
  func outputsAreTransformedWithBiasAddendAndReLU(level: InstructionSetLevel, size: Int) {
    let table = kernels(level)
    let matrix = Matrices(size).output
    let planes = Winograd.planes(size)
    var numbers = TestNumbers(seed: 22)
    for columns in [1, table.width - 1, table.width, 2 * table.width + 3] {
      for (width, height) in (1...2 * size + 1).flatMap({ width in (1...size).map { (width, $0) } }) {
        let (relu, hasBias, hasAddend) = (width % 2 == 0, height % 2 == 0, (width + height) % 3 == 0)
        for placement in Placement.allCases {
          let tiles = (width + size - 1) / size
          let tileStride = columns + 1
          let planeStride = tiles * tileStride + 3
          let products = GuardedBuffer(
            numbers.floats((planes - 1) * planeStride + (tiles - 1) * tileStride + columns), placement)
          let bias = GuardedBuffer(numbers.floats(columns), placement)
          let pixelStride = columns + 2
          let rowStep = width * pixelStride + 4
          let output = GuardedBuffer(
            [Float](repeating: 7, count: (height - 1) * rowStep + (width - 1) * pixelStride + columns), placement)
          let addend = GuardedBuffer(numbers.floats(output.array.count), placement)
          table.winogradOutput(
            WinogradOutput(
              size: size, products: products.read, planeStride: planeStride, tileStride: tileStride, columns: columns,
              bias: hasBias ? bias.read : nil, addend: hasAddend ? addend.read : nil, relu: relu,
              output: output.pointer, rowStep: rowStep, pixelStride: pixelStride, height: height, width: width))
          var untouched = output.array
          for y in 0..<height {
            for x in 0..<width {
              for n in 0..<columns {
                let exact = transform(matrix) { i, j in
                  Double(products[((size + 2) * i + j) * planeStride + x / size * tileStride + n])
                }[size * y + x % size]
                let place = y * rowStep + x * pixelStride + n
                let parts = [hasBias ? Double(bias[n]) : 0, hasAddend ? Double(addend[place]) : 0]
                let sum = (value: exact.value + parts[0] + parts[1], size: exact.size + abs(parts[0]) + abs(parts[1]))
                let ours = output[place]
                untouched[place] = 7
                #expect(isClose(ours, relu ? (max(0, sum.value), sum.size) : sum))
                if relu { #expect(ours >= 0) }
              }
            }
          }
          #expect(untouched.allSatisfy { $0 == 7 })
        }
      }
    }
  }

  @Test(arguments: testedLevels, [2, 4])
  func weightsAreTransformedInBothOrientations(level: InstructionSetLevel, size: Int) {
    let table = kernels(level)
    let matrix = Matrices(size).weights
    let planes = Winograd.planes(size)
    var numbers = TestNumbers(seed: 23)
    for (depth, columns) in [(1, 1), (8, table.panelColumns), (11, table.panelColumns - 3), (5, table.width)] {
      for isTransposed in [false, true] {
        for placement in Placement.allCases {
          let (depthStride, columnStride) = isTransposed ? (1, depth + 2) : (columns + 2, 1)
          let tapFloats = (depth - 1) * depthStride + (columns - 1) * columnStride + 1
          let source = GuardedBuffer(numbers.floats(9 * tapFloats), placement)
          // The last tap first, as an input gradient reads them.
          let taps = (0..<9).map { (8 - $0) * tapFloats }
          let planeStride = depth * table.panelColumns
          let panels = GuardedBuffer([Float](repeating: 7, count: planes * planeStride), placement)
          let scratch = GuardedBuffer(
            [Float](repeating: 0, count: 9 * WinogradWeights.depthPerBlock * table.panelColumns), placement)
          taps.withUnsafeBufferPointer { taps in
            table.winogradWeights(
              WinogradWeights(
                size: size, source: source.read, taps: taps.baseAddress!, depthStride: depthStride,
                columnStride: columnStride, depth: depth, columns: columns, panels: panels.pointer,
                planeStride: planeStride, scratch: scratch.pointer))
          }
          for k in 0..<depth {
            for n in 0..<table.panelColumns {
              let exact = transform(matrix) { y, x in
                n < columns ? Double(source[taps[3 * y + x] + k * depthStride + n * columnStride]) : 0
              }
              for plane in 0..<planes {
                #expect(isClose(panels[plane * planeStride + k * table.panelColumns + n], exact[plane]))
              }
            }
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func outputGradientsAreTransformed(level: InstructionSetLevel) {
    let table = kernels(level)
    let matrix = Matrices.transposed(Matrices(4).output)
    var numbers = TestNumbers(seed: 24)
    for columns in [1, table.width - 1, table.width, 2 * table.width, 2 * table.width + 3] {
      for (tiles, rowPair) in [0, 1, 3].flatMap({ tiles in (0...2).map { (tiles, $0) } }) {
        for placement in Placement.allCases {
          let width = 4 * max(1, tiles)
          let pixelStride = columns + tiles
          let lineStride = width * pixelStride + 5
          let source = GuardedBuffer(
            numbers.floats(3 * lineStride + (width - 1) * pixelStride + columns), placement)
          let tileStride = columns + 2
          let planeStride = max(1, tiles) * tileStride + 1
          let output = GuardedBuffer(
            [Float](repeating: 7, count: 11 * planeStride + (max(1, tiles) - 1) * tileStride + columns), placement)
          table.winogradOutputGradient(
            WinogradOutputGradient(
              rowPair: rowPair, source: source.read, lineStride: lineStride, pixelStride: pixelStride,
              columns: columns, tiles: tiles, output: output.pointer, planeStride: planeStride, tileStride: tileStride
            ))
          for t in 0..<tiles {
            for n in 0..<columns {
              let exact = transform(matrix) { y, x in
                Double(source[y * lineStride + (4 * t + x) * pixelStride + n])
              }
              for plane in 0..<12 {
                #expect(isClose(output[plane * planeStride + t * tileStride + n], exact[rowPair * 12 + plane]))
              }
            }
          }
          if tiles == 0 { #expect(output.array.allSatisfy { $0 == 7 }) }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func kernelGradientsAreTransformed(level: InstructionSetLevel) {
    let table = kernels(level)
    let matrix = Matrices.transposed(Matrices(4).weights)
    var numbers = TestNumbers(seed: 25)
    for (rows, columns) in [(0, 1), (1, table.width - 1), (3, table.width), (2, 2 * table.width + 3)] {
      for placement in Placement.allCases {
        let planeStride = rows * columns + 3
        let products = GuardedBuffer(numbers.floats(36 * planeStride), placement)
        let rowStride = columns + 2
        let tapStride = max(1, rows) * rowStride + 1
        let output = GuardedBuffer(
          [Float](repeating: 7, count: 8 * tapStride + (max(1, rows) - 1) * rowStride + columns), placement)
        table.winogradKernelGradient(
          WinogradKernelGradient(
            products: products.read, planeStride: planeStride, rows: rows, columns: columns, output: output.pointer,
            tapStride: tapStride, rowStride: rowStride))
        for r in 0..<rows {
          for n in 0..<columns {
            let exact = transform(matrix) { i, j in Double(products[(6 * i + j) * planeStride + r * columns + n]) }
            for tap in 0..<9 { #expect(isClose(output[tap * tapStride + r * rowStride + n], exact[tap])) }
          }
        }
        if rows == 0 { #expect(output.array.allSatisfy { $0 == 7 }) }
      }
    }
  }
}
