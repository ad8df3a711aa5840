import NNKit

/// Trains, saves, loads, runs and streams models as a program does that knows the package's URL alone, and prints the bits
/// of what comes out.
@main struct Outside {
  static func main() throws {
    let path = CommandLine.arguments[1]
    print(bits(try largerOfTwo(path)), bits(try sequences()))
  }

  private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  private static func require(_ condition: Bool, _ what: String) throws(NNKitError) {
    guard condition else { throw NNKitError(.numeric, what) }
  }

  /// Learns which of two numbers is larger, by `fit`, by a step and by hand, and saves the model and loads it.
  private static func largerOfTwo(_ path: String) throws -> [Float] {
    var state: UInt32 = 1
    func random() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / 16_777_216
    }
    let samples = 512
    var values: [Float] = []
    var labels: [Int32] = []
    for _ in 0..<samples {
      let (first, second) = (random(), random())
      values += [first, second]
      labels.append(first > second ? 1 : 0)
    }
    let x = HostArray.float32(values, shape: [samples, 2])
    let y = HostArray.int32(labels, shape: [samples])
    let dataset = try Dataset(inputs: [x], targets: [y])
    let model = try Model(input: [2], seed: 7) {
      Dense(units: 16, activation: .relu, kernelInitializer: .heUniform, name: "hidden")
      Dense(units: 2, name: "head")
    }
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01), metric: .accuracy)
    try trainer.fit(dataset, epochs: 20, batchSize: 32) { _ in }
    try require(try trainer.evaluate(dataset).metric ?? 0 > 0.9, "the model did not learn which number is larger")

    try trainer.set("learning_rate=0.001")
    try trainer.freeze("hidden/*")
    try trainer.step(inputs: [x.samples(0..<32)], targets: [y.samples(0..<32)])
    try trainer.gradients(inputs: [x.samples(32..<64)], targets: [y.samples(32..<64)])
    try trainer.withGradients { for index in $0.indices { $0[index] *= 0.5 } }
    try trainer.apply()
    let outputs = try trainer.forward([x.samples(64..<96)])
    try trainer.backward([.float32(outputs[0].floats.map { $0 / 320 }, shape: outputs[0].shape)])
    try trainer.apply()

    try model.save(to: path)
    let sessions = try [model, Model(contentsOf: path), Model(data: model.data())].map { try Session($0) }
    let logits = try sessions.map { try $0.predict([0.25, 0.75]) }
    try require(logits.allSatisfy { $0 == logits[0] }, "a loaded model gives other numbers: \(logits)")
    return logits[0]
  }

  /// Runs sequences of two lengths in the program's own memory, and again step by step.
  private static func sequences() throws -> [Float] {
    var graph = Graph()
    let x = graph.input("x", [Shape.open, 3])
    let lengths = graph.input("lengths", [], .int32)
    let states = graph.layer(LSTM(units: 4, returnSequences: true), [x, lengths])
    graph.output("y", graph.layer(Dense(units: 1), graph.layer(GRU(units: 4, resetAfter: true), states)))
    let model = try Model(graph, seed: 3, runtime: Runtime(threads: 1))
    let session = try Session(model, maximumBatch: 2)

    var (numbers, counts, results) = (
      (0..<2 * 5 * 3).map { Float($0 % 7) / 7 }, [5, 3], [Float](repeating: 0, count: 2)
    )
    try numbers.withUnsafeMutableBufferPointer { numbers in
      try counts.withUnsafeMutableBufferPointer { counts in
        try results.withUnsafeMutableBufferPointer { results in
          try session.run(
            [HostView(numbers, shape: [2, 5, 3]), HostView(counts, shape: [2])],
            into: [HostView(results, shape: [2, 1])])
        }
      }
    }
    let stream = try RecurrentStream(model)
    var last: [HostArray] = []
    for step in 0..<5 {
      let now = HostArray.float32(Array(numbers[step * 3..<step * 3 + 3]), shape: [1, 3])
      last = try session.step([stream], [now, .int32([1], shape: [1])])
    }
    try require(last[0].floats == [results[0]], "the stream gives \(last[0].floats), the run \(results[0])")

    do throws(NNKitError) {
      _ = try session.run([.float32([1, 2], shape: [1, 2])])
      try require(false, "a run without its second input was taken")
    } catch {
      try require(error.code == .invalidArgument, error.message)
    }
    return results
  }
}
