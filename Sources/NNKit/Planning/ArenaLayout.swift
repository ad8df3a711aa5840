/// One buffer to be placed: its size, and the first and last step that touch it.
struct BufferLifetime {
  var bytes: Int
  var first: Int
  var last: Int

  func overlaps(_ other: BufferLifetime) -> Bool { first <= other.last && other.first <= last }
}

let bufferAlignmentBytes = 64

/// Places buffers in one arena so that buffers alive at the same time do not overlap: largest first, each at the
/// lowest offset that is free throughout its life. Source: greedy-by-size, Pisarchyk and Lee, Efficient Memory
/// Management for Deep Neural Net Inference (2020), section 5.
///
/// Returns each buffer's offset and the arena's size in bytes.
func layOut(_ buffers: [BufferLifetime]) throws(NNKitError) -> (offsets: [Int], bytes: Int) {
  var offsets = Array(repeating: 0, count: buffers.count)
  var placed: [(index: Int, start: Int, end: Int)] = []
  var total = 0
  let order = buffers.indices.sorted { a, b in
    buffers[a].bytes == buffers[b].bytes ? a < b : buffers[a].bytes > buffers[b].bytes
  }
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

/// The most bytes that live at once.
func liveBytes(_ buffers: [BufferLifetime]) -> Int {
  var changes: [(step: Int, bytes: Int)] = []
  for buffer in buffers where buffer.bytes > 0 {
    let bytes = buffer.bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
    changes.append((buffer.first, bytes))
    changes.append((buffer.last + 1, -bytes))
  }
  // What ends before a step is gone before what begins with it.
  changes.sort { $0.step == $1.step ? $0.bytes < $1.bytes : $0.step < $1.step }
  var (live, peak) = (0, 0)
  for change in changes {
    live += change.bytes
    peak = max(peak, live)
  }
  return peak
}

extension Int {
  /// The next multiple, for non-negative numbers far below `Int.max`.
  package func roundedUp(toMultipleOf multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
