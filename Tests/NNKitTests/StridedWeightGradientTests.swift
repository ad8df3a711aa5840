import NNKit
import Testing

/// Weight gradients of convolutions with so many filters that the input is packed first.
@Suite struct StridedWeightGradientTests {
  struct Case: Sendable, CustomStringConvertible {
    var batch = 7
    var height = 23
    var width = 21
    var channels = 20
    var filters = 264
    var kernel = 3
    var stride = 2
    var dilation = 1
    var pad = 1
    var normalizes = false

    var outputHeight: Int { (height + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1 }
    var outputWidth: Int { (width + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1 }
    var description: String {
      "\(batch)x\(height)x\(width)x\(channels)-\(filters) \(kernel)/\(stride), dilation \(dilation), pad \(pad)"
        + (normalizes ? ", normalised" : "")
    }
  }

  @Test(arguments: [
    // Several images in a block, and several blocks in a chunk.
    Case(), Case(normalizes: true), Case(channels: 50, dilation: 2, pad: 2), Case(pad: 0),
    // Several blocks for each image; several blocks of rows in a row of the window.
    Case(batch: 2, height: 61, width: 59, channels: 90),
    // Matrix products: with lines at even distances, of one image, and not at even distances.
    Case(height: 22, kernel: 1, pad: 0), Case(batch: 1, kernel: 1, pad: 0), Case(channels: 60, kernel: 1, pad: 0),
    Case(height: 22, width: 20, channels: 60, filters: 70, kernel: 1, pad: 0),
  ])
  func matchesSumsInDoublePrecisionOnAnyThreads(_ geometry: Case) throws {
    let one = try gradients(geometry, threads: 1)
    let two = try gradients(geometry, threads: 2)
    #expect(one.kernel == two.kernel)
    #expect(one.bias == two.bias)

    let (channels, filters, kernel) = (geometry.channels, geometry.filters, geometry.kernel)
    let (height, width) = (geometry.outputHeight, geometry.outputWidth)
    let count = kernel * kernel * channels * filters
    var sums = [Double](repeating: 0, count: count)
    var magnitudes = [Double](repeating: 0, count: count)
    var biasSums = [Double](repeating: 0, count: filters)
    for pixel in 0..<geometry.batch * height * width {
      let (image, y, x) = (pixel / (height * width), pixel / width % height, pixel % width)
      for f in 0..<filters { biasSums[f] += Double(one.seed[pixel * filters + f]) }
      for place in 0..<kernel * kernel {
        let sourceY = y * geometry.stride + place / kernel * geometry.dilation - geometry.pad
        let sourceX = x * geometry.stride + place % kernel * geometry.dilation - geometry.pad
        guard 0..<geometry.height ~= sourceY, 0..<geometry.width ~= sourceX else { continue }
        let source = ((image * geometry.height + sourceY) * geometry.width + sourceX) * channels
        for c in 0..<channels {
          let factor = one.input[source + c]
          for f in 0..<filters {
            let product = factor * Double(one.seed[pixel * filters + f])
            sums[(place * channels + c) * filters + f] += product
            magnitudes[(place * channels + c) * filters + f] += abs(product)
          }
        }
      }
    }
    // Far above the rounding of any order of these sums, far below one term.
    let wrong = (0..<count).count { abs(Double(one.kernel[$0]) - sums[$0]) > 1e-5 * magnitudes[$0] + 1e-9 }
    #expect(wrong == 0, "of \(count)")
    #expect(zip(one.bias, biasSums).allSatisfy { abs(Double($0) - $1) < 1e-3 })
  }

  /// The gradients, the gradient of the output, and the input that the convolution reads.
  private func gradients(_ geometry: Case, threads: Int) throws -> (
    kernel: [Float], bias: [Float], seed: [Float], input: [Double]
  ) {
    let (stride, dilation, pad, kernel) = (geometry.stride, geometry.dilation, geometry.pad, geometry.kernel)
    var graph = Graph()
    let x = graph.input("x", [geometry.height, geometry.width, geometry.channels])
    let options =
      "filters=\(geometry.filters) kernel=\(kernel),\(kernel) stride=\(stride),\(stride) dilation=\(dilation),\(dilation) "
      + "padding=\(pad),\(pad),\(pad),\(pad)"
    graph.output("y", graph.layer("conv2d", options, geometry.normalizes ? graph.layer("batchnorm", "", x) : x))
    let shape = [geometry.batch, geometry.height, geometry.width, geometry.channels]
    let harness = try TrainingHarness(graph, shapes: [shape], loss: SeedLoss(), threads: threads)
    let plan = harness.bound.plan
    let random = Random(seed: 11, kernels: harness.model.runtime.kernels)
    for (index, tensor) in [plan.inputs[0], plan.targets[0]].enumerated() {
      random.normal(
        .initializer(parameter: index), deviation: 1, into: harness.bound.floats(tensor), count: tensor.count)
    }
    let (input, seed) = (harness.read(plan.inputs[0]).map(Double.init), harness.read(plan.targets[0]))
    harness.bound.run()
    let parameters = harness.model.parameters
    func gradient(_ suffix: String) throws -> [Float] {
      harness.gradient(try #require(parameters.last { $0.name.hasSuffix(suffix) }))
    }
    return (
      try gradient("kernel"), try gradient("bias"), seed,
      geometry.normalizes ? normalized(input, channels: geometry.channels) : input
    )
  }

  private func normalized(_ x: [Double], channels: Int) -> [Double] {
    var y = x
    for c in 0..<channels {
      let places = stride(from: c, to: x.count, by: channels)
      let count = Double(x.count / channels)
      let mean = places.reduce(0) { $0 + x[$1] } / count
      let variance = places.reduce(0) { $0 + (x[$1] - mean) * (x[$1] - mean) } / count
      for place in places { y[place] = (x[place] - mean) / (variance + 1e-5).squareRoot() }
    }
    return y
  }
}
