import NNKitKernelTable

/// The largest value, or the mean, of each window of an image `[H, W, C]`, then an activation.
package struct PoolingOperation: Operation, ActivationFusing {
  package enum Kind: Sendable {
    case maximum
    case average(countsPadding: Bool)
  }

  package let kind: Kind
  package let window: Window2D
  package var activation = ActivationKind.linear

  var isMaximum: Bool { if case .maximum = kind { true } else { false } }

  private static let layout = "[H, W, C]"

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    try requireRank(inputs[0], 3, Self.layout)
    try requireClosed(inputs[0], axes: 0..<3, Self.layout)
    let shape = inputs[0].shape
    let axes = try window.axes(height: shape[0], width: shape[1], pooling: true)
    guard shape[0] * shape[1] <= Int(Int32.max) else {
      throw NNKitError(.shape, "the input has shape \(shape); an image may have at most 2^31 - 1 pixels")
    }
    return [ValueType(.float32, [axes.vertical.output, axes.horizontal.output, shape[2]])]
  }

  private func geometry(_ shape: Shape) throws(NNKitError) -> PoolGeometry {
    let (vertical, horizontal) = try window.axes(height: shape[0], width: shape[1], pooling: true)
    var countsPadding = false
    if case .average(let counts) = kind { countsPadding = counts }
    return PoolGeometry(
      inputHeight: vertical.input, inputWidth: horizontal.input, channels: shape[2], outputHeight: vertical.output,
      outputWidth: horizontal.output, windowHeight: vertical.window, windowWidth: horizontal.window,
      strideHeight: vertical.stride, strideWidth: horizontal.stride, padTop: vertical.before,
      padLeft: horizontal.before,
      countsPadding: countsPadding)
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let type = try outputTypes([node.inputs[0].type])[0]
    let activated = try ActivatedOutput(plan, type, activation)
    // Where each maximum came from, for the gradient.
    let argmax =
      isMaximum && plan.isTraining
      ? try plan.floats([ceilDivide(activated.product.count * geometry(node.inputs[0].shape).placeBytes, 4)]) : nil
    try pool(plan, node.inputs[0], activated.fused, to: activated.product, argmax).addStep(plan)
    var result = activated.finish(plan)
    if let argmax { result.saved.append(argmax) }
    return result
  }

  /// The pool that the convolution that writes `x` may compute with its own tiles, at inference.
  func following(_ plan: PlanBuilder, _ x: Tensor) throws(NNKitError) -> PlannedPool {
    try pool(plan, x, activation, to: try plan.tensor(try outputTypes([x.type])[0]), nil)
  }

  private func pool(
    _ plan: PlanBuilder, _ x: Tensor, _ activation: ActivationKind, to y: Tensor, _ argmax: Tensor?
  ) throws(NNKitError) -> PlannedPool {
    PlannedPool(
      kernels: plan.kernels, geometry: try geometry(x.shape), takesMaximum: isMaximum, activation: activation,
      input: x, output: y, argmax: argmax)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dOutput = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let dy = try plan.activationGradient(activation, saved: node.saved[0], dOutput)
    let dx = try plan.tensor(x.type)
    let geometry = try geometry(x.shape)
    let (kernels, inputSize, outputSize) = (plan.kernels, x.sampleCount, dy.sampleCount)
    let argmax = node.saved.dropFirst().first
    plan.step(
      "pool gradient", reads: [dy] + (argmax.map { [$0] } ?? []), writes: [dx], tiles: plan.batch,
      work: [dy.count, argmax == nil ? geometry.windowHeight * geometry.windowWidth : 4]
    ) { binding in
      let (dOutput, dInput) = (UnsafePointer(binding.floats(dy)), binding.floats(dx))
      let places = argmax.map { UnsafeRawPointer(binding.floats($0)) }
      return { image, _ in
        let gradient = Pool2DGradient(
          geometry: geometry, dOutput: dOutput + image * outputSize, dInput: dInput + image * inputSize)
        if let places {
          kernels.maxPool2DBackward(gradient, places + image * outputSize * geometry.placeBytes)
        } else {
          kernels.averagePool2DBackward(gradient)
        }
      }
    }
    return [dx]
  }
}

/// The forward pass of a pool, as a step of its own or behind the tiles of what computes its input: then the input is
/// never written as a whole.
struct PlannedPool {
  let kernels: KernelTable
  let geometry: PoolGeometry
  let takesMaximum: Bool
  let activation: ActivationKind
  let input: Tensor
  let output: Tensor
  let argmax: Tensor?

  private var tensors: [Tensor] { [output] + (argmax.map { [$0] } ?? []) }

  func addStep(_ plan: PlanBuilder) {
    // Where there are few images, a tile has a part of the rows.
    let height = geometry.outputHeight
    let rowsPerTile = ceilDivide(height, min(height, ceilDivide(16, plan.batch)))
    let rowBlocks = ceilDivide(height, rowsPerTile)
    plan.step(
      "pool", reads: [input], writes: tensors, tiles: plan.batch * rowBlocks,
      work: [output.count, geometry.windowHeight, geometry.windowWidth]
    ) { binding in
      let (pool, images) = (bind(binding), UnsafePointer(binding.floats(input)))
      return { tile, _ in
        let (image, firstRow) = (tile / rowBlocks, tile % rowBlocks * rowsPerTile)
        pool.compute(
          image, images + image * input.sampleCount, firstRow..<min(firstRow + rowsPerTile, height),
          0..<geometry.channels)
      }
    }
  }

  /// Whether tiles of `rows` whole rows of the input hold whole windows.
  func fits(tilesOf rows: Int) -> Bool {
    geometry.padTop == 0 && geometry.windowHeight <= geometry.strideHeight
      && (rows % geometry.strideHeight == 0 || rows >= geometry.inputHeight)
  }

  func bind(_ binding: Binding) -> BoundPool {
    BoundPool(
      pool: self, output: binding.floats(output), argmax: argmax.map { UnsafeMutableRawPointer(binding.floats($0)) })
  }

  /// Floats of `rows` rows of the input.
  func inputFloats(rows: Int) -> Int { rows * geometry.inputWidth * geometry.channels }
}

/// A pool with its memory.
struct BoundPool {
  let pool: PlannedPool
  let output: UnsafeMutablePointer<Float>
  let argmax: UnsafeMutableRawPointer?

  /// Pools what a tile has computed: channels of `rows` of an image, which `fits(tilesOf:)` has allowed, and the first of
  /// which is at `input`.
  func follow(_ image: Int, _ input: UnsafePointer<Float>, rows: Range<Int>, channels: Range<Int>) {
    if rows.isEmpty { return }
    let (height, stride) = (pool.geometry.outputHeight, pool.geometry.strideHeight)
    let end = rows.upperBound == pool.geometry.inputHeight ? height : rows.upperBound / stride
    compute(
      image, input - pool.inputFloats(rows: rows.lowerBound), min(rows.lowerBound / stride, end)..<end, channels)
  }

  /// `input`: of the image. `channels`: all of them where places are kept.
  func compute(_ image: Int, _ input: UnsafePointer<Float>, _ rows: Range<Int>, _ channels: Range<Int>) {
    let geometry = pool.geometry
    let start = image * pool.output.sampleCount + channels.lowerBound
    let part = Pool2D(
      geometry: geometry, input: input + channels.lowerBound, output: output + start,
      rowStart: rows.lowerBound, rowEnd: rows.upperBound, channels: channels.count)
    if pool.takesMaximum {
      pool.kernels.maxPool2DForward(part, argmax.map { $0 + start * geometry.placeBytes })
    } else {
      pool.kernels.averagePool2DForward(part)
    }
    if pool.activation == .linear { return }
    for pixel in rows.lowerBound * geometry.outputWidth..<rows.upperBound * geometry.outputWidth {
      let values = output + (start + pixel * geometry.channels)
      pool.kernels.activationForward(pool.activation, values, values, channels.count)
    }
  }
}
