/// A kind of layer as programs in every language see it: its name, inputs, outputs and options, and how its
/// operation is made. The catalog, and through it the layer types of the other languages, are made from these.
package struct LayerDefinition: Sendable {
  package let kind: String
  /// The name of the type in languages that have types for layers: "Conv2D".
  package let className: String
  package let summary: String
  /// Those that must be there, then those that may be absent, then one that may come more than once.
  package let inputs: [Port]
  package let outputs: [Port]
  package let options: [OptionSpecification]
  /// Makes the operation for inputs of these types; what is absent is not among them.
  package let make: @Sendable (Options, [ValueType]) throws(NNKitError) -> any Operation

  package init(
    kind: String, className: String, summary: String, inputs: [Port] = ["x"], outputs: [Port] = ["y"],
    options: [OptionSpecification],
    make: @escaping @Sendable (Options, [ValueType]) throws(NNKitError) -> any Operation
  ) {
    self.kind = kind
    self.className = className
    self.summary = summary
    self.inputs = inputs
    self.outputs = outputs
    self.options = options
    self.make = make
  }

  /// The optional input of recurrent layers that says how many steps of each sequence are data. Where it is left out and
  /// the sequence has lengths already, they go on.
  static let lengths = Port("lengths", .optional)

  /// Of what a layer is given, that which is there. Throws: `.invalidArgument` where it is too little or too much, or
  /// where something is absent that must be there.
  func present(_ given: [Value], _ place: String) throws(NNKitError) -> [Value] {
    let least = inputs.count { $0.count != .optional }
    let takesMany = inputs.last?.count == .many
    guard given.count >= least, takesMany || given.count <= inputs.count else {
      let counts = takesMany ? "\(least) or more" : (least...inputs.count).map { String($0) }.joined(separator: " or ")
      throw NNKitError(
        .invalidArgument,
        "\(place) was given \(given.count) inputs; it takes \(counts): \(inputs.map(\.text).joined(separator: ", "))")
    }
    guard given.count <= Graph.maximumTensors else {
      throw NNKitError(
        .invalidArgument, "\(place) was given \(given.count) inputs; it takes at most \(Graph.maximumTensors)")
    }
    for (position, value) in given.enumerated() where value == Graph.absent {
      let port = inputs[min(position, inputs.count - 1)]
      guard port.count == .optional else {
        throw NNKitError(.invalidArgument, "\(place): the input \(port.name) is absent; only optional inputs may be")
      }
    }
    return given.filter { $0 != Graph.absent }
  }

  /// How many outputs a layer with these options has; nil where the options are not valid.
  package func outputCount(_ options: String) -> Int? {
    var count = 0
    for port in outputs {
      guard case .asMany(let option) = port.count else {
        count += 1
        continue
      }
      guard let parsed = try? Options(options, self.options + [Self.nameOption], owner: kind) else { return nil }
      count += parsed.list(option).count
    }
    return count
  }

  /// Every layer takes a name.
  package static let nameOption = OptionSpecification(
    "name", .string, optional: true, "the layer's name, unique in the graph; by default the kind and a number")
}

/// A layer as Swift programs write it: a value with typed options.
///
/// Options that are out of range are reported by the graph that the layer is added to (`Graph.firstError`), and so by
/// the model that is made of it.
public protocol Layer: Sendable {
  /// The kind in the catalog: "conv2d".
  static var kind: String { get }
  /// All options but the name, as the C interface takes them: `key=value key=value`.
  var options: String { get }
  /// The layer's name, unique in the graph; nil: the kind and a number.
  var name: String? { get }
}

extension Graph {
  /// Adds a layer with one input and one output.
  @discardableResult
  public mutating func layer<Kind: Layer>(_ layer: Kind, _ input: Value) -> Value { self.layer(layer, [input]) }

  /// Adds a layer with several inputs and one output: `Add()` of two values, an `LSTM` of a sequence and its lengths.
  /// `Graph.absent` stands for an optional input that is not given.
  @discardableResult
  public mutating func layer<Kind: Layer>(_ layer: Kind, _ inputs: [Value]) -> Value {
    single(Kind.kind, outputs(of: layer, inputs))
  }

  /// Adds a layer that may have several outputs, such as `Split`, and returns them; nil after an error.
  public mutating func outputs<Kind: Layer>(of layer: Kind, _ inputs: [Value]) -> [Value]? {
    var options = layer.options
    if let name = layer.name {
      // White space in it would begin another option.
      do throws(NNKitError) { try checkName(name, of: "layer") } catch { remember(error) }
      options += " name=\(name)"
    }
    return self.layer(Kind.kind, options, inputs)
  }

  /// The one output of the layer that was added last. A layer with several becomes the graph's error.
  mutating func single(_ kind: String, _ outputs: [Value]?) -> Value {
    guard let outputs else { return Graph.noValue }
    guard outputs.count == 1 else {
      remember(
        NNKitError(
          .invalidArgument,
          "layer \"\(nodes[nodes.count - 1].name)\" (\(kind)) has \(outputs.count) outputs; add it by the function that "
            + "gives all of them"))
      return Graph.noValue
    }
    return outputs[0]
  }
}

/// Every kind of layer.
package enum LayerCatalog {
  package static let definitions: [LayerDefinition] = [
    Conv2D.definition, MaxPool2D.definition, AvgPool2D.definition, GlobalAvgPool2D.definition, Flatten.definition,
    Dense.definition, BatchNorm.definition, Add.definition, Activation.definition, Softmax.definition,
    LogSoftmax.definition, Dropout.definition, Embedding.definition, LSTM.definition, GRU.definition, Concat.definition,
    Split.definition, Slice.definition, Permute.definition, Reshape.definition, Repeat.definition, Multiply.definition,
    Subtract.definition,
  ]

  package static let kinds = definitions.map(\.kind)

  private static let byKind = Dictionary(uniqueKeysWithValues: definitions.map { ($0.kind, $0) })

  package static func definition(of kind: String) -> LayerDefinition? { byKind[kind] }
}
