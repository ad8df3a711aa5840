import NNKit

/// Why a program failed.
package struct GraphFailure: Error, CustomStringConvertible, Sendable {
  /// Which check: "inference", "gradients", ...
  package let check: String
  package let detail: String

  package init(check: String, detail: String) {
    self.check = check
    self.detail = detail
  }

  package var description: String { "\(check): \(detail)" }
}

/// What came of the comparisons of many programs.
package struct ComparisonStatistics: Sendable {
  package var comparisons = 0
  /// The largest difference, as a share of the largest value of its tensor, among those that rounding of the usual size
  /// explains.
  package var largestDifference = 0.0
  /// Where the graph amplifies rounding: the largest difference as a share of what the graph makes of rounding.
  package var largestShare = 0.0
  /// Comparisons in which a value within rounding of a border had another piece.
  package var nearBorder = 0
  /// Of them, those in which too many values were to be compared at all.
  package var skipped = 0

  package init() {}

  package mutating func add(_ other: ComparisonStatistics) {
    comparisons += other.comparisons
    largestDifference = max(largestDifference, other.largestDifference)
    largestShare = max(largestShare, other.largestShare)
    nearBorder += other.nearBorder
    skipped += other.skipped
  }
}

/// The reference's pass over some data, and how far rounding may lead away from it.
///
/// Most differences are below `usual` and need no more. Where one is larger, the pass is repeated with noise of the size
/// of rounding in every value (`ReferenceNoise`): the largest change of the tensor, times `safety`, is what rounding
/// explains. Where that is not enough, values that noise could carry over a border (of a ReLU, of a maximum) are moved to
/// the other side, one by one, and what changes then may be either.
package final class ReferenceComparison {
  private let network: ReferenceNetwork
  private let data: ReferenceNetwork.Data
  private let mode: ReferenceMode
  private let loss: (any Loss)?
  package let pass: ReferencePass
  private var noisy: [ReferencePass] = []
  private var flipped: [ReferencePass]?
  package private(set) var statistics = ComparisonStatistics()

  /// 64 epsilons of the tensor's largest value: sums of some hundred products, through some layers.
  static let usual = 64 * 0x1p-23
  /// Noise is drawn a few times only, and only some of its directions matter; rounding is not noise.
  private static let safety = 12.0
  private static let mostFlips = 24

  package init(_ network: ReferenceNetwork, _ data: ReferenceNetwork.Data, _ mode: ReferenceMode, loss: (any Loss)?)
    throws(NNKitError)
  {
    self.network = network
    self.data = data
    self.mode = mode
    self.loss = loss
    pass = try network.run(data, mode, loss: loss)
  }

  /// Throws: where `actual` is not what the reference has, as `quantity` takes it from a pass.
  ///
  /// Where `actual` has lengths, what lies behind them is not compared.
  package func expect(
    _ check: String, _ what: String, _ actual: [Float], lengthsOf tensor: ReferenceTensor? = nil,
    _ quantity: (ReferencePass) -> [Double]
  ) throws {
    if let tensor, tensor.lengths != nil {
      let real = actual.indices.filter { tensor.isReal($0) }
      return try expect(check, what, real.map { actual[$0] }) { pass in
        let values = quantity(pass)
        return real.map { values[$0] }
      }
    }
    let expected = quantity(pass)
    statistics.comparisons += 1
    guard actual.count == expected.count else {
      throw GraphFailure(check: check, detail: "\(what) has \(actual.count) elements, not \(expected.count)")
    }
    let largest = expected.reduce(0) { max($0, abs($1)) }
    // Beyond the range of float32.
    guard largest.isFinite, largest < 1e30 else { return }
    var allowed = Array(repeating: Self.usual * largest + 1e-35, count: expected.count)
    func exceeds() -> Int? {
      actual.indices.filter { !(abs(Double(actual[$0]) - expected[$0]) <= allowed[$0]) }
        .max { abs(Double(actual[$0]) - expected[$0]) < abs(Double(actual[$1]) - expected[$1]) }
    }
    func difference() -> Double { zip(actual, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } }
    if exceeds() == nil {
      if largest > 1e-25 { statistics.largestDifference = max(statistics.largestDifference, difference() / largest) }
      return
    }
    for passes in [3, 20] {
      try addNoisyPasses(passes)
      let moved = noisy.reduce(0) { most, pass in
        zip(quantity(pass), expected).reduce(most) { max($0, abs($1.0 - $1.1)) }
      }
      let bound = Self.usual * largest + Self.safety * moved
      allowed = Array(repeating: bound, count: expected.count)
      if exceeds() == nil {
        statistics.largestShare = max(statistics.largestShare, difference() / bound)
        return
      }
    }
    guard let flips = try flips() else {
      statistics.skipped += 1
      statistics.nearBorder += 1
      return
    }
    for pass in flips {
      for (i, value) in quantity(pass).enumerated() { allowed[i] += 1.01 * abs(value - expected[i]) }
    }
    if let worst = exceeds() {
      throw GraphFailure(
        check: check,
        detail: "\(what) is off by \(difference()) of \(largest); element \(worst) of \(expected.count) is "
          + "\(actual[worst]), expected \(expected[worst]) ± \(allowed[worst])"
          + (flips.isEmpty ? "" : " (\(flips.count) values near a border)"))
    }
    statistics.nearBorder += 1
  }

  private func addNoisyPasses(_ count: Int) throws(NNKitError) {
    while noisy.count < count {
      noisy.append(
        try network.run(
          data, mode, loss: loss, noise: ReferenceNoise(seed: UInt64(noisy.count) + 1), choices: pass.choices))
    }
  }

  /// A pass for each value that rounding could carry over a border; nil: there are too many.
  private func flips() throws(NNKitError) -> [ReferencePass]? {
    if let flipped { return flipped.count > Self.mostFlips ? nil : flipped }
    var passes: [ReferencePass] = []
    for (node, choices) in pass.choices.enumerated() {
      guard let choices else { continue }
      let moved = noisy.reduce(0) { most, pass in
        zip(pass.choices[node]?.margin ?? [], choices.margin).reduce(most) {
          $1.1.isFinite ? max($0, abs($1.0 - $1.1)) : $0
        }
      }
      for element in choices.margin.indices where choices.margin[element] <= Self.safety * moved {
        var changed = pass.choices
        let (chosen, other) = (choices.chosen[element], choices.other[element])
        if other < 0 { continue }
        changed[node]?.chosen[element] = other
        changed[node]?.other[element] = chosen
        passes.append(try network.run(data, mode, loss: loss, choices: changed))
        if passes.count > Self.mostFlips {
          flipped = passes
          return nil
        }
      }
    }
    flipped = passes
    return passes
  }

  /// How far rounding could carry the logits: the metric may be another one where two of them are closer.
  func logitNoise(_ value: Value) throws(NNKitError) -> Double {
    try addNoisyPasses(3)
    guard let expected = pass.values[value.index]?.values else { return 0 }
    let largest = expected.reduce(0) { max($0, abs($1)) }
    return noisy.reduce(Self.usual * largest) { most, pass in
      zip(pass.values[value.index]?.values ?? [], expected).reduce(most) { max($0, Self.safety * abs($1.0 - $1.1)) }
    }
  }
}
