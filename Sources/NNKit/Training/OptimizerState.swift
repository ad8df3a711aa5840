import Glibc
import NNKitKernelTable

/// An optimizer with its memory: one fused pass over the trainable part of the arena of parameters.
///
/// An update either leaves finite numbers everywhere or changes nothing. That is shown by bounds of the magnitudes,
/// which cost nothing; where they are too rough they are measured again, and where that does not show it either the
/// update is tried on copies.
final class OptimizerState {
  private let parameters: ParameterArena
  private let gradients: UnsafeMutablePointer<Float>
  private let pool: ThreadPool
  private let kernels: KernelTable
  private let norm: VectorNorm
  /// The elements of each tile, without those of frozen parameters.
  private var tiles: UnsafeMutableBufferPointer<Range<Int>>
  private var tile: (Int, Int) -> Void
  /// What the tiles read, at a fixed address.
  private let update: UnsafeMutablePointer<OptimizerUpdate>
  /// The logarithms of the products of all `β` so far, of which the bias corrections are made; `β` may change from
  /// update to update.
  var logDecay = (first: 0.0, second: 0.0)
  /// Of what there was at `boundsVersion` of the parameters; another version is somebody else's work.
  private var bounds = MagnitudeBounds(weight: 0, first: 0, second: 0)
  private var boundsVersion = 0
  /// Three tiles, to try an update on.
  private let copies: AlignedMemory

  private static let elementsPerTile = 16_384

  /// Throws: `.outOfMemory`.
  init(_ parameters: ParameterArena, gradients: AlignedMemory, runtime: Runtime) throws(NNKitError) {
    self.parameters = parameters
    self.gradients = gradients.base.assumingMemoryBound(to: Float.self)
    pool = runtime.pool
    kernels = runtime.kernels
    let total = parameters.trainableCount
    copies = try AlignedMemory(byteCount: 3 * min(total, Self.elementsPerTile) * MemoryLayout<Float>.stride)
    norm = VectorNorm(count: total, runtime: runtime, of: parameters.floats)
    let update = UnsafeMutablePointer<OptimizerUpdate>.allocate(capacity: 1)
    update.initialize(to: .none)
    self.update = update
    tiles = Self.tiles(of: [0..<total])
    tile = Self.tile(tiles, update, kernels)
  }

  deinit {
    update.deallocate()
    tiles.deallocate()
  }

  /// Which elements `apply` changes from now on. Not while it runs.
  func setChanging(_ ranges: [Range<Int>]) {
    tiles.deallocate()
    tiles = Self.tiles(of: ranges)
    tile = Self.tile(tiles, update, kernels)
  }

  private static func tile(
    _ tiles: UnsafeMutableBufferPointer<Range<Int>>, _ update: UnsafeMutablePointer<OptimizerUpdate>,
    _ kernels: KernelTable
  ) -> (Int, Int) -> Void {
    { tile, _ in update.pointee.part(tiles[tile]).run(kernels) }
  }

  private static func tiles(of ranges: [Range<Int>]) -> UnsafeMutableBufferPointer<Range<Int>> {
    let parts = ranges.flatMap { range in
      stride(from: range.lowerBound, to: range.upperBound, by: elementsPerTile).map {
        $0..<min($0 + elementsPerTile, range.upperBound)
      }
    }
    let tiles = UnsafeMutableBufferPointer<Range<Int>>.allocate(capacity: parts.count)
    _ = tiles.initialize(from: parts)
    return tiles
  }

  /// Changes all trainable parameters by their gradients, which count `gradientScale` times. `slots` is the memory that
  /// the optimizer has made use of so far, `optimizer.slotCount` arrays at least; `gradientNorm` the finite norm of the
  /// gradients. To be called alone with the parameters. Returns nil, or the index of a parameter's element that is not
  /// finite, frozen or not, or would not be, and then nothing has changed.
  func apply(
    _ optimizer: Optimizer, slots: [AlignedMemory], gradientScale: Float, gradientNorm: Double
  ) -> Int? {
    let (next, decay) = self.next(optimizer, slots, gradientScale)
    if parameters.version != boundsVersion { measure(next) }
    var after = bounds.after(next, gradient: gradientNorm)
    if after == nil {
      measure(next)
      after = bounds.after(next, gradient: gradientNorm)
    }
    let all = 0..<parameters.trainableCount
    if after == nil, let bad = parameters.firstNonFinite(in: all) ?? firstThatWouldNotBeFinite(next) {
      boundsVersion = 0
      return bad
    }
    logDecay = decay
    update.pointee = next
    pool.run(tiles: tiles.count, tile)
    parameters.markChanged()
    // Numbers that large are measured again at the next update.
    bounds = after ?? MagnitudeBounds(weight: .infinity, first: .infinity, second: .infinity)
    boundsVersion = parameters.version
    return nil
  }

  /// The update of all parameters at once, and the decay behind it.
  private func next(
    _ optimizer: Optimizer, _ slots: [AlignedMemory], _ gradientScale: Float
  ) -> (OptimizerUpdate, decay: (first: Double, second: Double)) {
    func slot(_ index: Int) -> UnsafeMutablePointer<Float> { slots[index].base.assumingMemoryBound(to: Float.self) }
    switch optimizer {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      let update = SGDUpdate(
        weight: parameters.floats, dWeight: gradients, velocity: slots.isEmpty ? nil : slot(0),
        count: parameters.trainableCount, learningRate: Float(learningRate), momentum: Decay(momentum),
        weightDecay: Float(weightDecay), gradientScale: gradientScale, nesterov: nesterov)
      return (.sgd(update), logDecay)
    case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
      let decay = (first: logDecay.first + log(beta1), second: logDecay.second + log(beta2))
      // 1 - Πβ, without the cancellation where that is small.
      let (correction1, correction2) = (-expm1(decay.first), -expm1(decay.second))
      let update = AdamUpdate(
        weight: parameters.floats, dWeight: gradients, firstMoment: slot(0), secondMoment: slot(1),
        count: parameters.trainableCount, stepSize: Float(learningRate / correction1), beta1: Decay(beta1),
        beta2: Decay(beta2), epsilon: Float(epsilon), inverseCorrection: Float(1 / correction2.squareRoot()),
        weightDecay: Float(weightDecay), gradientScale: gradientScale)
      return (.adam(update), decay)
    }
  }

  /// Replaces the bounds by the norms of what they bound.
  private func measure(_ update: OptimizerUpdate) {
    let arrays = update.changed
    bounds.weight = norm(parameters.floats)
    bounds.first = arrays[1].map { norm($0) } ?? 0
    bounds.second = arrays[2].map { norm($0) } ?? 0
  }

  /// Tries an update, tile by tile, on copies.
  private func firstThatWouldNotBeFinite(_ update: OptimizerUpdate) -> Int? {
    let total = parameters.trainableCount
    let room = min(total, Self.elementsPerTile)
    let base = copies.base.assumingMemoryBound(to: Float.self)
    let targets: [3 of UnsafeMutablePointer<Float>] = [base, base + room, base + 2 * room]
    for range in tiles {
      let part = update.part(range)
      let sources = part.changed
      for array in sources.indices {
        if let source = sources[array] { targets[array].update(from: source, count: range.count) }
      }
      part.moved(to: targets).run(kernels)
      for array in sources.indices where sources[array] != nil {
        if let bad = (0..<range.count).first(where: { !targets[array][$0].isFinite }) { return range.lowerBound + bad }
      }
    }
    return nil
  }
}
