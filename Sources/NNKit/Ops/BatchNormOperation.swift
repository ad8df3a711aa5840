import NNKitKernelTable

/// Batch normalisation of the last axis, `y = f(γ (x - μ) / √(σ² + ε) + β)`, `x` `[..., C]`.
///
/// In training `μ` and `σ²` are mean and biased variance over the batch and all leading axes; each step moves the
/// running statistics towards them (towards the unbiased variance, `σ² m / (m - 1)` for `m` rows; a single row says
/// nothing about a variance and leaves it). Of sequences with lengths the rows are those of the real steps; what is
/// behind the lengths is normalised like them. At inference `μ` and `σ²` are the running statistics.
/// Parameters: gamma, beta `[C]`; moving_mean, moving_variance `[C]`, which no optimizer changes.
/// Source: Ioffe and Szegedy, Batch Normalization (2015).
package struct BatchNormOperation: Operation, ActivationFusing {
  package let channels: Int
  package let momentum: Double
  package let epsilon: Double
  package var activation: ActivationKind

  package init(channels: Int, momentum: Double, epsilon: Double, activation: ActivationKind) {
    self.channels = channels
    self.momentum = momentum
    self.epsilon = epsilon
    self.activation = activation
  }

  package var parameters: [ParameterSpecification] {
    func specification(_ name: String, _ initializer: Initializer, trainable: Bool) -> ParameterSpecification {
      ParameterSpecification(
        name, [channels], initializer, fanIn: channels, fanOut: channels, trainable: trainable)
    }
    return [
      specification("gamma", .ones, trainable: true), specification("beta", .zeros, trainable: true),
      specification("moving_mean", .zeros, trainable: false),
      specification("moving_variance", .ones, trainable: false),
    ]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    guard inputs[0].shape.sizes.last == channels else {
      throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected [..., \(channels)]")
    }
    return [inputs[0]]
  }

  /// With one axis alone, time would be the axis that is gone through.
  package func actsPerStep(_ inputs: [ValueType]) -> Bool { inputs[0].shape.rank > 1 }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let beta = node.parameters[1]
    guard plan.isTraining else {
      let scale = try runningScale(plan, node)
      return try normalize(plan, x, mean: node.parameters[2], scale: scale, shift: beta, node)
    }
    let statistics = try batchStatistics(plan, x, node.lengths, gamma: node.parameters[0])
    var result = try normalize(plan, x, mean: statistics.mean, scale: statistics.scale, shift: beta, node)
    result.saved += statistics.all
    return result
  }

  /// Adds the steps that find mean and variance of the batch.
  private func batchStatistics(
    _ plan: PlanBuilder, _ x: Tensor, _ lengths: SequenceLengths?, gamma: Tensor
  ) throws(NNKitError) -> Statistics {
    let statistics = try Statistics(plan, channels)
    let rows = try BatchRows(plan, x, lengths)
    let x = try rows.gather("batch norm real steps", x, plan)
    let moments = try plan.doubles(rows.doubles)
    let (kernels, channels, epsilon) = (plan.kernels, channels, epsilon)
    plan.step(
      "batch norm moments", reads: [x] + rows.tensors, writes: [moments], tiles: rows.tiles, work: [x.count]
    ) { binding in
      let (input, target) = (UnsafePointer(binding.floats(x)), binding.doubles(moments))
      let rows = rows.bind(binding)
      return { chunk, _ in
        let rows = rows.chunks
        let part = rows.chunk(chunk)
        if part.isEmpty { return }
        let mean = target + 2 * chunk * rows.stride
        kernels.columnMoments(
          ColumnMoments(
            x: input + part.lowerBound * channels, rows: part.count, columns: channels, mean: mean,
            squares: mean + rows.stride))
      }
    }
    plan.step(
      "batch norm statistics", reads: [moments, gamma] + rows.tensors, writes: statistics.all,
      work: [rows.tiles, channels, 8]
    ) { binding in
      let (moments, rows) = (UnsafePointer(binding.doubles(moments)), rows.bind(binding))
      let weights = UnsafePointer(binding.floats(gamma))
      let (mean, variance) = (binding.floats(statistics.mean), binding.floats(statistics.variance))
      let (inverse, scale) = (binding.floats(statistics.inverseDeviation), binding.floats(statistics.scale))
      return { _, _ in
        kernels.batchNormStatistics(
          BatchNormStatistics(
            moments: rows.chunks.sums(moments), channels: channels, gamma: weights, epsilon: epsilon, mean: mean,
            variance: variance,
            inverseDeviation: inverse, scale: scale))
      }
    }
    return statistics
  }

  /// `γ / √(σ² + ε)` of the running variance, computed whenever the parameters have changed.
  private func runningScale(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> Tensor {
    let scale = try plan.packed([channels])
    let (gamma, variance) = (node.parameters[0], node.parameters[3])
    let (channels, epsilon) = (channels, epsilon)
    plan.packingStep(
      "batch norm scale", reads: [gamma, variance], writes: [scale], tiles: 1, work: [channels, 8]
    ) { binding in
      let (weights, squares, out) = (binding.floats(gamma), binding.floats(variance), binding.floats(scale))
      return { _, _ in
        for c in 0..<channels { out[c] = Float(Double(weights[c]) / (Double(squares[c]) + epsilon).squareRoot()) }
      }
    }
    return scale
  }

  /// Makes `y = f((x - mean) · scale + shift)`: by a step, or by whoever reads it.
  private func normalize(
    _ plan: PlanBuilder, _ x: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, _ node: ForwardNode
  ) throws(NNKitError) -> ForwardResult {
    if node.outputMayBePending && (activation == .relu || activation == .linear) {
      var y = x
      y.pending = PendingNormalization(mean: mean, scale: scale, shift: shift, relu: activation == .relu)
      return ForwardResult(outputs: [y], saved: [x])
    }
    let y = try ActivatedOutput(plan, x.type, activation)
    let factors = PendingNormalization(mean: mean, scale: scale, shift: shift, relu: y.fused == .relu)
    let (kernels, channels, rowCount) = (plan.kernels, channels, x.rows)
    let tileRows = elementwiseRows
    plan.step(
      "batch norm", reads: factors.tensors, elementwise: [x], writes: [y.product],
      tiles: ceilDivide(rowCount, tileRows), work: [x.count, 2]
    ) { binding in
      let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y.product))
      let normalization = factors.bind(binding)
      return { tile, _ in
        let first = tile * tileRows
        let rows = min(tileRows, rowCount - first)
        kernels.batchNormForward(
          NNKitKernelTable.BatchNorm(
            normalization: normalization, x: input + first * channels, y: output + first * channels, rows: rows))
        if y.fused != .relu && y.fused != .linear {
          let part = output + first * channels
          kernels.activationForward(y.fused, part, part, rows * channels)
        }
      }
    }
    return y.finish(plan)
  }

  /// Rows of one tile of the elementwise steps: about 64 KiB of floats.
  private var elementwiseRows: Int { max(1, 16_384 / channels) }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let statistics = Statistics(Array(node.saved.dropFirst()))
    // The kernels go through a ReLU themselves, without reading its output.
    let relu = activation == .relu
    let factors = PendingNormalization(
      mean: statistics.mean, scale: statistics.scale, shift: node.parameters[1], relu: relu)
    let dz = relu ? dy : try plan.activationGradient(activation, saved: node.saved[0], dy)
    let rows = try BatchRows(plan, x, node.lengths)
    let realX = try rows.gather("batch norm real steps", x, plan)
    let realDz = try rows.gather("batch norm real gradients", dz, plan)
    let sums = try plan.doubles(rows.doubles)
    let (kernels, channels) = (plan.kernels, channels)
    plan.step(
      "batch norm gradient sums", reads: [realX, realDz] + factors.tensors + rows.tensors, writes: [sums],
      tiles: rows.tiles, work: [x.count, 2]
    ) { binding in
      let (input, gradient) = (UnsafePointer(binding.floats(realX)), UnsafePointer(binding.floats(realDz)))
      let (target, normalization, rows) = (binding.doubles(sums), factors.bind(binding), rows.bind(binding))
      return { chunk, _ in
        let rows = rows.chunks
        let part = rows.chunk(chunk)
        if part.isEmpty { return }
        kernels.batchNormSums(
          BatchNormSums(
            normalization: normalization, x: input + part.lowerBound * channels,
            dy: gradient + part.lowerBound * channels, rows: part.count, sums: target + 2 * chunk * rows.stride,
            stride: rows.stride))
      }
    }
    let (slope, offset) = (try plan.floats([channels]), try plan.floats([channels]))
    addParameterGradients(plan, node, rows, sums, statistics, slope: slope, offset: offset)

    guard node.wantsInput[0] else { return [nil] }
    let dx = try plan.tensor(x.type)
    let (tileRows, rowCount) = (elementwiseRows, x.rows)
    plan.step(
      "batch norm input gradient", reads: [slope, offset] + factors.tensors + rows.tensors, elementwise: [dz, x],
      writes: [dx], tiles: ceilDivide(rowCount, tileRows), work: [x.count, 4]
    ) { binding in
      let (input, gradient) = (UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(dz)))
      let (slopes, offsets) = (UnsafePointer(binding.floats(slope)), UnsafePointer(binding.floats(offset)))
      let (target, normalization, lengths) = (binding.floats(dx), factors.bind(binding), rows.bind(binding).lengths)
      return { tile, _ in
        let first = tile * tileRows
        rows.ofSequences.forEachRun(in: first..<min(first + tileRows, rowCount), lengths) { run, areReal in
          let (start, count) = (run.lowerBound * channels, run.count)
          if areReal {
            kernels.batchNormBackward(
              BatchNormGradient(
                normalization: normalization, x: input + start, dy: gradient + start, dx: target + start, rows: count,
                slope: slopes, offset: offsets))
          } else {
            (target + start).update(repeating: 0, count: count * channels)
          }
        }
      }
    }
    return [dx]
  }

  /// Adds the gradients of gamma and beta, the factors of the input's gradient, and the next running statistics, which
  /// wait in the places of their gradients until the step is known to be good.
  private func addParameterGradients(
    _ plan: PlanBuilder, _ node: BackwardNode, _ rows: BatchRows, _ sums: Tensor, _ statistics: Statistics,
    slope: Tensor, offset: Tensor
  ) {
    let (kernels, channels, momentum) = (plan.kernels, channels, momentum)
    let (oldMean, oldVariance) = (node.parameters[2], node.parameters[3])
    plan.step(
      "batch norm parameter gradients", reads: [sums, oldMean, oldVariance] + statistics.all + rows.tensors,
      writes: node.dParameters + [slope, offset], work: [rows.tiles, channels, 8]
    ) { binding in
      let (sums, rows) = (UnsafePointer(binding.doubles(sums)), rows.bind(binding))
      let scale = UnsafePointer(binding.floats(statistics.scale))
      let inverse = UnsafePointer(binding.floats(statistics.inverseDeviation))
      let targets = node.dParameters.map { binding.floats($0) }
      let (dGamma, dBeta, nextMean, nextVariance) = (targets[0], targets[1], targets[2], targets[3])
      let (slopes, offsets) = (binding.floats(slope), binding.floats(offset))
      let (mean, variance) = (binding.floats(statistics.mean), binding.floats(statistics.variance))
      let (runningMean, runningVariance) = (binding.floats(oldMean), binding.floats(oldVariance))
      return { _, _ in
        let rows = rows.chunks
        let unbiased = rows.rows > 1 ? Double(rows.rows) / Double(rows.rows - 1) : nil
        kernels.batchNormParameterGradient(
          BatchNormParameterGradient(
            sums: rows.sums(sums), channels: channels, scale: scale, inverseDeviation: inverse, dGamma: dGamma,
            dBeta: dBeta,
            slope: slopes, offset: offsets))
        for c in 0..<channels {
          nextMean[c] = Float(momentum * Double(runningMean[c]) + (1 - momentum) * Double(mean[c]))
          let old = Double(runningVariance[c])
          let new = unbiased.map { $0 * Double(variance[c]) } ?? old
          nextVariance[c] = Float(momentum * old + (1 - momentum) * new)
        }
      }
    }
  }
}

/// What the forward steps of training learn about the batch, `[C]` each.
private struct Statistics {
  let mean: Tensor
  let variance: Tensor
  let inverseDeviation: Tensor
  let scale: Tensor

  var all: [Tensor] { [mean, variance, inverseDeviation, scale] }

  init(_ plan: PlanBuilder, _ channels: Int) throws(NNKitError) {
    mean = try plan.floats([channels])
    variance = try plan.floats([channels])
    inverseDeviation = try plan.floats([channels])
    scale = try plan.floats([channels])
  }

  /// From `all`, as it was saved.
  init(_ saved: [Tensor]) {
    (mean, variance, inverseDeviation, scale) = (saved[0], saved[1], saved[2], saved[3])
  }
}

/// The rows that statistics are of: all of a tensor, or those of real steps, side by side in another one.
private struct BatchRows {
  private let channels: Int
  private let all: Int
  private let steps: RealSteps?
  let ofSequences: SequenceRows

  /// Adds a step with `lengths`.
  init(_ plan: PlanBuilder, _ x: Tensor, _ lengths: SequenceLengths?) throws(NNKitError) {
    (channels, all) = (x.columns, x.rows)
    steps = try lengths.map { lengths throws(NNKitError) in try plan.realSteps(lengths) }
    let perSequence = x.rows / x.batch
    ofSequences = SequenceRows(
      rowsPerSequence: perSequence, rowsPerStep: lengths == nil ? perSequence : perSequence / x.shape[0])
  }

  /// Fewer rows may make more chunks.
  var tiles: Int { steps == nil ? RowChunks(rows: all, columns: channels).chunks : RowChunks.most }
  /// The size of the sums: two arrays for each chunk.
  var doubles: Int { 2 * tiles * RowChunks.stride(channels) }
  /// What steps read.
  var tensors: [Tensor] { steps?.tensors ?? [] }

  /// Adds the step that lays the rows of `x` side by side, where they do not lie so.
  func gather(_ name: String, _ x: Tensor, _ plan: PlanBuilder) throws(NNKitError) -> Tensor {
    guard let steps else { return x }
    return try plan.gatherRealSteps(name, x, steps)
  }

  func bind(_ binding: Binding) -> Bound {
    Bound(
      channels: channels, all: all, rowsPerStep: ofSequences.rowsPerStep, steps: steps?.bind(binding))
  }

  /// While a step runs.
  struct Bound {
    fileprivate let channels: Int
    fileprivate let all: Int
    fileprivate let rowsPerStep: Int
    fileprivate let steps: BoundRealSteps?

    var lengths: UnsafeMutablePointer<Int32>? { steps?.lengths }
    var chunks: RowChunks { RowChunks(rows: steps.map { $0.count * rowsPerStep } ?? all, columns: channels) }
  }
}

/// How sums over rows are divided into chunks for different tiles: by the sizes alone.
private struct RowChunks {
  let rows: Int
  let chunks: Int
  static let most = 16
  /// A chunk's arrays of doubles have the columns rounded up, so that kernels need no tails there.
  let stride: Int
  private let rowsPerChunk: Int

  init(rows: Int, columns: Int) {
    self.rows = rows
    // At most `most` chunks, of about 2¹⁵ elements or more, in whole blocks of the kernels.
    let wanted = max(ceilDivide(rows, Self.most), ceilDivide(1 << 15, columns))
    rowsPerChunk = wanted.roundedUp(toMultipleOf: 32)
    chunks = ceilDivide(rows, rowsPerChunk)
    stride = Self.stride(columns)
  }

  static func stride(_ columns: Int) -> Int { columns.roundedUp(toMultipleOf: 16) }

  /// Empty behind the last chunk.
  func chunk(_ index: Int) -> Range<Int> {
    min(index * rowsPerChunk, rows)..<min((index + 1) * rowsPerChunk, rows)
  }

  func sums(_ sums: UnsafePointer<Double>) -> ChunkedSums {
    ChunkedSums(sums: sums, chunks: chunks, rowsPerChunk: rowsPerChunk, rows: rows, stride: stride)
  }
}
