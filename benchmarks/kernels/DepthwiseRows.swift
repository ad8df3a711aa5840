import NNKitKernelTable

/// Depthwise convolutions of one image that has its border: those of MobileNet, and a 5×5 one.
let depthwiseRows: [KernelRow] = [
  DepthwiseShape(width: 112, channels: 32, window: 3, stride: 1),
  DepthwiseShape(width: 112, channels: 64, window: 3, stride: 2),
  DepthwiseShape(width: 28, channels: 256, window: 3, stride: 1),
  DepthwiseShape(width: 14, channels: 512, window: 3, stride: 1),
  DepthwiseShape(width: 7, channels: 1024, window: 3, stride: 1),
  DepthwiseShape(width: 14, channels: 64, window: 3, stride: 1),
  DepthwiseShape(width: 28, channels: 240, window: 5, stride: 1),
  DepthwiseShape(width: 28, channels: 240, window: 5, stride: 2),
].flatMap { shape in
  [
    KernelRow("copyPlanes", "one of \(shape.channels)") { table in
      let (source, target) = (try Floats(64 * shape.channels), try Floats(64 * shape.channels))
      return (
        .bytes(2 * 4 * 64 * shape.channels),
        {
          table.copyPlanes(
            PlaneCopy(
              source: source.read, sourceStep: shape.channels, pixels: 64, planes: 1, spread: 1, first: 0,
              channels: shape.channels, target: target.pointer))
        }
      )
    },
    KernelRow("depthwiseConvolution", shape.name) { table in
      let (source, output) = (try Floats(shape.sourceCount), try Floats(shape.outputCount))
      let (weights, bias) = (try Floats(shape.weightCount), try Floats(shape.channels))
      return (
        .operations(2 * shape.outputCount * shape.window * shape.window),
        {
          table.depthwiseConvolution(
            DepthwiseConvolution(
              geometry: shape.geometry, source: source.read, weights: weights.read, bias: bias.read,
              output: output.pointer, relu: true))
        }
      )
    },
    KernelRow("depthwiseWeightGradient", shape.name) { table in
      let (source, output) = (try Floats(shape.sourceCount), try Floats(shape.outputCount))
      let weights = try Floats(shape.weightCount)
      return (
        .operations(2 * shape.outputCount * shape.window * shape.window),
        {
          table.depthwiseWeightGradient(
            DepthwiseWeightGradient(
              geometry: shape.geometry, source: source.read, dOutput: output.read, dWeights: weights.pointer))
        }
      )
    },
  ]
}

private struct DepthwiseShape {
  let width: Int
  let channels: Int
  let window: Int
  let stride: Int

  private var paddedWidth: Int { width + window - 1 }
  private var outputWidth: Int { (width - 1) / stride + 1 }
  var sourceCount: Int { paddedWidth * paddedWidth * channels }
  var outputCount: Int { outputWidth * outputWidth * channels }
  var weightCount: Int { window * window * channels }
  var name: String { "\(window)x\(window)/\(stride) over \(width)x\(width)x\(channels)" }

  var geometry: DepthwiseGeometry {
    DepthwiseGeometry(
      channels: channels, pixels: (outputWidth, outputWidth),
      sourceSteps: (stride * paddedWidth * channels, stride * channels),
      outputSteps: (outputWidth * channels, channels),
      places: (window, 1, window), sourcePlaceSteps: (paddedWidth * channels, 0, channels),
      weightPlaceSteps: (window * channels, 0, channels))
  }
}
