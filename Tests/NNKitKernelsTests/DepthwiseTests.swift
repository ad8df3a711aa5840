import NNKitKernelTable
import Testing

/// A window over an image that holds every place of it, as the kernels see one.
private struct DepthwiseCase: CustomStringConvertible {
  var channels = 0
  let pixels: (rows: Int, columns: Int)
  let places: (Int, Int, Int)
  let stride: (Int, Int)
  /// From one place to the next, in pixels: rows, columns.
  var dilation = (1, 1)
  /// Whether the weights lie in the opposite order, as for an input gradient.
  var reversesWeights = false

  var description: String {
    "\(channels) channels, pixels \(pixels), places \(places), stride \(stride), dilation \(dilation)"
  }

  /// Pixels of the source: a pixel holds `places.1` planes of channels.
  private var height: Int {
    max(0, (pixels.rows - 1) * stride.0 + max(0, places.0 - 1) * dilation.0 + 1)
  }
  private var width: Int {
    max(0, (pixels.columns - 1) * stride.1 + max(0, places.2 - 1) * dilation.1 + 1)
  }
  private var pixel: Int { max(1, places.1) * channels }
  /// Lines of the source and of the output are padded.
  private var lineStride: Int { width * pixel + 3 }
  private var outputStride: Int { pixels.columns * channels + 5 }
  var sourceCount: Int { height == 0 || width == 0 ? 0 : (height - 1) * lineStride + width * pixel }
  var outputCount: Int {
    pixels.rows == 0 || pixels.columns == 0 ? 0 : (pixels.rows - 1) * outputStride + pixels.columns * channels
  }
  var placeCount: Int { places.0 * places.1 * places.2 }

  var geometry: DepthwiseGeometry {
    let sign = reversesWeights ? -1 : 1
    return DepthwiseGeometry(
      channels: channels, pixels: pixels, sourceSteps: (stride.0 * lineStride, stride.1 * pixel),
      outputSteps: (outputStride, channels), places: places,
      sourcePlaceSteps: (dilation.0 * lineStride, channels, dilation.1 * pixel),
      weightPlaceSteps: (
        sign * places.1 * places.2 * channels, sign * channels, sign * places.1 * channels
      ))
  }

  /// Of the weights of the first place.
  var firstWeight: Int { reversesWeights ? max(0, placeCount - 1) * channels : 0 }

  /// `body(source, weight, output)` for every product of one channel, in the order of the sums.
  func forEachProduct(_ channel: Int, _ body: (_ source: Int, _ weight: Int, _ output: Int) -> Void) {
    let g = geometry
    for row in 0..<pixels.rows {
      for column in 0..<pixels.columns {
        for a in 0..<places.0 {
          for b in 0..<places.1 {
            for c in 0..<places.2 {
              let (s, w) = (g.sourcePlaceSteps, g.weightPlaceSteps)
              body(
                row * g.sourceSteps.0 + column * g.sourceSteps.1 + a * s.0 + b * s.1 + c * s.2 + channel,
                firstWeight + a * w.0 + b * w.1 + c * w.2 + channel,
                row * g.outputSteps.0 + column * g.outputSteps.1 + channel)
            }
          }
        }
      }
    }
  }

  static let all: [DepthwiseCase] = [
    // Windows of 3 and 5, both strides, every number of pixels in a tile.
    DepthwiseCase(pixels: (2, 15), places: (3, 1, 3), stride: (1, 1)),
    DepthwiseCase(pixels: (3, 7), places: (3, 1, 3), stride: (2, 2)),
    DepthwiseCase(pixels: (1, 11), places: (5, 1, 5), stride: (1, 1)),
    DepthwiseCase(pixels: (2, 5), places: (5, 1, 5), stride: (2, 2)),
    // Parts of windows, at borders.
    DepthwiseCase(pixels: (4, 1), places: (3, 1, 2), stride: (1, 1)),
    DepthwiseCase(pixels: (1, 9), places: (2, 1, 3), stride: (2, 2)),
    DepthwiseCase(pixels: (1, 1), places: (1, 1, 1), stride: (1, 1)),
    DepthwiseCase(pixels: (2, 3), places: (0, 1, 3), stride: (1, 1)),
    DepthwiseCase(pixels: (0, 3), places: (3, 1, 3), stride: (1, 1)),
    DepthwiseCase(pixels: (3, 0), places: (3, 1, 3), stride: (1, 1)),
    // Dilation, large strides, many places, and the reversed weights of input gradients.
    DepthwiseCase(pixels: (2, 6), places: (3, 1, 3), stride: (1, 1), dilation: (2, 3)),
    DepthwiseCase(pixels: (2, 9), places: (3, 1, 3), stride: (3, 4)),
    DepthwiseCase(pixels: (2, 4), places: (2, 1, 13), stride: (1, 1)),
    DepthwiseCase(pixels: (2, 9), places: (3, 1, 3), stride: (1, 1), reversesWeights: true),
    DepthwiseCase(pixels: (2, 9), places: (2, 1, 2), stride: (1, 1), reversesWeights: true),
    // Several planes of channels.
    DepthwiseCase(pixels: (2, 5), places: (3, 4, 3), stride: (1, 1)),
    DepthwiseCase(pixels: (2, 5), places: (2, 6, 4), stride: (2, 2), dilation: (2, 2)),
  ]
}

@Suite struct DepthwiseTests {
  private func forEachCase(_ table: KernelTable, _ body: (DepthwiseCase, Placement) -> Void) {
    for var one in DepthwiseCase.all {
      for channels in [1, 3, table.width - 1, table.width, table.width + 1, 2 * table.width, 2 * table.width + 3, 37] {
        one.channels = channels
        for placement in Placement.allCases { body(one, placement) }
      }
    }
  }

  /// The products and additions each round once: the textbook bound for a sum in sequence.
  @Test(arguments: testedLevels)
  func convolutionMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 31)
    forEachCase(table) { one, placement in
      for (hasBias, relu) in [(false, false), (true, false), (true, true)] {
        let source = GuardedBuffer(numbers.floats(one.sourceCount), placement)
        let weights = GuardedBuffer(numbers.floats(one.placeCount * one.channels), placement)
        let bias = GuardedBuffer(numbers.floats(one.channels), placement)
        let output = GuardedBuffer(one.outputCount, placement, repeating: Float(-9))
        table.depthwiseConvolution(
          DepthwiseConvolution(
            geometry: one.geometry, source: source.read, weights: weights.read + one.firstWeight,
            bias: hasBias ? bias.read : nil, output: output.pointer, relu: relu))
        var sums: [Int: (sum: Double, magnitude: Double)] = [:]
        for channel in 0..<one.channels {
          let first = hasBias ? Double(bias[channel]) : 0
          for row in 0..<one.pixels.rows {
            for column in 0..<one.pixels.columns {
              let steps = one.geometry.outputSteps
              sums[row * steps.0 + column * steps.1 + channel] = (first, abs(first))
            }
          }
          one.forEachProduct(channel) { s, w, o in
            let product = Double(source[s]) * Double(weights[w])
            sums[o]?.sum += product
            sums[o]?.magnitude += abs(product)
          }
        }
        for index in 0..<one.outputCount {
          guard let (sum, magnitude) = sums[index] else {
            #expect(output[index] == -9, "\(one): written outside")
            continue
          }
          let exact = relu ? max(sum, 0) : sum
          let bound = Double(2 * one.placeCount + 2) * roundOff * magnitude
          if !(abs(Double(output[index]) - exact) <= bound) {
            Issue.record("\(one): \(output[index]) at \(index), not \(exact)")
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func reluKeepsNaN(level: InstructionSetLevel) {
    let table = kernels(level)
    let one = DepthwiseCase(channels: table.width, pixels: (1, 1), places: (1, 1, 1), stride: (1, 1))
    let source = GuardedBuffer(one.sourceCount, .beforeGuard, repeating: Float.nan)
    let weights = GuardedBuffer(one.channels, .beforeGuard, repeating: Float(1))
    let output = GuardedBuffer(one.outputCount, .beforeGuard, repeating: Float(0))
    table.depthwiseConvolution(
      DepthwiseConvolution(
        geometry: one.geometry, source: source.read, weights: weights.read, bias: nil, output: output.pointer,
        relu: true))
    #expect(output.array.allSatisfy { $0.isNaN })
  }

  @Test(arguments: testedLevels)
  func weightGradientMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 32)
    forEachCase(table) { one, placement in
      let source = GuardedBuffer(numbers.floats(one.sourceCount), placement)
      let dOutput = GuardedBuffer(numbers.floats(one.outputCount), placement)
      let before = numbers.floats(one.placeCount * one.channels)
      let dWeights = GuardedBuffer(before, placement)
      table.depthwiseWeightGradient(
        DepthwiseWeightGradient(
          geometry: one.geometry, source: source.read, dOutput: dOutput.read,
          dWeights: dWeights.pointer + one.firstWeight))
      var sums = before.map { (sum: Double($0), magnitude: abs(Double($0))) }
      for channel in 0..<one.channels {
        one.forEachProduct(channel) { s, w, o in
          let product = Double(source[s]) * Double(dOutput[o])
          sums[w].sum += product
          sums[w].magnitude += abs(product)
        }
      }
      let terms = one.pixels.rows * one.pixels.columns
      for (index, (sum, magnitude)) in sums.enumerated() {
        if !(abs(Double(dWeights[index]) - sum) <= Double(2 * terms + 2) * roundOff * magnitude) {
          Issue.record("\(one): \(dWeights[index]) at \(index), not \(sum)")
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func planesHoldTheirChannels(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 33)
    for (planes, spread) in [(1, 1), (3, 1), (1, 2), (2, 3), (4, 4), (5, 8), (1, 12)] {
      for channels in [1, 4, 6, table.width - 1, table.width, table.width + 1, 4 * table.width, 4 * table.width + 5] {
        for (first, pixels) in [(0, 3), (spread, 1), (spread / 2 + 1, 2), (0, 0)] {
          for placement in Placement.allCases {
            let step = planes * ((first + channels - 1) / spread + 1) + 2
            let source = GuardedBuffer(numbers.floats(pixels == 0 ? 0 : pixels * step - 2), placement)
            let target = GuardedBuffer(pixels * planes * channels, placement, repeating: Float.nan)
            table.copyPlanes(
              PlaneCopy(
                source: source.read, sourceStep: step, pixels: pixels, planes: planes, spread: spread, first: first,
                channels: channels, target: target.pointer))
            for index in 0..<target.count {
              let (row, channel) = (index / channels, index % channels)
              let (pixel, plane) = (row / planes, row % planes)
              let exact = source[pixel * step + (first + channel) / spread * planes + plane]
              if target[index] != exact {
                Issue.record("\(planes) planes, spread \(spread), \(channels) channels from \(first): \(index)")
              }
            }
          }
        }
      }
    }
  }
}
