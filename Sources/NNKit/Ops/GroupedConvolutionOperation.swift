import NNKitKernelTable

/// A convolution whose channels and filters are dealt to groups: filter `f` sees the channels of group
/// `f / (filters / groups)` alone, which lie side by side, as its group's filters do:
/// `y[i, j, f] = f(Σ_m Σ_n Σ_c x[i s + m d - p, j s + n d - p, g C/G + c] K[m, n, c, f] + b[f])` over an image
/// `[H, W, C]` with a kernel `[kh, kw, C / G, filters]`. With as many groups as channels it is depthwise.
///
/// Groups of many channels are convolutions of their own (`GroupedProducts`); those of few, and depthwise ones, are
/// computed with vectors over all channels (`PlaneConvolution`).
///
/// Initial values are drawn for what one weight's neighbours really are: `places · C / G` inputs of an output, and
/// `places · filters / G` outputs of an input.
package struct GroupedConvolutionOperation: NormFolding {
  package let window: Window2D
  package let channels: Int
  package let filters: Int
  /// Divides `channels` and `filters`.
  package let groups: Int
  package let hasBias: Bool
  package var activation: ActivationKind
  package let kernelInitializer: Initializer
  package let biasInitializer: Initializer
  var foldedNorm: BatchNormOperation?

  private var groupChannels: Int { channels / groups }
  private var groupFilters: Int { filters / groups }

  package var parameters: [ParameterSpecification] {
    let places = window.size.height * window.size.width
    let (fanIn, fanOut) = (places * groupChannels, places * groupFilters)
    let kernel = ParameterSpecification(
      "kernel", [window.size.height, window.size.width, groupChannels, filters], kernelInitializer, fanIn: fanIn,
      fanOut: fanOut)
    let bias = ParameterSpecification("bias", [filters], biasInitializer, fanIn: fanIn, fanOut: fanOut)
    return hasBias ? [kernel, bias] : [kernel]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    [try window.convolutionType(inputs[0], channels: channels, filters: filters)]
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let type = try outputTypes([x.type])[0]
    let (vertical, horizontal) = try window.axes(height: x.shape[0], width: x.shape[1], pooling: false)
    let y = try ActivatedOutput(plan, type, activation)
    let epilogue = try ProductEpilogue(plan, node.parameters, hasBias: hasBias, foldedNorm)
    let (kernel, bias) = (try epilogue.scaled(plan, node.parameters[0]), epilogue.bias)
    let products = products(vertical, horizontal)
    if products.isFaster {
      let fused = y.fused == .relu ? y.fused : .linear
      try products.addForward(plan, x, kernel: kernel, bias: bias, fused, to: y.product)
      if fused != y.fused { plan.activation(y.fused, y.product, to: y.product) }
      return y.finish(plan)
    }
    let convolution = PlaneConvolution(
      planes: ChannelPlanes(groups: groups, inputs: groupChannels, outputs: groupFilters),
      vertical: PlaneAxis(forward: vertical), horizontal: PlaneAxis(forward: horizontal),
      weightSteps: weightSteps(planes: groupChannels, columns: filters), destinationStart: 0,
      destinationRowStep: horizontal.output * filters, destinationColumnStep: filters)
    try convolution.addStep(
      plan, "grouped convolution", x, weights: kernel, bias: bias, y.fused, to: y.product)
    return y.finish(plan)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let (vertical, horizontal) = try window.axes(height: x.shape[0], width: x.shape[1], pooling: false)
    let dz = try plan.activationGradient(activation, saved: node.saved[0], dy)
    let dBias = hasBias ? node.dParameters[1] : nil
    let products = products(vertical, horizontal)
    if products.isFaster {
      try products.addWeightGradient(plan, x, dz, to: node.dParameters[0], bias: dBias)
    } else {
      let gradient = PlaneWeightGradient(
        planes: ChannelPlanes(groups: groups, inputs: groupChannels, outputs: groupFilters),
        vertical: PlaneAxis(forward: vertical), horizontal: PlaneAxis(forward: horizontal),
        weightSteps: weightSteps(planes: groupChannels, columns: filters))
      try gradient.addSteps(plan, x, dz, to: node.dParameters[0], bias: dBias)
    }
    guard node.wantsInput[0] else { return [nil] }
    let dx = try plan.tensor(x.type)
    try addInputGradient(plan, vertical, horizontal, dz, node.parameters[0], to: dx)
    return [dx]
  }

  private func products(_ vertical: WindowAxis, _ horizontal: WindowAxis) -> GroupedProducts {
    GroupedProducts(
      vertical: vertical, horizontal: horizontal, groups: groups, channels: groupChannels, filters: groupFilters)
  }

  /// From one row, column and plane of the window to the next, in the weights `[kh, kw, planes, columns]`.
  private func weightSteps(planes: Int, columns: Int) -> (Int, Int, Int) {
    (window.size.width * planes * columns, planes * columns, columns)
  }

  /// Each pair of residues of the stride is a convolution of its own over the output's gradient, as in
  /// `ConvolutionOperation`.
  private func addInputGradient(
    _ plan: PlanBuilder, _ vertical: WindowAxis, _ horizontal: WindowAxis, _ dz: Tensor, _ kernel: Tensor, to dx: Tensor
  ) throws(NNKitError) {
    let rowPhases = StridePhase.all(vertical)
    let columnPhases = StridePhase.all(horizontal)
    let covered = rowPhases.reduce(0) { $0 + $1.pixels } * columnPhases.reduce(0) { $0 + $1.pixels }
    if covered < vertical.input * horizontal.input { plan.fill("grouped convolution input gradient", dx, from: nil) }
    let products = products(vertical, horizontal)
    if products.isFaster {
      try products.addInputGradient(plan, dz, kernel: kernel, to: dx)
      return
    }
    let weights = try transposedWeights(plan, kernel)
    for row in rowPhases {
      for column in columnPhases {
        let convolution = PlaneConvolution(
          planes: ChannelPlanes(groups: groups, inputs: groupFilters, outputs: groupChannels),
          vertical: PlaneAxis(phase: row, source: vertical.output),
          horizontal: PlaneAxis(phase: column, source: horizontal.output),
          weightSteps: weightSteps(planes: groupFilters, columns: channels),
          destinationStart: (row.first * horizontal.input + column.first) * channels,
          destinationRowStep: vertical.stride * horizontal.input * channels,
          destinationColumnStep: horizontal.stride * channels)
        try convolution.addStep(
          plan, "grouped convolution input gradient", dz, weights: weights, bias: nil, .linear, to: dx)
      }
    }
  }

  /// `[kh, kw, filters / groups, channels]`: element `(f, c)` of a place is the weight between channel `c` and the
  /// `f`-th filter of its group. Of a depthwise kernel with one filter a channel: the kernel itself.
  private func transposedWeights(_ plan: PlanBuilder, _ kernel: Tensor) throws(NNKitError) -> Tensor {
    if groupChannels == 1 && groupFilters == 1 { return kernel }
    let places = window.size.height * window.size.width
    let transposed = try plan.packed([places, groupFilters, channels])
    let (channels, filters, groupChannels, groupFilters) = (channels, filters, groupChannels, groupFilters)
    plan.packingStep(
      "transpose weights", reads: [kernel], writes: [transposed], tiles: places, work: [groupFilters, channels]
    ) { binding in
      let source = UnsafePointer(binding.floats(kernel))
      let target = binding.floats(transposed)
      return { place, _ in
        for f in 0..<groupFilters {
          let row = target + (place * groupFilters + f) * channels
          for c in 0..<channels {
            let (group, member) = c.quotientAndRemainder(dividingBy: groupChannels)
            row[c] = source[(place * groupChannels + member) * filters + group * groupFilters + f]
          }
        }
      }
    }
    return transposed
  }
}
