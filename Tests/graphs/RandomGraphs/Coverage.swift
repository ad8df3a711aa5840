import NNKit

/// Which kinds of layers followed which, and how often.
package struct GraphCoverage: Sendable {
  package private(set) var pairs: [String: Int] = [:]
  package private(set) var kinds: [String: Int] = [:]
  package private(set) var graphs = 0
  package private(set) var operations = 0

  package init() {}

  package mutating func add(_ program: GraphProgram) {
    graphs += 1
    operations += program.layers.count
    var producer: [GraphProgram.ValueID: String] = [:]
    for layer in program.layers {
      kinds[layer.kind, default: 0] += 1
      for before in layer.inputs.compactMap({ producer[$0] }) { pairs[Self.key(before, layer.kind), default: 0] += 1 }
      for output in layer.outputs { producer[output] = layer.kind }
    }
  }

  package mutating func add(_ other: GraphCoverage) {
    graphs += other.graphs
    operations += other.operations
    pairs.merge(other.pairs) { $0 + $1 }
    kinds.merge(other.kinds) { $0 + $1 }
  }

  package static func key(_ before: String, _ behind: String) -> String { "\(before) \(behind)" }

  /// The pairs that fit: some output of the first kind, made of some input of the usual forms, is taken by the second.
  package static func fittingPairs() -> Set<String> {
    let starts: [ValueType] = [
      ValueType(.float32, [4]), ValueType(.float32, [5, 4]), ValueType(.float32, [5, 6, 4]), ValueType(.int32, [5]),
      ValueType(.int32, []), ValueType(.int32, [5, 6]),
    ]
    var outputs: [(kind: String, types: Set<ValueType>)] = []
    for definition in LayerCatalog.definitions {
      outputs.append((definition.kind, Set(starts.flatMap { results(definition, $0) })))
    }
    var pairs = Set<String>()
    for (kind, types) in outputs {
      for definition in LayerCatalog.definitions where types.contains(where: { !results(definition, $0).isEmpty }) {
        pairs.insert(key(kind, definition.kind))
      }
    }
    return pairs
  }

  /// The types that layers of a kind, with options drawn some times, make of an input.
  private static func results(_ definition: LayerDefinition, _ type: ValueType) -> [ValueType] {
    var random = RandomSource(seed: 7)
    var types: [ValueType] = []
    for _ in 0..<6 {
      var program = GraphProgram(seed: 0)
      program.input(0, type.shape.sizes, type.dataType)
      let options = definition.drawOptions(&random, .small, input: type)
      let inputs = definition.inputs.map { _ in 0 }
      let outputs = (0..<(definition.outputCount(options.text) ?? 0)).map { $0 + 1 }
      program.layers = [GraphProgram.Layer(kind: definition.kind, options: options, inputs: inputs, outputs: outputs)]
      guard let (graph, values) = try? program.graph() else { continue }
      types += program.layers[0].outputs.compactMap { id in values[id].flatMap { try? graph.type(of: $0) } }
    }
    return types
  }

  /// Rows: the kind before; columns: the kind behind. "-": they do not fit.
  package func table() -> String {
    let fitting = Self.fittingPairs()
    let kinds = LayerCatalog.kinds
    let width = kinds.map(\.count).max() ?? 0
    func padded(_ text: String, _ count: Int) -> String {
      String(repeating: " ", count: max(0, count - text.count)) + text
    }
    var lines = [padded("", width) + " " + kinds.indices.map { padded("\($0 + 1)", 6) }.joined()]
    for (row, before) in kinds.enumerated() {
      let cells = kinds.map { behind in
        let count = pairs[Self.key(before, behind)] ?? 0
        return padded(count > 0 || fitting.contains(Self.key(before, behind)) ? String(count) : "-", 6)
      }
      lines.append(padded(before, width) + " " + cells.joined() + "   \(row + 1)")
    }
    return lines.joined(separator: "\n")
  }

  /// The fitting pairs that no graph had.
  package func missingPairs() -> [String] { Self.fittingPairs().filter { pairs[$0] == nil }.sorted() }
}
