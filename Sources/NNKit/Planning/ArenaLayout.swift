/// One buffer to be placed: its size, and the first and last step that touch it.
package struct BufferLifetime {
  package var bytes: Int
  package var first: Int
  package var last: Int

  package init(bytes: Int, first: Int, last: Int) {
    self.bytes = bytes
    self.first = first
    self.last = last
  }
}

let bufferAlignmentBytes = 64

/// Places buffers in one arena so that buffers alive at the same time do not overlap: one after the other, each at the
/// lowest offset that is free throughout its life. The better of two orders: the largest first, or those first that
/// occupy most over time, bytes times steps. Source: greedy-by-size, Pisarchyk and Lee, Efficient Memory Management for
/// Deep Neural Net Inference (2020), section 5.
///
/// Returns each buffer's offset and the arena's size in bytes.
package func layOut(_ buffers: [BufferLifetime]) throws(NNKitError) -> (offsets: [Int], bytes: Int) {
  let bySize = try layOut(buffers) { Double($0.bytes) }
  let byArea = try layOut(buffers) { Double($0.bytes) * Double($0.last - $0.first + 1) }
  return byArea.bytes < bySize.bytes ? byArea : bySize
}

private func layOut(
  _ buffers: [BufferLifetime], largest rank: (BufferLifetime) -> Double
) throws(NNKitError) -> (offsets: [Int], bytes: Int) {
  var offsets = Array(repeating: 0, count: buffers.count)
  var occupied = OccupiedMemory(lifetimes: buffers)
  var total = 0
  let ranks = buffers.map(rank)
  let order = buffers.indices.sorted { a, b in ranks[a] == ranks[b] ? a < b : ranks[a] > ranks[b] }
  for index in order where buffers[index].bytes > 0 {
    let bytes = buffers[index].bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
    let offset = occupied.lowestGap(of: bytes, during: buffers[index])
    let (end, overflow) = offset.addingReportingOverflow(bytes)
    guard !overflow, end <= 1 << 52 else {
      throw NNKitError(.outOfMemory, "the plan needs more than 2^52 bytes; use a smaller batch or smaller layers")
    }
    occupied.insert(offset..<end, during: buffers[index])
    offsets[index] = offset
    total = max(total, end)
  }
  return (offsets, total)
}

/// Which memory is taken at which times: a segment tree over time. To find the lowest gap and to take it goes through a
/// few nodes for each doubling of the number of times, however many buffers there are.
///
/// Where buffers of different sizes alternate, neighbours in memory lie in different nodes, and a search would go from
/// one to the next through all of them. So the times are divided into stretches, too, about as many as each has times:
/// what is taken throughout a whole stretch is in one place, and a search jumps over it.
private struct OccupiedMemory {
  /// The times at which any buffer's life begins, in ascending order: two lives meet where one of them begins.
  private let times: [Int]
  /// Of each node, node `i` having the nodes `2 i` and `2 i + 1`: what is taken throughout its times, and what at any.
  private var throughout: [DisjointRanges]
  private var ever: [DisjointRanges]
  private let leaves: Int
  /// Of each stretch of times: what is taken throughout.
  private var throughoutStretch: [DisjointRanges]
  private let stretch: Int

  init(lifetimes: [BufferLifetime]) {
    times = Set(lifetimes.lazy.filter { $0.bytes > 0 }.map(\.first)).sorted()
    var leaves = 1
    while leaves < times.count { leaves *= 2 }
    self.leaves = leaves
    throughout = Array(repeating: DisjointRanges(), count: 2 * leaves)
    ever = throughout
    stretch = max(1, Int(Double(times.count).squareRoot()))
    throughoutStretch = Array(repeating: DisjointRanges(), count: times.count / stretch + 1)
  }

  /// The leaves of a buffer's life.
  private func leaves(_ lifetime: BufferLifetime) -> Range<Int> {
    firstTime(from: lifetime.first)..<firstTime(from: lifetime.last + 1)
  }

  private func firstTime(from time: Int) -> Int {
    var (low, high) = (0, times.count)
    while low < high {
      let middle = (low + high) / 2
      if times[middle] < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Calls `body` for the fewest nodes that have just these leaves.
  private func forEachNode(_ range: Range<Int>, _ body: (Int) -> Void) {
    var (low, high) = (range.lowerBound + leaves, range.upperBound + leaves)
    while low < high {
      if low & 1 == 1 {
        body(low)
        low += 1
      }
      if high & 1 == 1 {
        high -= 1
        body(high)
      }
      low /= 2
      high /= 2
    }
  }

  func lowestGap(of bytes: Int, during lifetime: BufferLifetime) -> Int {
    let life = leaves(lifetime)
    var sets: [DisjointRanges] = []
    // Each of them meets the life, so that what is taken throughout it is taken at some time of the life.
    var last = -1
    for time in [life.lowerBound, (life.lowerBound + life.upperBound) / 2, life.upperBound - 1] {
      let place = time / stretch
      if place != last && !throughoutStretch[place].isEmpty { sets.append(throughoutStretch[place]) }
      last = place
    }
    var seen: Set<Int> = []
    forEachNode(life) { node in
      if !ever[node].isEmpty { sets.append(ever[node]) }
      var parent = node / 2
      while parent > 0, seen.insert(parent).inserted {
        if !throughout[parent].isEmpty { sets.append(throughout[parent]) }
        parent /= 2
      }
    }
    var offset = 0
    var isFree = false
    while !isFree {
      isFree = true
      for set in sets {
        if let end = set.end(of: offset..<offset + bytes) {
          offset = end
          isFree = false
        }
      }
    }
    return offset
  }

  mutating func insert(_ range: Range<Int>, during lifetime: BufferLifetime) {
    let life = leaves(lifetime)
    var nodes: [Int] = []
    forEachNode(life) { nodes.append($0) }
    var above: Set<Int> = []
    for node in nodes {
      throughout[node].insert(range)
      ever[node].insert(range)
      var parent = node / 2
      while parent > 0, above.insert(parent).inserted {
        ever[parent].insert(range)
        parent /= 2
      }
    }
    let (first, end) = (ceilDivide(life.lowerBound, stretch), life.upperBound / stretch)
    for place in first..<max(first, end) { throughoutStretch[place].insert(range) }
  }
}

/// Ranges of memory in ascending order; neighbours that touch are one.
private struct DisjointRanges {
  private var ranges: [Range<Int>] = []

  var isEmpty: Bool { ranges.isEmpty }

  /// Where the first of them ends that meets `range`; nil where none does.
  func end(of range: Range<Int>) -> Int? {
    let index = firstEnding(behind: range.lowerBound)
    return index < ranges.count && ranges[index].lowerBound < range.upperBound ? ranges[index].upperBound : nil
  }

  /// The first range that ends behind `offset`.
  private func firstEnding(behind offset: Int) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  mutating func insert(_ range: Range<Int>) {
    // Those that touch it, from `first` on, become part of it.
    let first = firstEnding(behind: range.lowerBound - 1)
    var (end, joined) = (first, range)
    while end < ranges.count && ranges[end].lowerBound <= range.upperBound {
      joined = min(joined.lowerBound, ranges[end].lowerBound)..<max(joined.upperBound, ranges[end].upperBound)
      end += 1
    }
    ranges.replaceSubrange(first..<end, with: CollectionOfOne(joined))
  }
}

/// The bytes that live at each of `steps` steps.
func bytesByStep(_ buffers: [BufferLifetime], steps: Int) -> [Int] {
  var live = Array(repeating: 0, count: steps + 1)
  for buffer in buffers where buffer.bytes > 0 && buffer.first < steps {
    let bytes = buffer.bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
    live[buffer.first] += bytes
    live[min(buffer.last, steps - 1) + 1] -= bytes
  }
  for step in live.indices.dropFirst() { live[step] += live[step - 1] }
  return live.dropLast()
}

extension Int {
  /// The next multiple, for non-negative numbers far below `Int.max`.
  package func roundedUp(toMultipleOf multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
