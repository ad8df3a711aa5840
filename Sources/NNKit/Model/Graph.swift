/// A value in a graph: an input, or an output of a layer.
public struct Value: Hashable, Sendable {
  package let index: Int
  package init(index: Int) { self.index = index }
}

/// A model being described: inputs, layers, outputs, and every value's type. Adding a layer checks its options and
/// infers its output shapes; nothing is computed.
///
/// A graph remembers its first error, so that building code reads as a list of layers; what is added later changes
/// nothing, and `Model.init` throws the error.
public struct Graph: Sendable {
  package struct Input: Sendable {
    package let name: String
    package let value: Value
  }

  package struct Node: Sendable {
    package let name: String
    let kind: String
    /// Every option with its value, as text that reads back as the same options.
    package let options: String
    package let operation: any Operation
    package let inputs: [Value]
    package let outputs: [Value]
  }

  package private(set) var inputs: [Input] = []
  /// In an order in which every node follows the nodes it reads from.
  package private(set) var nodes: [Node] = []
  package private(set) var outputs: [Input] = []
  package private(set) var types: [ValueType] = []
  /// Of each value: the input that says how many of its steps, along the first axis, are data, where there is one. The
  /// states of a recurrent layer with lengths have them, and so has what layers that act per step make of these.
  package private(set) var lengths: [Value?] = []
  /// What was wrong first; nil: nothing.
  public private(set) var firstError: NNKitError?
  private var names: Set<String> = []
  private var inputNames: Set<String> = []
  private var outputNames: Set<String> = []
  /// Of each kind: all numbers below this one belong to names that are taken.
  private var firstFreeNumbers: [String: Int] = [:]

  /// As many inputs, and as many outputs, a model may have: calls of hosts take no longer arrays.
  package static let maximumTensors = 4096

  /// What graphs return after an error.
  static let noValue = Value(index: -1)

  /// Stands where a layer has an optional input and is given none.
  public static let absent = Value(index: -2)

  /// An empty graph.
  public init() {}

  /// Adds an input. Data for it is `[N, shape...]`; a size of `Shape.open` is an open time dimension.
  @discardableResult
  public mutating func input(_ name: String, _ shape: Shape, _ dataType: DataType = .float32) -> Value {
    attempt { (graph) throws(NNKitError) -> Value in
      try checkName(name, of: "input")
      guard shape.rank <= Shape.maximumRank - 1 else {
        throw NNKitError(.shape, "input \"\(name)\": rank \(shape.rank) is too large; at most \(Shape.maximumRank - 1)")
      }
      for size in shape.sizes where size != Shape.open && !(1...1 << 32).contains(size) {
        throw NNKitError(
          .shape,
          "input \"\(name)\": the size \(size) in \(shape) is not valid; expected 1 to 2^32, or -1 for open time")
      }
      _ = try checkedProduct(shape.sizes.filter { $0 != Shape.open }, of: "input \"\(name)\" of shape \(shape)")
      guard graph.inputNames.insert(name).inserted else {
        throw NNKitError(.invalidArgument, "there is an input named \"\(name)\" already; choose another name")
      }
      try checkCount(graph.inputs.count, "inputs")
      let value = graph.add(ValueType(dataType, shape))
      graph.inputs.append(Input(name: name, value: value))
      return value
    } ?? Graph.noValue
  }

  /// Adds a layer with one input and one output, by its kind and options (`key=value key=value`) in the catalog.
  @discardableResult
  public mutating func layer(_ kind: String, _ options: String = "", _ input: Value) -> Value {
    single(kind, layer(kind, options, [input]))
  }

  /// Adds a layer with any number of inputs, by its kind and options in the catalog, and returns its outputs; nil after
  /// an error.
  public mutating func layer(_ kind: String, _ options: String, _ layerInputs: [Value]) -> [Value]? {
    attempt { (graph) throws(NNKitError) -> [Value] in
      try checkMemory()
      guard let definition = LayerCatalog.definition(of: kind) else {
        var message = "there is no layer kind \"\(excerpt(kind))\""
        let word = ForeignNames.plain(kind.prefix(64))
        if let near = ForeignNames.kinds[word] ?? nearest(word, in: LayerCatalog.kinds) {
          message += "; did you mean \(near)?"
        }
        throw NNKitError(.invalidArgument, message + " (there are \(LayerCatalog.kinds.joined(separator: ", ")))")
      }
      let specifications = definition.options + [LayerDefinition.nameOption]
      // The name is wanted before anything else: every message begins with it.
      let words = try Options.words(options, owner: "layer \(kind)")
      let given = words.first { $0.hasPrefix("name=") }?.dropFirst(5)
      let name = given.map { String($0) } ?? graph.freeName(kind)
      try checkName(name, of: "layer")
      let place = "layer \"\(name)\" (\(kind))"
      let parsed = try Options(options, specifications, owner: place)
      guard !graph.names.contains(name) else {
        throw NNKitError(.invalidArgument, "there is a layer named \"\(name)\" already; choose another name")
      }
      var nodeInputs = try definition.present(layerInputs, place)
      var inputTypes: [ValueType] = []
      for value in nodeInputs { inputTypes.append(try graph.type(of: value, for: place)) }
      if nodeInputs.count < definition.inputs.count, definition.inputs.last == LayerDefinition.lengths,
        let lengths = graph.lengths[nodeInputs[0].index]
      {
        nodeInputs.append(lengths)
        inputTypes.append(graph.types[lengths.index])
      }

      let operation: any Operation
      let outputTypes: [ValueType]
      let lengths: Value?
      do throws(NNKitError) {
        operation = try definition.make(parsed, inputTypes)
        outputTypes = try operation.outputTypes(inputTypes)
        for type in outputTypes {
          _ = try checkedProduct(type.shape.sizes.filter { $0 != Shape.open }, of: "its output")
        }
        lengths = try graph.outputLengths(operation, nodeInputs, inputTypes)
      } catch {
        throw error.at(place)
      }
      graph.names.insert(name)
      let values = outputTypes.map { graph.add($0, lengths) }
      graph.nodes.append(
        Node(
          name: name, kind: kind, options: parsed.text(without: "name"), operation: operation, inputs: nodeInputs,
          outputs: values))
      return values
    }
  }

  /// Declares a value an output of the model. Outputs come in the order of these calls.
  public mutating func output(_ name: String, _ value: Value) {
    _ = attempt { (graph) throws(NNKitError) -> Void in
      try checkName(name, of: "output")
      guard !graph.outputNames.contains(name) else {
        throw NNKitError(.invalidArgument, "there is an output named \"\(name)\" already; choose another name")
      }
      _ = try graph.type(of: value, for: "output \"\(name)\"")
      graph.outputNames.insert(name)
      try checkCount(graph.outputs.count, "outputs")
      graph.outputs.append(Input(name: name, value: value))
    }
  }

  /// The type of a value. Throws: `.invalidArgument` where the graph has no such value.
  public func type(of value: Value) throws(NNKitError) -> ValueType { try type(of: value, for: "the value") }

  private func type(of value: Value, for place: String) throws(NNKitError) -> ValueType {
    guard types.indices.contains(value.index) else {
      throw NNKitError(.invalidArgument, "\(place): \(value.index) is not a value of this graph")
    }
    return types[value.index]
  }

  /// Makes `error` the graph's first error, unless it has one.
  package mutating func remember(_ error: NNKitError) { firstError = firstError ?? error }

  /// Runs a change on the graph; its error becomes the graph's, once, and leaves the graph as it was.
  private mutating func attempt<Result>(_ change: (inout Graph) throws(NNKitError) -> Result) -> Result? {
    guard firstError == nil else { return nil }
    do throws(NNKitError) {
      return try change(&self)
    } catch {
      firstError = error
      return nil
    }
  }

  /// The lengths that a node's outputs have. Throws: `.invalidArgument` where its inputs have different ones.
  private func outputLengths(
    _ operation: any Operation, _ inputs: [Value], _ types: [ValueType]
  ) throws(NNKitError) -> Value? {
    let recurrent = operation as? any StreamingOperation
    let own = recurrent?.lengths(of: inputs)
    let steps = recurrent == nil ? operation.stepInputs(types) : inputs.map { _ in true }
    guard steps.contains(true) else { return nil }
    let all = zip(inputs, steps).compactMap { $1 ? lengths[$0.index] : nil } + (own.map { [$0] } ?? [])
    if let first = all.first, let other = all.first(where: { $0 != first }) {
      let names = [first, other].map { value in
        "\"\(self.inputs.first { $0.value == value }?.name ?? "")\""
      }
      throw NNKitError(
        .invalidArgument,
        "its inputs are sequences with different lengths, \(names[0]) and \(names[1]): which of its steps were data "
          + "would be open; give the layers before it the same lengths")
    }
    return recurrent?.returnsSequences == false ? nil : all.first
  }

  private mutating func add(_ type: ValueType, _ lengths: Value? = nil) -> Value {
    types.append(type)
    self.lengths.append(lengths)
    return Value(index: types.count - 1)
  }

  /// "conv2d", then "conv2d_1", "conv2d_2", ...
  private mutating func freeName(_ kind: String) -> String {
    if !names.contains(kind) { return kind }
    // Names are never given back: each number is tried once, over all calls.
    var number = firstFreeNumbers[kind] ?? 1
    while names.contains("\(kind)_\(number)") { number += 1 }
    firstFreeNumbers[kind] = number
    return "\(kind)_\(number)"
  }
}

/// Throws: `.invalidArgument` where a model that has `count` inputs or outputs may have no more.
private func checkCount(_ count: Int, _ what: String) throws(NNKitError) {
  guard count < Graph.maximumTensors else {
    throw NNKitError(.invalidArgument, "the graph has \(count) \(what) already; a model may have no more")
  }
}

/// Names go into files, paths of parameters and messages. Throws: `.invalidArgument` for an empty or long name and
/// for one with white space, control characters or a slash.
func checkName(_ name: String, of what: String) throws(NNKitError) {
  func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value > 32 && scalar.value != 127 && scalar != "/" && scalar != "="
  }
  // The length first: names may come with millions of characters.
  guard (1...128).contains(name.utf8.count), name.unicodeScalars.allSatisfy(isAllowed),
    !name.contains(where: \.isWhitespace)
  else {
    throw NNKitError(
      .invalidArgument,
      "\"\(excerpt(name))\" is not a valid name for the \(what); expected 1 to 128 bytes "
        + "without white space, control characters, \"/\" and \"=\"")
  }
}
