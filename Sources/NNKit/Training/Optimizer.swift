import Glibc
import NNKitKernelTable

/// How parameters follow their gradients.
public enum Optimizer: Sendable, Equatable {
  case sgd(learningRate: Double = 0.01, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
  case adam(
    learningRate: Double = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
    weightDecay: Double = 0)

  /// `key=value` text as the trainer's options take it.
  package var options: String {
    switch self {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      "optimizer=sgd learning_rate=\(learningRate) momentum=\(momentum) nesterov=\(nesterov) weight_decay=\(weightDecay)"
    case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
      "optimizer=adam learning_rate=\(learningRate) beta1=\(beta1) beta2=\(beta2) epsilon=\(epsilon) "
        + "weight_decay=\(weightDecay)"
    }
  }

  /// The numbers that it keeps for each parameter.
  var slots: [String] {
    switch self {
    case .sgd(_, let momentum, _, _): momentum > 0 ? ["velocity"] : []
    case .adam: ["first_moment", "second_moment"]
    }
  }
}

/// An optimizer as programs choose it.
package struct OptimizerDefinition: Sendable {
  package let name: String
  package let className: String
  package let summary: String
  package let options: [OptionSpecification]
  package let make: @Sendable (Options) -> Optimizer

  private static func rate(_ value: Double) -> OptionSpecification {
    OptionSpecification(
      "learning_rate", .float(0, .infinity, upperOpen: false), default: .float(value), "the size of a step")
  }

  private static let weightDecay = OptionSpecification(
    "weight_decay", .float(0, .infinity, upperOpen: false), default: .float(0),
    "this times the parameter is added to its gradient (L2)")

  private static func fraction(_ name: String, _ value: Double, _ summary: String) -> OptionSpecification {
    OptionSpecification(name, .float(0, 1, upperOpen: true), default: .float(value), summary)
  }

  package static let all = [
    OptimizerDefinition(
      name: "sgd", className: "SGD", summary: "stochastic gradient descent, with momentum",
      options: [
        rate(0.01), fraction("momentum", 0, "the share of the last step that is kept"),
        OptionSpecification("nesterov", .bool, default: .bool(false), "whether momentum looks ahead (Nesterov)"),
        weightDecay,
      ],
      make: {
        .sgd(
          learningRate: $0.float("learning_rate"), momentum: $0.float("momentum"), nesterov: $0.bool("nesterov"),
          weightDecay: $0.float("weight_decay"))
      }),
    OptimizerDefinition(
      name: "adam", className: "Adam", summary: "adaptive moment estimation (Kingma and Ba, 2015)",
      options: [
        rate(0.001), fraction("beta1", 0.9, "decay of the mean of the gradient"),
        fraction("beta2", 0.999, "decay of the mean of its square"),
        OptionSpecification(
          "epsilon", .float(1e-30, 1, upperOpen: false), default: .float(1e-7), "added to the divisor"),
        weightDecay,
      ],
      make: {
        .adam(
          learningRate: $0.float("learning_rate"), beta1: $0.float("beta1"), beta2: $0.float("beta2"),
          epsilon: $0.float("epsilon"), weightDecay: $0.float("weight_decay"))
      }),
  ]
}

/// An optimizer with its memory: one fused pass over the trainable part of the arena of parameters.
final class OptimizerState {
  let settings: Optimizer
  private let slots: [AlignedMemory]
  private let parameters: ParameterArena
  private let gradients: UnsafeMutablePointer<Float>
  private let pool: ThreadPool
  private let update: (Int, Int) -> Void
  /// How many updates there have been.
  var step: UInt64 = 0
  /// What varies from update to update, at a fixed address that the tiles read.
  private let factors: UnsafeMutablePointer<Factors>

  private struct Factors {
    var gradientScale: Float = 1
    var stepSize: Float = 0
    var inverseCorrection: Float = 1
  }

  private static let elementsPerTile = 16_384

  /// Throws: `.outOfMemory`.
  init(_ optimizer: Optimizer, _ parameters: ParameterArena, gradients: AlignedMemory, runtime: Runtime)
    throws(NNKitError)
  {
    self.settings = optimizer
    self.parameters = parameters
    self.gradients = gradients.base.assumingMemoryBound(to: Float.self)
    pool = runtime.pool
    var slots: [AlignedMemory] = []
    for _ in optimizer.slots {
      slots.append(try AlignedMemory(byteCount: parameters.trainableCount * MemoryLayout<Float>.stride))
    }
    self.slots = slots
    factors = .allocate(capacity: 1)
    factors.initialize(to: Factors())
    update = Self.tile(
      optimizer, parameters, self.gradients, slots.map { $0.base.assumingMemoryBound(to: Float.self) }, factors,
      runtime.kernels)
  }

  deinit { factors.deallocate() }

  /// What it keeps, laid out as the trainable parameters are.
  var memory: [(name: String, values: UnsafeMutablePointer<Float>)] {
    zip(settings.slots, slots).map { ($0, $1.base.assumingMemoryBound(to: Float.self)) }
  }

  /// Changes all trainable parameters by their gradients, which count `gradientScale` times.
  func apply(gradientScale: Float) {
    step += 1
    factors.pointee.gradientScale = gradientScale
    if case .adam(let learningRate, let beta1, let beta2, _, _) = settings {
      factors.pointee.stepSize = Float(learningRate / (1 - pow(beta1, Double(step))))
      factors.pointee.inverseCorrection = Float(1 / (1 - pow(beta2, Double(step))).squareRoot())
    }
    pool.run(tiles: ceilDivide(parameters.trainableCount, Self.elementsPerTile), update)
    parameters.markChanged()
  }

  private static func tile(
    _ optimizer: Optimizer, _ parameters: ParameterArena, _ gradients: UnsafeMutablePointer<Float>,
    _ slots: [UnsafeMutablePointer<Float>], _ factors: UnsafeMutablePointer<Factors>, _ kernels: KernelTable
  ) -> (Int, Int) -> Void {
    let (weights, total) = (parameters.floats, parameters.trainableCount)
    switch optimizer {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      let velocity = slots.first
      let (rate, kept, decay) = (Float(learningRate), Float(momentum), Float(weightDecay))
      return { tile, _ in
        let start = tile * elementsPerTile
        kernels.sgd(
          SGDUpdate(
            weight: weights + start, dWeight: gradients + start, velocity: velocity.map { $0 + start },
            count: min(elementsPerTile, total - start), learningRate: rate, momentum: kept, weightDecay: decay,
            gradientScale: factors.pointee.gradientScale, nesterov: nesterov))
      }
    case .adam(_, let beta1, let beta2, let epsilon, let weightDecay):
      let (first, second) = (slots[0], slots[1])
      let (decay1, decay2, small, decay) = (Float(beta1), Float(beta2), Float(epsilon), Float(weightDecay))
      return { tile, _ in
        let start = tile * elementsPerTile
        kernels.adam(
          AdamUpdate(
            weight: weights + start, dWeight: gradients + start, firstMoment: first + start,
            secondMoment: second + start, count: min(elementsPerTile, total - start),
            stepSize: factors.pointee.stepSize, beta1: decay1, beta2: decay2, epsilon: small,
            inverseCorrection: factors.pointee.inverseCorrection, weightDecay: decay,
            gradientScale: factors.pointee.gradientScale))
      }
    }
  }
}
