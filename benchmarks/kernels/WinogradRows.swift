import NNKitKernelTable

/// The transforms of Winograd's algorithm, F(2×2, 3×3) and F(4×4, 3×3), against the bandwidth of what they read and
/// write.
let winogradRows: [KernelRow] =
  [2, 4].flatMap { [winogradInput(size: $0), winogradOutput(size: $0), winogradWeights(size: $0)] }
  + [winogradOutputGradient, winogradKernelGradient]

/// Tiles in a row, and channels.
private let (tiles, channels) = (8, 64)

/// An odd number of cache lines.
private func planeStride(_ floats: Int) -> Int { (floats / 16 | 1) * 16 }

private func winogradInput(size: Int) -> KernelRow {
  KernelRow("winogradInput", "F(\(size)x\(size)), \(tiles) tiles of \(channels)") { table in
    let (width, plane) = (size * tiles + 2, planeStride(tiles * channels))
    let source = try Floats((size + 2) * width * channels)
    let planes = try Floats(Winograd.planes(size) * plane)
    return (
      .bytes(4 * (source.count + planes.count)),
      {
        for pair in 0...size / 2 {
          table.winogradInput(
            WinogradInput(
              size: size, rowPair: pair, source: source.read, lineStride: width * channels, pixelStride: channels,
              channels: channels, tiles: tiles, output: planes.pointer + 2 * (size + 2) * pair * plane,
              planeStride: plane))
        }
      }
    )
  }
}

private func winogradOutput(size: Int) -> KernelRow {
  KernelRow("winogradOutput", "F(\(size)x\(size)), \(tiles) tiles of \(channels)") { table in
    let (width, plane) = (size * tiles, planeStride(tiles * channels))
    let planes = try Floats(Winograd.planes(size) * plane)
    let pixels = try Floats(size * width * channels)
    return (
      .bytes(4 * (planes.count + pixels.count)),
      {
        table.winogradOutput(
          WinogradOutput(
            size: size, products: planes.read, planeStride: plane, tileStride: channels, columns: channels, bias: nil,
            relu: true, output: pixels.pointer, rowStep: width * channels, pixelStride: channels, height: size,
            width: width))
      }
    )
  }
}

private func winogradWeights(size: Int) -> KernelRow {
  KernelRow("winogradWeights", "F(\(size)x\(size)), \(channels) rows") { table in
    let columns = table.panelColumns
    let source = try Floats(9 * channels * columns)
    let taps = Integers((0..<9).map { $0 * channels * columns })
    let plane = planeStride(channels * columns)
    let planes = try Floats(Winograd.planes(size) * plane)
    let scratch = try Floats(9 * WinogradWeights.depthPerBlock * columns)
    return (
      .bytes(4 * (source.count + planes.count)),
      {
        table.winogradWeights(
          WinogradWeights(
            size: size, source: source.read, taps: taps.read, depthStride: columns, columnStride: 1, depth: channels,
            columns: columns, panels: planes.pointer, planeStride: plane, scratch: scratch.pointer))
      }
    )
  }
}

private let winogradOutputGradient = KernelRow("winogradOutputGradient", "\(tiles) tiles of \(channels)") { table in
  let (width, plane) = (4 * tiles, planeStride(tiles * channels))
  let source = try Floats(4 * width * channels)
  let planes = try Floats(36 * plane)
  return (
    .bytes(4 * (source.count + planes.count)),
    {
      for pair in 0..<3 {
        table.winogradOutputGradient(
          WinogradOutputGradient(
            rowPair: pair, source: source.read, lineStride: width * channels, pixelStride: channels, columns: channels,
            tiles: tiles, output: planes.pointer + 12 * pair * plane, planeStride: plane, tileStride: channels))
      }
    }
  )
}

private let winogradKernelGradient = KernelRow("winogradKernelGradient", "\(channels) rows of 64") { table in
  let plane = planeStride(channels * 64)
  let (planes, taps) = (try Floats(36 * plane), try Floats(9 * channels * 64))
  return (
    .bytes(4 * (planes.count + taps.count)),
    {
      table.winogradKernelGradient(
        WinogradKernelGradient(
          products: planes.read, planeStride: plane, rows: channels, columns: 64, output: taps.pointer,
          tapStride: channels * 64, rowStride: 64))
    }
  )
}
