import NNKit

/// Where the time of one plan goes: every step of a model's run, or of its training step without the optimizer.
struct Profile {
  let path: String
  var batch = 1
  /// The size of open time dimensions.
  var time = 64
  /// Of the outputs; nil: inference.
  var loss: String?
  /// Whether to print what lives at the peak of memory, instead of times.
  var listsMemory = false

  init(path: String) { self.path = path }

  /// Prints the median time of every step, its share, and the memory of the plan.
  func run(_ runtime: Runtime) throws {
    let model = try Model(contentsOf: path, runtime: runtime)
    let shapes = model.inputTypes.map { type in Shape(type.shape.sizes.map { $0 == Shape.open ? time : $0 }) }
    let definition = LossDefinition.all.first { $0.name == loss }
    guard loss == nil || definition != nil else {
      throw NNKitError(.invalidArgument, "no loss is named \(loss ?? "")")
    }
    let plan = try model.plan(
      batch: batch, inputShapes: shapes, purpose: definition.map { .training($0.loss) } ?? .inference,
      loadsInputs: listsMemory && definition != nil)
    if listsMemory { return list(plan) }
    let gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let bound = try BoundPlan(plan, parameters: model.arena, gradients: gradients, pool: runtime.pool)

    var samples: [[Double]] = []
    var names: [String] = []
    var wholes: [Double] = []
    let begin = now()
    while wholes.count < 5 || now() - begin < 2 {
      fillInputs(bound)
      // Weights of an inference plan are packed once: packing them again would leave the caches as no run finds them.
      let steps = bound.timeSteps(packs: loss != nil || samples.isEmpty, clock: now)
      if samples.isEmpty { (names, samples) = (steps.map(\.name), steps.map { _ in [] }) }
      for (index, step) in steps.enumerated() { samples[names.count - steps.count + index].append(step.seconds) }
      fillInputs(bound)
      if loss != nil { model.arena.markChanged() }
      let start = now()
      bound.run()
      wholes.append(now() - start)
    }
    let medians = samples.map(median)
    let sum = medians.reduce(0, +)
    for (name, seconds) in zip(names, medians) {
      print(
        KernelBenchmark.padded(name, 70) + KernelBenchmark.aligned(KernelBenchmark.text(1e6 * seconds), 10) + " µs"
          + KernelBenchmark.aligned(KernelBenchmark.text(100 * seconds / sum), 7) + " %")
    }
    print(
      "steps \(KernelBenchmark.text(1e6 * sum)) µs, whole \(KernelBenchmark.text(1e6 * median(wholes))) µs; "
        + "arena \(plan.arenaBytes >> 10) KiB (\(plan.peakBytes >> 10) KiB live at most), packed weights and tables \(plan.persistentBytes >> 10) KiB, "
        + "parameters \(model.arena.memory.byteCount >> 10) KiB")
  }

  /// Buffers that share memory, a result in the place of what it is computed from, are listed each.
  private func list(_ plan: Plan) {
    for (bytes, first, last) in plan.liveAtPeak {
      print(
        KernelBenchmark.aligned("\(bytes >> 10)", 10) + " KiB  " + KernelBenchmark.padded(first, 50) + "... " + last)
    }
    print(
      "arena \(plan.arenaBytes >> 10) KiB, \(plan.peakBytes >> 10) KiB live at most, in \"\(plan.peakStepName)\"")
  }

  /// Small positive numbers, and indices that every range has.
  private func fillInputs(_ bound: BoundPlan) {
    for tensor in bound.plan.inputs + bound.plan.targets {
      if tensor.type.dataType == .int32 {
        bound.integers(tensor).update(repeating: 1, count: tensor.count)
      } else {
        for i in 0..<tensor.count { bound.floats(tensor)[i] = Float(i % 17) / 17 }
      }
    }
  }
}
