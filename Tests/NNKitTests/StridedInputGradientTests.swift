import NNKit
import Testing

/// Input gradients of convolutions with a stride, whose parts for the residues of the stride are one step.
@Suite struct StridedInputGradientTests {
  struct Case: Sendable, CustomStringConvertible {
    var batch = 3
    var height = 13
    var width = 12
    var channels = 5
    var filters = 7
    var kernel = 3
    var stride = 2
    var dilation = 1
    var pad = 1

    var outputHeight: Int { (height + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1 }
    var outputWidth: Int { (width + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1 }
    var description: String {
      "\(batch)x\(height)x\(width)x\(channels)-\(filters) \(kernel)/\(stride), dilation \(dilation), pad \(pad)"
    }
  }

  @Test(arguments: [
    Case(), Case(height: 12, width: 13, pad: 0), Case(batch: 40, channels: 20, filters: 33),
    // Several blocks of columns, and parts whose last ones differ in width.
    Case(batch: 1, height: 4, width: 2053), Case(batch: 1, height: 5, width: 2049), Case(height: 40, width: 70),
    // Pixels that no window reaches.
    Case(kernel: 2, stride: 3, pad: 0), Case(kernel: 1, pad: 0), Case(kernel: 1, stride: 3),
    // One part, of nine places that lie side by side.
    Case(dilation: 2, pad: 2), Case(batch: 8, height: 40, width: 44, channels: 32, filters: 32, dilation: 2, pad: 2),
    // Parts of nine places, which may be computed by Winograd's algorithm, and others.
    Case(kernel: 5, pad: 2), Case(batch: 8, height: 40, width: 44, channels: 32, filters: 32, kernel: 5, pad: 2),
    // Few tiles, whose columns are shared out.
    Case(batch: 1, channels: 100, filters: 20),
  ])
  func matchesSumsInDoublePrecisionOnAnyThreads(_ geometry: Case) throws {
    let one = try gradient(geometry, threads: 1)
    let two = try gradient(geometry, threads: 2)
    let differing = zip(one.dx, two.dx).count { $0.bitPattern != $1.bitPattern }
    #expect(differing == 0)

    let (channels, filters, kernel) = (geometry.channels, geometry.filters, geometry.kernel)
    let (height, width) = (geometry.outputHeight, geometry.outputWidth)
    var sums = [Double](repeating: 0, count: one.dx.count)
    var magnitudes = sums
    for pixel in 0..<geometry.batch * height * width {
      let (image, y, x) = (pixel / (height * width), pixel / width % height, pixel % width)
      for place in 0..<kernel * kernel {
        let inputY = y * geometry.stride + place / kernel * geometry.dilation - geometry.pad
        let inputX = x * geometry.stride + place % kernel * geometry.dilation - geometry.pad
        guard 0..<geometry.height ~= inputY, 0..<geometry.width ~= inputX else { continue }
        let target = ((image * geometry.height + inputY) * geometry.width + inputX) * channels
        for c in 0..<channels {
          for f in 0..<filters {
            let product =
              Double(one.seed[pixel * filters + f]) * Double(one.weights[(place * channels + c) * filters + f])
            sums[target + c] += product
            magnitudes[target + c] += abs(product)
          }
        }
      }
    }
    // Far above the rounding of any order of these sums, and of Winograd's algorithm; far below one term.
    let wrong = sums.indices.count { !(abs(Double(one.dx[$0]) - sums[$0]) <= 1e-5 * (magnitudes[$0] + 1)) }
    #expect(wrong == 0, "of \(sums.count)")
  }

  /// The gradient of the input, that of the output, and the kernel.
  private func gradient(_ geometry: Case, threads: Int) throws -> (dx: [Float], seed: [Float], weights: [Float]) {
    let (stride, dilation, pad, kernel) = (geometry.stride, geometry.dilation, geometry.pad, geometry.kernel)
    var graph = Graph()
    let x = graph.input("x", [geometry.height, geometry.width, geometry.channels])
    let options =
      "name=c filters=\(geometry.filters) kernel=\(kernel),\(kernel) stride=\(stride),\(stride) bias=false "
      + "dilation=\(dilation),\(dilation) padding=\(pad),\(pad),\(pad),\(pad)"
    graph.output("y", graph.layer("conv2d", options, x))
    let shape = [geometry.batch, geometry.height, geometry.width, geometry.channels]
    let harness = try TrainingHarness(graph, shapes: [shape], loss: SeedLoss(), threads: threads)
    let plan = harness.bound.plan
    let dInput = try #require(plan.dInputs[0])
    harness.bound.floats(dInput).update(repeating: .nan, count: dInput.count)
    let random = Random(seed: 12, kernels: harness.model.runtime.kernels)
    let target = plan.targets[0]
    random.normal(
      .initializer(parameter: 0), deviation: 1, into: harness.bound.floats(target), count: target.count)
    let seed = harness.read(target)
    harness.bound.run()
    var weights: [Float] = []
    try harness.model.withParameter("c/kernel") { values, _ in weights = Array(values) }
    return (harness.read(dInput), seed, weights)
  }
}
