import NNKit

/// What the engine computed for a program in one run of a plan.
struct EngineRun {
  var outputs: [[Float]] = []
  /// Training and evaluation: of each output, the mean.
  var losses: [Double] = []
  var metrics: [Double] = []
  /// Training: of each input; nil: it has none.
  var dInputs: [[Float]?] = []
  /// Training: the arena of the gradients, and of the next values of what no optimizer changes.
  var gradients: [Float] = []

  enum Purpose {
    case inference
    case evaluation
    case training
  }

  /// Plans `program` with this graph and runs it once.
  ///
  /// `sharesMemory`: whether its buffers may have the memory of others.
  init(
    _ program: GraphProgram, _ data: GraphData, _ model: Model, _ purpose: Purpose, step: UInt64 = 0,
    sharesMemory: Bool = true
  ) throws(NNKitError) {
    let loss = program.lossDefinition.loss
    let planPurpose: PlanPurpose =
      switch purpose {
      case .inference: .inference
      case .evaluation: .evaluation(loss)
      case .training: .training(loss)
      }
    let plan = try Plan(
      model.graph, parameters: model.parametersByNode, batch: data.inputs[0].batch,
      inputShapes: data.inputs.map(\.shape), purpose: planPurpose, kernels: model.runtime.kernels,
      threads: model.runtime.threads, inputGradients: purpose == .training,
      sharesMemory: sharesMemory)
    let memory = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let bound = try BoundPlan(plan, parameters: model.arena, gradients: memory, pool: model.runtime.pool)
    for (position, tensor) in plan.inputs.enumerated() {
      let lengths = plan.inputLengths[position].map { data.inputs[$0].values }
      bound.write(data.inputs[position].values, to: tensor, lengths)
    }
    for (tensor, target) in zip(plan.targets, data.targets) { bound.write(target, to: tensor) }
    bound.run(seed: model.seed, step: step)
    outputs = plan.outputs.map { bound.read($0) }
    for report in plan.lossReports {
      let sums = bound.doubles(report.sums)
      losses.append(sums[0] / sums[2])
      metrics.append(sums[1] / sums[2])
    }
    guard purpose == .training else { return }
    dInputs = plan.dInputs.map { $0.map { bound.read($0) } }
    gradients = Array(
      UnsafeBufferPointer(start: memory.base.assumingMemoryBound(to: Float.self), count: model.arena.count))
  }
}

extension BoundPlan {
  /// Fills a tensor; behind the lengths with zeros, as hosts' data is loaded.
  func write(_ values: [Double], to tensor: Tensor, _ lengths: [Double]? = nil) {
    var values = values
    if let lengths {
      let count = values.count / lengths.count
      for (n, length) in lengths.enumerated() {
        for i in Int(length) * (count / tensor.shape[0])..<count { values[n * count + i] = 0 }
      }
    }
    if tensor.type.dataType == .int32 {
      let target = integers(tensor)
      for (i, value) in values.enumerated() { target[i] = Int32(value) }
    } else {
      let target = floats(tensor)
      for (i, value) in values.enumerated() { target[i] = Float(value) }
    }
  }

  func read(_ tensor: Tensor) -> [Float] {
    Array(UnsafeBufferPointer(start: floats(tensor), count: tensor.count))
  }
}

/// Runtimes of all numbers of threads that are compared, made once.
package struct Runtimes: Sendable {
  package let one: Runtime
  package let others: [Runtime]

  package init() throws(NNKitError) {
    one = try Runtime(threads: 1)
    var others: [Runtime] = []
    for threads in [2, 3, 8] { others.append(try Runtime(threads: threads)) }
    self.others = others
  }
}
