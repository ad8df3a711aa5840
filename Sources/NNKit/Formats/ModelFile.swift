extension Model {
  static let graphKey = "nnkit.graph"
  static let trainerKey = "nnkit.trainer"
  /// A CRC-32 of the graph, the trainer's description, and every tensor's name and bytes in the order of the names.
  /// Readers of safetensors lay tensors in an order of their own when they write a file again.
  static let checksumKey = "nnkit.crc32.by_name"
  /// The same of files that were written before: without names, in the order of the data.
  static let oldChecksumKey = "nnkit.crc32"

  /// Writes the model to one file, which any reader of safetensors can open: the parameters by name, the graph as
  /// JSON in the metadata, and a checksum of both. At any moment the old file or the new one stands there, whole.
  ///
  /// While the model is being trained, the file holds the parameters as they are between two updates.
  ///
  /// Throws: `.io`; `.outOfMemory` where a copy of the parameters does not fit into memory.
  public func save(to path: String) throws(NNKitError) {
    try withFile { (parts) throws(NNKitError) in try writeAtomically(to: path, parts) }
  }

  /// Gives `write` the bytes that `save` would write, piece by piece. Throws: what `write` throws.
  public func write(_ write: (UnsafeRawBufferPointer) throws(NNKitError) -> Void) throws(NNKitError) {
    try withFile { (parts) throws(NNKitError) in
      for part in parts where !part.isEmpty { try write(part) }
    }
  }

  /// The bytes that `save` would write.
  public func data() throws(NNKitError) -> [UInt8] {
    var bytes: [UInt8] = []
    try write { bytes += $0 }
    return bytes
  }

  /// What a trainer's state adds to the file of its model.
  struct TrainingPart {
    let json: String
    let tensors: [Safetensors.Tensor]
  }

  /// Calls `body` with the parts of the model's file.
  func withFile(_ training: TrainingPart? = nil, _ body: ([UnsafeRawBufferPointer]) throws(NNKitError) -> Void)
    throws(NNKitError)
  {
    var metadata = [Self.graphKey: try GraphDescription(graph, seed: seed).json()]
    // The tensors of a trainer's state are all checked against its description; a model's file says whose it is.
    metadata[training == nil ? "format" : Self.trainerKey] = training?.json ?? "nnkit"
    // What is written is what was checked, and neither trainers nor runs wait for the writer.
    let snapshot = try arena.snapshot()
    defer { withExtendedLifetime(snapshot) {} }
    let tensors = parameters.map { arena.tensor($0, in: snapshot) } + (training?.tensors ?? [])
    var checksum = Checksum(metadata)
    for tensor in tensors.sorted(by: { isBefore($0.name, $1.name) }) {
      checksum.add(tensor.name)
      checksum.add(UnsafeRawBufferPointer(tensor.values))
    }
    metadata[Self.checksumKey] = checksum.text
    let header = try Safetensors.header(of: tensors, metadata: metadata)
    try header.withUnsafeBufferPointer { (header) throws(NNKitError) in
      try body([UnsafeRawBufferPointer(header)] + tensors.map { UnsafeRawBufferPointer($0.values) })
    }
  }

  /// Reads a model that `save` wrote. A model file is data: no code runs and no other file is opened.
  ///
  /// Throws: `.io`; `.format` where the file is not a whole, valid model; `.unsupported` for a newer version;
  /// `.outOfMemory`.
  public convenience init(contentsOf path: String, runtime: Runtime? = nil) throws(NNKitError) {
    let file = try Safetensors.read(path)
    do throws(NNKitError) {
      try self.init(file, runtime: runtime)
    } catch {
      throw error.at("\(quoted(path))")
    }
  }

  /// Reads a model from the bytes that `write` gave, or those of a trainer's state. Throws: as `init(contentsOf:)`,
  /// without `.io`.
  public convenience init(data: UnsafeRawBufferPointer, runtime: Runtime? = nil) throws(NNKitError) {
    try self.init(try Safetensors.parse(data), runtime: runtime)
  }

  /// The same, of the bytes that `data()` gave.
  public convenience init(data: [UInt8], runtime: Runtime? = nil) throws(NNKitError) {
    try self.init(try Safetensors.parse(data), runtime: runtime)
  }

  private convenience init(_ file: Safetensors.File, runtime: Runtime?) throws(NNKitError) {
    let description = try file.graph()
    try self.init(uninitialized: try description.makeGraph(), seed: description.seed, runtime: runtime)
    var entries = file.entriesByName
    for parameter in parameters {
      arena.fill(parameter, from: try file.data(&entries, parameter.name, parameter.shape))
    }
    // The tensors of a trainer's state have names of three parts; those of parameters have two.
    let isState = file.metadata[Self.trainerKey] != nil
    if let extra = entries.keys.filter({ !isState || $0.split(separator: "/").count < 3 }).min() {
      throw NNKitError(.format, "the tensor \"\(excerpt(extra))\" belongs to no layer of the graph")
    }
  }
}

extension ParameterArena {
  /// A parameter as it is written to a file. `memory`: the arena's, or a copy.
  func tensor(_ parameter: Parameter, in memory: AlignedMemory) -> Safetensors.Tensor {
    Safetensors.Tensor(
      parameter.name, parameter.shape, memory.base.assumingMemoryBound(to: Float.self) + parameter.offset)
  }

  /// `bytes` are those of the parameter's shape.
  func fill(_ parameter: Parameter, from bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    UnsafeMutableRawPointer(floats + parameter.offset).copyMemory(from: base, byteCount: bytes.count)
  }
}

extension Safetensors.File {
  /// The graph in the metadata, once the checksum is known to be right.
  ///
  /// Throws: `.format`.
  func graph() throws(NNKitError) -> GraphDescription {
    guard let json = metadata[Model.graphKey] else {
      throw NNKitError(
        .format,
        "it is a safetensors file without a graph (\(Model.graphKey) in its metadata); expected a file that "
          + "NNKit saved")
    }
    if let expected = metadata[Model.checksumKey] {
      var checksum = Checksum(metadata)
      for entry in entries.sorted(by: { isBefore($0.name, $1.name) }) {
        checksum.add(entry.name)
        checksum.add(data(entry))
      }
      try require(checksum, expected, Model.checksumKey)
    } else if let expected = metadata[Model.oldChecksumKey] {
      var checksum = Checksum(metadata)
      for entry in entries { checksum.add(data(entry)) }
      try require(checksum, expected, Model.oldChecksumKey)
    }
    return try GraphDescription.parse(json)
  }

  var hasChecksum: Bool { metadata[Model.checksumKey] != nil || metadata[Model.oldChecksumKey] != nil }

  private func require(_ checksum: Checksum, _ expected: String, _ key: String) throws(NNKitError) {
    guard checksum.text == expected else {
      throw NNKitError(
        .format,
        "its checksum is \(checksum.text), not \(excerpt(expected)): the file is damaged, or another program "
          + "changed it and left \(key) in its metadata")
    }
  }

  var entriesByName: [String: Safetensors.Entry] {
    Dictionary(entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The bytes of the float32 tensor `name`, which is taken out of `entries`.
  ///
  /// Throws: `.format` where it is missing or of another type or shape.
  func data(_ entries: inout [String: Safetensors.Entry], _ name: String, _ shape: Shape) throws(NNKitError)
    -> UnsafeRawBufferPointer
  {
    guard let entry = entries.removeValue(forKey: name) else {
      throw NNKitError(.format, "the parameter \(name) is missing")
    }
    guard entry.type == "F32", entry.shape == shape.sizes else {
      throw NNKitError(
        .format, "the parameter \(name) is \(entry.type) \(Shape(entry.shape)); expected F32 \(shape)")
    }
    return data(entry)
  }
}

/// The order of names in a checksum: that of their bytes in UTF-8.
private func isBefore(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

extension Checksum {
  /// What precedes the tensors.
  fileprivate init(_ metadata: [String: String]) {
    self.init()
    add(metadata[Model.graphKey] ?? "")
    add(metadata[Model.trainerKey] ?? "")
  }

  fileprivate mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }
}
