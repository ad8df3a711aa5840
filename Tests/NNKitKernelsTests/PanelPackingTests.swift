import NNKitKernelTable
import Testing

@Suite struct PanelPackingTests {
  @Test(arguments: testedLevels)
  func packsEveryOrientationWithZerosBehindTheColumns(level: InstructionSetLevel) {
    let table = kernels(level)
    let width = table.panelColumns
    for columns in [1, 3, 4, width / 2 - 1, width / 2, width / 2 + 1, width - 1, width] {
      for depth in [0, 1, 3, 4, 5, 63, 64, 67, 131] {
        let orientations = [
          (depthStride: columns + 2, columnStride: 1), (depthStride: 1, columnStride: depth + 3),
          (depthStride: 2, columnStride: 2 * depth + 1),
        ]
        for (depthStride, columnStride) in orientations {
          for placement in Placement.allCases {
            let count = depth == 0 ? 0 : (depth - 1) * depthStride + (columns - 1) * columnStride + 1
            let source = GuardedBuffer((0..<count).map { Float($0 + 1) }, placement)
            let panel = GuardedBuffer(depth * width, placement, repeating: Float.nan)
            table.packPanel(
              PanelPacking(
                source: source.read, depthStride: depthStride, columnStride: columnStride, depth: depth,
                columns: columns, panel: panel.pointer))
            let isRight = (0..<depth * width).allSatisfy { index in
              let (k, n) = (index / width, index % width)
              return panel[index] == (n < columns ? source[k * depthStride + n * columnStride] : 0)
            }
            #expect(isRight, "columns \(columns), depth \(depth), strides \(depthStride) \(columnStride)")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func packsRowsOfAColumnProductWithZerosBehindThem(level: InstructionSetLevel) {
    let table = kernels(level)
    let width = table.panelRows
    #expect(width == 2 * table.tileRows)
    for columns in 1...width {
      for depth in [0, 1, 2, 9] {
        for placement in Placement.allCases {
          let depthStride = columns + 3
          let count = depth == 0 ? 0 : (depth - 1) * depthStride + columns
          let source = GuardedBuffer((0..<count).map { Float($0 + 1) }, placement)
          let panel = GuardedBuffer(depth * width, placement, repeating: Float.nan)
          table.packPanel(
            PanelPacking(
              source: source.read, depthStride: depthStride, columnStride: 1, depth: depth, columns: columns,
              panel: panel.pointer, packsRows: true))
          let isRight = (0..<depth * width).allSatisfy { index in
            let (k, n) = (index / width, index % width)
            return panel[index] == (n < columns ? source[k * depthStride + n] : 0)
          }
          #expect(isRight, "columns \(columns), depth \(depth)")
        }
      }
    }
  }
}
