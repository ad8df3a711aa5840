import NNKitKernelTable

/// A grouped convolution as one convolution a group, over copies of the group's channels: for groups that are wide
/// enough for matrix products.
struct GroupedProducts {
  let vertical: WindowAxis
  let horizontal: WindowAxis
  let groups: Int
  /// Of a group.
  let channels: Int
  let filters: Int

  /// A product over fewer channels, or for fewer filters, leaves most of a vector empty.
  private static let fewestChannels = 8
  /// Each group has steps of its own.
  private static let mostGroups = 256

  /// Whether this way is the faster one. A function of the sizes alone.
  var isFaster: Bool { min(channels, filters) >= Self.fewestChannels && groups <= Self.mostGroups }

  /// Adds `y_g = f(x_g ∗ K_g + b_g)` for every group `g`. The activation is linear or ReLU: it runs over parts of pixels.
  func addForward(
    _ plan: PlanBuilder, _ x: Tensor, kernel: Tensor, bias: Tensor?, _ activation: ActivationKind, to y: Tensor
  ) throws(NNKitError) {
    var taps: [ConvolutionTap] = []
    for m in 0..<vertical.window {
      for n in 0..<horizontal.window {
        taps.append(
          ConvolutionTap(
            y: m * vertical.dilation - vertical.before, x: n * horizontal.dilation - horizontal.before,
            weights: weightOffset(m, n)))
      }
    }
    let columns = groups * filters
    for (group, source) in try split(plan, "grouped convolution", x, channels).enumerated() {
      let gather = GatherConvolution(
        sourceHeight: vertical.input, sourceWidth: horizontal.input, channels: channels, gridHeight: vertical.output,
        gridWidth: horizontal.output, stepY: vertical.stride, stepX: horizontal.stride,
        taps: shifted(taps, group), destinationStart: group * filters,
        destinationRowStep: horizontal.output * columns, destinationColumnStep: columns,
        weights: ConvolutionWeights(
          tensor: kernel, columns: filters, depthStride: columns, columnStride: 1, scale: nil),
        allowsWinograd: false)
      let part = try bias.map { bias throws(NNKitError) in try biasPart(plan, bias, group) }
      try gather.addSteps(plan, "grouped convolution", source, bias: part, addend: nil, activation, to: y)
    }
  }

  /// Adds the gradients of the kernel and the bias.
  func addWeightGradient(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let name = "grouped convolution kernel gradient"
    let (rows, columns) = (vertical.window * horizontal.window * channels, filters)
    let sources = try split(plan, name, x, channels)
    let gradients = try split(plan, name, dz, filters)
    let convolution = ConvolutionWeightGradient(
      vertical: vertical, horizontal: horizontal, channels: channels, filters: filters, allowsWinograd: false)
    for group in 0..<groups {
      let part = try plan.floats([rows, columns])
      let biasPart = try dBias.map { _ throws(NNKitError) in try plan.floats([columns]) }
      try convolution.addSteps(plan, sources[group], gradients[group], to: part, bias: biasPart)
      let stride = groups * columns
      plan.step(
        name, reads: [part] + (biasPart.map { [$0] } ?? []), writes: [dKernel] + (dBias.map { [$0] } ?? []),
        work: [rows, columns]
      ) { binding in
        let source = UnsafePointer(binding.floats(part))
        let target = binding.floats(dKernel) + group * columns
        let biases = biasPart.map { UnsafePointer(binding.floats($0)) }
        let biasTarget = dBias.map { binding.floats($0) + group * columns }
        return { _, _ in
          for row in 0..<rows { (target + row * stride).update(from: source + row * columns, count: columns) }
          if let biases, let biasTarget { biasTarget.update(from: biases, count: columns) }
        }
      }
    }
  }

  /// Adds the gradient of the input, one convolution a group and a pair of residues of the stride.
  func addInputGradient(_ plan: PlanBuilder, _ dz: Tensor, kernel: Tensor, to dx: Tensor) throws(NNKitError) {
    let columns = groups * channels
    for (group, source) in try split(plan, "grouped convolution input gradient", dz, filters).enumerated() {
      var parts: [GatherConvolution] = []
      for row in StridePhase.all(vertical) {
        for column in StridePhase.all(horizontal) {
          var taps: [ConvolutionTap] = []
          for m in row.places {
            for n in column.places {
              taps.append(ConvolutionTap(y: m.offset, x: n.offset, weights: weightOffset(m.place, n.place)))
            }
          }
          parts.append(
            GatherConvolution(
              sourceHeight: vertical.output, sourceWidth: horizontal.output, channels: filters, gridHeight: row.pixels,
              gridWidth: column.pixels, stepY: 1, stepX: 1, taps: shifted(taps, group),
              destinationStart: (row.first * horizontal.input + column.first) * columns + group * channels,
              destinationRowStep: vertical.stride * horizontal.input * columns,
              destinationColumnStep: horizontal.stride * columns,
              weights: ConvolutionWeights(
                tensor: kernel, columns: channels, depthStride: 1, columnStride: groups * filters, scale: nil),
              allowsWinograd: false))
        }
      }
      try GatherConvolution.addSteps(
        of: parts, plan, "grouped convolution input gradient", source, addend: nil, to: dx)
    }
  }

  /// Where the weights of place `(m, n)` begin.
  private func weightOffset(_ m: Int, _ n: Int) -> Int { (m * horizontal.window + n) * channels * groups * filters }

  /// The taps with the weights of a group's filters.
  private func shifted(_ taps: [ConvolutionTap], _ group: Int) -> [ConvolutionTap] {
    taps.map { ConvolutionTap(y: $0.y, x: $0.x, weights: $0.weights + group * filters) }
  }

  /// Copies of each group's `count` channels of every pixel.
  private func split(_ plan: PlanBuilder, _ name: String, _ tensor: Tensor, _ count: Int) throws(NNKitError)
    -> [Tensor]
  {
    var parts: [Tensor] = []
    for _ in 0..<groups {
      parts.append(try plan.tensor(ValueType(.float32, Shape(tensor.shape.sizes.dropLast() + [count]))))
    }
    let (kernels, pixels, columns) = (plan.kernels, tensor.rows, tensor.columns)
    let block = max(1, 8192 / columns)
    plan.step(
      "\(name), groups", reads: [tensor], writes: parts, tiles: ceilDivide(pixels, block), work: [tensor.count]
    ) { [parts] binding in
      let source = UnsafePointer(binding.floats(tensor))
      let targets = parts.map { binding.floats($0) }
      return { tile, _ in
        let first = tile * block
        for group in 0..<targets.count {
          kernels.copyPlanes(
            PlaneCopy(
              source: source + first * columns, sourceStep: columns, pixels: min(block, pixels - first), planes: 1,
              spread: 1, first: group * count, channels: count, target: targets[group] + first * count))
        }
      }
    }
    return parts
  }

  /// The bias of a group's filters.
  private func biasPart(_ plan: PlanBuilder, _ bias: Tensor, _ group: Int) throws(NNKitError) -> Tensor {
    let part = try plan.packed([filters])
    let count = filters
    plan.packingStep("bias of a group", reads: [bias], writes: [part], tiles: 1, work: [count]) { binding in
      let (source, target) = (UnsafePointer(binding.floats(bias)) + group * count, binding.floats(part))
      return { _, _ in target.update(from: source, count: count) }
    }
    return part
  }
}
