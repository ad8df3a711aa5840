import NNKit
import Testing

/// 64 samples of four numbers, and which of the first three is largest.
struct Classes {
  let x: HostArray
  let y: HostArray

  init() {
    var (state, values, labels): (UInt32, [Float], [Int32]) = (1, [], [])
    for _ in 0..<64 {
      let sample = (0..<4).map { _ -> Float in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 8) / 8_388_608 - 1
      }
      values += sample
      labels.append(Int32((0..<3).max { sample[$0] < sample[$1] } ?? 0))
    }
    (x, y) = (.float32(values, shape: [64, 4]), .int32(labels, shape: [64]))
  }

  var dataset: Dataset { get throws { try Dataset(inputs: [x], targets: [y]) } }

  func model() throws -> Model {
    try Model(input: [4], seed: 1) {
      Dense(units: 16, activation: .tanh, name: "hidden")
      Dense(units: 3, name: "head")
    }
  }
}

func values(_ model: Model, _ name: String) throws -> [Float] {
  try model.withParameter(name) { values, _ in Array(values) }
}

@Suite struct TrainingTests {
  private let task = Classes()

  @Test func aFitLearnsAndReports() throws {
    let trainer = try Trainer(
      task.model(), loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.02), metric: .accuracy, clipNorm: 5)
    var reports: [Progress] = []
    try trainer.fit(task.dataset, epochs: 30, batchSize: 16, validationSplit: 0.25) { reports.append($0) }
    let last = try #require(reports.last)
    #expect(reports.count == 30 && last.epoch == 30 && last.epochs == 30 && last.steps == 3 && last.event == .epoch)
    #expect(last.loss < reports[0].loss / 2)
    #expect(last.trainMetric ?? 0 > 0.9 && last.validationMetric != nil && last.validationLoss != nil)
    #expect(last.description.hasPrefix("epoch 30/30  loss 0."))
    var batches = 0
    let result = try trainer.evaluate(task.dataset, batchSize: 16) {
      batches += 1
      #expect($0.event == .evaluation && $0.steps == 4 && $0.description.hasPrefix("batch \(batches)/4  validation"))
      return true
    }
    #expect(batches == 4)
    #expect(result.metric ?? 0 > 0.8)
    #expect(try trainer.evaluate(task.dataset) { _ in false }.loss.isFinite)
  }

  @Test func aReportStopsAFitAndChangesSettings() throws {
    let trainer = try Trainer(task.model(), loss: .softmaxCrossEntropy, optimizer: .sgd(learningRate: 0.1))
    try trainer.setValidation(task.dataset)
    var events: [Progress.Event] = []
    try trainer.fit(task.dataset, FitOptions(epochs: 5, batchSize: 32, shuffle: false, report: .batch)) {
      events.append($0.event)
      try? trainer.set("learning_rate=\(0.1 / Double(events.count))")
      return events.count < 8
    }
    #expect(events == [.step, .step, .evaluation, .evaluation, .epoch, .step, .step, .evaluation])
    #expect(try trainer.get("learning_rate") == 0.1 / 8)
    #expect(throws: NNKitError.self) { try trainer.set("rate=1") }
    #expect(throws: NNKitError.self) { try trainer.get("rate") }
    try trainer.setValidation(nil)
    var isEpoch: [Bool] = []
    try trainer.fit(task.dataset, FitOptions(report: .step)) {
      isEpoch.append($0.event == .epoch)
      return true
    }
    #expect(isEpoch == [false, false, true])
  }

  @Test func aDatasetOverTheProgramsMemoryIsTheSame() throws {
    let (first, second) = (try task.model(), try task.model())
    for (model, ownsMemory) in [(first, true), (second, false)] {
      let trainer = try Trainer(model, loss: .softmaxCrossEntropy)
      guard !ownsMemory, case .int32(let labels, _) = task.y else {
        try trainer.fit(task.dataset)
        continue
      }
      let wide = labels.map { Int($0) }
      try task.x.floats.withUnsafeBufferPointer { x in
        try wide.withUnsafeBufferPointer { y in
          let dataset = try Dataset(
            inputs: [HostView(reading: x, shape: [64, 4])], targets: [HostView(reading: y, shape: [64])])
          #expect(dataset.sampleCount == 64 && dataset.inputCount == 1 && dataset.targetCount == 1)
          try trainer.fit(dataset)
        }
      }
    }
    #expect(try first.data() == second.data())
  }

  @Test func aStepIsGradientsAndApply() throws {
    let (first, second) = (try task.model(), try task.model())
    let trainers = try [first, second].map {
      try Trainer($0, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01))
    }
    let (x, y) = (try task.x.samples(16..<32), try task.y.samples(16..<32))
    let loss = try trainers[0].step(inputs: [x], targets: [y])
    #expect(try trainers[1].gradients(inputs: [x], targets: [y]) == loss)
    try trainers[1].apply()
    #expect(try first.data() == second.data())
    #expect(throws: NNKitError.self) { try trainers[1].apply() }
    #expect(throws: NNKitError.self) { try trainers[1].step(inputs: [x], targets: [x]) }
    #expect(throws: NNKitError.self) { try trainers[1].gradients(inputs: [x], targets: []) }
  }

  @Test func gradientsMayBeReadAndChanged() throws {
    let (whole, halves) = (try task.model(), try task.model())
    let trainers = try [whole, halves].map { try Trainer($0, loss: .softmaxCrossEntropy) }
    try trainers[0].gradients(inputs: [task.x], targets: [task.y])
    var sum = Array(repeating: Float(0), count: try trainers[1].withGradients { $0.count })
    for half in [0..<32, 32..<64] {
      try trainers[1].gradients(inputs: [task.x.samples(half)], targets: [task.y.samples(half)])
      try trainers[1].withGradients { for (index, value) in $0.enumerated() { sum[index] += value / 2 } }
    }
    let head = try #require(halves.info.parameters.first { $0.name == "head/kernel" })
    try trainers[1].withGradients { _ = $0.update(from: sum) }
    let expected = try trainers[0].withGradient("head/kernel") { values, _ in Array(values) }
    try trainers[1].withGradient("head/kernel") { values, shape in
      #expect(shape == [16, 3] && shape == head.shape && Array(values) == Array(sum[head.offset..<head.offset + 48]))
      #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }
    let before = try values(halves, "head/kernel")
    try trainers[1].apply()
    let after = try values(halves, "head/kernel")
    #expect((0..<48).allSatisfy { abs(after[$0] - (before[$0] - 0.01 * sum[head.offset + $0])) < 1e-6 })
    #expect(throws: NNKitError.self) { try trainers[1].withGradient("head/weights") { _, _ in } }
  }

  @Test func aLossOfOnesOwnGivesTheSameGradients() throws {
    var graph = Graph()
    let x = graph.input("x", [4])
    let index = graph.input("index", [], .int32)
    let sum = graph.layer(Add(), [x, graph.layer(Embedding(vocabulary: 9, units: 4), index)])
    graph.output("y", graph.layer(Dense(units: 3, name: "head"), sum))
    graph.output("sum", sum)
    let model = try Model(graph, seed: 4)
    let ours = try Trainer(model, loss: nil)
    let theirs = try Trainer(model, loss: .meanSquaredError)
    let inputs = [try task.x.samples(0..<5), .int32([3, 1, 4, 1, 5], shape: [5])]
    let target = [HostArray.float32(ramp(15), shape: [5, 3]), .float32(ramp(20, 5), shape: [5, 4])]
    try theirs.gradients(inputs: inputs, targets: target)
    // (y - t)², mean over the elements of each output.
    let outputs = try ours.forward(inputs)
    let gradients = zip(outputs, target).map { y, t -> HostArray in
      .float32(zip(y.floats, t.floats).map { 2 * ($0 - $1) / Float(y.floats.count) }, shape: y.shape)
    }
    let byInput = try ours.backward(gradients, inputs: true)
    for name in model.parameterNames {
      let expected = try theirs.withGradient(name) { values, _ in Array(values) }
      try ours.withGradient(name) { values, _ in
        #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(name)")
      }
    }
    // By the sum it is what came for it, and what came through the dense layer: dY Wᵀ.
    let kernel = try values(model, "head/kernel")
    let (dY, dSum) = (gradients[0].floats, gradients[1].floats)
    let expected = (0..<20).map { place -> Float in
      (0..<3).reduce(dSum[place]) { $0 + dY[place / 4 * 3 + $1] * kernel[place % 4 * 3 + $1] }
    }
    #expect(byInput.count == 2 && byInput[1] == nil && byInput[0]?.shape == [5, 4])
    #expect(zip(byInput[0]?.floats ?? [], expected).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(throws: NNKitError.self) { try ours.backward(gradients) }
    #expect(throws: NNKitError.self) { try theirs.backward(gradients, inputs: true) }

    // The same in the program's own memory; an output without a gradient counts as zero.
    _ = try ours.forward(inputs)
    let alone = try ours.backward([gradients[0], nil], inputs: true)[0]
    var (y, sums, dX) = (ramp(15), ramp(20), ramp(20))
    var (xs, indices, dYs) = (inputs[0].floats, [3, 1, 4, 1, 5], dY)
    try xs.withUnsafeMutableBufferPointer { xs in
      try indices.withUnsafeMutableBufferPointer { indices in
        try y.withUnsafeMutableBufferPointer { y in
          try sums.withUnsafeMutableBufferPointer { sums in
            try ours.forward(
              [HostView(xs, shape: [5, 4]), HostView(indices, shape: [5])],
              into: [HostView(y, shape: [5, 3]), HostView(sums, shape: [5, 4])])
          }
        }
      }
    }
    try dYs.withUnsafeMutableBufferPointer { dYs in
      try dX.withUnsafeMutableBufferPointer { dX in
        try ours.backward([HostView(dYs, shape: [5, 3]), nil], into: [HostView(dX, shape: [5, 4]), nil])
      }
    }
    #expect([y, sums] == outputs.map(\.floats) && dX == alone?.floats)
    let before = try values(model, "head/kernel")
    try ours.apply()
    #expect(try values(model, "head/kernel") != before)
    #expect(throws: NNKitError.self) { try ours.step(inputs: inputs, targets: target) }
  }

  @Test func aFrozenParameterStays() throws {
    let model = try task.model()
    let trainer = try Trainer(model, loss: .softmaxCrossEntropy)
    #expect(trainer.model === model)
    let before = try values(model, "hidden/kernel")
    #expect(try trainer.freeze("hidden/*") == 2)
    try trainer.fit(task.dataset)
    #expect(try values(model, "hidden/kernel") == before)
    #expect(try trainer.freeze("*", false) == 4)
    try trainer.fit(task.dataset)
    #expect(try values(model, "hidden/kernel") != before)
    let error = #expect(throws: NNKitError.self) { try trainer.freeze("encoder/*") }
    #expect(error?.code == .invalidArgument)
  }

  @Test func aStateGoesOnToTheBit() throws {
    let (first, second) = (try task.model(), try task.model())
    let trainers = try [first, second].map {
      try Trainer($0, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01))
    }
    try trainers[0].fit(task.dataset)
    let state = try trainers[0].state()
    var pieces: [UInt8] = []
    try trainers[0].writeState { pieces += $0 }
    #expect(pieces == state)
    try trainers[1].restore(state)
    let third = try Model(data: state)
    let another = try Trainer(third, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01))
    try state.withUnsafeBytes { try another.restore($0) }
    for trainer in trainers + [another] { try trainer.fit(task.dataset, epochs: 2) }
    #expect(try first.data() == second.data())
    #expect(try first.data() == third.data())
    let other = try Trainer(first, loss: .softmaxCrossEntropy, optimizer: .sgd())
    let error = #expect(throws: NNKitError.self) { try other.restore(state) }
    #expect(error?.code == .invalidArgument)
    let damaged = #expect(throws: NNKitError.self) { try trainers[0].restore(Array(state.dropLast())) }
    #expect(damaged?.code == .format)
  }

  @Test func aNumberThatIsNotFiniteChangesNothing() throws {
    let model = try task.model()
    let trainer = try Trainer(model, loss: .softmaxCrossEntropy)
    let before = try model.data()
    let error = #expect(throws: NNKitError.self) {
      try trainer.step(inputs: [.float32([1, .nan, 1, 1], shape: [1, 4])], targets: [.int32([0], shape: [1])])
    }
    #expect(error?.code == .numeric && error?.description == error?.message)
    #expect(try model.data() == before)
  }
}
