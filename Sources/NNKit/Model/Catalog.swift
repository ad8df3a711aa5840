import FoundationEssentials

/// Everything that programs can choose by name, as JSON: layers, losses, optimizers, metrics and the options of
/// functions. Layer types of other languages and the reference pages are made from it.
public enum Catalog {
  /// As `nnk_catalog_json` gives it.
  public static let json: String = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(Contents()) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }()

  private struct Contents: Encodable {
    var layers = LayerCatalog.definitions.map { definition in
      Layer(
        kind: definition.kind, className: definition.className, summary: definition.summary,
        inputs: definition.inputs.map { Port($0) }, outputs: definition.outputs.map { Port($0) },
        options: (definition.options + [LayerDefinition.nameOption]).map { Option($0) })
    }
    var losses = LossDefinition.all.map { Named(name: $0.name, summary: $0.summary, metrics: $0.metrics) }
    var optimizers = OptimizerDefinition.all.map { definition in
      OptimizerEntry(
        name: definition.name, className: definition.className, summary: definition.summary,
        options: definition.options.map { Option($0) })
    }
    var metrics = LossDefinition.metrics.map { Named(name: $0.name, summary: $0.summary, metrics: nil) }
    var functions = [
      "nnk_runtime_create": Runtime.options.map { Option($0) },
      "nnk_model_create": Model.options.map { Option($0) },
      "nnk_trainer_create": Trainer.options.map { Option($0) },
      "nnk_trainer_fit": FitOptions.specifications.map { Option($0) },
      "nnk_trainer_evaluate": [Option(FitOptions.batchSize)],
      "nnk_trainer_evaluate_reporting": [Option(FitOptions.batchSize)],
      "nnk_session_create": Session.options.map { Option($0) },
      "nnk_session_bytes": Session.options.map { Option($0) },
    ]
    var foreign = Foreign()
  }

  /// What names of other libraries stand for, and what is said of those that stand for nothing.
  private struct Foreign: Encodable {
    var options = ForeignNames.options
    var values = ForeignNames.values
    var advice = ForeignNames.advice
    var kinds = ForeignNames.kinds
  }

  private struct Layer: Encodable {
    var kind: String
    var className: String
    var summary: String
    var inputs: [Port]
    var outputs: [Port]
    var options: [Option]

    enum CodingKeys: String, CodingKey {
      case kind, summary, inputs, outputs, options
      case className = "class"
    }
  }

  /// "count": "one", "optional", "many", or the name of a list option that has as many numbers.
  private struct Port: Encodable {
    var name: String
    var count: String

    init(_ port: NNKit.Port) {
      name = port.name
      count =
        switch port.count {
        case .one: "one"
        case .optional: "optional"
        case .many: "many"
        case .asMany(let option): option
        }
    }
  }

  private struct Named: Encodable {
    var name: String
    var summary: String
    var metrics: [String]?
  }

  private struct OptimizerEntry: Encodable {
    var name: String
    var className: String
    var summary: String
    var options: [Option]

    enum CodingKeys: String, CodingKey {
      case name, summary, options
      case className = "class"
    }
  }

  private struct Option: Encodable {
    let specification: OptionSpecification

    init(_ specification: OptionSpecification) { self.specification = specification }

    private enum Key: String, CodingKey {
      case name, type, required, `default`, summary, minimum, maximum, choices
      case exclusiveMaximum = "exclusive_maximum"
      case minimumCount = "minimum_count"
      case maximumCount = "maximum_count"
      /// Whether the list may have any count between these; else it has the largest, or one number for all.
      case anyCount = "any_count"
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(specification.name, forKey: .name)
      try container.encode(specification.summary, forKey: .summary)
      try container.encode(specification.defaultValue == nil && !specification.optional, forKey: .required)
      switch specification.defaultValue {
      case nil: try container.encodeNil(forKey: .default)
      case .int(let value): try container.encode(value, forKey: .default)
      case .float(let value): try container.encode(value, forKey: .default)
      case .bool(let value): try container.encode(value, forKey: .default)
      case .string(let value): try container.encode(value, forKey: .default)
      case .list(let values): try container.encode(values, forKey: .default)
      }
      switch specification.kind {
      case .int(let range):
        try container.encode("int", forKey: .type)
        try container.encode(range.lowerBound, forKey: .minimum)
        try container.encode(range.upperBound, forKey: .maximum)
      case .float(let low, let high, let upperOpen):
        try container.encode("float", forKey: .type)
        try container.encode(low, forKey: .minimum)
        try container.encode(high, forKey: upperOpen ? .exclusiveMaximum : .maximum)
      case .bool: try container.encode("bool", forKey: .type)
      case .string: try container.encode("string", forKey: .type)
      case .choice(let choices):
        try container.encode("enum", forKey: .type)
        try container.encode(choices, forKey: .choices)
      case .list(let count, let range):
        try container.encode("int_list", forKey: .type)
        try container.encode(range.lowerBound, forKey: .minimum)
        try container.encode(range.upperBound, forKey: .maximum)
        try container.encode(1, forKey: .minimumCount)
        try container.encode(count, forKey: .maximumCount)
      case .axis:
        try container.encode("int", forKey: .type)
        try container.encode(OptionSpecification.axes.lowerBound, forKey: .minimum)
        try container.encode(OptionSpecification.axes.upperBound, forKey: .maximum)
      case .numbers(_, let range):
        try container.encode("int_list", forKey: .type)
        try container.encode(range.lowerBound, forKey: .minimum)
        try container.encode(range.upperBound, forKey: .maximum)
        try container.encode(true, forKey: .anyCount)
        try container.encode(1, forKey: .minimumCount)
        try container.encode(OptionSpecification.maximumNumbers, forKey: .maximumCount)
      case .padding:
        try container.encode("padding", forKey: .type)
        try container.encode(OptionSpecification.namedPaddings, forKey: .choices)
      }
    }
  }
}
