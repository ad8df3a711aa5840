import Glibc

/// Shows of a finished plan that each read finds what the value's producer wrote.
///
/// The plan is walked twice at once. In an ideal memory each buffer that the operations named has a place of its own, and
/// no step is run again; there a content is a term: the step that wrote it, of the terms that this step read. In the
/// real memory, a row of bytes, buffers lie where the plan put them, and steps are run again as it says. A step
/// must find in the real memory the terms that it would find in the ideal one. Within a step, tiles run in any order: what it
/// writes must not overlap what else it touches, but for a result that takes the place of what is read element by
/// element, and of nothing else.
///
/// What a step says of its accesses is taken as true; a plan without shared memory, which gives the same bits, tests that.
package struct PlanVerifier {
  /// On in debug builds, and where `NNKIT_VERIFY_PLANS` is set: to "1", or to an existing file, to which a byte is added
  /// for each verified plan.
  package static let isEnabled: Bool = {
    #if DEBUG
      return true
    #else
      return path != nil
    #endif
  }()

  private static let path = environmentValue("NNKIT_VERIFY_PLANS")

  static func count() {
    guard let path, path != "1" else { return }
    let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    if file >= 0 {
      _ = Glibc.write(file, "p", 1)
      close(file)
    }
  }

  /// Throws: `.internal`, naming the first step that would read or overwrite what it must not.
  package static func verify(_ plan: Plan) throws(NNKitError) {
    var verifier = PlanVerifier(plan)
    for step in plan.prologue { try verifier.run(step, index: nil) }
    for (index, step) in plan.steps.enumerated() { try verifier.run(step, index: index) }
    try verifier.checkEnd()
  }

  private let buffers: [PlanBuilder.PlannedBuffer]
  private let offsets: [Int]
  private var prologueSteps = 0
  /// Of each buffer: its term in the ideal memory; nil: nothing has written it.
  private var ideal: [Int?]
  /// The arena and the persistent memory.
  private var arena = ByteContents()
  private var persistent = ByteContents()

  private init(_ plan: Plan) {
    (buffers, offsets) = (plan.buffers, plan.memory.offsets)
    ideal = Array(repeating: nil, count: buffers.count)
    for (index, buffer) in buffers.enumerated() {
      let isFilled: Bool
      switch buffer.region {
      case .arena: isFilled = buffer.isFilledBefore
      case .persistent: isFilled = !buffer.contents.isEmpty
      case .parameters: isFilled = true
      case .gradients: isFilled = false
      }
      if isFilled { write(Self.term("filled", index, []), index, to: index) }
    }
  }

  private static func term(_ what: String, _ index: Int, _ parts: [Int?]) -> Int {
    var hasher = Hasher()
    hasher.combine(what)
    hasher.combine(index)
    hasher.combine(parts)
    return hasher.finalize()
  }

  // MARK: Both memories

  private func range(_ buffer: Int) -> Range<Int> { offsets[buffer]..<offsets[buffer] + buffers[buffer].bytes }

  /// What the real memory holds at the place of `buffer`; nil: no one content.
  private func content(_ buffer: Int) -> Int? {
    switch buffers[buffer].region {
    case .arena: arena.content(range(buffer))
    case .persistent: persistent.content(range(buffer))
    // Every parameter and every gradient has memory of its own.
    case .parameters, .gradients: ideal[buffer]
    }
  }

  /// `named`: of the buffer that the step's operation named; `buffer`: the one in whose place it is.
  private mutating func write(_ term: Int, _ named: Int?, to buffer: Int) {
    if let named { ideal[named] = term }
    switch buffers[buffer].region {
    case .arena: arena.write(term, range(buffer))
    case .persistent: persistent.write(term, range(buffer))
    case .parameters, .gradients: ideal[buffer] = term
    }
  }

  // MARK: Steps

  /// `index`: nil in the prologue.
  private mutating func run(_ step: PlanBuilder.PlannedStep, index: Int?) throws(NNKitError) {
    try checkOverlaps(step)
    try checkRegions(step, isPrologue: index == nil)
    // What the operation named, by what is in its place. A step that runs again names what it named the first time.
    var names: [Int: Int] = [:]
    for (name, substitute) in step.substitutes { names[substitute] = name }
    let isFirst = step.repeats == nil
    var read: [Int?] = []
    for buffer in step.accesses.read.sorted(by: { (names[$0] ?? $0) < (names[$1] ?? $1) }) {
      // What a step writes before it reads it, as workspace of its own.
      if step.accesses.written.contains(buffer) && !begun.contains(buffer) { continue }
      let found = content(buffer)
      read.append(found)
      guard isFirst, !isEmpty(buffer) else { continue }
      guard let expected = ideal[names[buffer] ?? buffer] else {
        throw error(step, "reads \(describe(buffer)), which nothing has written")
      }
      guard found == expected else {
        throw error(step, "reads \(describe(buffer)), but \(describeWriter(buffer)) is what lies there")
      }
    }
    let identity = step.repeats ?? index ?? -1 - prologueSteps
    if index == nil { prologueSteps += 1 }
    for buffer in step.accesses.written.sorted() {
      let name = names[buffer] ?? buffer
      // A step may write a part of what another step began.
      let before = begun.contains(buffer) ? content(buffer) : nil
      let isScratch = buffer == step.accesses.scratch
      let term = Self.term("written", identity, [name, before] + (isScratch ? [] : read))
      write(term, isFirst ? name : nil, to: buffer)
      begun.insert(buffer)
      writers[buffer] = step.name
    }
  }

  /// Buffers that a step has written to, and the last one that did.
  private var begun: Set<Int> = []
  private var writers: [Int: String] = [:]

  private func isEmpty(_ buffer: Int) -> Bool { isInMemory(buffer) && buffers[buffer].bytes == 0 }

  private func isInMemory(_ buffer: Int) -> Bool {
    switch buffers[buffer].region {
    case .arena, .persistent: true
    case .parameters, .gradients: false
    }
  }

  private func checkOverlaps(_ step: PlanBuilder.PlannedStep) throws(NNKitError) {
    for written in step.accesses.written {
      for other in step.accesses.all where other != written {
        guard overlap(written, other) else { continue }
        let replaces =
          written == step.accesses.result && step.accesses.replaceable.contains(other)
          && !step.accesses.written.contains(other) && range(written) == range(other)
        guard replaces || other == step.accesses.result && step.accesses.replaceable.contains(written) else {
          throw error(step, "writes \(describe(written)) over \(describe(other)), which it still needs")
        }
      }
    }
  }

  private func overlap(_ a: Int, _ b: Int) -> Bool {
    switch (buffers[a].region, buffers[b].region) {
    case (.arena, .arena), (.persistent, .persistent): range(a).overlaps(range(b))
    case (.gradients(let first), .gradients(let second)): first == second
    default: false
    }
  }

  /// What is kept from run to run depends on parameters alone, and steps that run each time leave it alone.
  private func checkRegions(_ step: PlanBuilder.PlannedStep, isPrologue: Bool) throws(NNKitError) {
    for buffer in step.accesses.all {
      let isWritten = step.accesses.written.contains(buffer)
      switch buffers[buffer].region {
      case .arena where isPrologue: throw error(step, "uses \(describe(buffer)) before the plan runs")
      case .persistent where isWritten && !isPrologue:
        throw error(step, "writes \(describe(buffer)), which is kept from run to run")
      case .parameters where isWritten: throw error(step, "writes \(describe(buffer))")
      default: break
      }
    }
  }

  private func checkEnd() throws(NNKitError) {
    for (index, buffer) in buffers.enumerated() where buffer.isReadAfter && buffer.bytes > 0 {
      guard let expected = ideal[index], content(index) == expected else {
        throw NNKitError(
          .internal,
          "the plan is wrong: \(describe(index)) is read after the plan has run, but \(describeWriter(index)) is what lies "
            + "there")
      }
    }
  }

  // MARK: Messages

  private func describe(_ buffer: Int) -> String {
    let place = isInMemory(buffer) ? ", bytes \(range(buffer).lowerBound) to \(range(buffer).upperBound)" : ""
    let kind =
      switch buffers[buffer].region {
      case .arena: "arena"
      case .persistent: "persistent"
      case .parameters: "parameters"
      case .gradients: "gradients"
      }
    return "buffer \(buffer) (\(writers[buffer].map { "written by \"\($0)\"" } ?? "not yet written"); \(kind)\(place))"
  }

  /// Who wrote what lies at the place of `buffer`.
  private func describeWriter(_ buffer: Int) -> String {
    guard isInMemory(buffer) else { return "something else" }
    let others = buffers.indices.filter { other in
      other != buffer && writers[other] != nil && overlap(buffer, other) && content(other) != nil
    }
    guard let other = others.last else { return "nothing, or parts of several contents," }
    return describe(other)
  }

  private func error(_ step: PlanBuilder.PlannedStep, _ what: String) -> NNKitError {
    NNKitError(.internal, "the plan is wrong: the step \"\(step.name)\" \(what)")
  }
}

/// Who wrote which bytes.
private struct ByteContents {
  private struct Segment {
    var bytes: Range<Int>
    var term: Int
  }

  /// In ascending order, without overlaps.
  private var segments: [Segment] = []

  /// The first segment that ends behind `start`.
  private func first(behind start: Int) -> Int {
    var (low, high) = (0, segments.count)
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].bytes.upperBound > start { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The term that all of `bytes` hold; nil: there is none.
  func content(_ bytes: Range<Int>) -> Int? {
    var index = first(behind: bytes.lowerBound)
    guard index < segments.count else { return nil }
    let term = segments[index].term
    var next = bytes.lowerBound
    while next < bytes.upperBound {
      guard index < segments.count, segments[index].term == term, segments[index].bytes.lowerBound <= next else {
        return nil
      }
      next = segments[index].bytes.upperBound
      index += 1
    }
    return term
  }

  mutating func write(_ term: Int, _ bytes: Range<Int>) {
    if bytes.isEmpty { return }
    let begin = first(behind: bytes.lowerBound)
    var (end, pieces) = (begin, [Segment(bytes: bytes, term: term)])
    while end < segments.count, segments[end].bytes.lowerBound < bytes.upperBound {
      let old = segments[end]
      if old.bytes.lowerBound < bytes.lowerBound {
        pieces.insert(Segment(bytes: old.bytes.lowerBound..<bytes.lowerBound, term: old.term), at: 0)
      }
      if old.bytes.upperBound > bytes.upperBound {
        pieces.append(Segment(bytes: bytes.upperBound..<old.bytes.upperBound, term: old.term))
      }
      end += 1
    }
    segments.replaceSubrange(begin..<end, with: pieces)
  }
}
