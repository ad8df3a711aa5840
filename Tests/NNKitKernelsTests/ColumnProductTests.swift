import NNKitKernelTable
import Testing

@Suite struct ColumnProductTests {
  @Test(arguments: testedLevels)
  func matchesReferenceForAllTilesAndTails(level: InstructionSetLevel) {
    let table = kernels(level)
    let columnCounts = [1, table.width - 1, table.width, table.width + 1, 2 * table.width - 1, 2 * table.width]
    let rowCounts = Array(0...(table.tileRows + 2)) + [2 * table.tileRows, 29]
    let depthCounts = [(1, 1, 9), (2, 3, 4), (0, 1, 1), (3, 1, 1)]
    var variant = 0
    for rows in rowCounts {
      for columns in columnCounts {
        for depths in depthCounts {
          variant += 1
          for placement in Placement.allCases {
            check(
              table, rows, columns, depths, accumulate: variant % 3 == 0, fetchesNext: variant % 2 == 0, placement)
          }
        }
      }
    }
  }

  /// `fetchesNext`: whether memory that cannot be read is named as what the next calls read.
  private func check(
    _ table: KernelTable, _ rows: Int, _ columns: Int, _ depths: (Int, Int, Int), accumulate: Bool, fetchesNext: Bool,
    _ placement: Placement
  ) {
    var numbers = TestNumbers(seed: UInt64(rows * 37 + columns))
    // The steps of a window moving over padded rows.
    let step2 = rows + 1
    let step1 = depths.2 * step2 + 3
    let step0 = depths.1 * step1 + 2
    var offsets: [Int] = []
    for i0 in 0..<depths.0 {
      for i1 in 0..<depths.1 {
        for i2 in 0..<depths.2 { offsets.append(i0 * step0 + i1 * step1 + i2 * step2) }
      }
    }
    let a = GuardedBuffer(numbers.floats((offsets.max() ?? 0) + rows), placement)
    // A packed panel, or a matrix as it lies: of its last row nothing is read beyond whole vectors.
    let readColumns = (columns + table.width - 1) / table.width * table.width
    let bStride = columns % 2 == 0 ? table.panelColumns : readColumns + 5
    let b = GuardedBuffer(
      numbers.floats(offsets.isEmpty ? 0 : (offsets.count - 1) * bStride + readColumns), placement)
    let cStride = columns + 3
    let before = numbers.floats(rows == 0 ? 0 : (rows - 1) * cStride + columns)
    let c = GuardedBuffer(before, placement)
    table.columnProduct(
      ColumnProduct(
        a: a.read, aSteps: (step0, step1, step2), depths: depths, b: b.read, bStride: bStride,
        c: c.pointer, cStride: cStride, rows: rows, columns: columns, accumulate: accumulate,
        next: fetchesNext ? UnsafePointer(bitPattern: 64) : nil, nextFloats: 1000))
    for index in before.indices {
      let (m, n) = (index / cStride, index % cStride)
      guard n < columns else {
        #expect(sameBits(c[index], before[index]), "padding of C changed")
        continue
      }
      var sum = accumulate ? Double(before[index]) : 0
      var magnitude = abs(sum)
      for (d, offset) in offsets.enumerated() {
        let product = Double(a[offset + m]) * Double(b[d * bStride + n])
        sum += product
        magnitude += abs(product)
      }
      // Each of the products and additions may round once: the textbook bound for a sum in sequence.
      let allowed = Double(2 * offsets.count + 1) * roundOff * magnitude
      if abs(Double(c[index]) - sum) > allowed {
        Issue.record("rows \(rows) columns \(columns) depths \(depths): C[\(m)][\(n)] = \(c[index]), not \(sum)")
      }
    }
  }

  @Test(arguments: testedLevels)
  func rowDoesNotDependOnTheRowsBesideIt(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 6)
    let rows = 2 * table.tileRows + 5
    let depth = 33
    for columns in [table.width, 2 * table.width - 3] {
      let a = GuardedBuffer(numbers.floats(rows * depth), .beforeGuard)
      let b = GuardedBuffer(numbers.floats(depth * table.panelColumns), .beforeGuard)
      let together = GuardedBuffer(rows * columns, .beforeGuard, repeating: Float(0))
      let apart = GuardedBuffer(rows * columns, .beforeGuard, repeating: Float(0))
      func run(_ c: GuardedBuffer<Float>, _ row: Int, _ count: Int) {
        table.columnProduct(
          ColumnProduct(
            a: a.read + row, aSteps: (0, 0, rows), depths: (1, 1, depth), b: b.read, bStride: table.panelColumns,
            c: c.pointer + row * columns, cStride: columns, rows: count, columns: columns, accumulate: false))
      }
      run(together, 0, rows)
      for block in 1...table.tileRows {
        for row in stride(from: 0, to: rows, by: block) { run(apart, row, min(block, rows - row)) }
        #expect(sameBits(together.array, apart.array), "blocks of \(block) rows, \(columns) columns")
      }
    }
  }

  @Test(arguments: testedLevels)
  func packedPanelIsItsRowsOneAfterTheOther(level: InstructionSetLevel) {
    let table = kernels(level)
    let (rows, columns) = (table.panelRows, table.panelColumns)
    var numbers = TestNumbers(seed: 7)
    for depth in [0, 1, 7, 8, 24, 48] {
      let a = GuardedBuffer(numbers.floats(depth * rows), .beforeGuard)
      let b = GuardedBuffer(numbers.floats(depth * columns), .beforeGuard)
      let before = numbers.floats(rows * columns)
      let (packed, plain) = (GuardedBuffer(before, .beforeGuard), GuardedBuffer(before, .beforeGuard))
      table.columnProduct(
        ColumnProduct(
          packedA: a.read, panelRows: rows, depth: depth, b: b.read, bStride: columns, c: packed.pointer,
          cStride: columns, rows: rows, columns: columns, accumulate: true, next: UnsafePointer(bitPattern: 64),
          nextFloats: depth * columns))
      table.columnProduct(
        ColumnProduct(
          a: a.read, aSteps: (0, 0, rows), depths: (1, 1, depth), b: b.read, bStride: columns, c: plain.pointer,
          cStride: columns, rows: rows, columns: columns, accumulate: true))
      #expect(sameBits(packed.array, plain.array), "depth \(depth)")
    }
  }
}
