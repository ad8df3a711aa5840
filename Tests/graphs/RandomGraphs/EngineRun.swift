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
  init(_ program: GraphProgram, _ data: GraphData, _ model: Model, _ purpose: Purpose, step: UInt64 = 0)
    throws(NNKitError)
  {
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
      threads: model.runtime.threads, inputGradients: purpose == .training)
    let memory = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let bound = try BoundPlan(plan, parameters: model.arena, gradients: memory, pool: model.runtime.pool)
    for (tensor, input) in zip(plan.inputs, data.inputs) { bound.write(input.values, to: tensor) }
    for (tensor, target) in zip(plan.targets, data.targets) { bound.write(target, to: tensor) }
    bound.run(seed: model.seed, step: step)
    outputs = plan.outputs.map { bound.read($0) }
    for report in plan.lossReports {
      let sums = bound.doubles(report.lossSum)
      losses.append(sums[0] / Double(report.count))
      metrics.append(sums[1] / Double(report.count))
    }
    guard purpose == .training else { return }
    dInputs = plan.dInputs.map { $0.map { bound.read($0) } }
    gradients = Array(
      UnsafeBufferPointer(start: memory.base.assumingMemoryBound(to: Float.self), count: model.arena.count))
  }
}

extension BoundPlan {
  func write(_ values: [Double], to tensor: Tensor) {
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
