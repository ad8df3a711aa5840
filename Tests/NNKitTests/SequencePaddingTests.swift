import FoundationEssentials
import Glibc
import NNKit
import NNKitKernelTable
import Testing

/// Steps behind the lengths of sequences count nowhere: not in the loss, the metric, a gradient, batch statistics or a
/// mean over batches. What they must be is in `GoldenTests` (sequence_networks), by PyTorch.
@Suite struct SequencePaddingTests {
  /// A model whose inputs are `[T, 3]` floats or `[T]` indices below 7, and lengths.
  struct Network: Sendable, CustomTestStringConvertible {
    var name: String
    var indices = false
    var labels = false
    /// Whether a longer padding draws other random numbers.
    var isRandom = false
    var build: @Sendable (inout Graph, _ x: Value, _ lengths: Value) -> [Value]

    var testDescription: String { name }

    func model(threads: Int = 2, time: Int = Shape.open) throws -> Model {
      var graph = Graph()
      let x = graph.input("x", indices ? [time] : [time, 3], indices ? .int32 : .float32)
      let lengths = graph.input("lengths", [], .int32)
      for (index, output) in build(&graph, x, lengths).enumerated() { graph.output("y\(index)", output) }
      return try Model(graph, seed: 3, runtime: try Runtime(threads: threads))
    }
  }

  /// `layers` one after another, the first recurrent one with lengths; " | " before the options.
  private static func chain(
    _ layers: [String], indices: Bool = false, labels: Bool = false, isRandom: Bool = false
  ) -> Network {
    Network(name: layers.joined(separator: ", "), indices: indices, labels: labels, isRandom: isRandom) {
      graph, x, lengths in
      var (value, hasLengths) = (x, false)
      for layer in layers {
        let words = layer.split(separator: " ", maxSplits: 1).map { String($0) } + [""]
        let isRecurrent = words[0] == "lstm" || words[0] == "gru"
        let inputs = isRecurrent && !hasLengths ? [value, lengths] : [value]
        hasLengths = hasLengths || isRecurrent
        value = graph.layer(words[0], words[1], inputs)?[0] ?? value
      }
      return [value]
    }
  }

  static let networks: [Network] = [
    chain(["lstm units=5 return_sequences=true", "dense units=2"]),
    chain(["gru units=5 return_sequences=true", "dense units=4 activation=tanh", "dense units=3"], labels: true),
    chain(["gru units=5 return_sequences=true reset_after=true", "softmax"]),
    chain(["lstm units=6 return_sequences=true", "lstm units=5 return_sequences=true", "dense units=2"]),
    chain(["gru units=6 return_sequences=true", "dense units=4", "lstm units=5", "dense units=2"]),
    chain(["dense units=5 activation=silu", "gru units=6 return_sequences=true", "dense units=2"]),
    chain(["batchnorm", "lstm units=6 return_sequences=true", "dense units=2"]),
    chain(["lstm units=6 return_sequences=true", "batchnorm activation=relu", "dense units=2"]),
    chain(["gru units=6 return_sequences=true", "batchnorm activation=gelu", "gru units=3"]),
    chain(["lstm units=6 return_sequences=true", "activation function=gelu", "log_softmax"], labels: true),
    chain(
      ["dropout rate=0.4", "lstm units=6 return_sequences=true", "dropout rate=0.3", "dense units=3"], isRandom: true),
    chain(
      ["embedding vocabulary=7 units=4", "lstm units=6 return_sequences=true", "dense units=7"], indices: true,
      labels: true),
    chain(["embedding vocabulary=700 units=4", "gru units=6 return_sequences=true", "dense units=2"], indices: true),
    chain(
      [
        "embedding vocabulary=7 units=4", "dense units=5", "batchnorm", "lstm units=6 return_sequences=true",
        "dense units=2",
      ], indices: true),
    Network(name: "sums") { graph, x, lengths in
      let a = graph.layer("lstm", "units=4 return_sequences=true", [x, lengths])?[0] ?? x
      let b = graph.layer("gru", "units=4 return_sequences=true", [x, lengths])?[0] ?? x
      let c = graph.layer("add", "activation=tanh", [a, b])?[0] ?? x
      return [
        graph.layer("dense", "units=2", graph.layer("add", "", [c, graph.layer("dense", "units=4", x)])?[0] ?? x)
      ]
    },
    Network(name: "several outputs") { graph, x, lengths in
      let a = graph.layer("lstm", "units=4 return_sequences=true", [x, lengths])?[0] ?? x
      let last = graph.layer("gru", "units=4", a)
      return [graph.layer("dense", "units=2", a), a, graph.layer("dense", "units=3", last)]
    },
  ]

  /// What stands behind the lengths.
  struct Padding {
    var float: Float = 0
    var index: Int32 = 0
    var time = 9
  }

  static let lengths: [Int32] = [4, 9, 1, 6, 3, 9, 2]

  /// The same sequences, whatever the padding is.
  private func data(_ model: Model, _ network: Network, _ padding: Padding) throws -> Dataset {
    let (count, time) = (Self.lengths.count, padding.time)
    func floats(_ width: Int, _ salt: Int) -> HostArray {
      var values = Array(repeating: padding.float, count: count * time * width)
      for n in 0..<count {
        for t in 0..<Int(Self.lengths[n]) {
          for c in 0..<width {
            values[(n * time + t) * width + c] = Float((n * 977 + t * 131 + c * 37 + salt) % 41 - 20) / 15
          }
        }
      }
      return .float32(values, shape: [count, time, width])
    }
    func integers(_ limit: Int, _ salt: Int) -> HostArray {
      var values = Array(repeating: padding.index, count: count * time)
      for n in 0..<count {
        for t in 0..<Int(Self.lengths[n]) { values[n * time + t] = Int32((n * 5 + t * 3 + salt) % limit) }
      }
      return .int32(values, shape: [count, time])
    }
    let targets = model.outputTypes.enumerated().map { index, type in
      let width = type.shape.sizes.last ?? 1
      if type.shape.rank == 2 { return network.labels ? integers(width, index) : floats(width, index + 50) }
      return HostArray.float32((0..<count * width).map { Float($0 % 5) / 4 }, shape: [count, width])
    }
    return try Dataset(
      inputs: [network.indices ? integers(7, 2) : floats(3, 0), .int32(Self.lengths, shape: [count])], targets: targets)
  }

  private func trainer(_ network: Network, threads: Int = 2) throws -> Trainer {
    try Trainer(
      try network.model(threads: threads), loss: network.labels ? .softmaxCrossEntropy : .meanSquaredError,
      optimizer: .adam(learningRate: 0.01), metric: network.labels ? .accuracy : nil)
  }

  /// What a training step's first half gives.
  private func gradients(_ trainer: Trainer, _ data: Dataset) throws -> (loss: Double, gradients: [Float]) {
    let loss = try trainer.gradients(
      inputCount: data.inputCount, { (index) throws(NNKitError) in data.input(index) }, targetCount: data.targetCount,
      { (index) throws(NNKitError) in data.target(index) })
    let base = trainer.gradients.base.assumingMemoryBound(to: Float.self)
    return (loss, (0..<trainer.model.arena.count).map { base[$0] })
  }

  private func parameters(_ trainer: Trainer) -> [Float] {
    (0..<trainer.model.arena.count).map { trainer.model.arena.floats[$0] }
  }

  private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  /// The outputs of a run, each `[N, T, C]` or `[N, C]`.
  private func outputs(_ model: Model, _ data: Dataset, time: Int) throws -> [[Float]] {
    let session = try Session(model, maximumBatch: Self.lengths.count)
    let shapes = model.outputTypes.map { type in
      [Int64(Self.lengths.count)] + type.shape.sizes.map { Int64($0 == Shape.open ? time : $0) }
    }
    let buffers = shapes.map { shape in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: Int(shape.reduce(1, *)))
      buffer.initialize(repeating: .nan)
      return buffer
    }
    let sizes = shapes.map { shape in
      let copy = UnsafeMutableBufferPointer<Int64>.allocate(capacity: shape.count)
      _ = copy.initialize(from: shape)
      return copy
    }
    defer {
      buffers.forEach { $0.deallocate() }
      sizes.forEach { $0.deallocate() }
    }
    try session.run(
      inputCount: data.inputCount, { (index) throws(NNKitError) in data.input(index) }, outputCount: shapes.count,
      { (index) throws(NNKitError) in
        TensorView(
          data: UnsafeMutableRawPointer(buffers[index].baseAddress!), type: .float32, rank: sizes[index].count,
          shape: UnsafePointer(sizes[index].baseAddress!), strides: nil)
      })
    return buffers.map { Array($0) }
  }

  /// The values of the real steps of an output.
  private func real(_ values: [Float], _ type: ValueType, time: Int) -> [Float] {
    guard type.shape.rank == 2 else { return values }
    let width = type.shape[1]
    return Self.lengths.indices.flatMap { n in
      values[n * time * width..<(n * time + Int(Self.lengths[n])) * width]
    }
  }

  @Test(arguments: networks)
  func whatStandsBehindTheLengthsChangesNothing(network: Network) throws {
    var first:
      (loss: Double, gradients: [UInt32], evaluated: Double, metric: Double?, outputs: [[Float]], after: [UInt32])?
    let paddings = [
      Padding(), Padding(float: .nan, index: -1), Padding(float: .infinity, index: .max),
      Padding(float: -3e38, index: .min), Padding(float: 7, index: 6),
    ]
    for (padding, threads) in zip(paddings, [2, 1, 3, 2, 8]) {
      let trainer = try trainer(network, threads: threads)
      let data = try data(trainer.model, network, padding)
      let (loss, gradients) = try gradients(trainer, data)
      #expect(loss.isFinite && gradients.allSatisfy(\.isFinite))
      let evaluated = try trainer.evaluate(data, batchSize: 3)
      let all = try outputs(trainer.model, data, time: padding.time)
      // What is behind the lengths is made of zeros.
      #expect(all.allSatisfy { $0.allSatisfy(\.isFinite) })
      try trainer.fit(data, epochs: 3, batchSize: 3)
      let after = bits(parameters(trainer))
      if let first {
        #expect(loss == first.loss)
        #expect(bits(gradients) == first.gradients)
        #expect(evaluated.loss == first.evaluated && evaluated.metric == first.metric)
        #expect(all == first.outputs)
        #expect(after == first.after)
      } else {
        first = (loss, bits(gradients), evaluated.loss, evaluated.metric, all, after)
      }
    }
  }

  @Test(arguments: networks)
  func aLongerPaddingChangesNothingButRounding(network: Network) throws {
    if network.isRandom { return }
    func result(_ padding: Padding) throws -> (gradients: [Float], loss: Double, evaluated: Double, after: [Float]) {
      let trainer = try trainer(network)
      let data = try data(trainer.model, network, padding)
      let (loss, gradients) = try gradients(trainer, data)
      let evaluated = try trainer.evaluate(data).loss
      for _ in 0..<3 {
        _ = try trainer.step(
          inputCount: 2, { (index) throws(NNKitError) in data.input(index) }, targetCount: data.targetCount,
          { (index) throws(NNKitError) in data.target(index) })
      }
      return (gradients, loss, evaluated, parameters(trainer))
    }
    let short = try result(Padding(time: 20))
    let long = try result(Padding(float: .nan, index: -1, time: 50))
    #expect(abs(short.loss - long.loss) <= 1e-6 * abs(short.loss))
    #expect(abs(short.evaluated - long.evaluated) <= 1e-6 * abs(short.evaluated))
    #expect(relativeError(short.gradients, long.gradients) < 1e-5)
    // Adam divides by the gradients' own size: rounding errors of gradients near zero become steps.
    #expect(relativeError(short.after, long.after) < 1e-3)
  }

  @Test(arguments: networks)
  func theLossIsTheMeanOverTheRealSteps(network: Network) throws {
    let trainer = try trainer(network)
    let time = 12
    let data = try data(trainer.model, network, Padding(float: .nan, index: -1, time: time))
    let all = try outputs(trainer.model, data, time: time)
    var (expected, hits) = (0.0, 0.0)
    for (index, type) in trainer.model.outputTypes.enumerated() {
      let (prediction, width) = (real(all[index], type, time: time), type.shape.sizes.last ?? 1)
      let view = data.target(index)
      if network.labels {
        let labels = Self.lengths.indices.flatMap { n in
          (n * time..<n * time + Int(Self.lengths[n])).map {
            Int(view.data.load(fromByteOffset: $0 * 4, as: Int32.self))
          }
        }
        for (row, label) in labels.enumerated() {
          let logits = prediction[row * width..<(row + 1) * width].map { Double($0) }
          expected += (log(logits.reduce(0) { $0 + exp($1) }) - logits[label]) / Double(labels.count)
          hits += logits.firstIndex(of: logits.max()!) == label ? 1 / Double(labels.count) : 0
        }
      } else {
        let target = (0..<all[index].count).map { view.data.load(fromByteOffset: $0 * 4, as: Float.self) }
        let goal = real(target, type, time: time)
        expected += zip(prediction, goal).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) } / Double(goal.count)
      }
    }
    // However the sequences are divided into batches: their lengths differ, and so do the numbers of steps in a batch.
    for batchSize in [1, 2, 3, 5, 7, 100] {
      let result = try trainer.evaluate(data, batchSize: batchSize)
      #expect(abs(result.loss - expected) <= 1e-5 * expected, "batches of \(batchSize)")
      if network.labels { #expect(abs((result.metric ?? .nan) - hits) < 1e-9, "batches of \(batchSize)") }
    }
  }

  /// The mean of an epoch is over all its steps, and so is that of held out samples.
  @Test func theMeansOfAFitAreOverAllRealSteps() throws {
    let network = Self.networks[1]
    let model = try network.model()
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .sgd(learningRate: 1e-30), metric: .accuracy)
    let data = try data(model, network, Padding(index: -1))
    let whole = try trainer.evaluate(data, batchSize: 7)
    try trainer.fit(data, epochs: 2, batchSize: 2) { progress in
      #expect(abs(progress.loss - whole.loss) < 1e-6)
      #expect(abs((progress.trainMetric ?? .nan) - (whole.metric ?? .nan)) < 1e-9)
    }
    try trainer.setValidation(data)
    try trainer.fit(data, epochs: 1, batchSize: 3) { progress in
      #expect(abs((progress.validationLoss ?? .nan) - whole.loss) < 1e-6)
      #expect(abs((progress.validationMetric ?? .nan) - (whole.metric ?? .nan)) < 1e-9)
    }
  }

  @Test func batchStatisticsAreThoseOfRealSteps() throws {
    let network = Self.chain(["batchnorm momentum=0 name=norm", "gru units=2 return_sequences=true"])
    let trainer = try trainer(network)
    let data = try data(trainer.model, network, Padding(float: 100, time: 30))
    try trainer.fit(data, batchSize: 7)
    for c in 0..<3 {
      let values = Self.lengths.indices.flatMap { n in
        (0..<Int(Self.lengths[n])).map { t in
          Double(data.input(0).data.load(fromByteOffset: ((n * 30 + t) * 3 + c) * 4, as: Float.self))
        }
      }
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
      try trainer.model.withParameter("norm/moving_mean") { moving, _ in #expect(abs(Double(moving[c]) - mean) < 1e-6) }
      try trainer.model.withParameter("norm/moving_variance") { moving, _ in
        #expect(abs(Double(moving[c]) - variance) < 1e-6)
      }
    }
  }

  @Test(arguments: [1, 0]) func whatIsBeforeTheLengthsIsChecked(last: Int) throws {
    let network = Self.networks[11]
    let trainer = try trainer(network)
    for bad in [-1, 7, 1_000_000_000] as [Int32] {
      var (tokens, labels) = ([Int32](repeating: 1, count: 8), [Int32](repeating: 2, count: 8))
      // The last step that is data, or the first that is not.
      for place in [3 - last, 6 - last] {
        tokens[place] = bad
        labels[place] = bad
      }
      for (inputs, targets) in [(tokens, [Int32](repeating: 2, count: 8)), ([Int32](repeating: 1, count: 8), labels)] {
        let data = try Dataset(
          inputs: [.int32(inputs, shape: [2, 4]), .int32([3, 2], shape: [2])],
          targets: [.int32(targets, shape: [2, 4])])
        if last == 1 {
          #expect(throws: NNKitError.self) { _ = try gradients(trainer, data) }
          #expect(throws: NNKitError.self) { _ = try trainer.evaluate(data) }
          #expect(throws: NNKitError.self) { try trainer.fit(data) }
        } else {
          #expect(try gradients(trainer, data).loss.isFinite)
          #expect(try trainer.evaluate(data).loss.isFinite)
          try trainer.fit(data)
        }
      }
    }
  }

  @Test func noLengthIsZeroOrBeyondTheSteps() throws {
    let trainer = try trainer(Self.networks[0])
    for bad: Int32 in [0, -1, 5, .max] {
      let data = try Dataset(
        inputs: [.float32([Float](repeating: 1, count: 24), shape: [2, 4, 3]), .int32([4, bad], shape: [2])],
        targets: [.float32([Float](repeating: 1, count: 16), shape: [2, 4, 2])])
      let error = #expect(throws: NNKitError.self) { _ = try gradients(trainer, data) }
      #expect(error?.message == "input \"lengths\": sample 1 holds \(bad); expected 1 to 4")
    }
  }

  // MARK: Which values have lengths

  @Test func aRecurrentLayerWithoutLengthsHasThoseOfItsInput() throws {
    func model(_ given: Bool) throws -> Model {
      var graph = Graph()
      let (x, lengths) = (graph.input("x", [Shape.open, 3]), graph.input("lengths", [], .int32))
      let first = graph.layer("lstm", "units=4 return_sequences=true", [x, lengths])?[0] ?? x
      let dense = graph.layer("dense", "units=3", first)
      let second = graph.layer("gru", "units=4", given ? [dense, lengths] : [dense])?[0] ?? x
      graph.output("y", second)
      return try Model(graph, seed: 5)
    }
    let (given, inherited) = (try model(true), try model(false))
    // The lengths are among the layer's inputs.
    #expect(ModelInfo(inherited).json == ModelInfo(given).json)
    let path = FileManager.default.temporaryDirectory.appending(path: "nnkit-\(UUID().uuidString).nnkit").path
    defer { unlink(path) }
    try inherited.save(to: path)
    #expect(ModelInfo(try Model(contentsOf: path)).json == ModelInfo(given).json)
    _ = try RecurrentStream(inherited)
  }

  @Test func aSumOfSequencesWithDifferentLengthsIsRefused() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.open, 3])
    let lengths = [graph.input("short", [], .int32), graph.input("long", [], .int32)]
    let parts = lengths.map { graph.layer("lstm", "units=4 return_sequences=true", [x, $0])?[0] ?? x }
    #expect(graph.layer("add", "name=both", parts) == nil)
    #expect(graph.firstError?.code == .invalidArgument)
    let start = "layer \"both\" (add): its inputs are sequences with different lengths, \"short\" and \"long\""
    #expect(graph.firstError?.message.hasPrefix(start) == true, "\(graph.firstError?.message ?? "")")
  }

  @Test func aRecurrentLayerWithOtherLengthsThanItsInputIsRefused() throws {
    for between in [nil, "dense", "dropout"] {
      var graph = Graph()
      let x = graph.input("x", [Shape.open, 3])
      let lengths = [graph.input("short", [], .int32), graph.input("long", [], .int32)]
      var states = graph.layer("lstm", "units=4 return_sequences=true", [x, lengths[0]])?[0] ?? x
      if let between { states = graph.layer(between, between == "dense" ? "units=2" : "rate=0.1", states) }
      #expect(graph.layer("gru", "name=again units=2", [states, lengths[0]]) != nil)
      #expect(graph.layer("gru", "name=other units=2", [states, lengths[1]]) == nil)
      let start = "layer \"other\" (gru): its inputs are sequences with different lengths, \"short\" and \"long\""
      #expect(graph.firstError?.message.hasPrefix(start) == true, "\(graph.firstError?.message ?? "")")
    }
  }

  @Test func lengthsGoForwardsAndBackwards() throws {
    var graph = Graph()
    let (x, z) = (graph.input("x", [Shape.open, 3]), graph.input("z", [Shape.open, 3]))
    let lengths = graph.input("lengths", [], .int32)
    let front = graph.layer("dense", "units=3", x)
    let states = graph.layer("lstm", "units=3 return_sequences=true", [front, lengths])?[0] ?? x
    let sum = graph.layer("add", "", [states, z])?[0] ?? x
    let last = graph.layer("gru", "units=2", sum)
    graph.output("states", graph.layer("activation", "function=relu", sum))
    graph.output("last", last)
    // Nobody reads this.
    graph.layer("lstm", "units=2", x)
    let carried = carriedLengths(of: graph)
    #expect([x, z, front, states, sum].allSatisfy { carried[$0.index] == lengths })
    #expect(carried[lengths.index] == nil && carried[last.index] == nil)

    // Who reads all steps of a value keeps it from having lengths.
    graph.output("all", graph.layer("lstm", "units=2", x))
    let fewer = carriedLengths(of: graph)
    #expect(fewer[x.index] == nil && fewer[z.index] == lengths && fewer[front.index] == lengths)
  }

  @Test func aLayerThatMixesStepsFindsZerosBehindTheLengths() throws {
    let network = Self.chain(["lstm units=3 return_sequences=true", "dense units=2 bias_initializer=ones", "flatten"])
    let model = try network.model(time: 9)
    let data = try data(model, network, Padding(float: .nan))
    let flat = try outputs(model, data, time: 9)[0]
    for (n, length) in Self.lengths.enumerated() {
      let row = flat[n * 18..<(n + 1) * 18]
      #expect(row.prefix(Int(length) * 2).allSatisfy { $0 != 0 })
      #expect(row.dropFirst(Int(length) * 2).allSatisfy { $0 == 0 })
    }
  }

  /// An input that the backward pass loads again ends at the lengths again.
  @Test func anInputThatIsLoadedAgainEndsAtTheLengths() throws {
    var graph = Graph()
    let (x, lengths) = (graph.input("x", [60, 400]), graph.input("lengths", [], .int32))
    // The most memory is in use between the layers, where nobody needs the input.
    let wide = [300, 600, 300].reduce(x) { graph.layer("dense", "units=\($1) activation=relu", $0) }
    graph.output("y", graph.layer("lstm", "units=4 return_sequences=true", [wide, lengths])?[0] ?? x)
    let model = try Model(graph, seed: 2, runtime: try Runtime(threads: 2))
    let plan = try model.plan(
      batch: 8, inputShapes: [[60, 400], []], purpose: .training(MeanSquaredErrorLoss()), loadsInputs: true)
    #expect(plan.stepNames.contains("x: load, again"))
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .sgd())
    var first: [UInt32]?
    for padding in [Float(0), .nan] {
      let values = (0..<8 * 60 * 400).map { (index: Int) -> Float in
        let step = index / 400 % 60
        return step < 40 ? Float(index % 11) / 11 : padding
      }
      let data = try Dataset(
        inputs: [.float32(values, shape: [8, 60, 400]), .int32([Int32](repeating: 40, count: 8), shape: [8])],
        targets: [.float32([Float](repeating: 1, count: 8 * 60 * 4), shape: [8, 60, 4])])
      let result = try gradients(trainer, data).gradients
      #expect(result.allSatisfy { $0.isFinite })
      #expect(bits(result) == first ?? bits(result))
      first = first ?? bits(result)
    }
  }
}
