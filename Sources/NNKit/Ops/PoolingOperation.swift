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
    let x = node.inputs[0]
    let type = try outputTypes([x.type])[0]
    let activated = try ActivatedOutput(plan, type, activation)
    let (y, fused) = (activated.product, activated.fused)
    let geometry = try geometry(x.shape)
    let (kernels, inputSize, outputSize) = (plan.kernels, x.sampleCount, y.sampleCount)
    let (takesMaximum, work) = (isMaximum, [y.count, geometry.windowHeight, geometry.windowWidth])
    // Where each maximum came from, for the gradient.
    let argmax = takesMaximum && plan.isTraining ? try plan.tensor(ValueType(.int32, type.shape)) : nil
    // Where there are few images, a tile has a part of the rows.
    let rowsPerTile = ceilDivide(geometry.outputHeight, min(geometry.outputHeight, ceilDivide(16, plan.batch)))
    let rowBlocks = ceilDivide(geometry.outputHeight, rowsPerTile)
    let rowElements = geometry.outputWidth * geometry.channels
    plan.step(
      "pool", reads: [x], writes: [y] + (argmax.map { [$0] } ?? []), tiles: plan.batch * rowBlocks, work: work
    ) { binding in
      let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
      let places = argmax.map { binding.integers($0) }
      return { tile, _ in
        let (image, firstRow) = (tile / rowBlocks, tile % rowBlocks * rowsPerTile)
        let lastRow = min(firstRow + rowsPerTile, geometry.outputHeight)
        let result = output + image * outputSize
        let pool = Pool2D(
          geometry: geometry, input: input + image * inputSize, output: result, rowStart: firstRow, rowEnd: lastRow)
        if takesMaximum {
          kernels.maxPool2DForward(pool, places.map { $0 + image * outputSize })
        } else {
          kernels.averagePool2DForward(pool)
        }
        if fused != .linear {
          let rows = result + firstRow * rowElements
          kernels.activationForward(fused, rows, rows, (lastRow - firstRow) * rowElements)
        }
      }
    }
    var result = activated.finish(plan)
    if let argmax { result.saved.append(argmax) }
    return result
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
