import NNKitKernelTable
import Synchronization

/// A checked graph with its parameters.
///
/// A model may be used by any number of sessions at the same time, and saved, while a trainer changes its parameters:
/// a run and a save see them as they are between two updates.
public final class Model: @unchecked Sendable {
  package let graph: Graph
  package let runtime: Runtime
  /// Where all random numbers come from.
  public let seed: UInt64
  /// Of each node, in the order of its operation.
  package let parametersByNode: [[Parameter]]
  package let parameters: [Parameter]
  private let parameterByName: [String: Parameter]
  package let arena: ParameterArena
  /// How many epochs and passes all trainers of the model have begun: the numbers of their random streams, so that a
  /// second trainer goes on where the first one ended.
  let epochs = Atomic<Int>(0)
  package let passes = Atomic<UInt64>(0)

  package static let options = [
    OptionSpecification("seed", .int(0...Int.max), default: .int(0), "where all random numbers come from")
  ]

  /// Makes a model of `graph` and draws its parameters from `seed`.
  ///
  /// Throws: the graph's first error; `.invalidArgument` for a graph without inputs or outputs; `.shape` where the
  /// parameters are too many, `.outOfMemory` where they do not fit into memory.
  public convenience init(_ graph: Graph, seed: UInt64 = 0, runtime: Runtime? = nil) throws(NNKitError) {
    try self.init(uninitialized: graph, seed: seed, runtime: runtime)
    let random = Random(seed: seed, kernels: self.runtime.kernels)
    try withDefaultFloatEnvironment { () throws(NNKitError) in
      for (index, parameter) in parameters.enumerated() {
        try initialize(
          parameter, .initializer(parameter: index), random, self.runtime, arena.floats + parameter.offset)
      }
    }
  }

  /// Makes a model whose parameters are zero, for a reader of files to fill.
  init(uninitialized graph: Graph, seed: UInt64, runtime: Runtime?) throws(NNKitError) {
    if let error = graph.firstError { throw error }
    guard !graph.inputs.isEmpty else {
      throw NNKitError(.invalidArgument, "the graph has no input; add one before the model is made")
    }
    guard !graph.outputs.isEmpty else {
      throw NNKitError(.invalidArgument, "the graph has no output; declare one before the model is made")
    }
    try checkMemory(for: graph.nodes.count << 12)
    self.graph = graph
    if let runtime { self.runtime = runtime } else { self.runtime = try Runtime.shared() }
    self.seed = seed
    let layout = try Model.layOut(graph)
    parametersByNode = layout.parametersByNode
    parameters = parametersByNode.flatMap { $0 }
    // The names of layers are unique, and those of a layer's parameters.
    parameterByName = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    arena = try ParameterArena(count: layout.count, trainableCount: layout.trainableCount)
    inputNames = CStrings(graph.inputs.map(\.name))
    outputNames = CStrings(graph.outputs.map(\.name))
    flatShape = .allocate(capacity: 1)
    flatShape.pointee = Int64(layout.count)
  }

  /// Places the parameters one behind the other: first all trainable ones, so that optimizers, norms and weight decay
  /// cover one range, then the others.
  private static func layOut(
    _ graph: Graph
  ) throws(NNKitError) -> (parametersByNode: [[Parameter]], trainableCount: Int, count: Int) {
    let specifications = graph.nodes.map { $0.operation.parameters }
    var parametersByNode: [[Parameter]] = specifications.map { _ in [] }
    var (offset, trainableCount) = (0, 0)
    for trainable in [true, false] {
      for (index, node) in graph.nodes.enumerated() {
        // Parameters keep the order of their operation; operations list the trainable ones first.
        for specification in specifications[index] where specification.trainable == trainable {
          let name = "\(node.name)/\(specification.name)"
          let count = try checkedProduct(specification.shape.sizes, of: "the parameter \(name) \(specification.shape)")
          parametersByNode[index].append(
            Parameter(name: name, specification: specification, offset: offset, count: count))
          // Parameters begin on cache lines; the sum cannot overflow before the arena's own check refuses it.
          offset = try checkedSum(offset, count.roundedUp(toMultipleOf: 16))
        }
      }
      if trainable { trainableCount = offset }
    }
    return (parametersByNode, trainableCount, offset)
  }

  /// The shape of the flat buffer of all parameters, at an address that stays as long as the model.
  package let flatShape: UnsafeMutablePointer<Int64>

  /// The names of the inputs and outputs, at addresses that stay as long as the model.
  package let inputNames: CStrings
  package let outputNames: CStrings

  deinit { flatShape.deallocate() }

  /// How many numbers the parameters hold, trainable or not.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// The names of the parameters, "<layer>/<parameter>", in the order of the layers.
  public var parameterNames: [String] { parameters.map(\.name) }

  /// Calls `body` with the values of one parameter, "<layer>/<parameter>", and its shape. It may read them while no
  /// trainer of the model is in a call, and change them while no session is in one either: sessions use the new values
  /// from their next run on. Throws: `.invalidArgument` for an unknown name; what `body` throws.
  public func withParameter<Result>(
    _ name: String, _ body: (UnsafeMutableBufferPointer<Float>, Shape) throws(NNKitError) -> Result
  ) throws(NNKitError) -> Result {
    let parameter = try parameter(name)
    return try withParameters { (all) throws(NNKitError) in
      try body(UnsafeMutableBufferPointer(rebasing: all[parameter.range]), parameter.shape)
    }
  }

  /// Calls `body` with all parameters, one float32 buffer in which `info` says where each lies; gaps between them are
  /// zero and stay unused. What may be read and changed when is as for one. Throws: what `body` throws.
  public func withParameters<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { arena.markChanged() }
    return try body(UnsafeMutableBufferPointer(start: arena.floats, count: arena.count))
  }

  /// Throws: `.invalidArgument` for an unknown name.
  func parameter(_ name: String) throws(NNKitError) -> Parameter {
    guard let parameter = parameterByName[name] else {
      let near = nearest(name, in: parameterNames).map { "; did you mean \($0)?" } ?? ""
      throw NNKitError(.invalidArgument, "the model has no parameter \"\(excerpt(name))\"\(near)")
    }
    return parameter
  }

  /// The types of the inputs: their elements and the shapes of their samples.
  public var inputTypes: [ValueType] { graph.inputs.map { graph.types[$0.value.index] } }
  /// The same of the outputs.
  public var outputTypes: [ValueType] { graph.outputs.map { graph.types[$0.value.index] } }

  /// Plans the model for `batch` samples with these input shapes.
  package func plan(
    batch: Int, inputShapes: [Shape], purpose: PlanPurpose, inputGradients: Bool = false, loadsInputs: Bool = false,
    frozen: Set<Int> = []
  ) throws(NNKitError) -> Plan {
    try Plan(
      graph, parameters: parametersByNode, batch: batch, inputShapes: inputShapes, purpose: purpose,
      kernels: runtime.kernels, threads: runtime.pool.threads, inputGradients: inputGradients,
      loadsInputs: loadsInputs, frozen: frozen)
  }
}

private func checkedSum(_ a: Int, _ b: Int) throws(NNKitError) -> Int {
  let (sum, overflow) = a.addingReportingOverflow(b)
  guard !overflow, sum <= 1 << 46 else {
    throw NNKitError(.shape, "the model has more than 2^46 parameters")
  }
  return sum
}
