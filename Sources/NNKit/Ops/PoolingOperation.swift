import NNKitKernelTable

/// The largest value, or the mean, of each window of an image `[H, W, C]`.
package struct PoolingOperation: Operation {
  package enum Kind: Sendable {
    case maximum
    case average(countsPadding: Bool)
  }

  package let kind: Kind
  package let window: Window2D

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
    let x = node.inputs[0]
    let type = try outputTypes([x.type])[0]
    let y = try plan.tensor(type)
    let geometry = try geometry(x.shape)
    let (kernels, inputSize, outputSize) = (plan.kernels, x.sampleCount, y.sampleCount)
    let work = [y.count, geometry.windowHeight, geometry.windowWidth]
    switch kind {
    case .maximum:
      let argmax = plan.isTraining ? try plan.tensor(ValueType(.int32, type.shape)) : nil
      plan.step(
        "maximum pool", reads: [x], writes: [y] + (argmax.map { [$0] } ?? []), tiles: plan.batch, work: work
      ) { binding in
        let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
        let places = argmax.map { binding.integers($0) }
        return { image, _ in
          kernels.maxPool2DForward(
            Pool2D(
              geometry: geometry, input: input + image * inputSize, output: output + image * outputSize, rowStart: 0,
              rowEnd: geometry.outputHeight), places.map { $0 + image * outputSize })
        }
      }
      return ForwardResult(outputs: [y], saved: argmax.map { [$0] } ?? [])
    case .average:
      plan.step("average pool", reads: [x], writes: [y], tiles: plan.batch, work: work) { binding in
        let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
        return { image, _ in
          kernels.averagePool2DForward(
            Pool2D(
              geometry: geometry, input: input + image * inputSize, output: output + image * outputSize, rowStart: 0,
              rowEnd: geometry.outputHeight))
        }
      }
      return ForwardResult(outputs: [y])
    }
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let dx = try plan.tensor(x.type)
    let geometry = try geometry(x.shape)
    let (kernels, inputSize, outputSize) = (plan.kernels, x.sampleCount, dy.sampleCount)
    let argmax = node.saved.first
    plan.step(
      "pool gradient", reads: [dy] + node.saved, writes: [dx], tiles: plan.batch,
      work: [dy.count, argmax == nil ? geometry.windowHeight * geometry.windowWidth : 4]
    ) { binding in
      let (dOutput, dInput) = (UnsafePointer(binding.floats(dy)), binding.floats(dx))
      let places = argmax.map { UnsafePointer(binding.integers($0)) }
      return { image, _ in
        let gradient = Pool2DGradient(
          geometry: geometry, dOutput: dOutput + image * outputSize, dInput: dInput + image * inputSize)
        if let places {
          kernels.maxPool2DBackward(gradient, places + image * outputSize)
        } else {
          kernels.averagePool2DBackward(gradient)
        }
      }
    }
    return [dx]
  }
}
