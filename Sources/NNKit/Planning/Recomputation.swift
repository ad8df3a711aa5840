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
/// for.
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

  /// In the order of the nodes.
  private let idle: [Idle]
  private let affordable: Double
  private let affordableForLarge: Double
  private let live: [Int]
  private let lastUses: [Int]
  private var isChosen: [Bool]

  /// `live`: the bytes that live at each step.
  init(
    _ candidates: [RecomputationCandidate], steps: [PlanBuilder.PlannedStep], buffers: [PlanBuilder.PlannedBuffer],
    forwardSteps: Int, live: [Int]
  ) {
    idle = candidates.compactMap { candidate in
      let buffer = candidate.output.buffer
      let uses = steps.indices.filter { steps[$0].buffers.contains(buffer) }
      guard let last = uses.last(where: { $0 < forwardSteps }), let next = uses.first(where: { $0 >= forwardSteps }),
        // Not what is read after the run.
        buffers[buffer].last < steps.count
      else { return nil }
      return Idle(
        candidate: candidate, bytes: buffers[buffer].bytes,
        work: steps[candidate.steps].reduce(0) { $0 + Double($1.work) }
          + Self.accessWork * Double(candidate.output.count),
        lastUse: last, nextUse: next)
    }
    let work = steps.reduce(0) { $0 + Double($1.work) }
    (affordable, affordableForLarge) = (Self.shareOfWork * work, Self.shareOfWorkForLarge * work)
    self.live = live
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
    var changes = Array(repeating: 0, count: live.count + 1)
    /// When each chosen output is needed again.
    var needed: [Int: Int] = [:]
    for (index, output) in idle.enumerated().reversed() where isChosen[index] {
      let buffer = output.candidate.output.buffer
      let next = min(output.nextUse, needed[buffer] ?? .max)
      changes[output.lastUse + 1] -= output.bytes
      changes[next] += output.bytes
      for input in output.candidate.inputs { needed[input.buffer] = min(next, needed[input.buffer] ?? .max) }
    }
    let chosen = Set(idle.indices.filter { isChosen[$0] }.map { idle[$0].candidate.output.buffer })
    for (buffer, step) in needed where !chosen.contains(buffer) && lastUses[buffer] < step { return nil }
    var (saved, peak) = (0, 0)
    for step in live.indices {
      saved += changes[step]
      peak = max(peak, live[step] + saved)
    }
    return peak
  }
}
