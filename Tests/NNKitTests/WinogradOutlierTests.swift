import NNKit
import NNKitKernelTable
import Testing

/// All outputs of a Winograd tile are made of all of its inputs. What is not finite, or larger than any input that is
/// meant, must stay inside of its own window all the same.
@Suite struct WinogradOutlierTests {
  enum Network: String, CaseIterable {
    case plain, relu, tanh, sum, pooled, wide, small
  }

  private func graph(_ network: Network, winograd: Bool) -> Graph {
    var graph = Graph()
    // The model's own input is convolved directly.
    let (height, width) = network == .small ? (6, 7) : (13, 14)
    let channels = network == .small ? 200 : 16
    let x = graph.layer("activation", "function=linear", graph.input("x", [height, width, channels]))
    func convolution(_ options: String) -> Value {
      graph.layer("conv2d", "kernel=3 padding=same winograd=\(winograd) name=c \(options)", x)
    }
    let y: Value =
      switch network {
      case .plain, .small: convolution("filters=\(channels)")
      case .relu: convolution("filters=24 activation=relu")
      case .tanh: convolution("filters=17 activation=tanh")
      case .sum:
        graph.layer(
          "add", "activation=relu", [convolution("filters=16"), graph.layer("activation", "function=tanh", x)])?.first
          ?? x
      case .pooled: graph.layer("maxpool2d", "", convolution("filters=16 activation=relu"))
      case .wide: convolution("filters=160")
      }
    graph.output("y", y)
    return graph
  }

  /// `ours` is as `direct` but for rounding errors: where `direct` differs from `clean`, those of the outlier.
  private func areSame(
    _ ours: [Float], _ direct: [Float], without clean: [Float], _ scale: Float, _ outlier: Float
  ) -> Bool {
    zip(zip(ours, direct), clean).allSatisfy { pair, clean in
      let (a, b) = pair
      if b.isNaN { return a.isNaN }
      if !b.isFinite { return a == b || a.isNaN }
      let isTouched = b != clean && outlier.isFinite
      return abs(a - b) <= 1e-5 * (isTouched ? max(scale, abs(outlier)) : scale)
    }
  }

  private static func numbers(_ count: Int, _ factor: Int = 7919) -> [Float] {
    (0..<count).map { (i: Int) -> Float in Float(i * factor % 201) / 100 - 1 }
  }

  private static let outliers: [Float] = [.nan, .infinity, -.infinity, 1e30, -3e38, 3e6]

  @Test(arguments: Network.allCases)
  func anOutlierStaysInItsWindow(network: Network) throws {
    let sessions = try [true, false].map { try Session(try Model(graph(network, winograd: $0), seed: 2)) }
    let (height, width, channels) = network == .small ? (6, 7, 200) : (13, 14, 16)
    let clean = Self.numbers(height * width * channels)
    let cleanResults = try sessions.map { try $0.predict(clean) }
    #expect(
      cleanResults[0].map(\.bitPattern) != cleanResults[1].map(\.bitPattern), "Winograd's algorithm was not used")
    // Every place in a tile and in those beside it.
    for y in 1..<min(8, height) {
      for x in 1..<min(8, width) {
        for outlier in Self.outliers {
          var input = clean
          let pixel = (y * width + x) * channels
          if (y + x) % 2 == 0 {
            input[pixel + (y * 5 + x) % channels] = outlier
          } else {
            for channel in 0..<channels { input[pixel + channel] = outlier }
          }
          let results = try sessions.map { try $0.predict(input) }
          #expect(
            areSame(results[0], results[1], without: cleanResults[1], 2, outlier), "\(outlier) at (\(y), \(x))")
        }
      }
    }
  }

  /// In training: the forward pass of many weights, and the gradient of the input.
  @Test(arguments: [(16, 16, 12), (256, 256, 13)])
  func anOutlierInTrainingStaysInItsWindow(channels: Int, filters: Int, size: Int) throws {
    func run(_ outlier: Float, winograd: Bool) throws -> (output: [Float], dInput: [Float]) {
      var graph = Graph()
      let x = graph.layer("activation", "function=linear", graph.input("x", [size, size, channels]))
      graph.output(
        "y", graph.layer("conv2d", "filters=\(filters) kernel=3 padding=same winograd=\(winograd) name=c", x))
      let harness = try TrainingHarness(graph, shapes: [[2, size, size, channels]], loss: SeedLoss())
      let plan = harness.bound.plan
      let (input, dOutput) = (harness.bound.floats(plan.inputs[0]), harness.bound.floats(plan.targets[0]))
      input.update(from: Self.numbers(plan.inputs[0].count), count: plan.inputs[0].count)
      dOutput.update(from: Self.numbers(plan.targets[0].count, 6007), count: plan.targets[0].count)
      input[((size + 5) * size + 6) * channels + 3] = outlier
      dOutput[((size + 7) * size + 4) * filters + 5] = outlier
      harness.bound.run()
      return (harness.read(plan.outputs[0]), harness.read(try #require(plan.dInputs[0])))
    }
    let clean = try run(0.5, winograd: false)
    for outlier in Self.outliers {
      let (ours, direct) = (try run(outlier, winograd: true), try run(outlier, winograd: false))
      #expect(areSame(ours.output, direct.output, without: clean.output, 4, outlier), "\(outlier): output")
      #expect(areSame(ours.dInput, direct.dInput, without: clean.dInput, 4, outlier), "\(outlier): dInput")
    }
  }

  /// The host's numbers may be of any scale: there the direct way is taken.
  @Test func theModelsInputIsConvolvedDirectly() throws {
    let outputs = try [true, false].map { winograd -> [Float] in
      var graph = Graph()
      let x = graph.input("x", [20, 20, 16])
      graph.output("y", graph.layer("conv2d", "filters=16 kernel=3 winograd=\(winograd) name=c", x))
      var input = Self.numbers(20 * 20 * 16)
      input[(9 * 20 + 9) * 16] = 65535
      return try Session(try Model(graph, seed: 2)).predict(input)
    }
    #expect(outputs[0].map(\.bitPattern) == outputs[1].map(\.bitPattern))
  }

  /// An input below the limit leaves rounding errors of a few millionths of itself in its tile, as the option says.
  @Test(arguments: [100, 65535, 1e6 as Float])
  func errorsAreBoundedByTheLargestInputOfATile(outlier: Float) throws {
    let sessions = try [true, false].map { try Session(try Model(graph(.plain, winograd: $0), seed: 2)) }
    for place in [(5, 5), (6, 7), (8, 8)] {
      var input = Self.numbers(13 * 14 * 16)
      input[(place.0 * 14 + place.1) * 16 + 2] = outlier
      let results = try sessions.map { try $0.predict(input) }
      let largest = zip(results[0], results[1]).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(largest <= 2e-6 * outlier)
    }
  }

  /// A row of a recurrent layer's products in pairs has sums and a scale of its own.
  @Test(arguments: [Float.nan, .infinity, 1e30])
  func anOutlierInOneSequenceStaysThere(outlier: Float) throws {
    var graph = Graph()
    let x = graph.input("x", [20, 64])
    let first = graph.layer("lstm", "units=512 return_sequences=true", x)
    graph.output("y", graph.layer("lstm", "units=512 return_sequences=true", first))
    let harness = try TrainingHarness(graph, shapes: [[32, 20, 64]], loss: SeedLoss())
    let plan = harness.bound.plan
    func run(_ value: Float) throws -> ([Float], [Float]) {
      let input = harness.bound.floats(plan.inputs[0])
      let dOutput = harness.bound.floats(plan.targets[0])
      input.update(from: Self.numbers(plan.inputs[0].count), count: plan.inputs[0].count)
      dOutput.update(from: Self.numbers(plan.targets[0].count, 6007), count: plan.targets[0].count)
      input[7 * 20 * 64 + 9] = value
      dOutput[7 * 20 * 512 + 11] = value
      harness.bound.run()
      return (harness.read(plan.outputs[0]), harness.read(try #require(plan.dInputs[0])))
    }
    let (clean, spoilt) = (try run(0.5), try run(outlier))
    for (ours, theirs, count) in [(spoilt.0, clean.0, 20 * 512), (spoilt.1, clean.1, 20 * 64)] {
      for sequence in 0..<32 where sequence != 7 {
        let range = sequence * count..<(sequence + 1) * count
        #expect(ours[range].map(\.bitPattern) == theirs[range].map(\.bitPattern), "sequence \(sequence)")
      }
    }
  }
}
