import NNKit
import NNKitKernelTable
import Testing

@Suite struct WinogradConvolutionTests {
  private struct Result {
    var output: [Float]
    var dInput: [Float]
    var dKernel: [Float]
  }

  private func run(_ channels: Int, _ filters: Int, _ shape: [Int], padding: String, winograd: Bool) throws -> Result {
    var graph = Graph()
    let x = graph.input("x", Shape([shape[1], shape[2], channels]))
    let options = "filters=\(filters) kernel=3 padding=\(padding) activation=softplus winograd=\(winograd)"
    graph.output("y", graph.layer("conv2d", options, x))
    let harness = try TrainingHarness(graph, shapes: [shape + [channels]], loss: SeedLoss())
    let plan = harness.bound.plan
    let random = Random(seed: 3, kernels: harness.model.runtime.kernels)
    random.normal(
      .initializer(parameter: 1), deviation: 1, into: harness.bound.floats(plan.inputs[0]), count: plan.inputs[0].count)
    random.normal(
      .initializer(parameter: 2), deviation: 1, into: harness.bound.floats(plan.targets[0]),
      count: plan.targets[0].count)
    harness.bound.run()
    return Result(
      output: harness.read(plan.outputs[0]), dInput: harness.read(try #require(plan.dInputs[0])),
      dKernel: harness.gradient(harness.model.parameters[0]))
  }

  /// Shapes whose tiles end inside and at the border, several images in a block, and several blocks in an image.
  @Test(arguments: [
    (16, 16, [1, 4, 4], "same"), (17, 33, [3, 7, 5], "same"), (40, 16, [2, 9, 12], "valid"), (16, 40, [9, 5, 5], "2"),
    (64, 64, [1, 30, 31], "1"), (24, 24, [2, 6, 9], "0,2,1,0"),
  ])
  func resultsAreThoseOfTheDirectWay(channels: Int, filters: Int, shape: [Int], padding: String) throws {
    let fast = try run(channels, filters, shape, padding: padding, winograd: true)
    let direct = try run(channels, filters, shape, padding: padding, winograd: false)
    #expect(fast.output.map(\.bitPattern) != direct.output.map(\.bitPattern), "Winograd's algorithm was not used")
    #expect(relativeError(fast.output, direct.output) < 4e-6)
    #expect(relativeError(fast.dInput, direct.dInput) < 4e-6)
    #expect(relativeError(fast.dKernel, direct.dKernel) < 4e-6)
  }

  /// The bound that WinogradConvolution.swift states, against sums in double precision.
  @Test(arguments: [16, 128, 512])
  func theErrorStaysBelowItsBound(channels: Int) throws {
    var errors: [Bool: Double] = [:]
    for winograd in [true, false] {
      var graph = Graph()
      let x = graph.input("x", [6, 6, channels])
      graph.output("y", graph.layer("conv2d", "filters=16 kernel=3 bias=false winograd=\(winograd) name=c", x))
      let model = try Model(graph, seed: 5)
      var input = [Float](repeating: 0, count: 36 * channels)
      input.withUnsafeMutableBufferPointer {
        Random(seed: 4, kernels: model.runtime.kernels).normal(
          .initializer(parameter: 9), deviation: 1, into: $0.baseAddress!, count: 36 * channels)
      }
      let ours = try Session(model).predict(input)
      let kernel = try model.withParameter("c/kernel") { values, _ in Array(values) }
      var (largest, difference) = (0.0, 0.0)
      for y in 0..<4 {
        for x in 0..<4 {
          for f in 0..<16 {
            var sum = 0.0
            for m in 0..<3 {
              for n in 0..<3 {
                for c in 0..<channels {
                  sum +=
                    Double(input[((y + m) * 6 + x + n) * channels + c])
                    * Double(kernel[((m * 3 + n) * channels + c) * 16 + f])
                }
              }
            }
            largest = max(largest, abs(sum))
            difference = max(difference, abs(sum - Double(ours[(y * 4 + x) * 16 + f])))
          }
        }
      }
      errors[winograd] = difference / largest
    }
    print("3x3 convolution of \(channels) channels: error \(errors[true]!) by Winograd, \(errors[false]!) directly")
    #expect(errors[true]! < 2e-6)
    #expect(errors[false]! < 4e-6)
    #expect(errors[true]! != errors[false]!)
  }
}
