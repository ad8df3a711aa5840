import NNKit
import NNKitKernelTable
import Testing

/// Streams give, step by step, the bits of a run over the whole sequence.
@Suite struct StreamTests {
  /// A model whose input is `[T, I]` floats or `[T]` indices below 13.
  struct Network: Sendable, CustomTestStringConvertible {
    var name: String
    var inputs = 5
    var indices = false
    var time = Shape.open
    var build: @Sendable (inout Graph, Value) -> Value

    var testDescription: String { name }

    func graph() -> Graph {
      var graph = Graph()
      let x = graph.input("x", indices ? [time] : [time, inputs], indices ? .int32 : .float32)
      graph.output("y", build(&graph, x))
      return graph
    }
  }

  private static func layers(
    _ name: String, inputs: Int = 5, indices: Bool = false, time: Int = Shape.open, _ layers: [String]
  ) -> Network {
    Network(name: name, inputs: inputs, indices: indices, time: time) { graph, x in
      var value = x
      for layer in layers {
        let words = layer.split(separator: " ", maxSplits: 1).map { String($0) }
        value = graph.layer(words[0], words.count > 1 ? words[1] : "", value)
      }
      return value
    }
  }

  static let networks: [Network] = [
    layers("lstm 1", ["lstm units=1"]),
    layers("lstm 31", ["lstm units=31 return_sequences=true"]),
    layers("lstm 256", inputs: 64, ["lstm units=256"]),
    layers("lstm without bias", ["lstm units=70 bias=false"]),
    layers("deep lstm", inputs: 1100, ["lstm units=40"]),
    layers("fixed time", time: 6, ["lstm units=48 return_sequences=true"]),
    layers("gru 1", ["gru units=1"]),
    layers("gru 33", ["gru units=33 return_sequences=true"]),
    layers("gru 256", inputs: 64, ["gru units=256"]),
    layers("gru without bias", ["gru units=70 bias=false"]),
    layers("gru reset after", ["gru units=100 reset_after=true"]),
    layers("gru reset after without bias", ["gru units=65 reset_after=true bias=false"]),
    layers(
      "stacked",
      ["lstm units=40 return_sequences=true", "dropout rate=0.5", "gru units=20 return_sequences=true", "lstm units=9"]),
    layers(
      "steps around",
      [
        "dense units=12 activation=tanh", "batchnorm", "lstm units=17 return_sequences=true",
        "activation function=relu", "dense units=7", "softmax",
      ]),
    layers(
      "tokens", indices: true,
      ["embedding vocabulary=13 units=6", "lstm units=24 return_sequences=true", "dense units=13", "log_softmax"]),
    layers("tokens to gru", indices: true, ["embedding vocabulary=13 units=6", "gru units=24", "dense units=3"]),
    Network(name: "residual") { graph, x in
      let a = graph.layer("dense", "units=16", x)
      let b = graph.layer("gru", "units=16 return_sequences=true", a)
      return graph.layer("lstm", "units=8", graph.layer("add", "activation=relu", [a, b])?.first ?? x)
    },
  ]

  /// The inputs of some sequences, `[sequences, time, ...]`.
  private func samples(_ network: Network, sequences: Int, time: Int) -> [Float] {
    if network.indices { return (0..<sequences * time).map { Float($0 * 7 % 13) } }
    return (0..<sequences * time * network.inputs).map { Float(($0 * 7919) % 2001 - 1000) / 700 }
  }

  /// The part of step `t`, `[rows, width]`, of values `[rows, time, width]`.
  private func step(_ t: Int, of x: [Float], rows: Int, time: Int) -> [Float] {
    let width = x.count / rows / time
    var part: [Float] = []
    for row in 0..<rows { part += x[(row * time + t) * width..<(row * time + t + 1) * width] }
    return part
  }

  @Test(arguments: networks)
  func theBitsAreThoseOfTheWholeSequence(network: Network) throws {
    let time = 6
    for threads in [1, 2, 4] {
      let model = try Model(network.graph(), seed: 3, runtime: try Runtime(threads: threads))
      let returnsSequences = model.outputTypes[0].shape.rank == 2
      for count in [1, 2, 5, 70] {
        let session = try Session(model, maximumBatch: count)
        let x = samples(network, sequences: count, time: time)
        let whole = try session.run(x, [count, time] + (network.indices ? [] : [network.inputs]), time: time)
        let streams = try (0..<count).map { _ in try RecurrentStream(model) }
        for t in 0..<time {
          let y = try session.step(streams, of: step(t, of: x, rows: count, time: time), indices: network.indices)
          #expect(y.allSatisfy { $0.isFinite })
          if !returnsSequences && t < time - 1 { continue }
          let expected = returnsSequences ? step(t, of: whole, rows: count, time: time) : whole
          // As numbers: a sum that begins with a state of zeros may lose the sign of a zero.
          #expect(y == expected, "\(count) streams, step \(t), \(threads) threads")
        }
      }
    }
  }

  @Test func aStreamBeginsAgainAfterReset() throws {
    let model = try Model(Self.networks[2].graph(), seed: 3)
    let session = try Session(model)
    let stream = try RecurrentStream(model)
    let x = samples(Self.networks[2], sequences: 1, time: 1)
    let first = try session.step([stream], x)
    #expect(try session.step([stream], x) != first)
    try stream.reset()
    #expect(try session.step([stream], x) == first)
  }

  @Test func streamsAreIndependentAndMoveBetweenSessionsAndBatches() throws {
    let model = try Model(Self.networks[7].graph(), seed: 3)
    let (one, many) = (try Session(model), try Session(model, maximumBatch: 3))
    let streams = try (0..<3).map { _ in try RecurrentStream(model) }
    let alone = try RecurrentStream(model)
    let x = samples(Self.networks[7], sequences: 1, time: 5)
    var expected: [[Float]] = []
    // Each stream is late by its number: all of them see the same sequence, at other times.
    for t in 0..<5 {
      let parts = (0...min(t, 2)).map { step(t - $0, of: x, rows: 1, time: 5) }
      expected.append(try one.step([alone], parts[0]))
      switch t {
      case 0: #expect(try one.step([streams[0]], parts[0]) == expected[0])
      case 1: #expect(try many.step([streams[0], streams[1]], parts[0] + parts[1]) == expected[1] + expected[0])
      default:
        let y = try many.step([streams[2], streams[0], streams[1]], parts[2] + parts[0] + parts[1])
        #expect(y == expected[t - 2] + expected[t] + expected[t - 1])
      }
    }
  }

  @Test func changedParametersCountAtTheNextStep() throws {
    let model = try Model(Self.networks[0].graph(), seed: 3)
    let session = try Session(model)
    let (a, b) = (try RecurrentStream(model), try RecurrentStream(model))
    let x: [Float] = [1, 2, 3, 4, 5]
    let before = try session.step([a], x)
    try model.withParameter("lstm/kernel") { values, _ in for i in values.indices { values[i] = -values[i] } }
    let after = try session.step([b], x)
    #expect(before != after)
    #expect(try Session(model).step([try RecurrentStream(model)], x) == after)
  }

  @Test func modelsThatCannotBeStreamedAreRefusedByTheNameOfTheLayer() throws {
    func message(_ build: (inout Graph) -> Void) throws -> String {
      var graph = Graph()
      build(&graph)
      let model = try Model(graph)
      let error = #expect(throws: NNKitError.self) { _ = try RecurrentStream(model) }
      #expect(error?.code == .unsupported)
      return error?.message ?? ""
    }
    #expect(
      try message { graph in graph.output("y", graph.layer("dense", "units=3", graph.input("x", [4, 5]))) }
        .contains("no recurrent layer"))
    let flattened = try message { graph in
      let h = graph.layer("lstm", "units=3 return_sequences=true", graph.input("x", [4, 5]))
      graph.output("y", graph.layer("dense", "units=2", graph.layer("flatten", "name=flat", h)))
    }
    #expect(flattened.contains("layer \"flat\" (flatten) needs the whole sequence"))
    let before = try message { graph in
      let tokens = graph.layer("flatten", "name=flat", graph.input("x", [6, 1], .int32))
      graph.output("y", graph.layer("gru", "units=3", graph.layer("embedding", "vocabulary=9 units=2", tokens)))
    }
    #expect(before.contains("layer \"flat\" (flatten)"))
  }

  /// As `GoldenTests` does with whole sequences, and to its bound; without lengths, which are the host's in a stream.
  @Test(arguments: ["lstm", "gru"])
  func stepsMatchPyTorch(group: String) throws {
    let file = try GoldenFile(group)
    let cases = try file.cases().filter { $0.inputCount == 1 }
    #expect(cases.count >= 4)
    for golden in cases {
      let shape = try file.shape("\(golden.name)/input0")
      let (rows, time) = (shape[0], shape[1])
      var graph = Graph()
      let x = graph.input("x", [Shape.open, shape[2]])
      graph.output("y", graph.layer(golden.kind, "name=layer \(golden.options)", x))
      let model = try Model(graph)
      for parameter in model.parameters {
        let values = try file.floats("\(golden.name)/\(parameter.specification.name)")
        try model.withParameter(parameter.name) { target, _ in _ = target.update(fromContentsOf: values) }
      }
      let (input, output) = (try file.floats("\(golden.name)/input0"), try file.floats("\(golden.name)/output"))
      let returnsSequences = model.outputTypes[0].shape.rank == 2
      let session = try Session(model, maximumBatch: rows)
      let streams = try (0..<rows).map { _ in try RecurrentStream(model) }
      for t in 0..<time {
        let y = try session.step(streams, step(t, of: input, rows: rows, time: time))
        if !returnsSequences && t < time - 1 { continue }
        let expected = returnsSequences ? step(t, of: output, rows: rows, time: time) : output
        #expect(relativeError(y, expected) <= GoldenTests.bound, "\(golden.name), step \(t)")
      }
    }
  }

  @Test func lengthsOfASingleStepAreOne() throws {
    var graph = Graph()
    let inputs = [graph.input("x", [Shape.open, 1]), graph.input("lengths", [], .int32)]
    graph.output("y", graph.layer("gru", "units=3", inputs)?[0] ?? inputs[0])
    let model = try Model(graph)
    let session = try Session(model)
    let stream = try RecurrentStream(model)
    func step(length: Int32) throws {
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: 8) { memory in
        memory.initialize(repeating: 1)
        let base = UnsafeMutableRawPointer(memory.baseAddress!)
        (base + 4).storeBytes(of: length, as: Int32.self)
        let sizes: [Int64] = [1, 1, 1, 3]
        try sizes.withUnsafeBufferPointer { sizes in
          let shape = sizes.baseAddress!
          let views = [
            TensorView(data: base, type: .float32, rank: 2, shape: shape, strides: nil),
            TensorView(data: base + 4, type: .int32, rank: 1, shape: shape, strides: nil),
            TensorView(data: base + 8, type: .float32, rank: 2, shape: shape + 2, strides: nil),
          ]
          try session.step(
            streamCount: 1, { (_) throws(NNKitError) in stream }, inputCount: 2,
            { (index) throws(NNKitError) in views[index] }, outputCount: 1, { (_) throws(NNKitError) in views[2] })
        }
      }
    }
    try step(length: 1)
    #expect(throws: NNKitError.self) { try step(length: 0) }
    #expect(throws: NNKitError.self) { try step(length: 2) }
  }

  @Test func layersBehindALastStateAndBesideTheSequencesCanBeAny() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.open, 4])
    let image = graph.input("image", [6, 6, 1])
    let features = graph.layer("flatten", "", graph.layer("conv2d", "filters=2 kernel=3", image))
    let last = graph.layer("dense", "units=8", graph.layer("lstm", "units=5", x))
    graph.output("y", graph.layer("add", "", [last, graph.layer("dense", "units=8", features)])?[0] ?? x)
    graph.output("again", graph.layer("flatten", "", last))
    _ = try RecurrentStream(try Model(graph))
  }

  @Test func whatDoesNotFitIsRefusedAndChangesNoStream() throws {
    let model = try Model(Self.networks[0].graph(), seed: 3)
    let other = try Model(Self.networks[0].graph(), seed: 3)
    let session = try Session(model, maximumBatch: 2)
    let streams = try (0..<3).map { _ in try RecurrentStream(model) }
    let x: [Float] = [1, 2, 3, 4, 5]
    func code(_ streams: [RecurrentStream], _ x: [Float]) -> NNKitError.Code? {
      #expect(throws: NNKitError.self) { try session.step(streams, x) }?.code
    }
    #expect(code([], []) == .invalidArgument)
    #expect(code(streams, x + x + x) == .invalidArgument)
    #expect(code([streams[0], streams[0]], x + x) == .invalidArgument)
    #expect(code([streams[0], try RecurrentStream(other)], x + x) == .invalidArgument)
    #expect(code([streams[0]], x + x) == .shape)
    let fresh = try RecurrentStream(model)
    #expect(try session.step([streams[0], fresh], x + x)[0] == session.step([streams[1]], x)[0])
    #expect(throws: NNKitError.self) { try Session(model, maximumBytes: 1).step([fresh], x) }
  }
}

extension Session {
  /// A run over whole sequences; `x` of shape `shape`, which begins with the batch.
  fileprivate func run(_ x: [Float], _ shape: [Int], time: Int) throws -> [Float] {
    let type = model.inputTypes[0].dataType
    let sizes = [shape[0]] + model.outputTypes[0].shape.sizes.map { $0 == Shape.open ? time : $0 }
    return try withTensors(x, shape, sizes, isInteger: type == .int32) { input, output in
      try run(inputCount: 1, { (_) throws(NNKitError) in input }, outputCount: 1, { (_) throws(NNKitError) in output })
    }
  }

  /// A step with `x` `[n, ...]`.
  fileprivate func step(_ streams: [RecurrentStream], of x: [Float], indices: Bool) throws -> [Float] {
    guard indices else { return try step(streams, x) }
    let width = model.outputTypes[0].shape.sizes.last ?? 1
    return try withTensors(x, [streams.count], [streams.count, width], isInteger: true) { input, output in
      try step(
        streamCount: streams.count, { (index) throws(NNKitError) in streams[index] }, inputCount: 1,
        { (_) throws(NNKitError) in input }, outputCount: 1, { (_) throws(NNKitError) in output })
    }
  }

  private func withTensors(
    _ x: [Float], _ shape: [Int], _ outputShape: [Int], isInteger: Bool, _ body: (TensorView, TensorView) throws -> Void
  ) throws -> [Float] {
    var (floats, indices) = (x, x.map { Int32($0) })
    var result = Array(repeating: Float.nan, count: outputShape.reduce(1, *))
    let (sizes, outputSizes) = (shape.map { Int64($0) }, outputShape.map { Int64($0) })
    try floats.withUnsafeMutableBytes { floats in
      try indices.withUnsafeMutableBytes { indices in
        try result.withUnsafeMutableBytes { result in
          try sizes.withUnsafeBufferPointer { sizes in
            try outputSizes.withUnsafeBufferPointer { outputSizes in
              let source = isInteger ? indices : floats
              try body(
                TensorView(
                  data: source.baseAddress!, type: isInteger ? .int32 : .float32, rank: sizes.count,
                  shape: sizes.baseAddress!, strides: nil),
                TensorView(
                  data: result.baseAddress!, type: .float32, rank: outputSizes.count, shape: outputSizes.baseAddress!,
                  strides: nil))
            }
          }
        }
      }
    }
    return result
  }
}
