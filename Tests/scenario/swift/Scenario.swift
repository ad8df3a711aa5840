// The scenario, which a program of each language goes through and whose hashes are the same for all: two LSTMs and a
// dense layer are trained by `fit`, by a step and by hand, saved, loaded, run, and streamed.
//
//   scenario FILE        FILE: where the model is saved

import FoundationEssentials
import NNKit

/// FNV-1a, 64 bits.
struct Hash {
  private var state: UInt64 = 14_695_981_039_346_656_037

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { state = (state ^ UInt64(byte)) &* 1_099_511_628_211 }
  }

  /// The bytes of the numbers, little-endian.
  mutating func add(_ values: some Sequence<Float>) {
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { add($0) } }
  }

  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// Numbers from -1 to below 1, exact in float32.
struct Generator {
  private var state: UInt64 = 1

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) / 8_388_608 - 1
  }

  mutating func next(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

@main struct Scenario {
  static let (samples, steps, features, outputs) = (96, 12, 3, 2)

  static func report(_ name: String, _ values: [Float]) {
    var hash = Hash()
    hash.add(values)
    print(name, hash.text)
  }

  static func main() throws {
    guard CommandLine.arguments.count == 2 else {
      throw NNKitError(.invalidArgument, "expected one argument, the path of the file to save the model in")
    }
    let path = CommandLine.arguments[1]
    var generator = Generator()
    let x = HostArray.float32(generator.next(samples * steps * features), shape: [samples, steps, features])
    let y = HostArray.float32(generator.next(samples * outputs), shape: [samples, outputs])

    let model = try Model(input: [steps, features], seed: 7) {
      LSTM(units: 8, returnSequences: true, name: "first")
      LSTM(units: 8, name: "second")
      Dense(units: outputs, name: "head")
    }
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam(learningRate: 0.01))
    var losses: [Float] = []
    try trainer.fit(Dataset(inputs: [x], targets: [y]), epochs: 3, batchSize: 16) { losses.append(Float($0.loss)) }
    report("losses", losses)

    try trainer.set("learning_rate=0.005")
    let loss = try trainer.step(inputs: [x.samples(0..<16)], targets: [y.samples(0..<16)])
    report("step", [Float(loss)])

    let results = try trainer.forward([x.samples(16..<32)])
    report("forward", results[0].floats)
    try trainer.backward([.float32(Array(repeating: 0.125, count: 16 * outputs), shape: [16, outputs])])
    try trainer.apply()
    var parameters: [Float] = []
    for parameter in model.info.parameters {
      try model.withParameter(parameter.name) { values, _ in parameters += values }
    }
    report("parameters", parameters)

    try model.save(to: path)
    let loaded = try Model(contentsOf: path)
    let session = try Session(loaded, maximumBatch: 8)
    report("run", try session.run([x.samples(0..<8)])[0].floats)

    let stream = try RecurrentStream(loaded)
    let sequence = x.floats.prefix(steps * features)
    var answers: [Float] = []
    for step in 0..<steps {
      answers += try session.step([stream], Array(sequence[step * features..<(step + 1) * features]))
    }
    report("stream", answers)

    var hash = Hash()
    hash.add(try Data(contentsOf: URL(filePath: path)))
    print("file", hash.text)
  }
}
