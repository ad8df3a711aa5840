import NNKitKernelTable
import Testing

/// One row product in guarded memory, and its result in double precision.
private struct RowProductCase {
  var rows: Int
  var columns: Int
  var tapCount: Int
  var depth: Int
  /// What the sums start from.
  enum Start { case zero, c, addend }
  var start: Start
  var bias: Bool
  var relu: Bool
  /// Whether memory that cannot be read is named as the next: a panel, or a few lines.
  var fetchesNext: Bool

  /// Rows of A overlap and lie in no order, as pixels do; rows of C are padded.
  func run(_ table: KernelTable, _ placement: Placement) -> (c: [Float], worst: Double, outside: Bool) {
    var numbers = TestNumbers(seed: UInt64(rows * 31 + columns * 7 + depth))
    let aStride = depth + 3
    let taps = (0..<tapCount).map { (tapCount - 1 - $0) * 2 }
    let aRows = (0..<rows).map { ($0 * 5 % max(rows, 1)) * aStride }
    let aCount = ((aRows.max() ?? 0) + (taps.max() ?? 0) + depth)
    let a = GuardedBuffer(numbers.floats(rows == 0 ? 0 : aCount), placement)
    let terms = tapCount * depth
    var panel = numbers.floats(terms * table.panelColumns)
    for k in 0..<terms {
      for n in columns..<table.panelColumns { panel[k * table.panelColumns + n] = 0 }
    }
    let b = GuardedBuffer(panel, placement)
    let cStride = columns + 2
    let cRows = (0..<rows).map { (rows - 1 - $0) * cStride }
    let before = numbers.floats(rows == 0 ? 0 : (rows - 1) * cStride + columns)
    let c = GuardedBuffer(before, placement)
    let biases = GuardedBuffer(numbers.floats(columns), placement)
    let addend = GuardedBuffer(numbers.floats(before.count), placement)
    let aOffsets = GuardedBuffer(aRows, placement, padding: 0)
    let tapOffsets = GuardedBuffer(taps, placement, padding: 0)
    let cOffsets = GuardedBuffer(cRows, placement, padding: 0)

    table.rowProduct(
      RowProduct(
        a: a.read, aRows: aOffsets.read, taps: tapOffsets.read, tapCount: tapCount, depth: depth, b: b.read,
        c: c.pointer, cRows: cOffsets.read, rows: rows, columns: columns, bias: bias ? biases.read : nil,
        addend: start == .addend ? addend.read : nil, accumulate: start == .c, relu: relu,
        next: fetchesNext ? UnsafePointer(bitPattern: 64) : nil,
        nextFloats: rows % 2 == 0 ? terms * table.panelColumns : 100 * rows))

    var worst = 0.0
    var isResult = [Bool](repeating: false, count: before.count)
    for r in 0..<rows {
      for n in 0..<columns {
        let index = cRows[r] + n
        isResult[index] = true
        let first = start == .c ? Double(before[index]) : start == .addend ? Double(addend[index]) : 0
        let second = bias ? Double(biases[n]) : 0
        var sum = first + second
        var magnitude = abs(first) + abs(second)
        for t in 0..<tapCount {
          for k in 0..<depth {
            let product = Double(a[aRows[r] + taps[t] + k]) * Double(b[(t * depth + k) * table.panelColumns + n])
            sum += product
            magnitude += abs(product)
          }
        }
        if relu { sum = max(sum, 0) }
        // Each of the products and additions may round once: the textbook bound for a sum in sequence.
        let allowed = Double(2 * terms + 2) * roundOff * magnitude
        worst = max(worst, abs(Double(c[index]) - sum) / max(allowed, Double(Float.leastNormalMagnitude)))
      }
    }
    let outside = before.indices.contains { !isResult[$0] && !sameBits(c[$0], before[$0]) }
    return (c.array, worst, outside)
  }
}

@Suite struct RowProductTests {
  @Test(arguments: testedLevels)
  func matchesReferenceForAllTilesAndTails(level: InstructionSetLevel) {
    let table = kernels(level)
    let columnCounts = [1, table.width - 1, table.width, table.width + 1, 2 * table.width - 1, 2 * table.width]
    let rowCounts = Array(0...(table.tileRows + 2)) + [2 * table.tileRows, 29]
    let depths = [
      (tapCount: 1, depth: 7), (tapCount: 3, depth: 5), (tapCount: 1, depth: 0), (tapCount: 2, depth: 1),
      (tapCount: 2, depth: 17),
    ]
    var variant = 0
    for rows in rowCounts {
      for columns in columnCounts {
        for (tapCount, depth) in depths {
          // All combinations of the options come by in turn; 7 has no factor in common with the other loops.
          variant = (variant + 1) % 7
          let product = RowProductCase(
            rows: rows, columns: columns, tapCount: tapCount, depth: depth, start: [.zero, .c, .addend][variant % 3],
            bias: variant % 2 == 0, relu: variant >= 4, fetchesNext: variant % 3 != 1)
          for placement in Placement.allCases {
            let result = product.run(table, placement)
            #expect(result.worst <= 1, "\(product)")
            #expect(!result.outside, "\(product) wrote outside of C's rows")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func rowDoesNotDependOnTheRowsBesideIt(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 5)
    let rows = 2 * table.tileRows + 5
    let depth = 33
    for columns in [table.width, 2 * table.width - 3] {
      let a = numbers.floats(rows * depth)
      let panel = numbers.floats(depth * table.panelColumns)
      var together = [Float](repeating: 0, count: rows * columns)
      let zero = [0]
      let aRows = (0..<rows).map { $0 * depth }
      let cRows = (0..<rows).map { $0 * columns }
      table.rowProduct(
        RowProduct(
          a: a, aRows: aRows, taps: zero, tapCount: 1, depth: depth, b: panel, c: &together, cRows: cRows, rows: rows,
          columns: columns))
      for block in 1...table.tileRows {
        var apart = [Float](repeating: 0, count: rows * columns)
        var row = 0
        while row < rows {
          let count = min(block, rows - row)
          apart.withUnsafeMutableBufferPointer { c in
            aRows.withUnsafeBufferPointer { aRows in
              cRows.withUnsafeBufferPointer { cRows in
                table.rowProduct(
                  RowProduct(
                    a: a, aRows: aRows.baseAddress! + row, taps: zero, tapCount: 1, depth: depth, b: panel,
                    c: c.baseAddress!, cRows: cRows.baseAddress! + row, rows: count, columns: columns))
              }
            }
          }
          row += count
        }
        #expect(sameBits(together, apart), "blocks of \(block) rows, \(columns) columns")
      }
    }
  }

  @Test(arguments: testedLevels)
  func reluKeepsNaN(level: InstructionSetLevel) {
    let table = kernels(level)
    let panel = [Float](repeating: 1, count: table.panelColumns)
    var c = [Float](repeating: 0, count: 2 * table.panelColumns)
    let panelColumns = table.panelColumns
    table.rowProduct(
      RowProduct(
        a: [.nan, -2], aRows: [0, 1], taps: [0], tapCount: 1, depth: 1, b: panel, c: &c, cRows: [0, panelColumns],
        rows: 2, columns: panelColumns, relu: true))
    #expect(c[..<panelColumns].allSatisfy { $0.isNaN })
    #expect(c[panelColumns...].allSatisfy { $0 == 0 })
  }
}
