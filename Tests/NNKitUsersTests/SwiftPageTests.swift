import Foundation
import NNKit
import Testing

/// docs/swift.md and the README: their Swift is compiled and run.
@Suite struct SwiftPageTests {
  @Test func theBlocksRun() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "\(UUID())").path(percentEncoded: false)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // docs/swift.md begins here.
    let model = try Model(input: [12, 12, 1], seed: 7) {
      Conv2D(filters: 8, kernel: 3, padding: .same, activation: .relu, kernelInitializer: .heNormal, name: "first")
      MaxPool2D(size: 2)
      Flatten()
      Dense(units: 2)
    }
    for layer in model.info.layers { print(layer.name, layer.outputShape, layer.parameters) }

    do {
      _ = try Model(input: [12, 12, 1]) { Conv2D(filters: 8, kernel: 13) }
    } catch {
      print(error.code, error.message)
    }

    var (pixels, labels): ([Float], [Int32]) = ([], [])
    for sample in 0..<200 {
      let isUpright = sample % 2 == 1
      for row in 0..<12 { for column in 0..<12 { pixels.append((isUpright ? column : row) == sample % 11 ? 1 : 0) } }
      labels.append(isUpright ? 1 : 0)
    }
    let images = HostArray.float32(pixels, shape: [200, 12, 12, 1])
    let classes = HostArray.int32(labels, shape: [200])
    let dataset = try Dataset(inputs: [images], targets: [classes])

    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 1e-2), metric: .accuracy)
    try trainer.fit(dataset, epochs: 3, batchSize: 20, validationSplit: 0.1) { print($0) }
    let (loss, accuracy) = try trainer.evaluate(dataset)
    print(loss, accuracy ?? 0)

    try trainer.fit(dataset, FitOptions(epochs: 2, batchSize: 20, report: .step)) { progress in
      if progress.event == .epoch { try? trainer.set("learning_rate=1e-3") }
      return progress.loss > 1e-4
    }
    print(try trainer.get("learning_rate"))

    let session = try Session(model, maximumBatch: 50)
    let logits = try session.predict(pixels)  // [200, 2]

    let outputs = try session.run([images.samples(0..<50)])
    print(outputs[0].shape, outputs[0].floats == Array(logits[0..<100]))

    let input = UnsafeMutableBufferPointer<Float>.allocate(capacity: 50 * 144)
    let output = UnsafeMutableBufferPointer<Float>.allocate(capacity: 50 * 2)
    let (from, into) = ([try HostView(input, shape: [50, 12, 12, 1])], [try HostView(output, shape: [50, 2])])
    for batch in 0..<4 {
      _ = input.update(from: pixels[batch * 50 * 144..<(batch + 1) * 50 * 144])
      try session.run(from, into: into)
      print(output[0], output[1])
    }
    input.deallocate()
    output.deallocate()

    var graph = Graph()
    let photo = graph.input("photo", [12, 12, 1])
    let month = graph.input("month", [], .int32)
    let features = graph.layer(Dense(units: 8), graph.layer(Flatten(), photo))
    let sum = graph.layer(Add(activation: .relu), [features, graph.layer(Embedding(vocabulary: 12, units: 8), month)])
    graph.output("direction", graph.layer(Dense(units: 2, name: "direction"), sum))
    graph.output("code", sum)
    let both = try Model(graph, seed: 1)

    let months = HostArray.int32([0, 11], shape: [2])
    let results = try Session(both, maximumBatch: 2).run([images.samples(0..<2), months])
    print(results.map(\.shape))  // [[2, 2], [2, 8]]

    var tagging = Graph()
    let words = tagging.input("words", [Shape.open, 3])
    let lengths = tagging.input("lengths", [], .int32)
    let states = tagging.layer(LSTM(units: 8, returnSequences: true), [words, lengths])
    tagging.output("tags", tagging.layer(Dense(units: 2), states))
    let tagger = try Model(tagging, seed: 1)

    let sequences = HostArray.float32((0..<4 * 5 * 3).map { Float($0 % 7) / 7 }, shape: [4, 5, 3])
    let counts = HostArray.int32([5, 2, 3, 1], shape: [4])
    let tags = HostArray.int32((0..<20).map { $0 % 2 }, shape: [4, 5])
    let tagTrainer = try Trainer(tagger, loss: .softmaxCrossEntropy)
    try tagTrainer.fit(Dataset(inputs: [sequences, counts], targets: [tags]), epochs: 2)

    let counter = try Model(input: [Shape.open, 3], seed: 1) {
      GRU(units: 8, returnSequences: true)
      Dense(units: 1)
    }
    let streams = [try RecurrentStream(counter), try RecurrentStream(counter)]
    let stepper = try Session(counter, maximumBatch: 2)
    for step in 0..<5 {
      let answers = try stepper.step(streams, [Float(step), 0, 1, 1, 0, Float(step)])  // [2, 3] gives [2, 1]
      print(answers)
    }
    try streams[0].reset()  // back to the start of a sequence

    let (someImages, someClasses) = (try images.samples(0..<20), try classes.samples(0..<20))
    print(try trainer.step(inputs: [someImages], targets: [someClasses]))

    try trainer.gradients(inputs: [someImages], targets: [someClasses])
    try trainer.withGradient("first/kernel") { gradient, shape in
      print(shape)  // [3, 3, 1, 8]
      for index in gradient.indices { gradient[index] *= 0.5 }
    }
    try trainer.apply()

    let own = try Trainer(model, loss: nil, optimizer: .sgd(learningRate: 0.1))
    try own.freeze("first/*")
    let answers = try own.forward([someImages])[0]
    let gradients = answers.floats.map { $0 > 2 ? ($0 - 2) / 20 : 0 }  // logits beyond 2 cost the square of the rest
    try own.backward([.float32(gradients, shape: answers.shape)])
    try own.apply()

    try model.save(to: folder + "/upright.nnkit")
    let loaded = try Model(contentsOf: folder + "/upright.nnkit")
    let bytes = try model.data()  // the same bytes
    let copy = try Model(data: bytes)
    print(try Session(loaded).predict(Array(pixels[0..<144])) == Session(copy).predict(Array(pixels[0..<144])))

    let state = try trainer.state()
    try trainer.fit(dataset)
    try trainer.restore(state)
    // docs/swift.md ends here.
    #expect(logits.count == 400 && copy.info.seed == 7 && results.map(\.shape) == [[2, 2], [2, 8]])
  }

  @Test func theBlockOfTheReadmeRuns() throws {
    let dataset = try Dataset(
      inputs: [.float32(ramp(64 * 28 * 28), shape: [64, 28, 28, 1])],
      targets: [.int32((0..<64).map { $0 % 10 }, shape: [64])])
    defer { try? FileManager.default.removeItem(atPath: "digits.nnkit") }
    // README.md begins here.
    let model = try Model(input: [28, 28, 1], seed: 7) {
      Conv2D(filters: 32, kernel: 3, padding: .same, activation: .relu)
      MaxPool2D(size: 2)
      Flatten()
      Dense(units: 10)
    }
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 1e-3), metric: .accuracy)
    try trainer.fit(dataset, epochs: 5, batchSize: 64) { print($0) }
    try model.save(to: "digits.nnkit")
    let state = try trainer.state()  // all that training goes on from; trainer.restore reads it
    // README.md ends here.
    #expect(try !state.isEmpty && Model(contentsOf: "digits.nnkit").data() == model.data())
  }

  @Test(arguments: [("docs/swift.md", 12), ("README.md", 1)])
  func theBlocksAreThoseOfThePage(page: String, count: Int) throws {
    let root = URL(filePath: #filePath).appending(path: "../../..").standardized
    let text = try String(contentsOf: root.appending(path: page), encoding: .utf8)
    let lines = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8).components(separatedBy: "\n")
    let first = try #require(lines.firstIndex { $0.hasSuffix("// \(page) begins here.") })
    let last = try #require(lines.firstIndex { $0.hasSuffix("// \(page) ends here.") })
    let compiled = lines[first + 1..<last].map { $0.hasPrefix("    ") ? String($0.dropFirst(4)) : $0 }
    let blocks = text.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    let written = blocks.joined(separator: "\n").replacingOccurrences(of: "import NNKit\n\n", with: "")
    #expect(blocks.count == count)
    #expect(compiled.joined(separator: "\n") + "\n" == written)
  }
}
