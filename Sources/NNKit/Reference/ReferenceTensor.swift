/// The values of a tensor in double precision, `[N, shape...]`, the last axis fastest. Whole numbers are stored as such.
package struct ReferenceTensor: Sendable {
  package let batch: Int
  package let shape: Shape
  package var values: [Double]
  /// Of a sequence whose samples have lengths of their own: how many steps of the first axis each has. What lies behind
  /// counts nowhere.
  package var lengths: [Int]?

  package init(batch: Int, shape: Shape, values: [Double], lengths: [Int]? = nil) {
    self.batch = batch
    self.shape = shape
    self.values = values
    self.lengths = lengths
  }

  package init(batch: Int, shape: Shape) {
    self.init(batch: batch, shape: shape, values: Array(repeating: 0, count: batch * shape.sizes.reduce(1, *)))
  }

  /// Of one sample.
  package var sampleCount: Int { shape.sizes.reduce(1, *) }
  /// The size of the last axis; 1 for a scalar per sample.
  package var columns: Int { shape.sizes.last ?? 1 }
  package var rows: Int { values.count / max(1, columns) }

  /// Whether element `index` of `values` belongs to a step that a sample has.
  package func isReal(_ index: Int) -> Bool {
    guard let lengths, let time = shape.sizes.first else { return true }
    let (sample, place) = index.quotientAndRemainder(dividingBy: sampleCount)
    return place / (sampleCount / time) < lengths[sample]
  }

  /// The rows of the last axis that belong to steps that samples have.
  var realRows: [Int] {
    guard lengths != nil else { return Array(0..<rows) }
    return (0..<rows).filter { isReal($0 * columns) }
  }
}

/// Where a function is made of pieces (ReLU, a maximum), the piece that each element lies on.
///
/// A value that is within rounding of a border may lie on the other piece for somebody who rounds differently: outputs
/// hardly differ there, but gradients do.
package struct PieceChoices: Sendable {
  package var chosen: [Int32]
  /// The piece behind the nearest border; -1: there is none, or the value lies on the border exactly, which has a rule.
  package var other: [Int32]
  /// How far the border is away: of what the choice was made by, in its own unit; negative beyond it.
  package var margin: [Double]

  package init(count: Int) {
    chosen = Array(repeating: 0, count: count)
    other = Array(repeating: -1, count: count)
    margin = Array(repeating: .infinity, count: count)
  }
}

/// What an operation's reference works on.
package struct ReferenceNode {
  /// The node's index in the graph, for random streams.
  package let index: Int
  package let inputs: [ReferenceTensor]
  package let parameters: [[Double]]
  /// With concrete sizes.
  package let outputTypes: [ValueType]
  package let mode: ReferenceMode
  /// The pieces to take; nil: those that the values lie on.
  package let choices: PieceChoices?
  /// What changes values by what rounding could; nil: nothing does.
  package let noise: ReferenceNoise?

  package var x: ReferenceTensor { inputs[0] }
}

/// What kind of pass the reference makes.
package enum ReferenceMode {
  case inference
  /// `step`: how many training passes the model has seen, for random streams.
  case training(seed: UInt64, step: UInt64, random: ReferenceBits)

  package var isTraining: Bool { if case .training = self { true } else { false } }
}

/// `count` words of the random stream `stream` of `seed`: the one thing that the reference takes from the engine.
package typealias ReferenceBits = (_ seed: UInt64, _ stream: UInt64, _ count: Int) -> [UInt32]

/// What an operation's reference computes.
package struct ReferenceResult {
  package var outputs: [ReferenceTensor]
  /// What the gradient needs besides inputs and outputs.
  package var saved: [[Double]] = []
  package var choices: PieceChoices?
  /// The next values of parameters that are not trainable, by their index.
  package var nextState: [Int: [Double]] = [:]
}

/// The gradients that an operation's reference computes.
package struct ReferenceGradient {
  /// nil: of an input that has no gradient.
  package var dInputs: [[Double]?]
  /// Of the trainable parameters, which come first.
  package var dParameters: [[Double]] = []
}
