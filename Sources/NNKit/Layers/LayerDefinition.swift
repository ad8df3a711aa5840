/// A kind of layer as programs in every language see it: its name, inputs, outputs and options, and how its
/// operation is made. The catalog, and through it the layer types of the other languages, are made from these.
package struct LayerDefinition: Sendable {
  package let kind: String
  /// The name of the type in languages that have types for layers: "Conv2D".
  package let className: String
  package let summary: String
  package let inputs: [String]
  package let optionalInputs: [String]
  package let outputs: [String]
  package let options: [OptionSpecification]
  package let make: @Sendable (Options, [ValueType]) throws(NNKitError) -> any Operation

  package init(
    kind: String, className: String, summary: String, inputs: [String] = ["x"], optionalInputs: [String] = [],
    outputs: [String] = ["y"], options: [OptionSpecification],
    make: @escaping @Sendable (Options, [ValueType]) throws(NNKitError) -> any Operation
  ) {
    self.kind = kind
    self.className = className
    self.summary = summary
    self.inputs = inputs
    self.optionalInputs = optionalInputs
    self.outputs = outputs
    self.options = options
    self.make = make
  }

  /// The optional input of recurrent layers that says how many steps of each sequence are data. Where it is left out and
  /// the sequence has lengths already, they go on.
  static let lengths = "lengths"

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
  @discardableResult
  public mutating func layer<Kind: Layer>(_ layer: Kind, _ inputs: [Value]) -> Value {
    var options = layer.options
    if let name = layer.name {
      // White space in it would begin another option.
      do throws(NNKitError) { try checkName(name, of: "layer") } catch { remember(error) }
      options += " name=\(name)"
    }
    return self.layer(Kind.kind, options, inputs)?.first ?? Graph.noValue
  }
}

/// Every kind of layer.
package enum LayerCatalog {
  package static let definitions: [LayerDefinition] = [
    Conv2D.definition, MaxPool2D.definition, AvgPool2D.definition, GlobalAvgPool2D.definition, Flatten.definition,
    Dense.definition, BatchNorm.definition, Add.definition, Activation.definition, Softmax.definition,
    LogSoftmax.definition, Dropout.definition, Embedding.definition, LSTM.definition, GRU.definition,
  ]

  package static let kinds = definitions.map(\.kind)

  private static let byKind = Dictionary(uniqueKeysWithValues: definitions.map { ($0.kind, $0) })

  package static func definition(of kind: String) -> LayerDefinition? { byKind[kind] }
}
