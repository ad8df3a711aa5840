import NNKitKernelTable
import Testing

@Suite struct MatrixCopyTests {
  /// Of a source and a target of `rows × columns` elements: strides of rows and columns.
  struct Layout: CustomTestStringConvertible, Sendable {
    let name: String
    /// Whether neighbouring columns lie side by side.
    let source: Bool
    let target: Bool
    var testDescription: String { name }
  }

  static let layouts = [
    Layout(name: "rows", source: true, target: true), Layout(name: "transposed", source: false, target: true),
    Layout(name: "scattered", source: true, target: false), Layout(name: "columns", source: false, target: false),
  ]

  @Test(arguments: testedLevels, layouts)
  func elementsComeFromTheirPlacesAndNothingElseIsTouched(level: InstructionSetLevel, layout: Layout) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 61)
    let counts = [0, 1, 3, table.vectorWidth - 1, table.vectorWidth, table.vectorWidth + 1, 16, 17, 37, 70]
    for rows in counts {
      for columns in counts {
        for gap in [0, 3] {
          for placement in Placement.allCases {
            let (sourceRow, sourceColumn) = layout.source ? (columns + gap, 1) : (1, rows + gap)
            let (targetRow, targetColumn) = layout.target ? (columns + gap, 1) : (1, rows + gap)
            func count(_ row: Int, _ column: Int) -> Int {
              rows == 0 || columns == 0 ? 0 : (rows - 1) * row + (columns - 1) * column + 1
            }
            let source = GuardedBuffer(numbers.floats(count(sourceRow, sourceColumn)), placement)
            let target = GuardedBuffer(count(targetRow, targetColumn), placement, repeating: Float(-7))
            var expected = target.array
            for i in 0..<rows {
              for j in 0..<columns {
                expected[i * targetRow + j * targetColumn] = source[i * sourceRow + j * sourceColumn]
              }
            }
            var copy = MatrixCopy(
              source: source.read, sourceRow: sourceRow, sourceColumn: sourceColumn, target: target.pointer,
              targetRow: targetRow, targetColumn: targetColumn, rows: rows, columns: columns)
            table.copyMatrix(copy)
            #expect(sameBits(target.array, expected), "\(rows)x\(columns), gap \(gap)")
            copy.source = nil
            table.copyMatrix(copy)
            for i in 0..<rows { for j in 0..<columns { expected[i * targetRow + j * targetColumn] = 0 } }
            #expect(sameBits(target.array, expected), "\(rows)x\(columns), gap \(gap), zeros")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func aSourceMayBeRepeatedAndReadBackwards(level: InstructionSetLevel) {
    let table = kernels(level)
    let x: [Float] = (0..<40).map { Float($0) }
    var y = Array(repeating: Float(-1), count: 120)
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        table.copyMatrix(
          MatrixCopy(
            source: x.baseAddress, sourceRow: 0, sourceColumn: 1, target: y.baseAddress!, targetRow: 40,
            targetColumn: 1,
            rows: 3, columns: 40))
      }
    }
    #expect(y == x + x + x)
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        table.copyMatrix(
          MatrixCopy(
            source: x.baseAddress! + 39, sourceRow: -20, sourceColumn: -1, target: y.baseAddress!, targetRow: 20,
            targetColumn: 1, rows: 2, columns: 20))
      }
    }
    #expect(Array(y.prefix(40)) == x.reversed())
  }
}
