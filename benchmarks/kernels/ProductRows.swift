import NNKitKernelTable

/// Matrix products by their depth and rows, direct convolutions by their shape, and packing.
let productRows: [KernelRow] =
  [16, 64, 256, 1024].map { rowProduct(.tiles(8), depth: $0) }
  + [1, 2, 5, 7, 16, 32, 100].map { rowProduct(.exactly($0), depth: 512) }
  + imageShapes.map { rowProduct(image: $0) }
  + [
    firstLayer("7x7 stride 2 of 3 channels, 2x112 pixels", kernel: 7, stride: 2, height: 2, width: 112, columns: 64),
    firstLayer("3x3 of 3 channels, 8x32 pixels", kernel: 3, stride: 1, height: 8, width: 32, columns: 16),
  ]
  + [(128, 128), (3136, 128), (512, 2048)].map { vectorProduct(depth: $0, columns: $1) }
  + [(64, 256), (64, 1024), (100, 256), (512, 256), (7, 1024)].map { columnProduct(rows: $0, depth: $1) }
  + [(1, 256), (1, 512), (14, 512)].map { packedColumnProduct(panels: $0, depth: $1) }
  + imageShapes.map { columnProduct(image: $0) }
  + [packing(transposed: false), packing(transposed: true)]
  + [(4, 512), (8, 512), (16, 128), (16, 512), (16, 2048)].map { pairedProduct(rows: $0, depth: $1) }
  + [balancing, pairedRows]

/// Of the 3×3 convolutions of ResNet-18 and ResNet-20.
private let imageShapes = [(56, 64), (28, 128), (14, 256), (7, 512), (32, 16), (16, 32), (8, 64)].map {
  ImageShape(width: $0, channels: $1)
}

private struct ImageShape {
  let width: Int
  let channels: Int
  /// With a border of one pixel on every side.
  var paddedWidth: Int { width + 2 }
  var description: String { "3x3 over \(width)x\(width)x\(channels)" }
}

/// The number of rows of a product.
private enum Rows: CustomStringConvertible {
  /// Multiples of the level's largest register tile.
  case tiles(Int)
  case exactly(Int)

  func count(_ table: KernelTable) -> Int {
    switch self {
    case .tiles(let count): count * table.tileRows
    case .exactly(let count): count
    }
  }

  var description: String {
    switch self {
    case .tiles(let count): "\(count) tiles"
    case .exactly(let count): "\(count)"
    }
  }
}

/// `rows × depth` by one packed panel.
private func rowProduct(_ rows: Rows, depth: Int) -> KernelRow {
  KernelRow("rowProduct", "rows \(rows), depth \(depth)") { table in
    let (rows, columns) = (rows.count(table), table.panelColumns)
    let (a, b, c) = (try Floats(rows * depth), try Floats(depth * columns), try Floats(rows * columns))
    let (aRows, cRows) = (Integers((0..<rows).map { $0 * depth }), Integers((0..<rows).map { $0 * columns }))
    let taps = Integers([0])
    return (
      .operations(2 * rows * columns * depth),
      {
        table.rowProduct(
          RowProduct(
            a: a.read, aRows: aRows.read, taps: taps.read, tapCount: 1, depth: depth, b: b.read, c: c.pointer,
            cRows: cRows.read, rows: rows, columns: columns))
      }
    )
  }
}

/// One row by a matrix of packed panels.
private func vectorProduct(depth: Int, columns: Int) -> KernelRow {
  KernelRow("vectorProduct", "depth \(depth), columns \(columns)") { table in
    let panels = (columns + table.panelColumns - 1) / table.panelColumns
    let (a, b, c) = (try Floats(depth), try Floats(panels * depth * table.panelColumns), try Floats(columns))
    return (
      .operations(2 * depth * columns),
      {
        table.vectorProduct(
          VectorProduct(
            a: a.read, depth: depth, b: b.read, panelStride: depth * table.panelColumns, c: c.pointer,
            columns: columns))
      }
    )
  }
}

/// One panel of a 3×3 convolution's outputs, of an image that has its border: pixels are rows, places are taps.
private func rowProduct(image: ImageShape) -> KernelRow {
  KernelRow("rowProduct", image.description) { table in
    let (width, channels, columns) = (image.width, image.channels, table.panelColumns)
    let pixels = width * width
    let a = try Floats(image.paddedWidth * image.paddedWidth * channels)
    let (b, c) = (try Floats(9 * channels * columns), try Floats(pixels * columns))
    let aRows = Integers((0..<pixels).map { ($0 / width * image.paddedWidth + $0 % width) * channels })
    let cRows = Integers((0..<pixels).map { $0 * columns })
    let taps = Integers((0..<9).map { ($0 / 3 * image.paddedWidth + $0 % 3) * channels })
    return (
      .operations(2 * pixels * columns * 9 * channels),
      {
        table.rowProduct(
          RowProduct(
            a: a.read, aRows: aRows.read, taps: taps.read, tapCount: 9, depth: channels, b: b.read, c: c.pointer,
            cRows: cRows.read, rows: pixels, columns: columns))
      }
    )
  }
}

/// Rows of pixels of a first layer's outputs, from images of three channels that have their border: a tap for each row
/// of the window. At most one panel of filters.
private func firstLayer(
  _ name: String, kernel: Int, stride: Int, height: Int, width: Int, columns: Int
) -> KernelRow {
  KernelRow("rowProduct", name) { table in
    let columns = min(columns, table.panelColumns)
    let lineStride = 3 * ((width - 1) * stride + kernel)
    let (pixels, depth) = (height * width, 3 * kernel)
    let a = try Floats(((height - 1) * stride + kernel) * lineStride)
    let (b, c) = (try Floats(kernel * depth * table.panelColumns), try Floats(pixels * columns))
    let aRows = Integers((0..<pixels).map { $0 / width * stride * lineStride + $0 % width * stride * 3 })
    let cRows = Integers((0..<pixels).map { $0 * columns })
    let taps = Integers((0..<kernel).map { $0 * lineStride })
    return (
      .operations(2 * pixels * columns * kernel * depth),
      {
        table.rowProduct(
          RowProduct(
            a: a.read, aRows: aRows.read, taps: taps.read, tapCount: kernel, depth: depth, b: b.read, c: c.pointer,
            cRows: cRows.read, rows: pixels, columns: columns))
      }
    )
  }
}

/// `rows × depth`, transposed in memory, by one packed panel.
private func columnProduct(rows: Int, depth: Int) -> KernelRow {
  KernelRow("columnProduct", "rows \(rows), depth \(depth)") { table in
    let columns = table.panelColumns
    let (a, b, c) = (try Floats(rows * depth), try Floats(depth * columns), try Floats(rows * columns))
    return (
      .operations(2 * rows * columns * depth),
      {
        table.columnProduct(
          ColumnProduct(
            a: a.read, aSteps: (0, 0, rows), depths: (1, 1, depth), b: b.read, bStride: columns,
            c: c.pointer, cStride: columns,
            rows: rows, columns: columns, accumulate: true))
      }
    )
  }
}

/// Packed panels of `A` one after the other, by one packed panel of `B`.
private func packedColumnProduct(panels: Int, depth: Int) -> KernelRow {
  KernelRow("columnProduct", "\(panels) packed panels, depth \(depth)") { table in
    let (rows, columns) = (table.panelRows, table.panelColumns)
    let (a, b) = (try Floats(panels * rows * depth), try Floats(depth * columns))
    let c = try Floats(panels * rows * columns)
    return (
      .operations(2 * panels * rows * columns * depth),
      {
        for panel in 0..<panels {
          table.columnProduct(
            ColumnProduct(
              packedA: a.read + panel * rows * depth, panelRows: rows, depth: depth, b: b.read, bStride: columns,
              c: c.pointer + panel * rows * columns, cStride: columns, rows: rows, columns: columns,
              accumulate: true))
        }
      }
    )
  }
}

/// The weight gradient of one place of a 3×3 window and one panel of filters: channels are rows, pixels the depth.
private func columnProduct(image: ImageShape) -> KernelRow {
  KernelRow("columnProduct", image.description) { table in
    let (width, channels, columns) = (image.width, image.channels, table.panelColumns)
    let a = try Floats(image.paddedWidth * image.paddedWidth * channels)
    let (b, c) = (try Floats(width * width * columns), try Floats(channels * columns))
    return (
      .operations(2 * width * width * channels * columns),
      {
        table.columnProduct(
          ColumnProduct(
            a: a.read, aSteps: (0, image.paddedWidth * channels, channels), depths: (1, width, width), b: b.read,
            bStride: columns,
            c: c.pointer, cStride: columns, rows: channels, columns: columns, accumulate: true))
      }
    )
  }
}

/// One panel of a 512 × 512 matrix, or of its transpose.
private func packing(transposed: Bool) -> KernelRow {
  KernelRow("packPanel", transposed ? "512x512 transposed" : "512x512") { table in
    let (size, columns) = (512, table.panelColumns)
    let (source, panel) = (try Floats(size * size), try Floats(size * columns))
    return (
      .bytes(2 * 4 * size * columns),
      {
        table.packPanel(
          PanelPacking(
            source: source.read, depthStride: transposed ? 1 : size, columnStride: transposed ? size : 1, depth: size,
            columns: columns, panel: panel.pointer))
      }
    )
  }
}

/// `rows` by one packed panel, both balanced.
private func pairedProduct(rows: Int, depth: Int) -> KernelRow {
  KernelRow("pairedProduct", "rows \(rows), depth \(depth)") { table in
    let rows = min(rows, table.pairedRows)
    let (a, b, c) = (
      try Floats(depth * table.pairedRows), try Floats(depth * table.panelColumns),
      try Floats(rows * table.panelColumns)
    )
    let (terms, scales) = (try Floats(table.panelColumns), try Floats(table.panelColumns))
    let cRows = Integers((0..<rows).map { $0 * table.panelColumns })
    return (
      .operations(2 * rows * table.panelColumns * depth),
      {
        table.pairedProduct(
          PairedProduct(
            a: a.read, aStride: table.pairedRows, aTerms: terms.read, aScales: scales.read, b: b.read,
            bTerms: terms.read, bScales: scales.read, depth: depth, c: c.pointer, cRows: cRows.read, rows: rows,
            columns: table.panelColumns, accumulate: true))
      }
    )
  }
}

/// A panel of depth 512.
private let balancing = KernelRow("balancePairs", "depth 512") { table in
  let width = table.panelColumns
  let (block, terms, scales) = (try Floats(512 * width), try Floats(width), try Floats(width))
  return (
    .bytes(3 * 4 * 512 * width),
    {
      table.balancePairs(
        PairedBalance(block: block.pointer, depth: 512, width: width, terms: terms.pointer, scales: scales.pointer))
    }
  )
}

/// A whole tile of rows, 512 deep.
private let pairedRows = KernelRow("packPairedRows", "depth 512") { table in
  let count = table.pairedRows
  let (source, block) = (try Floats(512 * count), try Floats(512 * count))
  let rows = Integers((0..<count).map { $0 * 512 })
  return (
    .bytes(2 * 4 * 512 * count),
    {
      table.packPairedRows(
        PairedRows(source: source.read, rows: rows.read, count: count, depth: 512, block: block.pointer))
    }
  )
}
