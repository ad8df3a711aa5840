import NNKit

/// A graph as somebody would write it, with what it is run on: batch, time steps and the seed of all data.
package struct GraphProgram: Sendable {
  /// Values are named by numbers that stay when others go.
  package typealias ValueID = Int

  package struct Input: Sendable {
    package var id: ValueID
    package var sizes: [Int]
    package var type: DataType
    /// Whether it holds the lengths of sequences.
    package var isLengths = false
  }

  package struct Layer: Sendable {
    package var kind: String
    package var options: [Option]
    package var inputs: [ValueID]
    package var outputs: [ValueID]

    package var optionText: String { options.text }
  }

  package struct Option: Sendable {
    package var name: String
    package var value: String
  }

  package var seed: UInt64
  package var inputs: [Input] = []
  package var layers: [Layer] = []
  package var outputs: [ValueID] = []
  package var batch = 1
  /// What open sizes are.
  package var time = 1
  package var loss = "mean_squared_error"

  package init(seed: UInt64) { self.seed = seed }

  /// The graph; throws what it says against it.
  package func graph(extraOutputs: [ValueID] = []) throws(NNKitError) -> (graph: Graph, values: [ValueID: Value]) {
    var graph = Graph()
    var values: [ValueID: Value] = [:]
    for (index, input) in inputs.enumerated() {
      values[input.id] = graph.input("x\(index)", Shape(input.sizes), input.type)
    }
    for layer in layers {
      let layerInputs = layer.inputs.compactMap { values[$0] }
      guard let results = graph.layer(layer.kind, layer.optionText, layerInputs) else { break }
      for (id, value) in zip(layer.outputs, results) { values[id] = value }
    }
    for (index, output) in (outputs + extraOutputs).enumerated() {
      guard let value = values[output] else { break }
      graph.output("y\(index)", value)
    }
    if let error = graph.firstError { throw error }
    return (graph, values)
  }

  /// The shapes of the inputs, without open sizes.
  package var inputShapes: [Shape] {
    inputs.map { Shape($0.sizes.map { $0 == Shape.open ? time : $0 }) }
  }

  /// The type of each value of the program's graph, without open sizes; nil where a layer does not take such sizes: a window
  /// may be larger than a time that was open, and two open sizes may differ.
  package func types(of graph: Graph) -> [ValueType]? {
    var types: [ValueType?] = Array(repeating: nil, count: graph.types.count)
    for (input, shape) in zip(graph.inputs, inputShapes) {
      types[input.value.index] = ValueType(graph.types[input.value.index].dataType, shape)
    }
    for node in graph.nodes {
      guard let outputs = try? node.operation.outputTypes(node.inputs.compactMap { types[$0.index] }) else {
        return nil
      }
      for (value, type) in zip(node.outputs, outputs) { types[value.index] = type }
    }
    return types.compactMap { $0 }
  }

  /// The inputs and layers that the outputs depend on, and no others.
  package var needed: GraphProgram {
    var ids = Set(outputs)
    var program = self
    program.layers = []
    for layer in layers.reversed() where layer.outputs.contains(where: { ids.contains($0) }) {
      ids.formUnion(layer.inputs)
      program.layers.insert(layer, at: 0)
    }
    program.inputs.removeAll { !ids.contains($0.id) }
    return program
  }

  /// A test that builds the graph and compares it with the reference, ready to be pasted into a suite.
  package func swiftTest(_ failure: String) -> String {
    var lines = ["/// Found by random graphs, seed \(seed): \(failure)", "@Test func graph\(seed)() throws {"]
    lines.append("  var program = GraphProgram(seed: \(seed))")
    for input in inputs {
      let type = input.type == .int32 ? ", .int32" : ""
      let lengths = input.isLengths ? ", isLengths: true" : ""
      lines.append("  program.input(\(input.id), \(input.sizes)\(type)\(lengths))")
    }
    for layer in layers {
      lines.append(
        "  program.layer(\"\(layer.kind)\", \"\(layer.optionText)\", \(layer.inputs), to: \(layer.outputs))")
    }
    lines.append("  program.outputs = \(outputs)")
    lines.append("  program.batch = \(batch)")
    if inputs.contains(where: { $0.sizes.contains(Shape.open) }) { lines.append("  program.time = \(time)") }
    lines.append("  program.loss = \"\(loss)\"")
    lines.append("  try expectAllChecksPass(program)")
    lines.append("}")
    return lines.joined(separator: "\n")
  }

  package mutating func input(_ id: ValueID, _ sizes: [Int], _ type: DataType = .float32, isLengths: Bool = false) {
    inputs.append(Input(id: id, sizes: sizes, type: type, isLengths: isLengths))
  }

  /// Adds a layer whose options are given as text.
  package mutating func layer(_ kind: String, _ options: String, _ inputs: [ValueID], to outputs: [ValueID]) {
    let options = options.split(separator: " ").map { word in
      let parts = word.split(separator: "=", maxSplits: 1)
      return Option(name: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "")
    }
    layers.append(Layer(kind: kind, options: options, inputs: inputs, outputs: outputs))
  }
}
