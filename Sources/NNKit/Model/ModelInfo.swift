import FoundationEssentials

/// A model as JSON: inputs, outputs, layers and parameters, for summaries and for views of the parameters by name.
package struct ModelInfo: Encodable {
  struct Port: Encodable {
    var name: String
    var dtype: String
    var shape: [Int]
    /// Of a time step of a stream; nil where the model cannot be streamed.
    var stepShape: [Int]?

    enum CodingKeys: String, CodingKey {
      case name, dtype, shape
      case stepShape = "step_shape"
    }
  }

  struct Output: Encodable {
    var port: Port
    /// The name of the layer, or input, that computes it.
    var source: String?
    /// The name of the input that has the same open dimension; nil where there is none.
    var openAs: String?

    private enum Key: String, CodingKey {
      case source
      case openAs = "open_as"
    }

    func encode(to encoder: any Encoder) throws {
      try port.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(source, forKey: .source)
      try container.encodeIfPresent(openAs, forKey: .openAs)
    }
  }

  struct Layer: Encodable {
    var name: String
    var kind: String
    var options: String
    /// Names of the layers and inputs that it reads from.
    var inputs: [String]
    var outputShape: [Int]
    var parameters: Int

    enum CodingKeys: String, CodingKey {
      case name, kind, options, inputs, parameters
      case outputShape = "output_shape"
    }
  }

  struct ParameterEntry: Encodable {
    var name: String
    var shape: [Int]
    var offset: Int
    var count: Int
    var trainable: Bool
  }

  var inputs: [Port]
  var outputs: [Output]
  var layers: [Layer]
  var parameters: [ParameterEntry]
  var parameterCount: Int
  var seed: UInt64

  enum CodingKeys: String, CodingKey {
    case inputs, outputs, layers, parameters, seed
    case parameterCount = "parameter_count"
  }

  package init(_ model: Model) {
    let graph = model.graph
    func port(_ input: Graph.Input, _ stepType: ValueType?) -> Port {
      let type = graph.types[input.value.index]
      return Port(
        name: input.name, dtype: type.dataType.rawValue, shape: type.shape.sizes, stepShape: stepType?.shape.sizes)
    }
    let steps = try? StreamShapes(graph)
    var producers: [Int: String] = [:]
    for input in graph.inputs { producers[input.value.index] = input.name }
    for node in graph.nodes { for output in node.outputs { producers[output.index] = node.name } }
    // Where an output is open, so is an input of its layer, in the same dimensions; of several all are equal.
    var openAs: [Int: String] = [:]
    for input in graph.inputs where graph.types[input.value.index].shape.isOpen {
      openAs[input.value.index] = input.name
    }
    for node in graph.nodes {
      let name = node.inputs.lazy.compactMap { openAs[$0.index] }.first
      for output in node.outputs where graph.types[output.index].shape.isOpen { openAs[output.index] = name }
    }
    inputs = graph.inputs.enumerated().map { port($1, steps?.inputs[$0]) }
    outputs = graph.outputs.enumerated().map {
      Output(
        port: port($1, steps?.outputs[$0]), source: producers[$1.value.index], openAs: openAs[$1.value.index])
    }
    layers = zip(graph.nodes, model.parametersByNode).map { node, parameters in
      Layer(
        name: node.name, kind: node.kind, options: node.options, inputs: node.inputs.compactMap { producers[$0.index] },
        outputShape: node.outputs.first.map { graph.types[$0.index].shape.sizes } ?? [],
        parameters: parameters.reduce(0) { $0 + $1.count })
    }
    parameters = model.parameters.map {
      ParameterEntry(
        name: $0.name, shape: $0.shape.sizes, offset: $0.offset, count: $0.count,
        trainable: $0.specification.trainable)
    }
    parameterCount = model.parameterCount
    seed = model.seed
  }

  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }
}
