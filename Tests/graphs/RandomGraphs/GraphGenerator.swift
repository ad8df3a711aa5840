import NNKit

/// Draws graphs that the catalogue of layers allows.
///
/// Nothing here knows a kind of layer: a kind, its inputs and its options are drawn from the catalogue and given to a
/// graph, which takes them or not. A value that fits is looked for among all that are there, or a new input is added.
package struct GraphGenerator {
  private var random: RandomSource
  private let scale: GraphScale
  private var program: GraphProgram
  /// The types of all values, with open sizes.
  private var types: [GraphProgram.ValueID: ValueType] = [:]
  private var ids: [GraphProgram.ValueID] = []
  private var work = 0

  /// The program that `seed` stands for.
  package static func program(seed: UInt64) -> GraphProgram {
    for attempt in 0..<1000 as Range<UInt64> {
      var generator = GraphGenerator(seed: seed, attempt: attempt)
      if let program = generator.draw() { return program }
    }
    preconditionFailure("no graph can be drawn")
  }

  private init(seed: UInt64, attempt: UInt64) {
    var random = RandomSource(seed: seed &* 1024 &+ attempt)
    let size = random.integer(0...99)
    scale = size < 88 ? .small : size < 98 ? .medium : .large
    program = GraphProgram(seed: seed)
    program.batch = random.integer(1...9)
    if scale != .small && random.chance(0.3) { program.batch = random.choose([16, 33, 64, 65, 128]) }
    program.time = random.chance(0.1) ? 1 : random.integer(2...12)
    self.random = random
  }

  private mutating func draw() -> GraphProgram? {
    addInput(nil)
    let wanted = random.chance(0.8) ? random.integer(1...6) : random.integer(7...12)
    for _ in 0..<wanted { addLayer() }
    guard !program.layers.isEmpty, chooseOutputs() else { return nil }
    // Of two layers that read whole numbers from one input, each may want others: planning says so.
    return isPlanned ? program : nil
  }

  private var isPlanned: Bool {
    let numbers = Set(program.inputs.filter { $0.type == .int32 }.map(\.id))
    guard program.layers.count(where: { !numbers.isDisjoint(with: $0.inputs) }) > 1 else { return true }
    guard let graph = try? program.graph().graph, let model = try? Model(graph) else { return false }
    return (try? model.plan(batch: program.batch, inputShapes: program.inputShapes, purpose: .inference)) != nil
  }

  // MARK: Layers

  /// Adds a layer, if one that fits is found soon.
  private mutating func addLayer() {
    for _ in 0..<40 {
      let definition = random.choose(LayerCatalog.definitions)
      // Recent values more often: chains grow.
      let source = random.chance(0.6) ? ids[ids.count - 1] : random.choose(ids)
      if attempt(definition, source) { return }
      if random.chance(0.1), attempt(definition, addInput(definition)) { return }
    }
  }

  /// Adds a layer of a kind to `source`, if it fits.
  private mutating func attempt(_ definition: LayerDefinition, _ source: GraphProgram.ValueID) -> Bool {
    guard let type = types[source] else { return false }
    var inputs = [source]
    // Other inputs: the same value, or one of the same type; in a list also one of other sizes, and now and then any.
    let takesMany = definition.inputs.last?.count == .many
    let others = takesMany ? random.integer(0...3) : definition.inputs.count { $0.count == .one } - 1
    for _ in 0..<others {
      let isAny = random.chance(0.2)
      let alike = ids.filter { id in
        isAny || (takesMany ? types[id]?.shape.rank == type.shape.rank : types[id] == type)
      }
      inputs.append(random.chance(0.15) ? source : random.choose(alike))
    }
    if inputs.count > 1 && random.chance(0.5) { inputs.swapAt(0, 1) }
    let before = (program, types, ids)
    for port in definition.inputs where port.count == .optional && random.chance(0.5) {
      inputs.append(numberPerSample())
    }
    let options = definition.drawOptions(&random, scale, input: type)
    let first = (ids.max() ?? 0) + 1
    guard let count = definition.outputCount(options.text) else { return false }
    let outputs = (0..<count).map { first + $0 }
    program.layers.append(
      GraphProgram.Layer(kind: definition.kind, options: options, inputs: inputs, outputs: outputs))
    if accepts(outputs) { return true }
    (program, types, ids) = before
    return false
  }

  /// Whether the graph takes its last layer, and the layer is no larger than the scale allows.
  private mutating func accepts(_ outputs: [GraphProgram.ValueID]) -> Bool {
    guard let (graph, values) = try? program.graph(), let layer = graph.nodes.last else { return false }
    let layerTypes = outputs.compactMap { values[$0].flatMap { try? graph.type(of: $0) } }
    guard layerTypes.count == outputs.count, let concrete = program.types(of: graph) else { return false }
    let shape = concrete[layer.outputs[0].index].shape
    let elements = layer.outputs.map { count(concrete[$0.index].shape) }.reduce(0, +)
    let weights = layer.parameterCount
    // Those of the input, where a layer goes through time and keeps the last step.
    let source = concrete[layer.inputs[0].index].shape
    let rows = max(elements / max(1, shape.sizes.last ?? 1), count(source) / max(1, source.sizes.last ?? 1))
    guard elements <= scale.elements, weights <= scale.work else { return false }
    let layerWork = elements + rows * weights
    guard work + layerWork <= scale.work else { return false }
    work += layerWork
    for (id, type) in zip(outputs, layerTypes) {
      types[id] = type
      ids.append(id)
    }
    return true
  }

  /// Elements of a whole batch.
  private func count(_ shape: Shape) -> Int { shape.sizes.reduce(program.batch, *) }

  // MARK: Inputs and outputs

  /// Adds an input that the kind may take: of any type where nothing is known.
  @discardableResult
  private mutating func addInput(_ definition: LayerDefinition?) -> GraphProgram.ValueID {
    let extent = scale == .small ? 9 : scale == .medium ? 24 : 56
    let channels: [Int] = scale == .small ? [1, 2, 3, 4, 5, 8, 13, 16, 17] : [1, 3, 8, 16, 32, 48, 64, 65, 128, 256]
    let channel = random.choose(channels)
    let side = { (random: inout RandomSource) in random.chance(0.15) ? 1 : random.integer(1...extent) }
    let time = random.chance(0.4) ? Shape.open : random.chance(0.3) ? program.time : random.integer(1...12)
    let whole = random.chance(definition == nil ? 0.15 : 0.5)
    var sizes: [Int]
    switch random.integer(0...9) {
    case 0...1: sizes = [channel]
    case 2...4: sizes = [time, channel]
    case 5: sizes = [time, random.integer(1...4), channel]
    case 6...8: sizes = [side(&random), side(&random), channel]
    default: sizes = [random.integer(1...3), random.integer(1...3), random.integer(1...3), channel]
    }
    if whole { sizes.removeLast() }
    let id = (ids.max() ?? 0) + 1
    program.inputs.append(GraphProgram.Input(id: id, sizes: sizes, type: whole ? .int32 : .float32))
    types[id] = ValueType(whole ? .int32 : .float32, Shape(sizes))
    ids.append(id)
    return id
  }

  /// An input of one whole number a sample, new or one that is there.
  private mutating func numberPerSample() -> GraphProgram.ValueID {
    let there = program.inputs.filter(\.isLengths)
    if !there.isEmpty && random.chance(0.7) { return random.choose(there).id }
    let id = (ids.max() ?? 0) + 1
    program.inputs.append(GraphProgram.Input(id: id, sizes: [], type: .int32, isLengths: true))
    types[id] = ValueType(.int32, [])
    ids.append(id)
    return id
  }

  /// Makes outputs of all that nobody reads, of some of it, and now and then of what somebody reads. What no output
  /// depends on stays in the graph at times, as a layer that nothing comes of.
  private mutating func chooseOutputs() -> Bool {
    let read = Set(program.layers.flatMap(\.inputs))
    let made = program.layers.flatMap(\.outputs).filter { types[$0]?.dataType == .float32 }
    let ends = made.filter { !read.contains($0) }
    guard let last = ends.last else { return false }
    program.outputs = ends.filter { $0 == last || random.chance(0.7) }
    for id in made where read.contains(id) && random.chance(0.08) { program.outputs.append(id) }
    if random.chance(0.05), let id = made.randomElement(using: &random) { program.outputs.append(id) }
    program.outputs = Array(program.outputs.shuffled(using: &random).prefix(4))
    let classes = program.outputs.compactMap { types[$0]?.shape.sizes.last }
    if random.chance(0.4), classes.count == program.outputs.count, !classes.contains(Shape.open) {
      program.loss = "softmax_cross_entropy"
    }
    if random.chance(0.85) { program = program.needed }
    return true
  }
}

extension RandomSource: RandomNumberGenerator {}

extension Graph.Node {
  /// How many numbers the layer's parameters hold.
  var parameterCount: Int {
    operation.parameters.reduce(0) { $0 + $1.shape.sizes.reduce(1, *) }
  }
}
