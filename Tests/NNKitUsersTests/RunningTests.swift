import Foundation
import NNKit
import Synchronization
import Testing

/// Numbers that are not all alike.
func ramp(_ count: Int, _ factor: Int = 7) -> [Float] { (0..<count).map { Float($0 * factor % 23) / 11 - 1 } }

/// Two inputs, a sequence of any length and one number for it; two outputs, every state and a class.
func tagger(seed: UInt64 = 3) throws -> Model {
  var graph = Graph()
  let x = graph.input("x", [Shape.open, 3])
  let lengths = graph.input("lengths", [], .int32)
  let states = graph.layer(LSTM(units: 4, returnSequences: true, name: "all"), [x, lengths])
  graph.output("tags", graph.layer(Dense(units: 2, name: "tags"), states))
  graph.output("class", graph.layer(Dense(units: 5, name: "class"), graph.layer(GRU(units: 3, name: "last"), states)))
  return try Model(graph, seed: seed)
}

@Suite struct RunningTests {
  private let model: Model
  init() throws {
    model = try Model(input: [2, 3], seed: 5) {
      Flatten()
      Dense(units: 4, activation: .tanh)
    }
  }

  @Test func predictRunsAsManySamplesAsThereAre() throws {
    let samples = ramp(5 * 6)
    let whole = try Session(model, maximumBatch: 5).predict(samples)
    #expect(whole.count == 5 * 4)
    #expect(try Session(model, maximumBatch: 2).predict(samples) == whole)
    var results = Array(repeating: Float.nan, count: 5 * 4)
    try Session(model).predict(samples, into: &results)
    #expect(results == whole)
    #expect(throws: NNKitError.self) { try Session(model).predict(Array(samples.dropLast())) }
    var tooSmall: [Float] = [0]
    #expect(throws: NNKitError.self) { try Session(model).predict(samples, into: &tooSmall) }
  }

  @Test func aRunReadsAndWritesTheProgramsOwnMemory() throws {
    let session = try Session(model, maximumBatch: 2)
    let expected = try session.predict(ramp(2 * 6))
    let input = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * 6)
    // Two results, four numbers each, with a number between neighbours.
    let output = UnsafeMutableBufferPointer<Float>.allocate(capacity: 16)
    defer {
      input.deallocate()
      output.deallocate()
    }
    output.initialize(repeating: 9)
    let inputs = [try HostView(input, shape: [2, 2, 3])]
    let outputs = [try HostView(output, shape: [2, 4], strides: [8, 2])]
    for _ in 0..<2 {
      _ = input.initialize(from: ramp(2 * 6))
      try session.run(inputs, into: outputs)
      #expect((0..<8).map { output[$0 * 2] } == expected)
      #expect((0..<8).allSatisfy { output[$0 * 2 + 1] == 9 })
    }
  }

  @Test func severalInputsAndOutputsRunInTheirOrder() throws {
    let model = try tagger()
    let session = try Session(model, maximumBatch: 4)
    let lengths = HostArray.int32([2, 6, 4], shape: [3])
    let outputs = try session.run([.float32(ramp(3 * 6 * 3), shape: [3, 6, 3]), lengths])
    #expect(outputs.map(\.shape) == [[3, 6, 2], [3, 5]])
    // What stands behind a length counts nowhere.
    var padded = ramp(3 * 6 * 3)
    for step in 2..<6 { for feature in 0..<3 { padded[step * 3 + feature] = .nan } }
    #expect(try session.run([.float32(padded, shape: [3, 6, 3]), lengths]) == outputs)
    // Whole numbers of any width.
    let wide = [2, 6, 4]
    var tags = Array(repeating: Float(0), count: 3 * 6 * 2)
    var classes = Array(repeating: Float(0), count: 3 * 5)
    try padded.withUnsafeBufferPointer { padded in
      try wide.withUnsafeBufferPointer { wide in
        try tags.withUnsafeMutableBufferPointer { tags in
          try classes.withUnsafeMutableBufferPointer { classes in
            try session.run(
              [HostView(reading: padded, shape: [3, 6, 3]), HostView(reading: wide, shape: [3])],
              into: [HostView(tags, shape: [3, 6, 2]), HostView(classes, shape: [3, 5])])
          }
        }
      }
    }
    #expect([tags, classes] == outputs.map(\.floats))
  }

  @Test func whatDoesNotFitIsSaidAndNothingIsWritten() throws {
    let session = try Session(model, maximumBatch: 2)
    func code(_ body: () throws -> Void) -> NNKitError.Code? {
      do {
        try body()
        return nil
      } catch {
        #expect((error as? NNKitError)?.message.isEmpty == false)
        return (error as? NNKitError)?.code
      }
    }
    #expect(code { _ = try session.run([]) } == .invalidArgument)
    #expect(code { _ = try session.run([.float32(ramp(6), shape: [1, 6])]) } == .shape)
    #expect(code { _ = try session.run([.float32(ramp(6), shape: [1, 2, 4])]) } == .shape)
    #expect(code { _ = try session.run([.int32([1, 2, 3, 4, 5, 6], shape: [1, 2, 3])]) } == .type)
    #expect(code { _ = try session.run([.float32(ramp(18), shape: [3, 2, 3])]) } == .invalidArgument)
    #expect(code { _ = try Session(tagger()).predict([1]) } == .unsupported)
    #expect(code { _ = try Session(model, maximumBatch: 1000, maximumBytes: 100) } == .outOfMemory)
    #expect(code { _ = try Session(model, maximumBatch: 0) } == .invalidArgument)
    #expect(code { _ = try Session.bytes(model, maximumBatch: -1) } == .invalidArgument)
    let three = HostArray.float32(ramp(6), shape: [3, 2])
    #expect(try three.samples(1..<3) == .float32(Array(ramp(6)[2...]), shape: [2, 2]))
    #expect(code { _ = try three.samples(1..<4) } == .invalidArgument)
    #expect(code { _ = try three.samples(-1..<1) } == .invalidArgument)
    #expect(code { _ = try HostArray.int32([1, 2], shape: [3]).samples(0..<1) } == .shape)
    #expect(code { _ = try HostArray.int32([], shape: [0, 1 << 40, 1 << 40]).samples(0..<0) } == .shape)
    let numbers = ramp(6)
    numbers.withUnsafeBufferPointer { memory in
      #expect(code { _ = try HostView(reading: memory, shape: [2, 4]) } == .shape)
      #expect(code { _ = try HostView(reading: memory, shape: [-1]) } == .shape)
      #expect(code { _ = try HostView(reading: memory, shape: [2, 2], strides: [4, 2]) } == .shape)
      #expect(code { _ = try HostView(reading: memory, shape: [3, .max], strides: [1, .max]) } == .shape)
      #expect(code { _ = try HostView(reading: memory, shape: [2], strides: [1, 1]) } == .shape)
      #expect(code { _ = try HostView(reading: memory, shape: [1, 1, 1, 1, 1, 1, 1, 1, 1]) } == .shape)
      let result = numbers[0..<4]
      result.withUnsafeBufferPointer { result in
        #expect(
          code {
            try session.run(
              [HostView(reading: memory, shape: [1, 2, 3])], into: [HostView(reading: result, shape: [1, 4])])
          } == .invalidArgument)
      }
    }
    #expect(numbers == ramp(6))
  }

  @Test func theBytesOfASessionAreKnownBefore() throws {
    let bytes = try Session.bytes(model, maximumBatch: 8)
    _ = try Session(model, maximumBatch: 8, maximumBytes: bytes)
    #expect(throws: NNKitError.self) { try Session(model, maximumBatch: 8, maximumBytes: bytes - 1) }
    #expect(try Session.bytes(tagger()) == 0)
    #expect(try Session.bytes(tagger(), maximumTime: 9) > 0)
  }

  @Test func anotherThreadEndsARun() throws {
    let deep = try Model(input: [64]) { for _ in 0..<100 { Dense(units: 64, activation: .tanh) } }
    let session = try Session(deep, maximumBatch: 64)
    let samples = ramp(64 * 64)
    let whole = try session.predict(samples)
    let isDone = Atomic(false)
    var ended: NNKitError?
    try withExtendedLifetime(isDone) {
      let canceller = Thread { while !isDone.load(ordering: .relaxed) { session.cancel() } }
      canceller.start()
      defer { isDone.store(true, ordering: .relaxed) }
      var results = Array(repeating: Float(9), count: whole.count)
      for _ in 0..<1000 where ended == nil {
        do { try session.predict(samples, into: &results) } catch let error as NNKitError { ended = error }
      }
    }
    #expect(ended?.code == .cancelled)
    // The canceller may go round once more.
    #expect(throws: Never.self) { while (try? session.predict(samples)) != whole {} }
  }
}

@Suite struct RunningStreamTests {
  @Test func streamsGiveTheBitsOfAWholeRun() throws {
    let model = try Model(input: [Shape.open, 3], seed: 2) {
      LSTM(units: 5, returnSequences: true)
      Dense(units: 2)
    }
    let (streamCount, steps) = (3, 4)
    let samples = ramp(streamCount * steps * 3)
    let session = try Session(model, maximumBatch: streamCount)
    let whole = try session.run([.float32(samples, shape: [streamCount, steps, 3])])[0].floats
    let streams = try (0..<streamCount).map { _ in try RecurrentStream(model) }
    /// The numbers of one step, of `[streams, steps, width]`.
    func step(_ values: [Float], _ step: Int, _ width: Int) -> [Float] {
      (0..<streamCount).flatMap { row in (0..<width).map { values[(row * steps + step) * width + $0] } }
    }
    for round in 0..<3 {
      for index in 0..<steps {
        var input = step(samples, index, 3)
        let expected = step(whole, index, 2)
        switch round {
        case 0:
          #expect(try session.step(streams, input) == expected)
        case 1:
          let outputs = try session.step(streams, [.float32(input, shape: [streamCount, 3])])
          #expect(outputs == [.float32(expected, shape: [streamCount, 2])])
        default:
          var output = Array(repeating: Float(0), count: streamCount * 2)
          try input.withUnsafeMutableBufferPointer { input in
            try output.withUnsafeMutableBufferPointer { output in
              try session.step(
                streams, [HostView(input, shape: [streamCount, 3])],
                into: [HostView(output, shape: [streamCount, 2])])
            }
          }
          #expect(output == expected)
        }
      }
      for stream in streams { try stream.reset() }
    }
    // Any session of the model goes on with a stream.
    let first = try session.step([streams[0]], Array(samples[0..<3]))
    #expect(first == Array(whole[0..<2]))
    #expect(try Session(model).step([streams[0]], Array(samples[3..<6])) == Array(whole[2..<4]))
  }

  @Test func aStepHasLengthsOfOne() throws {
    let model = try tagger()
    let session = try Session(model)
    let stream = try RecurrentStream(model)
    #expect(stream.model === model && session.model === model)
    #expect(model.info.inputs.map(\.stepShape) == [[3], []])
    let samples = ramp(2 * 3)
    let whole = try session.run([.float32(samples, shape: [1, 2, 3]), .int32([2], shape: [1])])
    _ = try session.step([stream], [.float32(Array(samples[0..<3]), shape: [1, 3]), .int32([1], shape: [1])])
    let last = try session.step([stream], [.float32(Array(samples[3..<6]), shape: [1, 3]), .int32([1], shape: [1])])
    #expect(last.map(\.floats) == [Array(whole[0].floats[2..<4]), whole[1].floats])
  }

  @Test func whatCannotBeStreamedIsSaid() throws {
    let flat = try Model(input: [4]) { Dense(units: 2) }
    let error = #expect(throws: NNKitError.self) { try RecurrentStream(flat) }
    #expect(error?.code == .unsupported)
    let model = try tagger()
    let stream = try RecurrentStream(model)
    let session = try Session(model, maximumBatch: 2)
    let twice = #expect(throws: NNKitError.self) {
      try session.step([stream, stream], [.float32(ramp(6), shape: [2, 3]), .int32([1, 1], shape: [2])])
    }
    #expect(twice?.code == .invalidArgument)
    #expect(throws: NNKitError.self) { try session.step([], [Float]()) }
    #expect(throws: NNKitError.self) { try session.step([], [HostArray]()) }
    #expect(throws: NNKitError.self) { try session.step([stream], [1, 2]) }
  }
}
