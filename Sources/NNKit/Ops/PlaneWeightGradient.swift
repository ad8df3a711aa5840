import NNKitKernelTable

/// `dK[m, n, j, f] = Σ_images Σ_pixels plane[j][pixel + (m, n), f] dz[pixel, f]` and `db[f] = Σ dz[pixel, f]`, the planes
/// being those of `ChannelPlanes`.
///
/// The blocks of pixels are dealt to chunks, whose sums are added in ascending order; both depend on the sizes alone.
struct PlaneWeightGradient {
  let planes: ChannelPlanes
  let vertical: PlaneAxis
  let horizontal: PlaneAxis
  /// In the weights, from one row, column and plane to the next.
  let weightSteps: (Int, Int, Int)

  /// Memory for the sums of all chunks but the first.
  private static let partialBytes = 32 << 20
  private static let pixelsPerCall = 1024

  func addSteps(_ plan: PlanBuilder, _ x: Tensor, _ dz: Tensor, to dKernel: Tensor, bias dBias: Tensor?)
    throws(NNKitError)
  {
    let blocks = PlaneBlocks(planes: planes, vertical, horizontal)
    let scratch = try plan.scratch(floats: try blocks.sourceFloats())
    let filters = planes.channels
    let pixelBlocks = plan.batch * blocks.pixelBlocks
    let affordable = 1 + Self.partialBytes / max(1, dKernel.count * 4)
    let forAccuracy = PartialSums.chunks(ofBlocks: pixelBlocks, sums: dKernel.count)
    let wanted = min(pixelBlocks, max(ceilDivide(16, blocks.channelBlocks), 4, forAccuracy), affordable)
    let blocksPerChunk = ceilDivide(pixelBlocks, wanted)
    let chunks = ceilDivide(pixelBlocks, blocksPerChunk)
    let partials = try PartialSums(plan, chunks: chunks, sizes: [dKernel.count, dBias == nil ? 0 : filters])
    let results = [dKernel] + (dBias.map { [$0] } ?? [])
    let (kernels, gradient) = (plan.kernels, self)
    let (inputSize, outputSize) = (x.sampleCount, dz.sampleCount)
    let outputSteps = (horizontal.pixels * filters, filters)
    let places = dKernel.count / filters

    plan.step(
      "grouped convolution kernel gradient", reads: [x, dz], writes: results + partials.tensors, scratch: scratch,
      tiles: chunks * blocks.channelBlocks,
      work: [plan.batch, vertical.pixels * horizontal.pixels, places, filters]
    ) { binding in
      let input = UnsafePointer(binding.floats(x))
      let dOutput = UnsafePointer(binding.floats(dz))
      let kernelTargets = partials.target(binding, 0, dKernel)
      let biasTargets = partials.target(binding, 1, dBias ?? dKernel)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (chunk, channelBlock) = tile.quotientAndRemainder(dividingBy: blocks.channelBlocks)
        let lines = workspace.base + worker * workspace.stride
        let first = blocks.block(channelBlock * blocks.pixelBlocks)
        let allWeights = kernelTargets(chunk) + first.firstChannel
        let dWeights = allWeights + blocks.firstWeight(gradient.weightSteps)
        let dBiases = biasTargets(chunk) + first.firstChannel
        for place in 0..<places { (allWeights + place * filters).update(repeating: 0, count: first.channels) }
        if dBias != nil { dBiases.update(repeating: 0, count: first.channels) }
        let begin = chunk * blocksPerChunk
        for index in begin..<min(begin + blocksPerChunk, pixelBlocks) {
          let (image, pixelBlock) = index.quotientAndRemainder(dividingBy: blocks.pixelBlocks)
          let block = blocks.block(channelBlock * blocks.pixelBlocks + pixelBlock)
          if block.rows == 0 { continue }
          let source = blocks.source(kernels, input + image * inputSize, block, copy: lines)
          let dy =
            dOutput
            + (image * outputSize + block.row * outputSteps.0 + block.column * outputSteps.1 + block.firstChannel)
          var part = DepthwiseWeightGradient(
            geometry: blocks.geometry(
              block, lineStride: source.lineStride, weightSteps: gradient.weightSteps, outputSteps: outputSteps),
            source: source.pointer, dOutput: dy, dWeights: dWeights)
          let geometry = part.geometry
          // The sums of a call are added to those before: rounding errors grow with the pixels of one.
          let columnsPerCall = min(block.columns, Self.pixelsPerCall)
          let rowsPerCall = max(1, Self.pixelsPerCall / block.columns)
          for row in stride(from: 0, to: block.rows, by: rowsPerCall) {
            for column in stride(from: 0, to: block.columns, by: columnsPerCall) {
              part.source = source.pointer + row * geometry.sourceSteps.0 + column * geometry.sourceSteps.1
              part.dOutput = dy + row * outputSteps.0 + column * outputSteps.1
              part.geometry.pixels = (
                min(rowsPerCall, block.rows - row), min(columnsPerCall, block.columns - column)
              )
              kernels.depthwiseWeightGradient(part)
            }
          }
          if dBias != nil {
            for row in 0..<block.rows {
              kernels.columnSum(dy + row * outputSteps.0, block.columns, block.channels, filters, dBiases, true)
            }
          }
        }
      }
    }
    partials.addReduction(plan, "grouped convolution kernel gradient", to: results)
  }
}
