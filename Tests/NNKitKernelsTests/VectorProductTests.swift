import NNKitKernelTable
import Testing

@Suite struct VectorProductTests {
  /// The contract promises the bits of `rowProduct`, which has its own test against double precision.
  @Test(arguments: testedLevels)
  func oneRowOverManyPanelsGivesTheBitsOfARowProduct(level: InstructionSetLevel) {
    let table = kernels(level)
    let width = table.panelColumns
    var numbers = TestNumbers(seed: 31)
    for columns in [
      0, 1, width - 1, width, width + 1, 3 * width, 4 * width - 1, 4 * width, 4 * width + 5, 9 * width + 2,
    ] {
      for (depth, accumulate, hasBias, relu, hasAddend) in [
        (0, false, true, false, false), (1, true, false, true, false), (13, false, false, true, false),
        (37, true, false, false, false), (37, false, true, true, false), (13, false, true, false, true),
        (37, false, false, true, true),
      ] {
        for placement in Placement.allCases {
          let panels = (columns + width - 1) / width
          let panelStride = depth * width + 16
          let a = GuardedBuffer(numbers.floats(depth), placement)
          let b = GuardedBuffer(numbers.floats(panels == 0 ? 0 : (panels - 1) * panelStride + depth * width), placement)
          let bias = GuardedBuffer(numbers.floats(columns), placement)
          let start = numbers.floats(columns)
          let addend = GuardedBuffer(numbers.floats(columns), placement)
          let ours = GuardedBuffer(start, placement)
          table.vectorProduct(
            VectorProduct(
              a: a.read, depth: depth, b: b.read, panelStride: panelStride, c: ours.pointer, columns: columns,
              bias: hasBias ? bias.read : nil, addend: hasAddend ? addend.read : nil, accumulate: accumulate, relu: relu
            ))
          let reference = GuardedBuffer(start, placement)
          var zero = 0
          for panel in 0..<panels {
            table.rowProduct(
              RowProduct(
                a: a.read, aRows: &zero, taps: &zero, tapCount: 1, depth: depth, b: b.read + panel * panelStride,
                c: reference.pointer + panel * width, cRows: &zero, rows: 1,
                columns: min(width, columns - panel * width), bias: hasBias ? bias.read + panel * width : nil,
                addend: hasAddend ? addend.read + panel * width : nil, accumulate: accumulate, relu: relu))
          }
          #expect(sameBits(ours.array, reference.array), "\(columns) columns, depth \(depth)")
        }
      }
    }
  }
}
