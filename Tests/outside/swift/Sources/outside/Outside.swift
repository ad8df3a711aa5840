import NNKit

/// Learns which of two numbers is larger, saves the model, loads it, and prints the bits that both give.
@main struct Outside {
  static func main() throws {
    var state: UInt32 = 1
    func random() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / 16_777_216
    }
    let samples = 512
    var inputs: [Float] = []
    var labels: [Int32] = []
    for _ in 0..<samples {
      let (first, second) = (random(), random())
      inputs += [first, second]
      labels.append(first > second ? 1 : 0)
    }
    let dataset = try Dataset(
      inputs: [.float32(inputs, shape: [samples, 2])], targets: [.int32(labels, shape: [samples])])
    let model = try Model(input: [2], seed: 7) {
      Dense(units: 16, activation: .relu)
      Dense(units: 2)
    }
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 0.01), metric: .accuracy)
    try trainer.fit(dataset, epochs: 20, batchSize: 32) { _ in }
    let accuracy = try trainer.evaluate(dataset).metric ?? 0
    try model.save(to: CommandLine.arguments[1])
    let logits = try Session(model).predict([0.25, 0.75])
    let again = try Session(Model(contentsOf: CommandLine.arguments[1])).predict([0.25, 0.75])
    guard accuracy > 0.9, logits == again else {
      throw NNKitError(.numeric, "accuracy \(accuracy), \(logits) and from the file \(again)")
    }
    print(logits.map(\.bitPattern))
  }
}
