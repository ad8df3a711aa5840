import Glibc
import NNKitKernelTable

extension ActivationKind {
  /// Where the derivative jumps, in ascending order: `n` borders make `n + 1` pieces.
  private var borders: [Double] {
    switch self {
    case .relu, .leakyRelu, .selu: [0]
    case .hardSigmoid, .hardSwish: [-3, 3]
    default: []
    }
  }

  /// The piece of `x`, the one beyond the nearest border, and the distance to it. On a border: the flat or left side,
  /// and of selu the right one.
  func piece(of x: Double) -> (chosen: Int32, other: Int32, margin: Double) {
    let borders = borders
    var (chosen, other, margin) = (Int32(0), Int32(-1), Double.infinity)
    for (index, border) in borders.enumerated() {
      let belongsRight = self == .selu || index == 1 ? x >= border : x > border
      if belongsRight { chosen = Int32(index) + 1 }
      if abs(x - border) < margin {
        margin = abs(x - border)
        other = Int32(belongsRight ? index : index + 1)
      }
    }
    return margin == 0 ? (chosen, -1, .infinity) : (chosen, other, margin)
  }

  /// How far `x` is from the border between two neighbouring pieces, positive on the side of `chosen`.
  func margin(of x: Double, chosen: Int32, other: Int32) -> Double {
    if other < 0 { return .infinity }
    let border = borders[Int(min(chosen, other))]
    return chosen > other ? x - border : border - x
  }

  /// `f(x)` on a piece.
  func value(_ x: Double, piece: Int32) -> Double {
    switch self {
    case .linear: x
    case .relu: piece == 0 ? (x.isNaN ? x : 0) : x
    case .leakyRelu: piece == 0 ? 0.01 * x : x
    case .elu: x > 0 ? x : expm1(x)
    case .selu: piece == 0 ? Self.seluScale * Self.seluAlpha * expm1(x) : Self.seluScale * x
    // ½ (1 + tanh u) = σ(2u), which does not cancel for negative x.
    case .gelu: x * logistic(2 * Self.geluScale * (x + 0.044715 * x * x * x))
    case .silu: x * logistic(x)
    case .sigmoid: logistic(x)
    case .tanh: Glibc.tanh(x)
    case .softplus: max(x, 0) + log1p(exp(-abs(x)))
    case .hardSigmoid: piece == 0 ? 0 : piece == 2 ? 1 : x / 6 + 0.5
    case .hardSwish: piece == 0 ? 0 : piece == 2 ? x : x * (x / 6 + 0.5)
    }
  }

  /// `f'(x)` on a piece.
  func derivative(_ x: Double, piece: Int32) -> Double {
    switch self {
    case .linear: return 1
    case .relu: return piece == 0 ? 0 : 1
    case .leakyRelu: return piece == 0 ? 0.01 : 1
    case .elu: return x > 0 ? 1 : exp(x)
    case .selu: return piece == 0 ? Self.seluScale * Self.seluAlpha * exp(x) : Self.seluScale
    case .gelu:
      let t = Glibc.tanh(Self.geluScale * (x + 0.044715 * x * x * x))
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Self.geluScale * (1 + 3 * 0.044715 * x * x)
    case .silu:
      let s = logistic(x)
      return s + x * s * (1 - s)
    case .sigmoid:
      let s = logistic(x)
      return s * (1 - s)
    case .tanh:
      let t = Glibc.tanh(x)
      return 1 - t * t
    case .softplus: return logistic(x)
    case .hardSigmoid: return piece == 1 ? 1.0 / 6 : 0
    case .hardSwish: return piece == 0 ? 0 : piece == 2 ? 1 : x / 3 + 0.5
    }
  }

  private static let seluScale = 1.0507009873554805
  private static let seluAlpha = 1.6732632423543772
  private static let geluScale = (2 / Double.pi).squareRoot()
}

/// `σ(x)`.
func logistic(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }

extension ReferenceResult {
  /// `y = f(z)`; `z` is the first of `saved`.
  init(activating z: ReferenceTensor, _ kind: ActivationKind, forced: PieceChoices?) {
    var y = z
    var choices = PieceChoices(count: z.values.count)
    for (i, value) in z.values.enumerated() {
      if let forced {
        (choices.chosen[i], choices.other[i]) = (forced.chosen[i], forced.other[i])
        choices.margin[i] = kind.margin(of: value, chosen: forced.chosen[i], other: forced.other[i])
      } else {
        (choices.chosen[i], choices.other[i], choices.margin[i]) = kind.piece(of: value)
      }
      y.values[i] = kind.value(value, piece: choices.chosen[i])
    }
    self.init(outputs: [y], saved: [z.values], choices: choices)
  }

  /// `dz = f'(z) dy`.
  func dActivation(_ node: ReferenceNode, _ kind: ActivationKind, _ dy: [Double]) -> [Double] {
    guard let choices, kind != .linear else { return dy }
    var dz = dy.indices.map { kind.derivative(saved[0][$0], piece: choices.chosen[$0]) * dy[$0] }
    // Where a function is flat, its derivative is a difference from 1.
    node.noise?.change(&dz, roundings: 1, size: dy.reduce(0) { max($0, abs($1)) })
    return dz
  }
}

extension ActivationOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    ReferenceResult(activating: node.x, kind, forced: node.choices)
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    ReferenceGradient(dInputs: [result.dActivation(node, kind, dOutputs[0])])
  }
}

/// `f(x + y)`.
extension AddOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    var z = node.x
    for i in z.values.indices { z.values[i] += node.inputs[1].values[i] }
    z.lengths = node.x.lengths ?? node.inputs[1].lengths
    return ReferenceResult(activating: z, activation, forced: node.choices)
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let dz = result.dActivation(node, activation, dOutputs[0])
    return ReferenceGradient(dInputs: [dz, dz])
  }
}
