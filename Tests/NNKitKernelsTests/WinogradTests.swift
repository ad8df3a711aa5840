import NNKitKernelTable
import Testing

/// The transforms of F(2×2, 3×3) against plain loops in double precision. Each result is a sum of at most 16 terms with
/// factors 1 and powers of two: its rounding error is at most 16 half epsilons of the sum of their magnitudes.
@Suite struct WinogradTests {
  static let inputMatrix: [[Double]] = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
  static let weightMatrix: [[Double]] = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
  static let outputMatrix: [[Double]] = [[1, 1, 1, 0], [0, 1, -1, -1]]

  /// `m x mᵀ` and the same of magnitudes.
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

  @Test(arguments: testedLevels)
  func inputsAreTransformed(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 21)
    for channels in [1, table.width - 1, table.width, table.width + 1, 2 * table.width + 3] {
      for tiles in [0, 1, 3] {
        for placement in Placement.allCases {
          let width = 2 * max(1, tiles) + 2
          let lineStride = width * channels + 5
          let source = GuardedBuffer(numbers.floats(3 * lineStride + width * channels), placement)
          let planeStride = tiles * channels + 2
          let output = GuardedBuffer(
            [Float](repeating: 7, count: 15 * planeStride + max(1, tiles) * channels), placement)
          table.winogradInput(
            WinogradInput(
              source: source.read, lineStride: lineStride, channels: channels, tiles: tiles, output: output.pointer,
              planeStride: planeStride))
          for t in 0..<tiles {
            for c in 0..<channels {
              let exact = transform(Self.inputMatrix) { y, x in
                Double(source[y * lineStride + (2 * t + x) * channels + c])
              }
              for plane in 0..<16 {
                #expect(isClose(output[plane * planeStride + t * channels + c], exact[plane]))
              }
            }
          }
          if tiles == 0 { #expect(output.array.allSatisfy { $0 == 7 }) }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func outputsAreTransformedWithBiasAddendAndReLU(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 22)
    for columns in [1, table.width - 1, table.width, 2 * table.width + 3] {
      for (width, height) in [(1, 1), (2, 2), (3, 2), (6, 1)] {
        for (relu, hasBias, hasAddend) in [(false, false, true), (true, true, false), (true, true, true)] {
          for placement in Placement.allCases {
            let tiles = (width + 1) / 2
            let planeStride = tiles * columns + 3
            let products = GuardedBuffer(numbers.floats(15 * planeStride + tiles * columns), placement)
            let bias = GuardedBuffer(numbers.floats(columns), placement)
            let rowStep = width * columns + 4
            let output = GuardedBuffer(
              [Float](repeating: 7, count: (height - 1) * rowStep + width * columns), placement)
            let addend = GuardedBuffer(numbers.floats(output.array.count), placement)
            table.winogradOutput(
              WinogradOutput(
                products: products.read, planeStride: planeStride, columns: columns, bias: hasBias ? bias.read : nil,
                addend: hasAddend ? addend.read : nil, relu: relu, output: output.pointer, rowStep: rowStep,
                height: height, width: width))
            for y in 0..<height {
              for x in 0..<width {
                for n in 0..<columns {
                  let exact = transform(Self.outputMatrix) { i, j in
                    Double(products[(4 * i + j) * planeStride + x / 2 * columns + n])
                  }[2 * y + x % 2]
                  let place = y * rowStep + x * columns + n
                  let parts = [hasBias ? Double(bias[n]) : 0, hasAddend ? Double(addend[place]) : 0]
                  let sum = (
                    value: exact.value + parts[0] + parts[1], size: exact.size + abs(parts[0]) + abs(parts[1])
                  )
                  let ours = output[place]
                  if relu {
                    #expect(ours >= 0)
                    #expect(isClose(ours, (max(0, sum.value), sum.size)))
                  } else {
                    #expect(isClose(ours, sum))
                  }
                }
              }
            }
            // Between the rows nothing is written.
            if height == 2 { #expect((0..<4).allSatisfy { output[width * columns + $0] == 7 }) }
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func weightsAreTransformedInBothOrientations(level: InstructionSetLevel) {
    let table = kernels(level)
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
          let panels = GuardedBuffer([Float](repeating: 7, count: 16 * planeStride), placement)
          let scratch = GuardedBuffer(
            [Float](repeating: 0, count: 9 * WinogradWeights.depthPerBlock * table.panelColumns), placement)
          taps.withUnsafeBufferPointer { taps in
            table.winogradWeights(
              WinogradWeights(
                source: source.read, taps: taps.baseAddress!, depthStride: depthStride, columnStride: columnStride,
                depth: depth, columns: columns, panels: panels.pointer, planeStride: planeStride,
                scratch: scratch.pointer))
          }
          for k in 0..<depth {
            for n in 0..<table.panelColumns {
              let exact = transform(Self.weightMatrix) { y, x in
                n < columns ? Double(source[taps[3 * y + x] + k * depthStride + n * columnStride]) : 0
              }
              for plane in 0..<16 {
                #expect(isClose(panels[plane * planeStride + k * table.panelColumns + n], exact[plane]))
              }
            }
          }
        }
      }
    }
  }
}
