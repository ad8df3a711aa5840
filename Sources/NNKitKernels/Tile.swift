/// The sizes of the register tiles, and how rows are dealt to them.

/// Rows of the largest tile that is two vectors wide: its sums, two vectors of B and a broadcast element fill the
/// registers.
@inline(__always)
var tileRows: Int {
  #if NNKIT_AVX512
    12
  #elseif NNKIT_AVX2
    6
  #else
    4
  #endif
}

/// Rows of the largest tile that is one vector wide: eight sums under way hide the latency of a multiply-add, and eight
/// rows that lie a power of two apart still fit into one set of the first cache.
@inline(__always)
var narrowTileRows: Int { 8 }

/// Whether a tile that is two vectors wide fetches what the next call reads.
@inline(__always)
var fetchesAhead: Bool {
  #if NNKIT_AVX2
    true
  #else
    false
  #endif
}

/// Columns of a packed panel: two vectors.
@inline(__always)
var panelColumns: Int { 2 &* vectorWidth }

/// Columns of a packed panel of the A of a `columnProduct`: two full tiles, one to two vectors.
@inline(__always)
var panelRows: Int { 2 &* tileRows }

/// Calls `body(first, count)` for consecutive blocks of rows. There are as few blocks as `largest` allows, and their
/// sizes differ by one at most: 16 rows by 12 are 8 + 8, since a block of 4 keeps fewer sums under way.
@inline(__always)
func forEachRowBlock(rows: Int, largest: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
  var row = 0
  var blocks = (rows &+ largest &- 1) / largest
  while blocks > 0 {
    let count = (rows &- row &+ blocks &- 1) / blocks
    body(row, count)
    row &+= count
    blocks &-= 1
  }
}

/// `columns` (1 ... panelColumns) rounded up to whole vectors: the row stride of a tile in memory.
@inline(__always)
func roundedUpToVectors(_ columns: Int) -> Int {
  columns > vectorWidth ? panelColumns : vectorWidth
}

/// Loads `columns` elements of a row of C to `row`, zeros after them up to a whole vector.
@inline(__always)
func loadPartialRow(_ c: UnsafePointer<Float>, _ columns: Int, _ row: UnsafeMutablePointer<Float>) {
  if columns > vectorWidth {
    storeVector(loadVector(c), row)
    storeVector(loadPartialVector(c + vectorWidth, columns &- vectorWidth), row + vectorWidth)
  } else {
    storeVector(loadPartialVector(c, columns), row)
  }
}

/// Stores `columns` elements of `row` to a row of C.
@inline(__always)
func storePartialRow(_ row: UnsafePointer<Float>, _ columns: Int, _ c: UnsafeMutablePointer<Float>) {
  if columns > vectorWidth {
    storeVector(loadVector(row), c)
    storePartialVector(loadVector(row + vectorWidth), c + vectorWidth, columns &- vectorWidth)
  } else {
    storePartialVector(loadVector(row), c, columns)
  }
}
