import Foundation
import NNKit
import Testing

@Suite struct BuildingTests {
  @Test func aGraphIsSeenFromOutside() throws {
    let model = try tagger(seed: 9)
    #expect(model.inputTypes == [ValueType(.float32, [Shape.open, 3]), ValueType(.int32, [])])
    #expect(model.outputTypes == [ValueType(.float32, [Shape.open, 2]), ValueType(.float32, [5])])
    let info = model.info
    #expect(info.inputs.map(\.name) == ["x", "lengths"] && info.inputs.map(\.dataType) == [.float32, .int32])
    #expect(info.outputs.map(\.port.name) == ["tags", "class"] && info.outputs.map(\.source) == ["tags", "class"])
    #expect(info.layers.map(\.name) == ["all", "tags", "last", "class"])
    #expect(info.layers.map(\.kind) == ["lstm", "dense", "gru", "dense"])
    #expect(info.layers[0].inputs == ["x", "lengths"] && info.layers[0].outputShape == [Shape.open, 4])
    #expect(info.parameters.map(\.name) == model.parameterNames)
    #expect(
      info.parameters.map(\.count).reduce(0, +) == model.parameterCount && info.parameterCount == model.parameterCount)
    #expect(info.seed == 9 && model.seed == 9)
    #expect(info.parameters.allSatisfy { $0.trainable && $0.shape.sizes.reduce(1, *) == $0.count })
    let json = try JSONSerialization.jsonObject(with: Data(info.json.utf8)) as? [String: Any]
    #expect((json?["parameters"] as? [[String: Any]])?.count == info.parameters.count)
  }

  @Test func aGraphRemembersItsFirstError() throws {
    var graph = Graph()
    let x = graph.input("x", [4])
    #expect(try graph.type(of: x) == ValueType(.float32, [4]))
    let y = graph.layer("dense", "units=3 activation=rleu", x)
    graph.output("y", graph.layer(Dense(units: 0), y))
    let error = try #require(graph.firstError)
    #expect(error.code == .invalidArgument && error.message.contains("did you mean relu?"))
    #expect(throws: error) { try Model(graph) }
    #expect(throws: NNKitError.self) { try Model(Graph()) }
    // Layers by kind and options, and by type, are the same.
    var (first, second) = (Graph(), Graph())
    let inputs = [first.input("x", [4]), second.input("x", [4])]
    first.output("y", first.layer("dense", "units=3 name=d", inputs[0]))
    second.output("y", second.layer(Dense(units: 3, name: "d"), inputs[1]))
    #expect(try Model(first, seed: 2).data() == Model(second, seed: 2).data())
  }

  @Test func aSequentialModelIsBuiltByLoopsAndConditions() throws {
    func make(_ isDeep: Bool) throws -> Model {
      try Model(input: [8], .float32, seed: 3) {
        for _ in 0..<(isDeep ? 3 : 1) { Dense(units: 4) }
        if isDeep { Dropout(rate: 0.1) } else { Softmax() }
        if isDeep { Activation(.relu) }
      }
    }
    #expect(try make(true).info.layers.map(\.name) == ["dense", "dense_1", "dense_2", "dropout", "activation"])
    #expect(try make(false).info.layers.map(\.name) == ["dense", "softmax"])
  }

  @Test func parametersAreReadAndWrittenInPlace() throws {
    let model = try Model(input: [2], seed: 1) { Dense(units: 1, name: "d") }
    let session = try Session(model)
    let before = try session.predict([1, 1])
    try model.withParameter("d/kernel") { values, shape in
      #expect(shape == [2, 1])
      _ = values.update(from: [3, 4])
    }
    #expect(try session.predict([1, 1]) == [7] && before != [7])
    let bias = try #require(model.info.parameters.first { $0.name == "d/bias" })
    model.withParameters { $0[bias.offset] = 0.5 }
    #expect(try session.predict([1, 1]) == [7.5])
    let error = #expect(throws: NNKitError.self) { try model.withParameter("d/kernal") { _, _ in } }
    #expect(error?.message.contains("did you mean d/kernel?") == true)
  }

  @Test func aModelIsSavedToAFileAndToMemory() throws {
    let model = try tagger()
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).nnkit").path(percentEncoded: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try model.save(to: path)
    let bytes = try model.data()
    #expect([UInt8](try Data(contentsOf: URL(filePath: path))) == bytes)
    var pieces: [UInt8] = []
    try model.write { pieces += $0 }
    #expect(pieces == bytes)
    for loaded in [
      try Model(contentsOf: path), try Model(data: bytes), try bytes.withUnsafeBytes { try Model(data: $0) },
    ] {
      #expect(try loaded.data() == bytes)
    }
    func code(_ body: () throws -> Void) -> NNKitError.Code? {
      do { try body() } catch { return (error as? NNKitError)?.code }
      return nil
    }
    #expect(code { _ = try Model(contentsOf: path + ".not") } == .io)
    #expect(code { try model.save(to: "/nowhere/at/all") } == .io)
    #expect(code { _ = try Model(data: Array(bytes.dropLast())) } == .format)
    #expect(code { _ = try Model(data: [UInt8]()) } == .format)
    let stop = NNKitError(.io, "the disk is full")
    #expect(throws: stop) { try model.write { (_) throws(NNKitError) in throw stop } }
  }

  @Test func aRuntimeHasItsOwnThreads() throws {
    let one = try Runtime(threads: 1)
    #expect(one.threads == 1 && ["baseline", "avx2", "avx512"].contains(one.instructionSet))
    let shared = try Runtime.shared()
    #expect(shared.threads >= 1 && shared.instructionSet == one.instructionSet)
    #expect(Runtime.version.split(separator: ".").count == 3)
    let error = #expect(throws: NNKitError.self) { try Runtime(threads: -1) }
    #expect(error?.code == .invalidArgument)
    // For any number of threads the same bits; and after the shared runtime's have ended, they start again.
    let bytes = try Model(input: [9], seed: 1) { Dense(units: 4) }.data()
    let results = try [one, try Runtime(threads: 3), nil, nil].map { runtime in
      let session = try Session(Model(data: bytes, runtime: runtime), maximumBatch: 100)
      if runtime == nil { Runtime.shutDown() }
      return try session.predict(ramp(900))
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }

  @Test func anErrorHasACodeAndAMessage() {
    let error = NNKitError(.shape, "no room")
    #expect(error.code == .shape && error.message == "no room" && "\(error)" == "no room")
    #expect(NNKitError.Code(rawValue: 12) == .cancelled && NNKitError.Code(rawValue: 13) == nil)
  }
}
