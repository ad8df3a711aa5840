/// One buffer to be placed: its size, and the first and last step that touch it.
struct BufferLifetime {
  var bytes: Int
  var first: Int
  var last: Int

  func overlaps(_ other: BufferLifetime) -> Bool { first <= other.last && other.first <= last }
}

let bufferAlignmentBytes = 64

/// Places buffers in one arena so that buffers alive at the same time do not overlap: one after the other, each at the
/// lowest offset that is free throughout its life. The better of two orders: the largest first, or those first that
/// occupy most over time, bytes times steps. Source: greedy-by-size, Pisarchyk and Lee, Efficient Memory Management for
/// Deep Neural Net Inference (2020), section 5.
///
/// Returns each buffer's offset and the arena's size in bytes.
func layOut(_ buffers: [BufferLifetime]) throws(NNKitError) -> (offsets: [Int], bytes: Int) {
  let bySize = try layOut(buffers) { Double($0.bytes) }
  let byArea = try layOut(buffers) { Double($0.bytes) * Double($0.last - $0.first + 1) }
  return byArea.bytes < bySize.bytes ? byArea : bySize
}

private func layOut(
  _ buffers: [BufferLifetime], largest rank: (BufferLifetime) -> Double
) throws(NNKitError) -> (offsets: [Int], bytes: Int) {
  var offsets = Array(repeating: 0, count: buffers.count)
  var placed: [(index: Int, start: Int, end: Int)] = []
  var total = 0
  let ranks = buffers.map(rank)
  let order = buffers.indices.sorted { a, b in ranks[a] == ranks[b] ? a < b : ranks[a] > ranks[b] }
  for index in order where buffers[index].bytes > 0 {
    let bytes = buffers[index].bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
    var offset = 0
    // `placed` is sorted by start: the first gap that is wide enough is the lowest.
    for other in placed where buffers[other.index].overlaps(buffers[index]) {
      if offset + bytes <= other.start { break }
      offset = max(offset, other.end)
    }
    let (end, overflow) = offset.addingReportingOverflow(bytes)
    guard !overflow, end <= 1 << 52 else {
      throw NNKitError(.outOfMemory, "the plan needs more than 2^52 bytes; use a smaller batch or smaller layers")
    }
    offsets[index] = offset
    total = max(total, end)
    let position = placed.firstIndex { $0.start > offset } ?? placed.endIndex
    placed.insert((index, offset, end), at: position)
  }
  return (offsets, total)
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
