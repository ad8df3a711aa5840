/// A factor `β` from 0 to below 1 by which a sum forgets: `β a + x` is computed as `kept · a + (x - lost · a)`.
///
/// From ½ on `kept` is 1 and `lost` is `1 - β`, formed in double precision: a single-precision `β` near 1 would be off
/// by a large part of its distance from 1, or 1 itself. Below ½ `kept` is `β` and `lost` 0: nothing cancels.
public struct Decay {
  public var kept: Float
  public var lost: Float
  /// `1 - β`: how much of a new value an average `β a + (1 - β) x` takes in.
  public var taken: Float

  public init(_ factor: Double) {
    taken = Float(1 - factor)
    (kept, lost) = factor < 0.5 ? (Float(factor), 0) : (1, taken)
  }
}

/// `g = gradientScale · dWeight + weightDecay · w`; without `velocity`: `w -= learningRate · g`; with it:
/// `v = momentum · v + g`, then `w -= learningRate · v`, or with `nesterov` `w -= learningRate (g + momentum · v)`.
/// Source: PyTorch's form of SGD with momentum (no dampening).
public struct SGDUpdate {
  public var weight: UnsafeMutablePointer<Float>
  public var dWeight: UnsafePointer<Float>
  public var velocity: UnsafeMutablePointer<Float>?
  public var count: Int
  public var learningRate: Float
  public var momentum: Decay
  public var weightDecay: Float
  public var gradientScale: Float
  public var nesterov: Bool

  public init(
    weight: UnsafeMutablePointer<Float>, dWeight: UnsafePointer<Float>, velocity: UnsafeMutablePointer<Float>?,
    count: Int, learningRate: Float, momentum: Decay, weightDecay: Float, gradientScale: Float, nesterov: Bool
  ) {
    self.weight = weight
    self.dWeight = dWeight
    self.velocity = velocity
    self.count = count
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
    self.nesterov = nesterov
  }
}

/// `g = gradientScale · dWeight + weightDecay · w`; `m = β₁ m + (1 - β₁) g`; `v = β₂ v + (1 - β₂) g²`;
/// `w -= stepSize · m / (√v · inverseCorrection + ε)`, where `stepSize = learningRate / (1 - β₁ᵗ)` and
/// `inverseCorrection = 1 / √(1 - β₂ᵗ)`.
/// Source: Kingma and Ba, Adam (2015), algorithm 1, with ε added after the correction as PyTorch does.
public struct AdamUpdate {
  public var weight: UnsafeMutablePointer<Float>
  public var dWeight: UnsafePointer<Float>
  public var firstMoment: UnsafeMutablePointer<Float>
  public var secondMoment: UnsafeMutablePointer<Float>
  public var count: Int
  public var stepSize: Float
  public var beta1: Decay
  public var beta2: Decay
  public var epsilon: Float
  public var inverseCorrection: Float
  public var weightDecay: Float
  public var gradientScale: Float

  public init(
    weight: UnsafeMutablePointer<Float>, dWeight: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, count: Int, stepSize: Float, beta1: Decay, beta2: Decay,
    epsilon: Float, inverseCorrection: Float, weightDecay: Float, gradientScale: Float
  ) {
    self.weight = weight
    self.dWeight = dWeight
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    self.count = count
    self.stepSize = stepSize
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.inverseCorrection = inverseCorrection
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
  }
}
