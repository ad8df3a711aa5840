// Trains a small convolutional network on drawn shapes, saves it, loads it and runs it.
//
// The images are made by this program, 12 by 12 pixels of noise with a horizontal bar, a vertical bar, a cross or a
// frame in it: honest synthetic data.

import NNKit

let names = ["horizontal bar", "vertical bar", "cross", "frame"]

/// One image and its class.
func draw(_ generator: inout SystemRandomNumberGenerator) -> (pixels: [Float], label: Int32) {
  let label = Int.random(in: 0..<names.count, using: &generator)
  let (row, column) = (Int.random(in: 3...8, using: &generator), Int.random(in: 3...8, using: &generator))
  var pixels = (0..<144).map { _ in Float.random(in: 0..<0.5, using: &generator) }
  for i in -3...3 {
    if label == 0 || label == 2 { pixels[row * 12 + column + i] += 0.7 }
    if label == 1 || label == 2 { pixels[(row + i) * 12 + column] += 0.7 }
    if label == 3 {
      for (y, x) in [(row - 3, column + i), (row + 3, column + i), (row + i, column - 3), (row + i, column + 3)] {
        pixels[y * 12 + x] = 1
      }
    }
  }
  return (pixels, Int32(label))
}

/// `count` images as a dataset.
func makeDataset(_ count: Int) throws -> Dataset {
  var generator = SystemRandomNumberGenerator()
  let samples = (0..<count).map { _ in draw(&generator) }
  return try Dataset(
    inputs: [.float32(samples.flatMap(\.pixels), shape: [count, 12, 12, 1])],
    targets: [.int32(samples.map(\.label), shape: [count])])
}

@main struct Shapes {
  static func main() throws {
    let model = try Model(input: [12, 12, 1], seed: 7) {
      Conv2D(filters: 16, kernel: 3, padding: .same, activation: .relu)
      MaxPool2D(size: 2)
      Flatten()
      Dense(units: 4)
    }
    let trainer = try Trainer(
      model, loss: .softmaxCrossEntropy, optimizer: .adam(learningRate: 3e-3), metric: .accuracy)
    try trainer.fit(try makeDataset(2000), epochs: 6, batchSize: 32, validationSplit: 0.1) { print($0) }

    let path = CommandLine.arguments.dropFirst().first ?? "shapes.nnkit"
    try model.save(to: path)
    let loaded = try Model(contentsOf: path)

    var generator = SystemRandomNumberGenerator()
    let (pixels, label) = draw(&generator)
    let scores = try Session(loaded).predict(pixels)
    let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
    print("a new image with a \(names[Int(label)]) looks like a \(names[best])")

    let accuracy = try trainer.evaluate(try makeDataset(500)).metric ?? 0
    print("accuracy on 500 new images: \(accuracy)")
    guard accuracy > 0.95 else { throw NNKitError(.numeric, "the network did not learn the shapes") }
  }
}
