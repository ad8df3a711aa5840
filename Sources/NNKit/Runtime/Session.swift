import Glibc

/// A model planned for running. One session serves one call at a time: use one per thread.
public final class Session: @unchecked Sendable {
  /// The model that the session runs, which it keeps alive.
  public let model: Model
  let maximumBatch: Int
  private let maximumTime: Int
  private let maximumBytes: Int
  let busy = BusyFlag()
  private var plans = PlanCache()
  /// For steps of streams, and the streams that are in the present one.
  var stepPlans = PlanCache()
  var streams: [RecurrentStream] = []

  package static let options = [
    OptionSpecification("max_batch", .int(1...maximumCount), default: .int(1), "the most samples of one run"),
    OptionSpecification(
      "max_time", .int(0...maximumCount), default: .int(0),
      "the longest open time dimension; 0: any, planned when it comes"),
    OptionSpecification(
      "max_bytes", .int(0...1 << 52), default: .int(0), "the most memory that a plan may take; 0: the machine's"),
  ]

  /// Plans `model` for up to `maximumBatch` samples and allocates what such a run needs. Where a time dimension is
  /// open, that is done for `maximumTime`, or at the first run.
  ///
  /// Throws: `.shape` where the sizes overflow, `.outOfMemory` where the plan needs more than `maximumBytes` (0: the
  /// machine's memory).
  public init(_ model: Model, maximumBatch: Int = 1, maximumTime: Int = 0, maximumBytes: Int = 0) throws(NNKitError) {
    try Self.checkLimits(maximumBatch, maximumTime, maximumBytes)
    self.model = model
    self.maximumBatch = maximumBatch
    self.maximumTime = maximumTime
    self.maximumBytes = maximumBytes
    if let shapes = Session.fullShapes(model, maximumTime) { plans.add(try bind(batch: maximumBatch, shapes)) }
  }

  package convenience init(_ model: Model, _ options: Options) throws(NNKitError) {
    try self.init(
      model, maximumBatch: options.int("max_batch"), maximumTime: options.int("max_time"),
      maximumBytes: options.int("max_bytes"))
  }

  /// How many bytes the plan of such a session takes, to the byte; allocates none of them. 0 where a time dimension is
  /// open and no longest time is given.
  ///
  /// Throws: `.invalidArgument` for limits that no session takes, `.shape` where the sizes overflow.
  public static func bytes(_ model: Model, maximumBatch: Int = 1, maximumTime: Int = 0) throws(NNKitError) -> Int {
    try checkLimits(maximumBatch, maximumTime, 0)
    guard let shapes = fullShapes(model, maximumTime) else { return 0 }
    return try model.plan(batch: maximumBatch, inputShapes: shapes, purpose: .inference).bytes
  }

  private static func checkLimits(_ batch: Int, _ time: Int, _ bytes: Int) throws(NNKitError) {
    guard (1...maximumCount).contains(batch), (0...maximumCount).contains(time), bytes >= 0 else {
      throw NNKitError(
        .invalidArgument,
        "a session needs a maximum batch from 1 to \(maximumCount), a maximum time of at most that, and no negative "
          + "limit; it was given \(batch), \(time), \(bytes)")
    }
  }

  private static let maximumCount = 1 << 30

  /// The inputs' shapes at their largest; nil where a time dimension has no limit.
  private static func fullShapes(_ model: Model, _ maximumTime: Int) -> [Shape]? {
    let shapes = model.inputTypes.map(\.shape)
    if maximumTime == 0 && shapes.contains(where: \.isOpen) { return nil }
    return shapes.map { Shape($0.sizes.map { $0 == Shape.open ? maximumTime : $0 }) }
  }

  func bind(batch: Int, _ shapes: [Shape], _ purpose: PlanPurpose = .inference) throws(NNKitError) -> BoundPlan {
    let plan = try model.plan(batch: batch, inputShapes: shapes, purpose: purpose)
    guard maximumBytes == 0 || plan.bytes <= maximumBytes else {
      throw NNKitError(
        .outOfMemory,
        "a run with \(batch) samples of \(shapes.map(\.description).joined(separator: ", ")) needs "
          + "\(plan.bytes) bytes, but max_bytes is \(maximumBytes); use a smaller batch")
    }
    return try BoundPlan(plan, parameters: model.arena, gradients: nil, pool: model.runtime.pool)
  }

  /// Runs the model on the samples of the inputs and writes its outputs. A run with the maximum batch (and time)
  /// allocates nothing.
  ///
  /// Throws: `.invalidArgument` for a wrong number of tensors, a batch beyond the maximum or an index out of range;
  /// `.shape`, `.type`; `.outOfMemory`; `.busy`; `.cancelled`.
  package func run(inputCount: Int, _ input: TensorSource, outputCount: Int, _ output: TensorSource) throws(NNKitError)
  {
    try busy.enter("session") { () throws(NNKitError) in
      try model.checkCounts(inputs: inputCount, outputs: outputCount)
      let bound = try plan(input)
      try model.checkOutputs({ bound.plan.outputs[$0].type }, batch: bound.plan.batch, output)
      try model.load(bound, input)
      try bound.run(in: busy)
      try model.write(bound, output)
    }
  }

  /// The types of the outputs of a run on these inputs, and its number of samples. Throws: as `run`.
  func outputs(inputCount: Int, _ input: TensorSource) throws(NNKitError) -> (types: [ValueType], batch: Int) {
    try busy.enter("session") { () throws(NNKitError) in
      try model.checkCounts(inputs: inputCount, outputs: model.graph.outputs.count)
      let plan = try plan(input).plan
      return (plan.outputs.map(\.type), plan.batch)
    }
  }

  /// Ends the call that the session is in, if it is in one: it throws `.cancelled` when the layer that it computes has
  /// ended, and has written no output and advanced no stream. A call that begins later is not touched. For any thread,
  /// but not for the handler of a signal: that sets a flag for a thread that cancels.
  public func cancel() { busy.cancel() }

  /// The plan for the shapes of the inputs, made if they are new.
  private func plan(_ input: TensorSource) throws(NNKitError) -> BoundPlan {
    let batch = try model.checkInputs({ model.graph.types[model.graph.inputs[$0].value.index] }, input)
    try checkBatch(batch)
    if let bound = plans.find(batch: batch, size: { index, axis in (try? input(index).size(axis + 1)) ?? -1 }) {
      return bound
    }
    var shapes: [Shape] = []
    for index in 0..<model.graph.inputs.count {
      let view = try input(index)
      shapes.append(Shape((1..<view.rank).map { view.size($0) }))
      if maximumTime > 0, let time = shapes[index].sizes.first, model.inputTypes[index].shape.isOpen, time > maximumTime
      {
        throw NNKitError(
          .invalidArgument,
          "input \"\(model.graph.inputs[index].name)\" has \(time) time steps, but max_time is "
            + "\(maximumTime)")
      }
    }
    let bound = try bind(batch: batch, shapes)
    plans.add(bound)
    return bound
  }
}

extension Session {
  func checkBatch(_ batch: Int, _ what: StaticString = "samples") throws(NNKitError) {
    guard batch <= maximumBatch else {
      throw NNKitError(
        .invalidArgument,
        "the run has \(batch) \(what), but max_batch is \(maximumBatch); create the session with a "
          + "larger max_batch or run fewer \(what)")
    }
  }
}
