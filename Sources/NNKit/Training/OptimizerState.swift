import Glibc
import NNKitKernelTable

/// An optimizer with its memory: one fused pass over the trainable part of the arena of parameters.
final class OptimizerState {
  private let parameters: ParameterArena
  private let gradients: UnsafeMutablePointer<Float>
  private let pool: ThreadPool
  /// What the tiles read, at a fixed address.
  private let update: UnsafeMutablePointer<OptimizerUpdate>
  private let tile: (Int, Int) -> Void
  /// The logarithms of the products of all `β` so far, of which the bias corrections are made; `β` may change from
  /// update to update.
  var logDecay = (first: 0.0, second: 0.0)

  private static let elementsPerTile = 16_384

  init(_ parameters: ParameterArena, gradients: AlignedMemory, runtime: Runtime) {
    self.parameters = parameters
    self.gradients = gradients.base.assumingMemoryBound(to: Float.self)
    pool = runtime.pool
    let update = UnsafeMutablePointer<OptimizerUpdate>.allocate(capacity: 1)
    update.initialize(to: .none)
    self.update = update
    let (total, kernels) = (parameters.trainableCount, runtime.kernels)
    tile = { tile, _ in
      let start = tile * Self.elementsPerTile
      update.pointee.part(start..<min(start + Self.elementsPerTile, total)).run(kernels)
    }
  }

  deinit { update.deallocate() }

  /// Changes all trainable parameters by their gradients, which count `gradientScale` times. `slots` is the memory that
  /// the optimizer has made use of so far, `optimizer.slotCount` arrays at least.
  func apply(_ optimizer: Optimizer, slots: [AlignedMemory], gradientScale: Float) {
    update.pointee = next(optimizer, slots, gradientScale)
    pool.run(tiles: ceilDivide(parameters.trainableCount, Self.elementsPerTile), tile)
    parameters.markChanged()
  }

  /// The update of all parameters at once.
  private func next(_ optimizer: Optimizer, _ slots: [AlignedMemory], _ gradientScale: Float) -> OptimizerUpdate {
    func slot(_ index: Int) -> UnsafeMutablePointer<Float> { slots[index].base.assumingMemoryBound(to: Float.self) }
    switch optimizer {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      return .sgd(
        SGDUpdate(
          weight: parameters.floats, dWeight: gradients, velocity: slots.isEmpty ? nil : slot(0),
          count: parameters.trainableCount, learningRate: Float(learningRate), momentum: Float(momentum),
          weightDecay: Float(weightDecay), gradientScale: gradientScale, nesterov: nesterov))
    case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
      logDecay.first += log(beta1)
      logDecay.second += log(beta2)
      // 1 - Πβ, without the cancellation where that is small.
      let (correction1, correction2) = (-expm1(logDecay.first), -expm1(logDecay.second))
      return .adam(
        AdamUpdate(
          weight: parameters.floats, dWeight: gradients, firstMoment: slot(0), secondMoment: slot(1),
          count: parameters.trainableCount, stepSize: Float(learningRate / correction1), beta1: Float(beta1),
          beta2: Float(beta2), epsilon: Float(epsilon), inverseCorrection: Float(1 / correction2.squareRoot()),
          weightDecay: Float(weightDecay), gradientScale: gradientScale))
    }
  }
}

/// What a kernel is asked to do with a range of parameters.
private enum OptimizerUpdate {
  case none
  case sgd(SGDUpdate)
  case adam(AdamUpdate)

  /// The update of the elements `range` of this one's.
  func part(_ range: Range<Int>) -> OptimizerUpdate {
    let start = range.lowerBound
    switch self {
    case .none: return .none
    case .sgd(var update):
      update.weight += start
      update.dWeight += start
      update.velocity = update.velocity.map { $0 + start }
      update.count = range.count
      return .sgd(update)
    case .adam(var update):
      update.weight += start
      update.dWeight += start
      update.firstMoment += start
      update.secondMoment += start
      update.count = range.count
      return .adam(update)
    }
  }

  func run(_ kernels: KernelTable) {
    switch self {
    case .none: break
    case .sgd(let update): kernels.sgd(update)
    case .adam(let update): kernels.adam(update)
    }
  }
}
