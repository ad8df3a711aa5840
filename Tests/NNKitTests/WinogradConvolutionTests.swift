import NNKit
import NNKitKernelTable
import Testing

@Suite struct WinogradConvolutionTests {
  private struct Result {
    var output: [Float]
    var dInput: [Float]
    var dKernel: [Float]
    var dBias: [Float]
    var input: [Float]
    var dOutput: [Float]
  }

  private func run(
    _ channels: Int, _ filters: Int, _ shape: [Int], padding: String, activation: String = "softplus", winograd: Bool,
    normalized: Bool = false, threads: Int = 2
  ) throws -> Result {
    var graph = Graph()
    var x = graph.input("x", Shape([shape[1], shape[2], channels]))
    // The model's own input is convolved directly.
    x = normalized ? graph.layer("batchnorm", "activation=relu", x) : graph.layer("activation", "function=linear", x)
    let options = "name=c filters=\(filters) kernel=3 padding=\(padding) activation=\(activation) winograd=\(winograd)"
    graph.output("y", graph.layer("conv2d", options, x))
    let harness = try TrainingHarness(graph, shapes: [shape + [channels]], loss: SeedLoss(), threads: threads)
    let plan = harness.bound.plan
    let random = Random(seed: 3, kernels: harness.model.runtime.kernels)
    random.normal(
      .initializer(parameter: 1), deviation: 1, into: harness.bound.floats(plan.inputs[0]), count: plan.inputs[0].count)
    random.normal(
      .initializer(parameter: 2), deviation: 1, into: harness.bound.floats(plan.targets[0]),
      count: plan.targets[0].count)
    let (input, dOutput) = (harness.read(plan.inputs[0]), harness.read(plan.targets[0]))
    harness.bound.run()
    let parameters = harness.model.parameters
    let kernel = try #require(parameters.first { $0.name == "c/kernel" })
    let bias = try #require(parameters.first { $0.name == "c/bias" })
    return Result(
      output: harness.read(plan.outputs[0]), dInput: harness.read(try #require(plan.dInputs[0])),
      dKernel: harness.gradient(kernel), dBias: harness.gradient(bias), input: input, dOutput: dOutput)
  }

  /// Shapes whose tiles of both sizes end inside and at the border, several images in a block, several blocks in an
  /// image, and several groups of channels.
  @Test(arguments: [
    (16, 16, [1, 20, 20], "same"), (17, 33, [3, 13, 10], "same"), (40, 16, [2, 9, 12], "valid"),
    (16, 40, [9, 5, 5], "2"), (64, 64, [1, 30, 31], "1"), (24, 24, [2, 8, 11], "0,2,1,0"), (130, 70, [1, 9, 9], "1"),
    (72, 136, [3, 8, 8], "same"), (16, 16, [1, 6, 68], "valid"),
  ])
  func resultsAreThoseOfTheDirectWay(channels: Int, filters: Int, shape: [Int], padding: String) throws {
    let fast = try run(channels, filters, shape, padding: padding, winograd: true)
    let direct = try run(channels, filters, shape, padding: padding, winograd: false)
    #expect(fast.output.map(\.bitPattern) != direct.output.map(\.bitPattern), "Winograd's algorithm was not used")
    #expect(fast.dKernel.map(\.bitPattern) != direct.dKernel.map(\.bitPattern), "Winograd's algorithm was not used")
    #expect(relativeError(fast.output, direct.output) < 4e-6)
    #expect(relativeError(fast.dInput, direct.dInput) < 4e-6)
    #expect(relativeError(fast.dKernel, direct.dKernel) < 4e-6)
    #expect(relativeError(fast.dBias, direct.dBias) < 4e-6)
  }

  /// A normalisation is applied where pixels are loaded, for all channels or for groups of them.
  @Test(arguments: [(16, 24, [2, 12, 13]), (80, 72, [2, 8, 9])])
  func normalisationsAreAppliedOnTheWay(channels: Int, filters: Int, shape: [Int]) throws {
    let fast = try run(channels, filters, shape, padding: "1", winograd: true, normalized: true)
    let direct = try run(channels, filters, shape, padding: "1", winograd: false, normalized: true)
    #expect(fast.dKernel.map(\.bitPattern) != direct.dKernel.map(\.bitPattern), "Winograd's algorithm was not used")
    #expect(relativeError(fast.output, direct.output) < 4e-6)
    #expect(relativeError(fast.dInput, direct.dInput) < 8e-6)
    #expect(relativeError(fast.dKernel, direct.dKernel) < 4e-6)
    #expect(relativeError(fast.dBias, direct.dBias) < 4e-6)
  }

  /// In training, weights that are many are transformed a panel at a time, where they are used.
  @Test(arguments: [(256, 256, [2, 13, 12]), (416, 160, [1, 8, 11])])
  func manyWeightsGiveTheBitsOfInference(channels: Int, filters: Int, shape: [Int]) throws {
    let options = "name=c filters=\(filters) kernel=3 padding=same activation=relu"
    for activation in ["relu", "tanh"] {
      var graph = Graph()
      let x = graph.input("x", Shape([shape[1], shape[2], channels]))
      let value = graph.layer("activation", "function=linear", x)
      graph.output("y", graph.layer("conv2d", options.replacing("relu", with: activation), value))
      let result = try run(
        channels, filters, shape, padding: "same", activation: activation, winograd: true, threads: 3)
      let session = try Session(try Model(graph, seed: 1), maximumBatch: shape[0])
      #expect(try session.predict(result.input).map(\.bitPattern) == result.output.map(\.bitPattern))
      let direct = try run(channels, filters, shape, padding: "same", activation: activation, winograd: false)
      #expect(relativeError(result.dInput, direct.dInput) < 4e-6)
    }
  }

  @Test(arguments: [(16, 16, [5, 20, 20]), (72, 40, [2, 7, 9]), (256, 256, [2, 7, 9])])
  func anyNumberOfThreadsGivesTheSameBits(channels: Int, filters: Int, shape: [Int]) throws {
    let results = try [1, 2, 3].map {
      try run(channels, filters, shape, padding: "1", winograd: true, threads: $0)
    }
    for result in results.dropFirst() {
      #expect(result.output.map(\.bitPattern) == results[0].output.map(\.bitPattern))
      #expect(result.dInput.map(\.bitPattern) == results[0].dInput.map(\.bitPattern))
      #expect(result.dKernel.map(\.bitPattern) == results[0].dKernel.map(\.bitPattern))
      #expect(result.dBias.map(\.bitPattern) == results[0].dBias.map(\.bitPattern))
    }
  }

  /// Large maps take large tiles; where the weights outweigh the map, small ones; few channels take none.
  @Test(
    arguments: [
      (64, 56, 8, 4), (128, 28, 8, 4), (256, 14, 8, 4), (512, 7, 8, 4), (64, 56, 1, 4), (128, 28, 1, 4),
      (256, 14, 1, 2),
      (512, 7, 1, 2), (16, 32, 128, 4), (32, 16, 128, 4), (64, 8, 128, 4), (3, 32, 128, nil), (16, 4, 1, nil),
      (512, 3, 128, nil),
    ] as [(Int, Int, Int, Int?)])
  func theCheapestTilesAreChosen(channels: Int, width: Int, batch: Int, size: Int?) {
    let cost = WinogradCost(
      channels: channels, filters: channels, height: width, width: width, batch: batch, fetchesAhead: false)
    #expect(cost.tileSize == size)
    #expect(cost.transformsWeightGradient == (size != nil))
  }

  /// Weights that come from memory beside the products may be more.
  @Test(arguments: [(64, 56, 4), (128, 28, 4), (256, 14, 4), (512, 7, 2)])
  func fetchingAheadAllowsMoreWeights(channels: Int, width: Int, size: Int) {
    let cost = WinogradCost(
      channels: channels, filters: channels, height: width, width: width, batch: 1, fetchesAhead: true)
    #expect(cost.tileSize == size)
  }

  /// The bounds that WinogradConvolution.swift states, against sums in double precision.
  @Test(arguments: [16, 128, 512], [2, 4])
  func theErrorStaysBelowItsBound(channels: Int, size: Int) throws {
    let (width, filters) = (size == 2 ? 10 : 20, 16)
    let cost = WinogradCost(
      channels: channels, filters: filters, height: width, width: width, batch: 1,
      fetchesAhead: try Runtime.shared().kernels.fetchesAhead)
    try #require(cost.tileSize == size)
    let padded = width + 2
    var errors: [Bool: Double] = [:]
    for winograd in [true, false] {
      var graph = Graph()
      let x = graph.input("x", [padded, padded, channels])
      let value = graph.layer("activation", "function=linear", x)
      graph.output("y", graph.layer("conv2d", "filters=16 kernel=3 bias=false winograd=\(winograd) name=c", value))
      let model = try Model(graph, seed: 5)
      var input = [Float](repeating: 0, count: padded * padded * channels)
      input.withUnsafeMutableBufferPointer {
        Random(seed: 4, kernels: model.runtime.kernels).normal(
          .initializer(parameter: 9), deviation: 1, into: $0.baseAddress!, count: $0.count)
      }
      let ours = try Session(model).predict(input)
      let kernel = try model.withParameter("c/kernel") { values, _ in Array(values) }
      var exact = [Double](repeating: 0, count: width * width * filters)
      for pixel in 0..<width * width {
        for place in 0..<9 {
          let source = ((pixel / width + place / 3) * padded + pixel % width + place % 3) * channels
          for c in 0..<channels {
            let factor = Double(input[source + c])
            let weights = (place * channels + c) * filters
            for f in 0..<filters { exact[pixel * filters + f] += factor * Double(kernel[weights + f]) }
          }
        }
      }
      errors[winograd] = largestError(ours, exact)
    }
    print("3x3 convolution of \(channels) channels: error \(errors[true]!) by F(\(size)), \(errors[false]!) directly")
    #expect(errors[true]! < (size == 2 ? 2e-6 : 8e-6))
    #expect(errors[false]! < 4e-6)
    #expect(errors[true]! != errors[false]!)
  }

  /// The bound that WinogradWeightGradient.swift states, against sums in double precision.
  @Test(arguments: [1, 8])
  func theErrorOfTheWeightGradientStaysBelowItsBound(batch: Int) throws {
    let (width, channels, filters) = (32, 16, 16)
    var errors: [Bool: Double] = [:]
    for winograd in [true, false] {
      let result = try run(
        channels, filters, [batch, width, width], padding: "1", activation: "linear", winograd: winograd)
      var exact = [Double](repeating: 0, count: 9 * channels * filters)
      for pixel in 0..<batch * width * width {
        let (image, y, x) = (pixel / (width * width), pixel / width % width, pixel % width)
        for place in 0..<9 {
          let (sourceY, sourceX) = (y + place / 3 - 1, x + place % 3 - 1)
          guard 0..<width ~= sourceY, 0..<width ~= sourceX else { continue }
          let source = ((image * width + sourceY) * width + sourceX) * channels
          for c in 0..<channels {
            let factor = Double(result.input[source + c])
            for f in 0..<filters {
              exact[(place * channels + c) * filters + f] += factor * Double(result.dOutput[pixel * filters + f])
            }
          }
        }
      }
      errors[winograd] = largestError(result.dKernel, exact)
    }
    print("3x3 weight gradient over \(64 * batch) tiles: error \(errors[true]!) by F(4), \(errors[false]!) directly")
    #expect(errors[true]! < 8e-6)
    #expect(errors[false]! < 4e-6)
    #expect(errors[true]! != errors[false]!)
  }

  /// Relative to the largest result.
  private func largestError(_ ours: [Float], _ exact: [Double]) -> Double {
    let largest = exact.reduce(0) { max($0, abs($1)) }
    return zip(ours, exact).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / largest
  }
}
