import NNKitKernelTable

/// How the channels of a grouped convolution's source meet those of its destination. Channel `c` of the destination
/// belongs to group `c / outputs` and is a sum over the `inputs` channels of that group in the source.
///
/// With the source spread into `inputs` planes, `plane[j][c] = source[(c / outputs) · inputs + j]`, each product is one
/// between vectors over the destination's channels, as in a depthwise convolution, which has one plane: its source.
struct ChannelPlanes {
  let groups: Int
  let inputs: Int
  let outputs: Int

  var sourceChannels: Int { groups * inputs }
  var channels: Int { groups * outputs }

  /// Whether the one plane is the source itself.
  var isSource: Bool { inputs == 1 && outputs == 1 }
}

/// One axis of a window over a source: grid pixel `i` is a sum over the places `k < places`, which lie at source pixel
/// `i · stride + first + k · placeStep` and have the weights of place `weightFirst + k · weightStep` of the kernel.
struct PlaneAxis {
  let source: Int
  let pixels: Int
  let stride: Int
  let first: Int
  let placeStep: Int
  let places: Int
  let weightFirst: Int
  let weightStep: Int

  /// `places` of them, without those that no pixel has in the source: a dilated window may be far wider than it.
  private init(
    source: Int, pixels: Int, stride: Int, first: Int, placeStep: Int, places: Int, weightFirst: Int, weightStep: Int
  ) {
    let inside = reachablePlaces(
      source: source, pixels: pixels, stride: stride, first: first, placeStep: placeStep, places: places)
    (self.source, self.pixels, self.stride) = (source, pixels, stride)
    (self.first, self.placeStep, self.places) = (first + inside.lowerBound * placeStep, placeStep, inside.count)
    (self.weightFirst, self.weightStep) = (weightFirst + inside.lowerBound * weightStep, weightStep)
  }

  init(forward axis: WindowAxis) {
    self.init(
      source: axis.input, pixels: axis.output, stride: axis.stride, first: -axis.before, placeStep: axis.dilation,
      places: axis.window, weightFirst: 0, weightStep: 1)
  }

  /// The pixels of an input gradient that share one residue of the stride. Their places are evenly spaced.
  init(phase: StridePhase, source: Int) {
    let places = phase.places
    self.init(
      source: source, pixels: phase.pixels, stride: 1, first: places[0].offset,
      placeStep: places.count > 1 ? places[1].offset - places[0].offset : 1, places: places.count,
      weightFirst: places[0].place, weightStep: places.count > 1 ? places[1].place - places[0].place : 1)
  }

  /// Neighbouring pixels whose windows have the same places inside of the source.
  struct Region {
    var pixels: Range<Int>
    var places: Range<Int>
  }

  /// All pixels, in ascending order; found place by place, as there may be very many pixels.
  var regions: [Region] {
    var borders: Set = [0, pixels]
    for place in 0..<places {
      // From the first of these on the place is inside, from the second on it is no more.
      let offset = first + place * placeStep
      for border in [ceilDivide(max(0, -offset), stride), ceilDivide(max(0, source - offset), stride)]
      where border < pixels { borders.insert(border) }
    }
    let ordered = borders.sorted()
    return zip(ordered, ordered.dropFirst()).map { start, end in
      let origin = start * stride + first
      let begin = origin >= 0 ? 0 : min(places, ceilDivide(-origin, placeStep))
      let limit = origin >= source ? 0 : min(places, (source - 1 - origin) / placeStep + 1)
      return Region(pixels: start..<end, places: begin..<max(begin, limit))
    }
  }

  /// Source pixels that `count` grid pixels read, from the first to the last.
  @inline(__always)
  func extent(_ count: Int) -> Int { (count - 1) * stride + (places - 1) * placeStep + 1 }

  /// How many grid pixels read no more than `extent` source pixels; 0: not even one.
  fileprivate func most(within limit: Int) -> Int { limit < extent(1) ? 0 : (limit - extent(1)) / stride + 1 }
}

/// A convolution over planes of channels, from a source image to a grid of pixels of a destination image. A tile of several
/// planes or of a part of the channels works on a copy of its part of the source.
struct PlaneConvolution {
  let planes: ChannelPlanes
  let vertical: PlaneAxis
  let horizontal: PlaneAxis
  /// In the weights, from one row, column and plane to the next.
  let weightSteps: (Int, Int, Int)
  /// In the destination image, in elements: of grid pixel `(0, 0)`, and from one to the next.
  let destinationStart: Int
  let destinationRowStep: Int
  let destinationColumnStep: Int

  func addStep(
    _ plan: PlanBuilder, _ name: String, _ source: Tensor, weights: Tensor, bias: Tensor?,
    _ activation: ActivationKind, to destination: Tensor
  ) throws(NNKitError) {
    let blocks = PlaneBlocks(planes: planes, vertical, horizontal)
    // Where pixels can be read as they lie, windows at the border leave out their places outside.
    let isDirect = planes.isSource && blocks.channelBlocks == 1
    let (rowRegions, columnRegions) = isDirect ? (vertical.regions, horizontal.regions) : ([], [])
    let lineStride = horizontal.source * planes.sourceChannels
    let scratch = try plan.scratch(floats: isDirect ? 0 : try blocks.sourceFloats())
    let (kernels, convolution) = (plan.kernels, self)
    let (sourceSize, destinationSize) = (source.sampleCount, destination.sampleCount)
    plan.step(
      name, reads: [source, weights] + (bias.map { [$0] } ?? []), writes: [destination], scratch: scratch,
      tiles: plan.batch * blocks.count,
      work: [
        plan.batch, vertical.pixels * horizontal.pixels, vertical.places * horizontal.places, planes.inputs,
        planes.channels,
      ]
    ) { binding in
      let sourceBase = UnsafePointer(binding.floats(source))
      let weightBase = UnsafePointer(binding.floats(weights))
      let biasBase = bias.map { UnsafePointer(binding.floats($0)) }
      let destinationBase = binding.floats(destination) + convolution.destinationStart
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let (image, index) = tile.quotientAndRemainder(dividingBy: blocks.count)
        let block = blocks.block(index)
        if block.rows == 0 { return }
        let output =
          destinationBase
          + (image * destinationSize + block.row * convolution.destinationRowStep
            + block.column * convolution.destinationColumnStep + block.firstChannel)
        let outputSteps = (convolution.destinationRowStep, convolution.destinationColumnStep)
        let weights = weightBase + (blocks.firstWeight(convolution.weightSteps) + block.firstChannel)
        var product = DepthwiseConvolution(
          geometry: blocks.geometry(
            block, lineStride: lineStride, weightSteps: convolution.weightSteps, outputSteps: outputSteps),
          source: sourceBase + image * sourceSize, weights: weights, bias: biasBase.map { $0 + block.firstChannel },
          output: output, relu: activation == .relu)
        if isDirect {
          convolution.addRegions(kernels, product, block, rowRegions, columnRegions)
        } else {
          let lines = workspace.base + worker * workspace.stride
          let source = blocks.source(kernels, sourceBase + image * sourceSize, block, copy: lines)
          product.source = source.pointer
          product.geometry = blocks.geometry(
            block, lineStride: source.lineStride, weightSteps: convolution.weightSteps, outputSteps: outputSteps)
          kernels.depthwiseConvolution(product)
        }
        if activation == .relu || activation == .linear { return }
        for row in 0..<block.rows {
          for column in 0..<block.columns {
            let pixel =
              output + (row * convolution.destinationRowStep + column * convolution.destinationColumnStep)
            kernels.activationForward(activation, pixel, pixel, block.channels)
          }
        }
      }
    }
  }
}

extension PlaneConvolution {
  /// Computes a block from the image itself, at which `product.source` points, region by region.
  @inline(__always)
  fileprivate func addRegions(
    _ kernels: KernelTable, _ product: DepthwiseConvolution, _ block: PlaneBlocks.Block, _ rows: [PlaneAxis.Region],
    _ columns: [PlaneAxis.Region]
  ) {
    for row in rows {
      let (top, bottom) = (
        max(row.pixels.lowerBound, block.row), min(row.pixels.upperBound, block.row + block.rows)
      )
      if top >= bottom { continue }
      for column in columns {
        let (left, right) = (
          max(column.pixels.lowerBound, block.column), min(column.pixels.upperBound, block.column + block.columns)
        )
        if left >= right { continue }
        var part = product
        part.geometry.pixels = (bottom - top, right - left)
        part.geometry.places = (row.places.count, 1, column.places.count)
        let y = top * vertical.stride + vertical.first + row.places.lowerBound * vertical.placeStep
        let x = left * horizontal.stride + horizontal.first + column.places.lowerBound * horizontal.placeStep
        part.source += (y * horizontal.source + x) * planes.sourceChannels
        part.weights +=
          row.places.lowerBound * product.geometry.weightPlaceSteps.0
          + column.places.lowerBound * product.geometry.weightPlaceSteps.2
        part.output += (top - block.row) * destinationRowStep + (left - block.column) * destinationColumnStep
        kernels.depthwiseConvolution(part)
      }
    }
  }
}

/// How a grid of pixels and its channels are divided into tiles. A function of the sizes alone.
struct PlaneBlocks {
  private let planes: ChannelPlanes
  private let vertical: PlaneAxis
  private let horizontal: PlaneAxis
  private let channelsPerBlock: Int
  private let rowsPerBlock: Int
  private let columnsPerBlock: Int
  let channelBlocks: Int
  private let rowBlocks: Int
  private let columnBlocks: Int

  /// Blocks of pixels, each for every block of channels.
  var pixelBlocks: Int { rowBlocks * columnBlocks }
  var count: Int { channelBlocks * pixelBlocks }

  struct Block {
    var firstChannel: Int
    var channels: Int
    var row: Int
    var rows: Int
    var column: Int
    var columns: Int
  }

  /// Source floats of a tile, about, where its least size allows: most of a first-level cache.
  private static let cacheFloats = 8192
  /// Pixels are rarely divided: memory is read best from end to end.
  private static let channelLimit = 512

  init(planes: ChannelPlanes, _ vertical: PlaneAxis, _ horizontal: PlaneAxis) {
    self.planes = planes
    self.vertical = vertical
    self.horizontal = horizontal
    let channels = planes.channels
    channelsPerBlock = min(
      channels, ceilDivide(channels, ceilDivide(channels, Self.channelLimit)).roundedUp(toMultipleOf: 16))
    channelBlocks = ceilDivide(channels, channelsPerBlock)
    let pixel = channelsPerBlock * planes.inputs
    // Neighbouring tiles copy what both read: a tile is never much smaller than its window.
    let leastRows = min(vertical.pixels, max(4, (vertical.places - 1) * vertical.placeStep / vertical.stride))
    let leastColumns = min(
      horizontal.pixels, max(16, 2 * (horizontal.places - 1) * horizontal.placeStep / horizontal.stride))
    // As few equal parts of a row as fit the cache, but not so many that one is narrower than the least.
    let fitting = horizontal.most(within: Self.cacheFloats / pixel / vertical.extent(leastRows))
    let mostBlocks = leastColumns > 1 ? ceilDivide(horizontal.pixels, leastColumns - 1) - 1 : 1
    columnsPerBlock = ceilDivide(
      horizontal.pixels, fitting > 0 ? min(ceilDivide(horizontal.pixels, fitting), mostBlocks) : mostBlocks)
    columnBlocks = ceilDivide(horizontal.pixels, columnsPerBlock)
    let lines = Self.cacheFloats / pixel / horizontal.extent(columnsPerBlock)
    let rows = max(leastRows, min(vertical.pixels, vertical.most(within: lines)))
    rowBlocks = ceilDivide(vertical.pixels, rows)
    rowsPerBlock = ceilDivide(vertical.pixels, rowBlocks)
  }

  /// Floats of the largest block's source. Throws: `.shape` where their number overflows.
  func sourceFloats() throws(NNKitError) -> Int {
    try checkedProduct(
      [vertical.extent(rowsPerBlock), horizontal.extent(columnsPerBlock), planes.inputs, channelsPerBlock],
      of: "the padded input of a tile")
  }

  /// Block `index`, pixels before channels; the last ones may be smaller, or empty of rows.
  @inline(__always)
  func block(_ index: Int) -> Block {
    let (channelBlock, pixelBlock) = index.quotientAndRemainder(dividingBy: pixelBlocks)
    let firstChannel = channelBlock * channelsPerBlock
    let row = min(pixelBlock / columnBlocks * rowsPerBlock, vertical.pixels)
    let column = pixelBlock % columnBlocks * columnsPerBlock
    return Block(
      firstChannel: firstChannel, channels: min(channelsPerBlock, planes.channels - firstChannel), row: row,
      rows: min(rowsPerBlock, vertical.pixels - row), column: column,
      columns: min(columnsPerBlock, horizontal.pixels - column))
  }

  /// The source of a block: where it lies, if all of it is in the image and no other block of channels lies between its
  /// pixels; else a copy `[lines][pixels][planes][channels]`, zeros where it lies outside of the image.
  @inline(__always)
  func source(
    _ kernels: KernelTable, _ image: UnsafePointer<Float>, _ block: Block, copy target: UnsafeMutablePointer<Float>
  ) -> (pointer: UnsafePointer<Float>, lineStride: Int) {
    let (lines, width) = (vertical.extent(block.rows), horizontal.extent(block.columns))
    let (firstLine, firstColumn) = (
      block.row * vertical.stride + vertical.first, block.column * horizontal.stride + horizontal.first
    )
    if planes.isSource && channelBlocks == 1 && firstLine >= 0 && firstColumn >= 0
      && firstLine + lines <= vertical.source && firstColumn + width <= horizontal.source
    {
      let lineStride = horizontal.source * block.channels
      return (image + (firstLine * lineStride + firstColumn * block.channels), lineStride)
    }
    let pixel = planes.inputs * block.channels
    let left = min(max(0, -firstColumn), width)
    let right = min(max(0, firstColumn + width - horizontal.source), width - left)
    let inside = width - left - right
    for i in 0..<lines {
      let line = target + i * width * pixel
      let y = firstLine + i
      if y < 0 || y >= vertical.source {
        line.update(repeating: 0, count: width * pixel)
        continue
      }
      line.update(repeating: 0, count: left * pixel)
      if inside > 0 {
        kernels.copyPlanes(
          PlaneCopy(
            source: image + (y * horizontal.source + firstColumn + left) * planes.sourceChannels,
            sourceStep: planes.sourceChannels, pixels: inside, planes: planes.inputs, spread: planes.outputs,
            first: block.firstChannel, channels: block.channels, target: line + left * pixel))
      }
      (line + (left + inside) * pixel).update(repeating: 0, count: right * pixel)
    }
    return (UnsafePointer(target), width * pixel)
  }

  /// In the weights, of the first place.
  func firstWeight(_ steps: (Int, Int, Int)) -> Int {
    vertical.weightFirst * steps.0 + horizontal.weightFirst * steps.1
  }

  /// A block as the kernels see it.
  @inline(__always)
  func geometry(
    _ block: Block, lineStride line: Int, weightSteps: (Int, Int, Int), outputSteps: (Int, Int)
  ) -> DepthwiseGeometry {
    let pixel = planes.inputs * block.channels
    var geometry = DepthwiseGeometry(
      channels: block.channels, pixels: (block.rows, block.columns),
      sourceSteps: (vertical.stride * line, horizontal.stride * pixel), outputSteps: outputSteps,
      places: (vertical.places, horizontal.places, planes.inputs),
      sourcePlaceSteps: (vertical.placeStep * line, horizontal.placeStep * pixel, block.channels),
      weightPlaceSteps: (
        vertical.weightStep * weightSteps.0, horizontal.weightStep * weightSteps.1, weightSteps.2
      ))
    if planes.inputs == 1 {
      geometry.places = (vertical.places, 1, horizontal.places)
      geometry.sourcePlaceSteps.2 = geometry.sourcePlaceSteps.1
      geometry.weightPlaceSteps.2 = geometry.weightPlaceSteps.1
    }
    return geometry
  }
}
