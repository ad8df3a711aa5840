/// A node whose output the backward pass can compute again.
struct RecomputationCandidate {
  /// Among the planned nodes; behind them come the inputs, which can be loaded again.
  let node: Int
  let inputs: [Tensor]
  let output: Tensor
  /// The forward steps.
  let steps: Range<Int>
}

/// Chooses what the backward pass computes again instead of keeping it: what lies idle while the most memory is in use.
/// A function of the sizes and of the number of threads, whose scratch memory counts.
///
/// One by one, the output is chosen that lowers the peak most for its work, as long as one lowers it, and as long as all
/// of them take at most 1.5 % of the plan's work; those of which each is a twelfth of the peak or more, at most 8 % more.
/// Chosen outputs that are computed from one another must all be there again when the first of them is asked
/// for. Of very many outputs the largest are looked at, so that the choice takes no longer than the rest of a plan.
/// Source: Chen et al., Training Deep Nets with Sublinear Memory Cost (2016), section 4.2, with single cheap nodes for
/// segments.
struct Recomputation {
  private struct Idle {
    let candidate: RecomputationCandidate
    let bytes: Int
    let work: Double
    /// The last step of the forward pass that uses the output, and the first one after it.
    let lastUse: Int
    let nextUse: Int
  }

  private static let shareOfWork = 0.015
  private static let shareOfWorkForLarge = 0.08
  private static let largeShareOfMemory = 1.0 / 12
  /// What the accesses to memory add to the work of an element, in multiply-adds.
  private static let accessWork = 24.0

  private static let mostCandidates = 512

  /// In the order of the nodes.
  private let idle: [Idle]
  private let affordable: Double
  private let affordableForLarge: Double
  /// The steps between which what is idle changes: the first steps of the parts that they divide a plan into.
  private let borders: [Int]
  /// The most bytes that live at once in each part.
  private let live: [Int]
  private let lastUses: [Int]
  private var isChosen: [Bool]

  /// `live`: the bytes that live at each step.
  init(
    _ candidates: [RecomputationCandidate], steps: [PlanBuilder.PlannedStep], buffers: [PlanBuilder.PlannedBuffer],
    forwardSteps: Int, live: [Int]
  ) {
    // Of each buffer.
    var lastForwardUse = Array(repeating: -1, count: buffers.count)
    var firstLaterUse = Array(repeating: Int.max, count: buffers.count)
    for (index, step) in steps.enumerated() {
      for buffer in step.buffers {
        if index < forwardSteps {
          lastForwardUse[buffer] = index
        } else {
          firstLaterUse[buffer] = min(firstLaterUse[buffer], index)
        }
      }
    }
    let all = candidates.compactMap { candidate -> Idle? in
      let buffer = candidate.output.buffer
      // Not what is read after the run.
      guard lastForwardUse[buffer] >= 0, firstLaterUse[buffer] < Int.max, buffers[buffer].last < steps.count else {
        return nil
      }
      return Idle(
        candidate: candidate, bytes: buffers[buffer].bytes,
        work: steps[candidate.steps].reduce(0) { $0 + Double($1.work) }
          + Self.accessWork * Double(candidate.output.count),
        lastUse: lastForwardUse[buffer], nextUse: firstLaterUse[buffer])
    }
    let largest = all.indices.sorted { (-all[$0].bytes, $0) < (-all[$1].bytes, $1) }.prefix(Self.mostCandidates)
    idle = largest.sorted().map { all[$0] }
    let work = steps.reduce(0) { $0 + Double($1.work) }
    (affordable, affordableForLarge) = (Self.shareOfWork * work, Self.shareOfWorkForLarge * work)
    borders = Set(idle.flatMap { [$0.lastUse + 1, $0.nextUse] } + [0]).sorted()
    let ends = borders.dropFirst() + [live.count]
    self.live = zip(borders, ends).map { live[$0..<$1].max() ?? 0 }
    lastUses = buffers.map(\.last)
    isChosen = Array(repeating: false, count: idle.count)
  }

  /// The chosen nodes, with `factor` times the usual work.
  mutating func choose(_ factor: Double) -> Set<Int> {
    guard var peak = live.max() else { return [] }
    var (spent, spentForLarge) = (0.0, 0.0)
    while true {
      var best: (index: Int, peak: Int, savedForWork: Double)?
      for (index, output) in idle.enumerated() where !isChosen[index] {
        guard
          spent + output.work <= factor * affordable
            || isLarge(output, peak) && spentForLarge + output.work <= factor * affordableForLarge
        else { continue }
        isChosen[index] = true
        if let next = self.peak(), next < peak {
          let savedForWork = Double(peak - next) / output.work
          if savedForWork > best?.savedForWork ?? 0 { best = (index, next, savedForWork) }
        }
        isChosen[index] = false
      }
      guard let best else { break }
      isChosen[best.index] = true
      let work = idle[best.index].work
      if spent + work <= factor * affordable { spent += work } else { spentForLarge += work }
      peak = best.peak
    }
    return Set(idle.indices.filter { isChosen[$0] }.map { idle[$0].candidate.node })
  }

  private func isLarge(_ output: Idle, _ peak: Int) -> Bool {
    Double(output.bytes) >= Self.largeShareOfMemory * Double(peak)
  }

  /// The most memory that lives at once, without what is chosen; nil where something that it is computed from is gone.
  private func peak() -> Int? {
    var changes = Array(repeating: 0, count: borders.count)
    /// When each chosen output is needed again.
    var needed: [Int: Int] = [:]
    for (index, output) in idle.enumerated().reversed() where isChosen[index] {
      let buffer = output.candidate.output.buffer
      let next = min(output.nextUse, needed[buffer] ?? .max)
      changes[part(from: output.lastUse + 1)] -= output.bytes
      changes[part(from: next)] += output.bytes
      for input in output.candidate.inputs { needed[input.buffer] = min(next, needed[input.buffer] ?? .max) }
    }
    let chosen = Set(idle.indices.filter { isChosen[$0] }.map { idle[$0].candidate.output.buffer })
    for (buffer, step) in needed where !chosen.contains(buffer) && lastUses[buffer] < step { return nil }
    var (saved, peak) = (0, 0)
    for part in live.indices {
      saved += changes[part]
      peak = max(peak, live[part] + saved)
    }
    return peak
  }

  /// The part that begins with `border`.
  private func part(from border: Int) -> Int {
    var (low, high) = (0, borders.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if borders[middle] < border { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
