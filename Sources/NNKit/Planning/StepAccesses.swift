/// Which buffers a step touches, and how. What memory may be used twice follows from this alone.
package struct StepAccesses {
  /// Read by any tile, anywhere and at any time.
  package private(set) var anywhere: Set<Int>
  /// Read where, and before, the same tile writes the element of `result` in the same place; in the order in which
  /// `result` takes their memory.
  package private(set) var elementwise: [Int]
  /// Written, scratch memory too.
  private(set) var written: Set<Int>
  private(set) var scratch: Int?
  /// The first that is written.
  package private(set) var result: Int?
  private(set) var all: Set<Int>

  init(reads: [Tensor], elementwise: [Tensor], writes: [Tensor], scratch: Scratch?) {
    anywhere = Set(reads.map(\.buffer))
    self.elementwise = elementwise.map(\.buffer)
    written = Set(writes.map(\.buffer) + (scratch.map { [$0.buffer] } ?? []))
    self.scratch = scratch?.buffer
    result = writes.first?.buffer
    all = anywhere.union(self.elementwise).union(written)
  }

  /// What is read in any way.
  var read: Set<Int> { anywhere.union(elementwise) }

  /// Whose memory `result` may take, if nobody reads it later: what is read in no other way than element by element.
  package var replaceable: [Int] { elementwise.filter { !anywhere.contains($0) } }

  mutating func substitute(_ substitutes: [Int: Int]) {
    if substitutes.isEmpty { return }
    func current(_ buffer: Int) -> Int { substitutes[buffer] ?? buffer }
    anywhere = Set(anywhere.map(current))
    elementwise = elementwise.map(current)
    written = Set(written.map(current))
    scratch = scratch.map(current)
    result = result.map(current)
    all = Set(all.map(current))
  }
}
