import FoundationEssentials

/// What a model is made of: inputs, outputs, layers and parameters, for summaries and for views of the parameters by
/// name.
public struct ModelInfo: Encodable, Sendable {
  /// An input or an output.
  public struct Port: Encodable, Sendable {
    public let name: String
    /// Of its elements.
    public let dataType: DataType
    /// Of one sample, without the batch.
    public let shape: Shape
    /// Of a time step of a stream; nil where the model cannot be streamed.
    public let stepShape: Shape?

    enum CodingKeys: String, CodingKey {
      case name, shape
      case dataType = "dtype"
      case stepShape = "step_shape"
    }
  }

  /// An output, and where it comes from.
  public struct Output: Encodable, Sendable {
    /// Name and type.
    public let port: Port
    /// The name of the layer, or input, that computes it.
    public let source: String?
    /// The name of the input that has the same open dimension; nil where there is none.
    public let openAs: String?

    private enum Key: String, CodingKey {
      case source
      case openAs = "open_as"
    }

    /// As one object with the fields of both.
    public func encode(to encoder: any Encoder) throws {
      try port.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(source, forKey: .source)
      try container.encodeIfPresent(openAs, forKey: .openAs)
    }
  }

  /// A layer.
  public struct Layer: Encodable, Sendable {
    public let name: String
    /// As the catalog has it: "conv2d".
    public let kind: String
    /// Every option with its value, as text that reads back as the same options.
    public let options: String
    /// Names of the layers and inputs that it reads from.
    public let inputs: [String]
    /// Of one sample, without the batch.
    public let outputShape: Shape
    /// How many numbers its parameters hold.
    public let parameters: Int

    enum CodingKeys: String, CodingKey {
      case name, kind, options, inputs, parameters
      case outputShape = "output_shape"
    }
  }

  /// A parameter and its place.
  public struct Parameter: Encodable, Sendable {
    /// "<layer>/<parameter>".
    public let name: String
    /// Its sizes; the last axis is the fastest.
    public let shape: Shape
    /// Where its first element is in the buffers of `Model.withParameters` and `Trainer.withGradients`.
    public let offset: Int
    /// How many elements it has.
    public let count: Int
    /// Whether the optimizer changes it; a running statistic of batch norm is state that steps write.
    public let trainable: Bool
  }

  /// In the order in which runs take them.
  public let inputs: [Port]
  /// In the order in which runs give them.
  public let outputs: [Output]
  /// Each layer follows those that it reads from.
  public let layers: [Layer]
  /// In the order of the layers.
  public let parameters: [Parameter]
  /// How many numbers the parameters hold, trainable or not.
  public let parameterCount: Int
  /// Where the model's random numbers come from.
  public let seed: UInt64

  enum CodingKeys: String, CodingKey {
    case inputs, outputs, layers, parameters, seed
    case parameterCount = "parameter_count"
  }

  package init(_ model: Model) {
    let graph = model.graph
    func port(_ input: Graph.Input, _ stepType: ValueType?) -> Port {
      let type = graph.types[input.value.index]
      return Port(
        name: input.name, dataType: type.dataType, shape: type.shape, stepShape: stepType?.shape)
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
        outputShape: node.outputs.first.map { graph.types[$0.index].shape } ?? [],
        parameters: parameters.reduce(0) { $0 + $1.count })
    }
    parameters = model.parameters.map {
      Parameter(
        name: $0.name, shape: $0.shape, offset: $0.offset, count: $0.count,
        trainable: $0.specification.trainable)
    }
    parameterCount = model.parameterCount
    seed = model.seed
  }

  /// The same as JSON, as `nnk_model_info_json` gives it.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }
}

extension Model {
  /// What the model is made of.
  public var info: ModelInfo { ModelInfo(self) }
}
