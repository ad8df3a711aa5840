import NNKit
import NNKitKernelTable

/// One layer through the engine: its plans for running and for training, on all threads.
struct WholeOperation {
  let name: String
  let kind: String
  let layerOptions: [String]
  let batch: Int
  let input: Shape
  /// Multiply-adds of the forward pass, direct arithmetic.
  let multiplyAdds: Int
  /// Of what the steps of training are reported as: one by one, or together.
  let reportsParts: Bool

  static let all = matrixProducts + convolutions + groupedConvolutions + recurrentLayers

  private static let matrixProducts = [256, 512, 1024, 2048].map { size in
    WholeOperation(
      name: "matrix product \(size)", kind: "dense", layerOptions: ["units=\(size) bias=false"], batch: size,
      input: [size], multiplyAdds: size * size * size, reportsParts: true)
  }

  private static let convolutions = [
    // ResNet-18
    convolution(batch: 8, width: 224, channels: 3, filters: 64, kernel: 7, stride: 2),
    convolution(batch: 8, width: 56, channels: 64, filters: 64, kernel: 3, stride: 1),
    convolution(batch: 8, width: 56, channels: 64, filters: 128, kernel: 3, stride: 2),
    convolution(batch: 8, width: 56, channels: 64, filters: 128, kernel: 1, stride: 2),
    convolution(batch: 8, width: 28, channels: 128, filters: 128, kernel: 3, stride: 1),
    convolution(batch: 8, width: 28, channels: 128, filters: 256, kernel: 3, stride: 2),
    convolution(batch: 8, width: 28, channels: 128, filters: 256, kernel: 1, stride: 2),
    convolution(batch: 8, width: 14, channels: 256, filters: 256, kernel: 3, stride: 1),
    convolution(batch: 8, width: 14, channels: 256, filters: 512, kernel: 3, stride: 2),
    convolution(batch: 8, width: 14, channels: 256, filters: 512, kernel: 1, stride: 2),
    convolution(batch: 8, width: 7, channels: 512, filters: 512, kernel: 3, stride: 1),
    convolution(batch: 1, width: 56, channels: 64, filters: 64, kernel: 3, stride: 1),
    convolution(batch: 1, width: 28, channels: 128, filters: 128, kernel: 3, stride: 1),
    convolution(batch: 1, width: 14, channels: 256, filters: 256, kernel: 3, stride: 1),
    convolution(batch: 1, width: 7, channels: 512, filters: 512, kernel: 3, stride: 1),
    // ResNet-20
    convolution(batch: 128, width: 32, channels: 3, filters: 16, kernel: 3, stride: 1),
    convolution(batch: 128, width: 32, channels: 16, filters: 16, kernel: 3, stride: 1),
    convolution(batch: 128, width: 32, channels: 16, filters: 32, kernel: 3, stride: 2),
    convolution(batch: 128, width: 32, channels: 16, filters: 32, kernel: 1, stride: 2),
    convolution(batch: 128, width: 16, channels: 32, filters: 32, kernel: 3, stride: 1),
    convolution(batch: 128, width: 16, channels: 32, filters: 64, kernel: 3, stride: 2),
    convolution(batch: 128, width: 16, channels: 32, filters: 64, kernel: 1, stride: 2),
    convolution(batch: 128, width: 8, channels: 64, filters: 64, kernel: 3, stride: 1),
  ]

  /// MobileNet's depthwise convolutions, and grouped ones as in ResNeXt and ShuffleNet.
  private static let groupedConvolutions =
    [(112, 32, 1), (112, 64, 2), (56, 128, 1), (56, 128, 2), (28, 256, 1), (28, 256, 2), (14, 512, 1), (14, 512, 2)]
    .map { width, channels, stride in
      convolution(
        batch: 8, width: width, channels: channels, filters: channels, kernel: 3, stride: stride, groups: channels)
    } + [
      convolution(batch: 8, width: 28, channels: 240, filters: 240, kernel: 5, stride: 1, groups: 240),
      convolution(batch: 8, width: 56, channels: 128, filters: 128, kernel: 3, stride: 1, groups: 32),
      convolution(batch: 8, width: 14, channels: 512, filters: 512, kernel: 3, stride: 1, groups: 32),
      convolution(batch: 8, width: 28, channels: 128, filters: 128, kernel: 3, stride: 1, groups: 2),
      convolution(batch: 8, width: 28, channels: 240, filters: 240, kernel: 1, stride: 1, groups: 3),
    ]

  private static func convolution(
    batch: Int, width: Int, channels: Int, filters: Int, kernel: Int, stride: Int, groups: Int = 1
  ) -> WholeOperation {
    let pad = (kernel - 1) / 2
    let output = (width + 2 * pad - kernel) / stride + 1
    return WholeOperation(
      name: "conv \(kernel)x\(kernel)/\(stride) \(width)x\(width)x\(channels)-\(filters) N\(batch)"
        + (groups > 1 ? " G\(groups)" : ""), kind: "conv2d",
      layerOptions: [
        "filters=\(filters) kernel=\(kernel),\(kernel) stride=\(stride),\(stride) padding=\(pad),\(pad),\(pad),\(pad) bias=false groups=\(groups)"
      ],
      batch: batch, input: [width, width, channels],
      multiplyAdds: batch * output * output * filters * kernel * kernel * channels / groups, reportsParts: true)
  }

  private static let recurrentLayers = [("lstm", 4), ("gru", 3)].map { kind, gates in
    let layer = "units=512 return_sequences=true"
    return WholeOperation(
      name: "\(kind) 2x512, T 64, N32", kind: kind, layerOptions: [layer, layer], batch: 32, input: [64, 128],
      multiplyAdds: 32 * 64 * gates * 512 * ((128 + 512) + (512 + 512)), reportsParts: false)
  }

  /// Why it cannot be measured, or its figures: forward; then the weight gradient and the input gradient, the steps of
  /// each with what they pack, one by one; and the whole of a training step.
  func measure(_ runtime: Runtime, _ effort: Effort) throws -> (figures: [Figure], problem: String?) {
    var graph = Graph()
    // As inside a network: the model's own input has fewer ways.
    var value = graph.layer("activation", "function=linear", graph.input("x", input))
    for options in layerOptions { value = graph.layer(kind, options, value) }
    graph.output("y", value)
    if let error = graph.firstError { return ([], error.message) }
    let model = try Model(graph, seed: 1, runtime: runtime)
    let gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let runs = try [PlanPurpose.inference, .training(GivenGradient())].map { purpose in
      let plan = try Plan(
        graph, parameters: model.parametersByNode, batch: batch, inputShapes: [input], purpose: purpose,
        kernels: runtime.kernels, threads: runtime.threads, inputGradients: purpose.isTraining)
      return try TimedPlan(
        BoundPlan(plan, parameters: model.arena, gradients: gradients, pool: runtime.pool), pool: runtime.pool)
    }

    // In turn: the two plans, the steps of training, and the limit.
    let runsInSample = runs.map { max(1, Int(2 * effort.seconds / $0.run())) }
    var samples: [[Double]] = [[], [], [], []]
    var peaks: [Double] = []
    for _ in 0..<effort.rounds {
      for (index, plan) in runs.enumerated() {
        samples[index].append(
          (0..<runsInSample[index]).reduce(0) { sum, _ in sum + plan.run() } / Double(runsInSample[index]))
      }
      let parts = (0..<runsInSample[1]).map { _ in runs[1].gradients() }
      samples[2].append(parts.reduce(0) { $0 + $1.weights } / Double(parts.count))
      samples[3].append(parts.reduce(0) { $0 + $1.input } / Double(parts.count))
      peaks.append(Limit.peak(threads: runtime.threads).sample(runtime.kernels.level, seconds: effort.seconds))
    }
    let (seconds, peak) = (samples.map(median), median(peaks))
    func figure(_ variant: String, _ seconds: Double, products: Int) -> Figure {
      let rate = Double(2 * products * multiplyAdds) / seconds
      return Figure(
        name: name, variant: variant, nanoseconds: 1e9 * seconds, value: 1e-9 * rate, unit: "GFLOP/s",
        share: rate / peak)
    }
    let forward = figure("forward", seconds[0], products: 1)
    let whole = figure("training step", seconds[1], products: 3)
    if !reportsParts { return ([forward, whole], nil) }
    return (
      [
        forward, figure("weight gradient", seconds[2], products: 1), figure("input gradient", seconds[3], products: 1),
        whole,
      ], nil
    )
  }
}

/// A bound plan whose inputs and output gradients are set before each run: later steps may have used their memory.
/// Then the threads are woken: in a network, the layer before has just kept them busy.
private struct TimedPlan {
  private let bound: BoundPlan
  private let pool: ThreadPool
  private let values: [(tensor: Tensor, source: Floats)]

  init(_ bound: BoundPlan, pool: ThreadPool) throws {
    self.bound = bound
    self.pool = pool
    values = try (bound.plan.inputs + bound.plan.targets).map { ($0, try Floats($0.count)) }
    // Memory that is touched for the first time, and packed weights.
    for _ in 0..<2 { _ = run() }
  }

  /// The seconds of one run.
  func run() -> Double {
    setValues()
    let begin = now()
    bound.run()
    return now() - begin
  }

  /// The seconds of a layer's steps of the weight gradient, and of those behind them, which are the input gradient's.
  func gradients() -> (weights: Double, input: Double) {
    setValues()
    let steps = bound.timeSteps(clock: now)
    guard let first = steps.firstIndex(where: { $0.name.contains("kernel gradient") }),
      let last = steps.lastIndex(where: { $0.name.contains("kernel gradient") })
    else { return (0, 0) }
    return (
      steps[first...last].reduce(0) { $0 + $1.seconds }, steps[(last + 1)...].reduce(0) { $0 + $1.seconds }
    )
  }

  private func setValues() {
    for (tensor, source) in values { bound.floats(tensor).update(from: source.pointer, count: tensor.count) }
    pool.run(tiles: pool.threads) { _, _ in
      let begin = now()
      while now() - begin < 2e-4 {}
    }
  }
}

/// A loss whose target is the gradient of the output.
private struct GivenGradient: Loss {
  func targetType(_ prediction: ValueType) -> ValueType { prediction }
  func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>? { nil }

  func addSteps(
    _ plan: PlanBuilder, prediction: Tensor, target: Tensor, lengths: SequenceLengths?, gradient: Bool
  ) throws(NNKitError) -> (report: LossReport, dPrediction: Tensor?) {
    let report = try LossReport(plan)
    let sums = report.sums
    plan.step("no loss", reads: [prediction, target], writes: [sums], work: []) { binding in
      let result = binding.doubles(sums)
      return { _, _ in result.update(repeating: 0, count: 3) }
    }
    return (report, target)
  }

  func reference(_ prediction: ReferenceTensor, _ target: [Double]) -> ReferenceLoss {
    ReferenceLoss(lossSum: 0, metricSum: 0, count: 1, dPrediction: target)
  }
}
