/// What a loss leaves behind after a run.
package struct LossReport {
  /// Three doubles: the sum of the losses, the sum of the metric, and of how many rows or elements they are. With lengths
  /// that number varies from run to run.
  package let sums: Tensor

  package init(_ plan: PlanBuilder) throws(NNKitError) { sums = try plan.doubles(3) }
}

/// The number by which a loss divides its sum: all rows or elements of a prediction, or those of real steps.
struct LossMean {
  /// What is counted, in a step and all in all.
  private let elementsPerStep: Int
  private let elements: Int
  private let steps: RealSteps?
  /// How the prediction's rows, or its elements, lie in the sequences.
  let rows: SequenceRows

  /// `elements`: how many rows or elements the prediction has. Adds a step with `lengths`.
  init(_ plan: PlanBuilder, _ prediction: Tensor, elements: Int, _ lengths: SequenceLengths?) throws(NNKitError) {
    self.elements = elements
    let perSequence = elements / prediction.batch
    elementsPerStep = lengths == nil ? perSequence : perSequence / prediction.shape[0]
    steps = try lengths.map { lengths throws(NNKitError) in try plan.realSteps(lengths) }
    rows = SequenceRows(rowsPerSequence: perSequence, rowsPerStep: elementsPerStep)
  }

  /// What steps read.
  var tensors: [Tensor] { steps?.tensors ?? [] }

  func bind(_ binding: Binding) -> Bound {
    Bound(elementsPerStep: elementsPerStep, elements: elements, steps: steps?.bind(binding))
  }

  /// While a step runs.
  struct Bound {
    let elementsPerStep: Int
    fileprivate let elements: Int
    fileprivate let steps: BoundRealSteps?

    var lengths: UnsafeMutablePointer<Int32>? { steps?.lengths }
    var count: Double { Double(steps.map { $0.count * elementsPerStep } ?? elements) }
    /// What the gradient of one row or element is multiplied by.
    var scale: Float { 1 / Float(count) }
  }
}

extension BoundPlan {
  /// The loss of the batch: the sum over the outputs of their means.
  var loss: Double {
    plan.lossReports.reduce(0) { $0 + doubles($1.sums)[0] / doubles($1.sums)[2] }
  }
}

/// Losses and metrics of several batches. Their means are over all rows or elements: a batch counts as much as it has.
struct LossTotals {
  /// Of each output: the sums of `LossReport`.
  private var sums: [SIMD4<Double>]

  init(outputs: Int) { sums = Array(repeating: .zero, count: outputs) }

  mutating func removeAll() { for output in sums.indices { sums[output] = .zero } }

  mutating func add(_ bound: BoundPlan) {
    for (output, report) in bound.plan.lossReports.enumerated() {
      let batch = bound.doubles(report.sums)
      sums[output] += SIMD4(batch[0], batch[1], batch[2], 0)
    }
  }

  /// The sum over the outputs of their mean losses.
  var loss: Double { sums.reduce(0) { $0 + $1[0] / $1[2] } }

  /// The mean over the outputs of their mean metrics.
  var metric: Double { sums.reduce(0) { $0 + $1[1] / $1[2] } / Double(sums.count) }
}
