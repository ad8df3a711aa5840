import FoundationEssentials

/// A graph as a model file holds it, in JSON. Values are numbered in the order in which a graph makes them: inputs
/// and layers' outputs, one after another.
struct GraphDescription: Codable, Equatable {
  struct Input: Codable, Equatable {
    var name: String
    var dtype: String
    var shape: [Int]
    var value: Int
  }

  struct Layer: Codable, Equatable {
    var name: String
    var kind: String
    var options: String
    var inputs: [Int]
    var outputs: [Int]
  }

  struct Output: Codable, Equatable {
    var name: String
    var value: Int
  }

  var version: Int
  var seed: UInt64
  var inputs: [Input]
  var layers: [Layer]
  var outputs: [Output]

  static let currentVersion = 1

  init(_ graph: Graph, seed: UInt64) {
    version = Self.currentVersion
    self.seed = seed
    inputs = graph.inputs.map { input in
      let type = graph.types[input.value.index]
      return Input(name: input.name, dtype: type.dataType.rawValue, shape: type.shape.sizes, value: input.value.index)
    }
    layers = graph.nodes.map { node in
      Layer(
        name: node.name, kind: node.kind, options: node.options, inputs: node.inputs.map(\.index),
        outputs: node.outputs.map(\.index))
    }
    outputs = graph.outputs.map { Output(name: $0.name, value: $0.value.index) }
  }

  /// Builds the graph again, through the same checks that a program's graph goes through.
  /// Throws: `.format` where the description does not make a graph.
  func makeGraph() throws(NNKitError) -> Graph {
    guard !self.inputs.isEmpty, !self.outputs.isEmpty else {
      throw NNKitError(
        .format,
        "the graph in the file has \(self.inputs.count) inputs and \(self.outputs.count) outputs; expected at least one "
          + "of each")
    }
    guard version == Self.currentVersion else {
      throw NNKitError(
        .unsupported,
        "the graph has version \(version); this library reads version \(Self.currentVersion). Use a newer "
          + "library")
    }
    var graph = Graph()
    var inputs = self.inputs[...]
    var layers = self.layers[...]
    // Inputs may have been added between layers; the numbers of their values tell where.
    while !inputs.isEmpty || !layers.isEmpty {
      let nextLayer = layers.first?.outputs.first ?? .max
      if let input = inputs.first, input.value < nextLayer {
        inputs.removeFirst()
        guard let type = DataType(rawValue: input.dtype) else {
          throw NNKitError(
            .format, "the input \"\(excerpt(input.name))\" has the unknown type \"\(excerpt(input.dtype))\"")
        }
        let value = graph.input(input.name, Shape(input.shape), type)
        try check([value], [input.value], graph)
      } else if let layer = layers.first {
        layers.removeFirst()
        let options = "name=\(layer.name) \(layer.options)"
        let values = graph.layer(layer.kind, options, layer.inputs.map { Value(index: $0) })
        try check(values ?? [], layer.outputs, graph)
      }
    }
    for output in outputs { graph.output(output.name, Value(index: output.value)) }
    try check([], [], graph)
    return graph
  }

  private func check(_ values: [Value], _ expected: [Int], _ graph: Graph) throws(NNKitError) {
    if let error = graph.firstError {
      if error.code == .outOfMemory { throw error }
      throw NNKitError(.format, "the graph in the file is not valid: \(error.message)")
    }
    guard values.map(\.index) == expected else {
      throw NNKitError(
        .format,
        "the graph in the file numbers its values \(expected.prefix(4)) where they are "
          + "\(values.prefix(4).map(\.index))")
    }
  }

  /// Throws: `.internal` (never seen: the description holds nothing that JSON cannot).
  func json() throws(NNKitError) -> String {
    try checkMemory(for: layers.count << 12)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      throw NNKitError(.internal, "the graph could not be written as JSON")
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// Throws: `.format`.
  static func parse(_ json: String) throws(NNKitError) -> GraphDescription {
    var json = json
    let depth = json.withUTF8 { JSONOutline(UnsafeRawBufferPointer($0)).depth }
    guard depth <= JSONOutline.maximumDepth else {
      throw NNKitError(.format, "the graph in the file is nested \(depth) deep; expected at most 4")
    }
    try checkMemory(for: 32 * json.utf8.count)
    do {
      return try JSONDecoder().decode(GraphDescription.self, from: Data(json.utf8))
    } catch {
      throw NNKitError(.format, "the graph in the file is not the JSON that was expected")
    }
  }
}
