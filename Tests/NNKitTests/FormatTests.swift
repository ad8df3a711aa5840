import FoundationEssentials
import Glibc
import NNKit
import NNKitKernelTable
import Testing

@Suite struct FormatTests {
  private func temporaryPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "nnkit-\(UUID().uuidString).nnkit").path
  }

  private func model() throws -> Model {
    var graph = Graph()
    let image = graph.input("image", [6, 6, 2])
    let tokens = graph.input("tokens", [Shape.open], .int32)
    var x = graph.layer("conv2d", "filters=3 kernel=3 activation=relu", image)
    x = graph.layer("flatten", "", x)
    graph.output("features", graph.layer("dense", "units=4 name=features", x))
    let e = graph.layer("embedding", "vocabulary=7 units=5", tokens)
    graph.output("state", graph.layer("lstm", "units=3", e))
    return try Model(graph, seed: 9)
  }

  @Test func aSavedModelComesBackWithTheSameBits() throws {
    let path = temporaryPath()
    defer { unlink(path) }
    let model = try model()
    try model.save(to: path)
    let loaded = try Model(contentsOf: path)
    #expect(loaded.seed == 9)
    #expect(loaded.parameterNames == model.parameterNames)
    #expect(loaded.graph.outputs.map(\.name) == ["features", "state"])
    #expect(ModelInfo(loaded).json == ModelInfo(model).json)
    for index in 0..<model.arena.count {
      #expect(loaded.arena.floats[index].bitPattern == model.arena.floats[index].bitPattern)
    }
  }

  @Test func aDamagedFileIsAnError() throws {
    let path = temporaryPath()
    defer { unlink(path) }
    try model().save(to: path)
    var bytes = try Data(contentsOf: URL(filePath: path))
    bytes[bytes.count - 20] ^= 1
    try bytes.write(to: URL(filePath: path))
    let error = #expect(throws: NNKitError.self) { try Model(contentsOf: path) }
    #expect(error?.code == .format)
    #expect(error?.message.contains("checksum") == true, "\(error?.message ?? "")")
  }

  @Test func aFailedSaveLeavesTheOldFileAndNoOther() throws {
    let folder = temporaryPath() + ".d"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // A folder stands where the file should go: the rename fails after everything was written.
    try FileManager.default.createDirectory(atPath: "\(folder)/model.nnkit/inside", withIntermediateDirectories: true)
    let error = #expect(throws: NNKitError.self) { try model().save(to: "\(folder)/model.nnkit") }
    #expect(error?.code == .io)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.nnkit"])
  }

  @Test func theChecksumIsTheOneOfTheStandard() {
    var checksum = Checksum()
    Array("123456789".utf8).withUnsafeBytes { checksum.add($0) }
    #expect(checksum.text == "cbf43926")
    var parts = Checksum()
    Array("12345".utf8).withUnsafeBytes { parts.add($0) }
    Array("6789".utf8).withUnsafeBytes { parts.add($0) }
    #expect(parts.value == checksum.value)
  }

  @Test(arguments: [
    #"{}x"#, #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
    #"{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, #"{"a":{"note":"no tensor"}}"#, #"[]"#, #"{"a":1}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}"#,
  ])
  func headersThatLieAreErrors(header: String) throws {
    let error = #expect(throws: NNKitError.self) { try parse(header, data: 8) }
    #expect(error?.code == .format)
  }

  @Test func aHeaderOfNestedBracketsIsAnError() throws {
    let error = #expect(throws: NNKitError.self) { try parse(String(repeating: "[", count: 1_000_000), data: 0) }
    #expect(error?.code == .format)
  }

  @Test func aTrueHeaderIsRead() throws {
    let file = try parse(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}}"#, data: 8)
    #expect(file.entries.map(\.name) == ["a"])
    #expect(file.metadata == ["k": "v"])
  }

  private func parse(_ header: String, data: Int) throws -> Safetensors.File {
    let bytes = Array(header.utf8)
    let memory = try AlignedMemory(byteCount: 8 + bytes.count + data)
    memory.base.storeBytes(of: UInt64(bytes.count), as: UInt64.self)
    bytes.withUnsafeBytes { (memory.base + 8).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    defer { withExtendedLifetime(memory) {} }
    return try Safetensors.parse(UnsafeRawBufferPointer(start: memory.base, count: memory.byteCount))
  }
}
