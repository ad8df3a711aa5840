import NNKitKernelTable
import Testing

@Suite struct PairedProductTests {
  /// Both operands of a product, packed and balanced; `a` is `[rows, depth]`, `b` `[depth, columns]`.
  private struct Operands {
    let table: KernelTable
    let (rows, depth, columns): (Int, Int, Int)
    let block: GuardedBuffer<Float>
    let blockTerms: GuardedBuffer<Float>
    let blockScales: GuardedBuffer<Float>
    let panel: GuardedBuffer<Float>
    let panelTerms: GuardedBuffer<Float>
    let panelScales: GuardedBuffer<Float>

    init(_ table: KernelTable, a: [Float], rows: Int, b: [Float], columns: Int, depth: Int, _ placement: Placement) {
      self.table = table
      (self.rows, self.depth, self.columns) = (rows, depth, columns)
      block = GuardedBuffer(depth * table.pairedRows, placement, repeating: Float.nan)
      blockTerms = GuardedBuffer(table.pairedRows, placement, repeating: Float.nan)
      blockScales = GuardedBuffer(table.pairedRows, placement, repeating: Float.nan)
      panel = GuardedBuffer(depth * table.panelColumns, placement, repeating: Float(0))
      panelTerms = GuardedBuffer(table.panelColumns, placement, repeating: Float.nan)
      panelScales = GuardedBuffer(table.panelColumns, placement, repeating: Float.nan)
      let source = GuardedBuffer(a, placement)
      table.packPairedRows(
        PairedRows(
          source: source.read, rows: (0..<rows).map { $0 * depth }, count: rows, depth: depth, block: block.pointer))
      for k in 0..<depth {
        for r in 0..<table.pairedRows {
          #expect(sameBits(block[k * table.pairedRows + r], r < rows ? a[r * depth + k] : 0))
        }
        for n in 0..<columns { panel[k * table.panelColumns + n] = b[k * columns + n] }
      }
      table.balancePairs(
        PairedBalance(
          block: block.pointer, depth: depth, width: table.pairedRows, terms: blockTerms.pointer,
          scales: blockScales.pointer))
      table.balancePairs(
        PairedBalance(
          block: panel.pointer, depth: depth, width: table.panelColumns, terms: panelTerms.pointer,
          scales: panelScales.pointer))
    }

    /// `count` rows from `first` (a multiple of four) on.
    func multiply(
      _ c: UnsafeMutablePointer<Float>, _ cRows: [Int], first: Int = 0, count: Int, bias: UnsafePointer<Float>?,
      accumulate: Bool
    ) {
      table.pairedProduct(
        PairedProduct(
          a: block.read + first, aStride: table.pairedRows, aTerms: blockTerms.read + first,
          aScales: blockScales.read + first, b: panel.read, bTerms: panelTerms.read, bScales: panelScales.read,
          depth: depth, c: c, cRows: cRows, rows: count, columns: columns, bias: bias, accumulate: accumulate))
    }
  }

  @Test(arguments: testedLevels)
  func matchesReferenceForAllTilesAndTails(level: InstructionSetLevel) {
    let table = kernels(level)
    var variant = 0
    for rows in 0...table.pairedRows {
      for columns in [1, table.width - 1, table.width, table.width + 1, 2 * table.width - 1, 2 * table.width] {
        for depth in [0, 1, 2, 3, 5, 6, 101] {
          variant += 1
          for placement in Placement.allCases {
            check(
              table, rows, columns, depth, bias: variant % 2 == 0, accumulate: variant % 3 == 0, scale: 1, placement)
          }
        }
      }
    }
    // Operands that are nowhere near one another in size.
    for scale: Float in [1e-30, 1e-9, 1e9, 1e30] {
      check(table, table.pairedRows, table.width + 3, 60, bias: false, accumulate: false, scale: scale, .beforeGuard)
    }
  }

  private func check(
    _ table: KernelTable, _ rows: Int, _ columns: Int, _ depth: Int, bias: Bool, accumulate: Bool, scale: Float,
    _ placement: Placement
  ) {
    var numbers = TestNumbers(seed: UInt64(rows * 41 + columns))
    let (a, b) = (numbers.floats(rows * depth), numbers.floats(depth * columns, -scale...scale))
    let cStride = columns + 3
    let before = numbers.floats(rows == 0 ? 0 : (rows - 1) * cStride + columns)
    let c = GuardedBuffer(before, placement)
    let biases = GuardedBuffer(numbers.floats(columns), placement)
    Operands(table, a: a, rows: rows, b: b, columns: columns, depth: depth, placement).multiply(
      c.pointer, (0..<rows).map { $0 * cStride }, count: rows, bias: bias ? biases.read : nil, accumulate: accumulate)
    for index in before.indices {
      let (m, n) = (index / cStride, index % cStride)
      guard n < columns else {
        #expect(sameBits(c[index], before[index]), "padding of C changed")
        continue
      }
      let start = Double(accumulate ? before[index] : 0) + Double(bias ? biases[n] : 0)
      var sum = start
      for k in 0..<depth { sum += Double(a[m * depth + k]) * Double(b[k * columns + n]) }
      // Each step rounds a few sums that grow as a random walk does, of terms up to four times the largest product.
      let largest =
        (0..<depth).reduce(0) { max($0, abs(Double(a[m * depth + $1]))) }
        * (0..<depth).reduce(0) { max($0, abs(Double(b[$1 * columns + n]))) }
      let allowed = (16 * Double(depth) * largest + 2 * abs(start) + 2 * abs(sum)) * roundOff
      if abs(Double(c[index]) - sum) > allowed {
        Issue.record("rows \(rows) columns \(columns) depth \(depth): C[\(m)][\(n)] = \(c[index]), not \(sum)")
      }
    }
  }

  /// Sequences leave a batch as they end; the bits of those that stay are the same.
  @Test(arguments: testedLevels)
  func rowDoesNotDependOnTheRowsBesideIt(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 8)
    let (rows, columns, depth) = (table.pairedRows, 2 * table.width - 3, 50)
    let (a, b) = (numbers.floats(rows * depth), numbers.floats(depth * columns))
    func run(_ first: Int, _ count: Int) -> [Float] {
      let c = GuardedBuffer(count * columns, .beforeGuard, repeating: Float(0))
      Operands(
        table, a: Array(a[first * depth..<(first + count) * depth]), rows: count, b: b, columns: columns, depth: depth,
        .beforeGuard
      ).multiply(c.pointer, (0..<count).map { $0 * columns }, count: count, bias: nil, accumulate: false)
      return c.array
    }
    let together = run(0, rows)
    for count in 1...rows {
      for first in 0...(rows - count) {
        #expect(sameBits(run(first, count), Array(together[first * columns..<(first + count) * columns])))
      }
    }
  }

  @Test(arguments: testedLevels)
  func zerosAddNothingAndNaNStaysInItsRow(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 9)
    let (rows, columns, depth) = (4, table.width, 12)
    var a = numbers.floats(rows * depth)
    for k in 0..<depth { a[k] = 0 }
    (a[depth + 3], a[2 * depth + 11]) = (.nan, .infinity)
    let before = numbers.floats(rows * columns)
    let c = GuardedBuffer(before, .beforeGuard)
    Operands(
      table, a: a, rows: rows, b: numbers.floats(depth * columns), columns: columns, depth: depth, .beforeGuard
    ).multiply(c.pointer, (0..<rows).map { $0 * columns }, count: rows, bias: nil, accumulate: true)
    #expect(sameBits(Array(c.array[0..<columns]), Array(before[0..<columns])))
    #expect(c.array[columns..<3 * columns].allSatisfy { !$0.isFinite })
    #expect(c.array[(3 * columns)...].allSatisfy { $0.isFinite })
  }
}
