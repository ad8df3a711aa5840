import NNKitKernelTable

/// `y[i, j, f] = f(Σ_m Σ_n Σ_c x[i s + m d - p, j s + n d - p, c] K[m, n, c, f] + b[f])`: cross-correlation over an
/// image `[H, W, C]` with a kernel `[kh, kw, C, filters]`.
package struct ConvolutionOperation: NormFolding, AddendFusing, PoolFusing {
  package let window: Window2D
  package let channels: Int
  package let filters: Int
  package let hasBias: Bool
  package var activation: ActivationKind
  package let kernelInitializer: Initializer
  package let biasInitializer: Initializer
  /// Whether 3 × 3 windows with stride 1 may be computed by Winograd's algorithm.
  package let allowsWinograd: Bool
  var foldedNorm: BatchNormOperation?
  var hasAddend = false
  package var followingPool: PoolingOperation?

  package var parameters: [ParameterSpecification] {
    let places = window.size.height * window.size.width
    let (fanIn, fanOut) = (places * channels, places * filters)
    let kernel = ParameterSpecification(
      "kernel", [window.size.height, window.size.width, channels, filters], kernelInitializer, fanIn: fanIn,
      fanOut: fanOut)
    let bias = ParameterSpecification("bias", [filters], biasInitializer, fanIn: fanIn, fanOut: fanOut)
    return hasBias ? [kernel, bias] : [kernel]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    let type = try convolutionType(inputs[0])
    return try followingPool?.outputTypes([type]) ?? [type]
  }

  private func convolutionType(_ input: ValueType) throws(NNKitError) -> ValueType {
    try window.convolutionType(input, channels: channels, filters: filters)
  }

  /// Where lines are copied, a normalisation costs next to nothing.
  package func readsPending(_ index: Int, _ input: ValueType) -> Bool {
    guard index == 0, let axes = try? window.axes(height: input.shape[0], width: input.shape[1], pooling: false) else {
      return false
    }
    return !isPointwise(axes.vertical, axes.horizontal)
  }

  /// Whether the convolution is a matrix product over pixels.
  private func isPointwise(_ vertical: WindowAxis, _ horizontal: WindowAxis) -> Bool {
    [vertical, horizontal].allSatisfy { $0.window == 1 && $0.stride == 1 && $0.before == 0 && $0.after == 0 }
  }

  /// Where the weights of place `(m, n)` begin.
  private func weightOffset(_ m: Int, _ n: Int) -> Int { (m * window.size.width + n) * channels * filters }

  package func addsToGradient(ofInput index: Int) -> Bool { true }

  package var canComputeAgain: Bool { true }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let (vertical, horizontal) = try window.axes(height: x.shape[0], width: x.shape[1], pooling: false)
    let y = try ActivatedOutput(plan, try convolutionType(x.type), activation)
    // At inference alone, where the convolution itself applies its activation.
    let pool: PlannedPool?
    if let followingPool { pool = try followingPool.following(plan, y.output) } else { pool = nil }
    let epilogue = try ProductEpilogue(plan, node.parameters, hasBias: hasBias, foldedNorm)
    let addend = hasAddend ? node.inputs[1] : nil
    if isPointwise(vertical, horizontal) {
      let weights = try plan.packMatrix(
        node.parameters[0], depth: channels, columns: filters, scale: epilogue.scale)
      try plan.deepMatrixProduct(
        "convolution", x, rows: x.rows, weights, bias: epilogue.bias, y.fused, to: y.product, addend: addend)
      pool?.addStep(plan)
      return finish(plan, y, pool)
    }
    var taps: [ConvolutionTap] = []
    for m in 0..<vertical.window {
      for n in 0..<horizontal.window {
        taps.append(
          ConvolutionTap(
            y: m * vertical.dilation - vertical.before, x: n * horizontal.dilation - horizontal.before,
            weights: weightOffset(m, n)))
      }
    }
    let gather = GatherConvolution(
      sourceHeight: vertical.input, sourceWidth: horizontal.input, channels: channels, gridHeight: vertical.output,
      gridWidth: horizontal.output, stepY: vertical.stride, stepX: horizontal.stride, taps: taps, destinationStart: 0,
      destinationRowStep: horizontal.output * filters, destinationColumnStep: filters,
      weights: ConvolutionWeights(
        tensor: node.parameters[0], columns: filters, depthStride: filters, columnStride: 1,
        scale: epilogue.scale),
      allowsWinograd: allowsWinograd)
    try gather.addSteps(
      plan, "convolution", x, bias: epilogue.bias, addend: addend, y.fused, to: y.product, pool: pool)
    return finish(plan, y, pool)
  }

  private func finish(_ plan: PlanBuilder, _ y: ActivatedOutput, _ pool: PlannedPool?) -> ForwardResult {
    pool.map { ForwardResult(outputs: [$0.output]) } ?? y.finish(plan)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let x = node.inputs[0]
    let (vertical, horizontal) = try window.axes(height: x.shape[0], width: x.shape[1], pooling: false)
    let dz = try plan.activationGradient(activation, saved: node.saved[0], dy)
    let dBias = hasBias ? node.dParameters[1] : nil
    let pointwise = isPointwise(vertical, horizontal)
    if pointwise {
      let loops = DepthLoops(
        outer: 1, inner: x.rows, aOuterStep: 0, aInnerStep: channels, bOuterStep: 0, bInnerStep: filters)
      try plan.weightGradient(
        "convolution kernel gradient", x, dz, loops, rows: channels, columns: filters, to: node.dParameters[0],
        bias: dBias)
    } else {
      let gradient = ConvolutionWeightGradient(
        vertical: vertical, horizontal: horizontal, channels: channels, filters: filters,
        allowsWinograd: allowsWinograd)
      try gradient.addSteps(plan, x, dz, to: node.dParameters[0], bias: dBias)
    }
    guard node.wantsInput[0] else { return [nil] }
    let dx = try plan.tensor(x.type)
    if pointwise {
      let transposed = try plan.packTransposed(node.parameters[0], depth: filters, columns: channels)
      try plan.deepMatrixProduct(
        "convolution input gradient", dz, rows: x.rows, transposed, bias: nil, .linear, to: dx, addend: node.addends[0])
    } else {
      try addInputGradient(plan, vertical, horizontal, dz, node.parameters[0], addend: node.addends[0], to: dx)
    }
    return [dx]
  }

  /// `dx[i] = Σ_m dz[(i + p - m d) / s] K[m]ᵀ` over the places `m` for which the division leaves no remainder. Input
  /// pixels with one residue of the stride share their places: each pair of residues is a direct convolution of
  /// its own, and no product with an inserted zero is ever computed.
  private func addInputGradient(
    _ plan: PlanBuilder, _ vertical: WindowAxis, _ horizontal: WindowAxis, _ dz: Tensor, _ kernel: Tensor,
    addend: Tensor?, to dx: Tensor
  ) throws(NNKitError) {
    let rowPhases = StridePhase.all(vertical)
    let columnPhases = StridePhase.all(horizontal)
    let covered = rowPhases.reduce(0) { $0 + $1.pixels } * columnPhases.reduce(0) { $0 + $1.pixels }
    // Pixels that no window reaches have only what was there before.
    let isCovered = covered == vertical.input * horizontal.input
    let clearsInOneStep = !isCovered && addend == nil && rowPhases.count * columnPhases.count == 1
    if !isCovered && !clearsInOneStep { plan.fill("convolution input gradient", dx, from: addend) }
    let addend = isCovered ? addend : addend.map { _ in dx }
    var parts: [GatherConvolution] = []
    for row in rowPhases {
      for column in columnPhases {
        var taps: [ConvolutionTap] = []
        for m in row.places {
          for n in column.places {
            taps.append(ConvolutionTap(y: m.offset, x: n.offset, weights: weightOffset(m.place, n.place)))
          }
        }
        parts.append(
          GatherConvolution(
            sourceHeight: vertical.output, sourceWidth: horizontal.output, channels: filters, gridHeight: row.pixels,
            gridWidth: column.pixels, stepY: 1, stepX: 1, taps: taps,
            destinationStart: (row.first * horizontal.input + column.first) * channels,
            destinationRowStep: vertical.stride * horizontal.input * channels,
            destinationColumnStep: horizontal.stride * channels, clearsDestination: clearsInOneStep,
            weights: ConvolutionWeights(
              tensor: kernel, columns: channels, depthStride: 1, columnStride: filters, scale: nil),
            allowsWinograd: allowsWinograd))
      }
    }
    try GatherConvolution.addSteps(of: parts, plan, "convolution input gradient", dz, addend: addend, to: dx)
  }
}

extension Window2D {
  /// What a convolution with this window makes of images `[H, W, channels]`. Throws: `.shape` or `.type`.
  func convolutionType(_ input: ValueType, channels: Int, filters: Int) throws(NNKitError) -> ValueType {
    let layout = "[H, W, C]"
    try requireFloat(input)
    try requireRank(input, 3, layout)
    try requireClosed(input, axes: 0..<3, layout)
    let shape = input.shape
    guard shape[2] == channels else {
      throw NNKitError(.shape, "the input has \(shape[2]) channels; expected \(channels)")
    }
    let axes = try axes(height: shape[0], width: shape[1], pooling: false)
    return ValueType(.float32, [axes.vertical.output, axes.horizontal.output, filters])
  }
}

/// The input pixels `first, first + stride, ...` of one axis, and the places of the window that reach them.
struct StridePhase {
  let first: Int
  let pixels: Int
  /// In ascending order of `offset`, the output pixel relative to the index of the input pixel in this phase.
  let places: [(place: Int, offset: Int)]

  /// The phases that any place of the window reaches, in ascending order of `first`.
  static func all(_ axis: WindowAxis) -> [StridePhase] {
    var placesByFirst: [Int: [(place: Int, offset: Int)]] = [:]
    for place in 0..<axis.window {
      // Input pixel i is reached from output pixel o where i = o · stride + reach.
      let reach = place * axis.dilation - axis.before
      let first = ((reach % axis.stride) + axis.stride) % axis.stride
      guard first < axis.input else { continue }
      placesByFirst[first, default: []].append((place, (first - reach) / axis.stride))
    }
    return placesByFirst.keys.sorted().map { first in
      StridePhase(
        first: first, pixels: ceilDivide(axis.input - first, axis.stride),
        places: (placesByFirst[first] ?? []).sorted { $0.offset < $1.offset })
    }
  }
}
