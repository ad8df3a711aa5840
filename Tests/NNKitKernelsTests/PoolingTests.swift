import NNKitKernelTable
import Testing

/// Geometries: windows that fit, overlap, leave gaps, reach into the padding, cover everything.
private let geometries: [PoolGeometry] = {
  var list: [PoolGeometry] = []
  func add(_ h: Int, _ w: Int, window: (Int, Int), stride: (Int, Int), pad: (Int, Int), countsPadding: Bool) {
    list.append(
      PoolGeometry(
        inputHeight: h, inputWidth: w, channels: 0, outputHeight: (h + 2 * pad.0 - window.0) / stride.0 + 1,
        outputWidth: (w + 2 * pad.1 - window.1) / stride.1 + 1, windowHeight: window.0, windowWidth: window.1,
        strideHeight: stride.0, strideWidth: stride.1, padTop: pad.0, padLeft: pad.1, countsPadding: countsPadding))
  }
  add(4, 4, window: (2, 2), stride: (2, 2), pad: (0, 0), countsPadding: false)
  add(4, 6, window: (2, 2), stride: (1, 3), pad: (0, 0), countsPadding: false)
  // Padding behind alone.
  add(5, 7, window: (2, 2), stride: (2, 2), pad: (0, 0), countsPadding: false)
  list[list.count - 1].outputHeight += 1
  list[list.count - 1].outputWidth += 1
  add(5, 7, window: (3, 2), stride: (1, 2), pad: (1, 1), countsPadding: false)
  add(5, 7, window: (3, 3), stride: (2, 1), pad: (1, 1), countsPadding: true)
  add(6, 5, window: (4, 5), stride: (3, 3), pad: (2, 0), countsPadding: true)
  add(7, 3, window: (1, 1), stride: (3, 2), pad: (0, 0), countsPadding: false)
  add(3, 3, window: (3, 3), stride: (1, 1), pad: (0, 0), countsPadding: false)
  add(17, 16, window: (16, 16), stride: (1, 1), pad: (0, 0), countsPadding: false)
  add(17, 20, window: (17, 16), stride: (1, 2), pad: (3, 5), countsPadding: false)
  return list
}()

/// What says where maxima came from: bytes, or words where windows have more than 256 places.
private struct Places {
  let buffer: GuardedBuffer<UInt8>
  private let geometry: PoolGeometry

  init(_ geometry: PoolGeometry, outputs: Int, _ placement: Placement) {
    self.geometry = geometry
    buffer = GuardedBuffer(outputs * geometry.placeBytes, placement, repeating: UInt8(0xAA))
  }

  /// The pixel of the input that output element `index` came from.
  subscript(index: Int) -> Int {
    get {
      let (row, column) = (
        index / geometry.channels / geometry.outputWidth, index / geometry.channels % geometry.outputWidth
      )
      let word = (0..<geometry.placeBytes).reduce(0) { $0 | Int(buffer[index * geometry.placeBytes + $1]) << (8 * $1) }
      let (y, x) = (
        row * geometry.strideHeight - geometry.padTop + word / geometry.windowWidth,
        column * geometry.strideWidth - geometry.padLeft + word % geometry.windowWidth
      )
      return y * geometry.inputWidth + x
    }
    nonmutating set {
      let (row, column) = (
        index / geometry.channels / geometry.outputWidth, index / geometry.channels % geometry.outputWidth
      )
      let y = newValue / geometry.inputWidth - (row * geometry.strideHeight - geometry.padTop)
      let x = newValue % geometry.inputWidth - (column * geometry.strideWidth - geometry.padLeft)
      let word = y * geometry.windowWidth + x
      for byte in 0..<geometry.placeBytes {
        buffer[index * geometry.placeBytes + byte] = UInt8(truncatingIfNeeded: word >> (8 * byte))
      }
    }
  }
}

/// The pixels of the input in the window of one output pixel, ascending.
private func places(_ g: PoolGeometry, _ row: Int, _ column: Int) -> [Int] {
  var result: [Int] = []
  for y in (row * g.strideHeight - g.padTop)..<(row * g.strideHeight - g.padTop + g.windowHeight) {
    for x in (column * g.strideWidth - g.padLeft)..<(column * g.strideWidth - g.padLeft + g.windowWidth) {
      if y >= 0 && y < g.inputHeight && x >= 0 && x < g.inputWidth { result.append(y * g.inputWidth + x) }
    }
  }
  return result
}

@Suite struct PoolingTests {
  private func channelCounts(_ table: KernelTable) -> [Int] {
    [1, 2, 3, 4, 5, table.width - 1, table.width, table.width + 1, 2 * table.width + 3, 37]
  }

  /// Two parts of the channels, as two threads would have.
  private func channelParts(_ geometry: PoolGeometry) -> [Range<Int>] {
    [0..<(geometry.channels / 2), (geometry.channels / 2)..<geometry.channels]
  }

  /// Calls `body` for every geometry, channel count and placement.
  private func forEachCase(_ table: KernelTable, _ body: (PoolGeometry, Placement) -> Void) {
    for var geometry in geometries {
      for channels in channelCounts(table) {
        geometry.channels = channels
        for placement in Placement.allCases { body(geometry, placement) }
      }
    }
  }

  @Test(arguments: testedLevels)
  func maxPoolTakesTheFirstLargest(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 14)
    forEachCase(table) { g, placement in
      // Few different values, so that equal ones are common; some NaN, and -∞ as the smallest.
      let values: [Float] = (0..<(g.inputHeight * g.inputWidth * g.channels)).map { _ in
        let draw = numbers.next() % 24
        return draw == 0 ? .nan : draw < 6 ? -.infinity : Float(draw / 6)
      }
      let input = GuardedBuffer(values, placement)
      let outputs = g.outputHeight * g.outputWidth * g.channels
      let output = GuardedBuffer(outputs, placement, repeating: Float(-9))
      let argmax = Places(g, outputs: outputs, placement)
      let alone = GuardedBuffer(outputs, placement, repeating: Float(-9))
      // In two calls, as two threads would.
      for rows in [0..<(g.outputHeight / 2), (g.outputHeight / 2)..<g.outputHeight] {
        let pool = { (target: GuardedBuffer<Float>) in
          Pool2D(
            geometry: g, input: input.read, output: target.pointer, rowStart: rows.lowerBound, rowEnd: rows.upperBound)
        }
        table.maxPool2DForward(pool(output), argmax.buffer.pointer)
        for part in channelParts(g) {
          var rows = pool(alone)
          (rows.input, rows.output, rows.channels) = (
            rows.input + part.lowerBound, rows.output + part.lowerBound, part.count
          )
          table.maxPool2DForward(rows, nil)
        }
      }
      for index in 0..<outputs {
        let (pixel, channel) = (index / g.channels, index % g.channels)
        let window = places(g, pixel / g.outputWidth, pixel % g.outputWidth)
        var best = window[0]
        for place in window.dropFirst() {
          let (value, current) = (values[place * g.channels + channel], values[best * g.channels + channel])
          if value > current || (value.isNaN && !current.isNaN) { best = place }
        }
        let exact = values[best * g.channels + channel]
        if !(output[index] == exact || (output[index].isNaN && exact.isNaN)) || argmax[index] != best
          || !(alone[index] == exact || (alone[index].isNaN && exact.isNaN))
        {
          Issue.record("\(g): \(output[index]) from \(argmax[index]), not \(exact) from \(best)")
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func maxPoolGradientGoesToTheMaximum(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 15)
    forEachCase(table) { g, placement in
      let outputs = g.outputHeight * g.outputWidth * g.channels
      let dOutput = GuardedBuffer(numbers.floats(outputs), placement)
      let inputs = g.inputHeight * g.inputWidth * g.channels
      let dInput = GuardedBuffer(inputs, placement, repeating: Float.nan)
      let argmax = Places(g, outputs: outputs, placement)
      var exact = [Float](repeating: 0, count: inputs)
      for index in 0..<outputs {
        let (pixel, channel) = (index / g.channels, index % g.channels)
        let window = places(g, pixel / g.outputWidth, pixel % g.outputWidth)
        let place = window[Int(numbers.next()) % window.count]
        argmax[index] = place
        exact[place * g.channels + channel] += dOutput[index]
      }
      table.maxPool2DBackward(
        Pool2DGradient(geometry: g, dOutput: dOutput.read, dInput: dInput.pointer), UnsafeRawPointer(argmax.buffer.read)
      )
      #expect(sameBits(dInput.array, exact), "\(g)")
    }
  }

  /// Sums run over ascending places and are divided once, so that plain floats give the same bits; those of more than 256
  /// places go by blocks, in double precision.
  @Test(arguments: testedLevels)
  func averagePoolIsTheMeanOfTheWindow(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 16)
    forEachCase(table) { g, placement in
      let input = GuardedBuffer(numbers.floats(g.inputHeight * g.inputWidth * g.channels), placement)
      let outputs = g.outputHeight * g.outputWidth * g.channels
      let output = GuardedBuffer(outputs, placement, repeating: Float.nan)
      for rows in [0..<(g.outputHeight / 2), (g.outputHeight / 2)..<g.outputHeight] {
        for part in channelParts(g) {
          table.averagePool2DForward(
            Pool2D(
              geometry: g, input: input.read + part.lowerBound, output: output.pointer + part.lowerBound,
              rowStart: rows.lowerBound, rowEnd: rows.upperBound, channels: part.count))
        }
      }
      let exact = (0..<outputs).map { index -> Float in
        let (pixel, channel) = (index / g.channels, index % g.channels)
        let window = places(g, pixel / g.outputWidth, pixel % g.outputWidth)
        let divisor = g.countsPadding ? g.windowHeight * g.windowWidth : window.count
        func sum(_ places: ArraySlice<Int>) -> Float {
          places.reduce(Float(0)) { $0 + input[$1 * g.channels + channel] }
        }
        if window.count <= 256 { return sum(window[...]) / Float(divisor) }
        let blocks = stride(from: 0, to: window.count, by: 256).map { sum(window[$0..<min($0 + 256, window.count)]) }
        return Float(blocks.reduce(0.0) { $0 + Double($1) } / Double(divisor))
      }
      #expect(sameBits(output.array, exact), "\(g)")
    }
  }

  @Test(arguments: testedLevels)
  func averagePoolGradientIsSpreadEvenly(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 17)
    forEachCase(table) { g, placement in
      let outputs = g.outputHeight * g.outputWidth * g.channels
      let dOutput = GuardedBuffer(numbers.floats(outputs), placement)
      let inputs = g.inputHeight * g.inputWidth * g.channels
      let dInput = GuardedBuffer(inputs, placement, repeating: Float.nan)
      var exact = [Float](repeating: 0, count: inputs)
      for index in 0..<outputs {
        let (pixel, channel) = (index / g.channels, index % g.channels)
        let window = places(g, pixel / g.outputWidth, pixel % g.outputWidth)
        let divisor = Float(g.countsPadding ? g.windowHeight * g.windowWidth : window.count)
        for place in window { exact[place * g.channels + channel] += dOutput[index] / divisor }
      }
      table.averagePool2DBackward(Pool2DGradient(geometry: g, dOutput: dOutput.read, dInput: dInput.pointer))
      #expect(sameBits(dInput.array, exact), "\(g)")
    }
  }
}
