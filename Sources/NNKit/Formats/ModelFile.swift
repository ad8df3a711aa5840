extension Model {
  private static let graphKey = "nnkit.graph"
  private static let checksumKey = "nnkit.crc32"

  /// Writes the model to one file, which any reader of safetensors can open: the parameters by name, the graph as
  /// JSON in the metadata, and a checksum of both. At any moment the old file or the new one stands there, whole.
  ///
  /// While the model is being trained, the file holds the parameters as they are between two updates.
  ///
  /// Throws: `.io`; `.outOfMemory` where a copy of the parameters does not fit into memory.
  public func save(to path: String) throws(NNKitError) {
    // What is written is what was checked, and a trainer need not wait for the disk.
    let snapshot = try arena.snapshot()
    defer { withExtendedLifetime(snapshot) {} }
    let graphJSON = try GraphDescription(graph, seed: seed).json()
    var entries: [Safetensors.Entry] = []
    var checksum = Checksum()
    checksum.add(graphJSON)
    var parts: [UnsafeRawBufferPointer] = []
    var offset = 0
    for parameter in parameters {
      let bytes = parameter.count * MemoryLayout<Float>.stride
      entries.append(
        Safetensors.Entry(
          name: parameter.name, type: "F32", shape: parameter.shape.sizes, bytes: offset..<offset + bytes))
      parts.append(
        UnsafeRawBufferPointer(
          start: snapshot.base + parameter.offset * MemoryLayout<Float>.stride, count: bytes))
      checksum.add(parts[parts.count - 1])
      offset += bytes
    }
    let header = try Safetensors.header(
      entries, metadata: [Self.graphKey: graphJSON, Self.checksumKey: checksum.text, "format": "nnkit"])
    try header.withUnsafeBufferPointer { (header) throws(NNKitError) in
      try writeAtomically(to: path, [UnsafeRawBufferPointer(header)] + parts)
    }
  }

  /// Reads a model that `save` wrote. A model file is data: no code runs and no other file is opened.
  ///
  /// Throws: `.io`; `.format` where the file is not a whole, valid model; `.unsupported` for a newer version;
  /// `.outOfMemory`.
  public convenience init(contentsOf path: String, runtime: Runtime? = nil) throws(NNKitError) {
    let file = try Safetensors.read(path)
    do throws(NNKitError) {
      guard let graphJSON = file.metadata[Self.graphKey] else {
        throw NNKitError(
          .format,
          "it is a safetensors file without a graph (\(Self.graphKey) in its metadata); expected a file that "
            + "NNKit saved")
      }
      if let expected = file.metadata[Self.checksumKey] {
        var checksum = Checksum()
        checksum.add(graphJSON)
        for entry in file.entries.sorted(by: { $0.bytes.lowerBound < $1.bytes.lowerBound }) {
          checksum.add(file.data(entry))
        }
        guard checksum.text == expected else {
          throw NNKitError(
            .format,
            "its checksum is \(checksum.text), not \(excerpt(expected)): the file is damaged, or another program "
              + "changed it and left \(Self.checksumKey) in its metadata")
        }
      }
      let description = try GraphDescription.parse(graphJSON)
      try self.init(uninitialized: try description.makeGraph(), seed: description.seed, runtime: runtime)
      try fill(from: file)
    } catch {
      throw error.at("\(quoted(path))")
    }
  }

  private func fill(from file: Safetensors.File) throws(NNKitError) {
    var entries: [String: Safetensors.Entry] = [:]
    for entry in file.entries { entries[entry.name] = entry }
    for parameter in parameters {
      guard let entry = entries.removeValue(forKey: parameter.name) else {
        throw NNKitError(.format, "the parameter \(parameter.name) is missing")
      }
      guard entry.type == "F32", entry.shape == parameter.shape.sizes else {
        throw NNKitError(
          .format,
          "the parameter \(parameter.name) is \(entry.type) \(Shape(entry.shape)); expected F32 "
            + "\(parameter.shape)")
      }
      let bytes = file.data(entry)
      if let base = bytes.baseAddress {
        UnsafeMutableRawPointer(arena.floats + parameter.offset).copyMemory(from: base, byteCount: bytes.count)
      }
    }
    if let extra = entries.keys.min() {
      throw NNKitError(.format, "the tensor \"\(excerpt(extra))\" belongs to no layer of the graph")
    }
  }
}

extension Checksum {
  fileprivate mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }
}
