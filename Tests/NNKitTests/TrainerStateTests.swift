import NNKit
import Testing

@Suite struct TrainerStateTests {
  private func model() throws -> Model {
    try Model(input: [6], seed: 4) {
      Dense(units: 5, activation: .relu)
      BatchNorm()
      Dropout(rate: 0.25)
      Dense(units: 2)
    }
  }

  /// Samples that stay as long as the program.
  private func dataset() throws -> Dataset {
    let (samples, inputs, outputs) = (20, 6, 2)
    let x = UnsafeMutablePointer<Float>.allocate(capacity: samples * inputs)
    let y = UnsafeMutablePointer<Float>.allocate(capacity: samples * outputs)
    for index in 0..<samples * inputs { x[index] = Float(index * 37 % 64) / 32 - 1 }
    for index in 0..<samples * outputs { y[index] = Float(index % 5) }
    let shapes = UnsafeMutablePointer<Int64>.allocate(capacity: 4)
    for (axis, size) in [samples, inputs, samples, outputs].enumerated() { shapes[axis] = Int64(size) }
    return try Dataset(
      inputs: [TensorView(data: x, type: .float32, rank: 2, shape: shapes, strides: nil)],
      targets: [TensorView(data: y, type: .float32, rank: 2, shape: shapes + 2, strides: nil)])
  }

  private func trainer(_ model: Model, _ optimizer: Optimizer) throws -> Trainer {
    try Trainer(model, loss: .meanSquaredError, optimizer: optimizer, clipNorm: 1)
  }

  @Test(arguments: [
    Optimizer.sgd(learningRate: 0.1), .sgd(learningRate: 0.1, momentum: 0.9), .adam(), .adam(beta1: 0),
  ])
  func trainingGoesOnFromAStateToTheSameBits(optimizer: Optimizer) throws {
    let dataset = try dataset()
    let first = try model()
    let trainer = try trainer(first, optimizer)
    try trainer.fit(dataset, epochs: 2, batchSize: 7)
    let state = try trainer.state()
    let second = try state.withUnsafeBytes { try Model(data: $0) }
    let other = try self.trainer(second, optimizer)
    try state.withUnsafeBytes { try other.restore($0) }
    #expect(try other.state() == state)
    for each in [trainer, other] { try each.fit(dataset, epochs: 3, batchSize: 7) }
    #expect(try other.state() == trainer.state())
    #expect(try trainer.state() != state)
    #expect(try first.data() == second.data())
  }

  @Test func theReportOfAFitMayAskForTheState() throws {
    let trainer = try trainer(try model(), .adam())
    var states: [[UInt8]] = []
    try trainer.fit(try dataset(), epochs: 3, batchSize: 7) { _ in
      if let state = try? trainer.state() { states.append(state) }
    }
    #expect(states.count == 3)
    #expect(try states.last == trainer.state())
  }

  @Test func aFileAndItsBytesAreTheSame() throws {
    let model = try model()
    let loaded = try model.data().withUnsafeBytes { try Model(data: $0) }
    #expect(try loaded.data() == model.data())
    #expect(throws: NNKitError.self) {
      try model.data().withUnsafeBytes { try Model(data: UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
    }
  }
}
