import NNKitKernelTable

/// Elements from one place to another: see `MatrixCopy`.
func copyMatrix(_ copy: MatrixCopy) {
  guard let source = copy.source else { return clear(copy) }
  if copy.sourceColumn == 1 && copy.targetColumn == 1 {
    copyRows(copy, source)
  } else {
    copyBlocks(copy, source)
  }
}

private func copyRows(_ copy: MatrixCopy, _ source: UnsafePointer<Float>) {
  let columns = copy.columns
  var (source, target, rows) = (source, copy.target, copy.rows)
  while rows > 0 {
    if columns >= vectorWidth {
      var c = 0
      while c < columns {
        // The last vector reaches back over columns that are done, so that it is whole.
        if c > columns &- vectorWidth { c = columns &- vectorWidth }
        storeVector(loadVector(source + c), target + c)
        c &+= vectorWidth
      }
    } else {
      storePartialVector(loadPartialVector(source, columns), target, columns)
    }
    source += copy.sourceRow
    target += copy.targetRow
    rows &-= 1
  }
}

/// Blocks of so many rows and columns, whose cache lines stay until all their elements are used, on both sides.
private let (blockRows, blockColumns) = (64, 16)

private func copyBlocks(_ copy: MatrixCopy, _ source: UnsafePointer<Float>) {
  let isTransposition = copy.sourceRow == 1 && copy.targetColumn == 1
  var row = 0
  while row < copy.rows {
    let rowEnd = row &+ blockRows < copy.rows ? row &+ blockRows : copy.rows
    var column = 0
    while column < copy.columns {
      let columnEnd = column &+ blockColumns < copy.columns ? column &+ blockColumns : copy.columns
      var j = column
      if isTransposition {
        while j &+ 4 <= columnEnd {
          transposeColumns(copy, source, row, rowEnd, j)
          j &+= 4
        }
      }
      if j < columnEnd { copyElements(copy, source, row, rowEnd, j, columnEnd) }
      column = columnEnd
    }
    row = rowEnd
  }
}

/// Four columns, whose rows lie side by side in the source.
@inline(__always)
private func transposeColumns(
  _ copy: MatrixCopy, _ source: UnsafePointer<Float>, _ row: Int, _ rowEnd: Int, _ column: Int
) {
  let from = source + column &* copy.sourceColumn
  let step = copy.sourceColumn
  var to = copy.target + row &* copy.targetRow + column
  var i = row
  while i &+ 4 <= rowEnd {
    storeTransposed(
      loadNarrow(from + i), loadNarrow(from + i + step), loadNarrow(from + i + 2 &* step),
      loadNarrow(from + i + 3 &* step), to, stride: copy.targetRow &* 4)
    to += 4 &* copy.targetRow
    i &+= 4
  }
  if i < rowEnd { copyElements(copy, source, i, rowEnd, column, column &+ 4) }
}

private func copyElements(
  _ copy: MatrixCopy, _ source: UnsafePointer<Float>, _ row: Int, _ rowEnd: Int, _ column: Int, _ columnEnd: Int
) {
  var i = row
  while i < rowEnd {
    let from = source + i &* copy.sourceRow
    let to = copy.target + i &* copy.targetRow
    var j = column
    while j < columnEnd {
      to[j &* copy.targetColumn] = from[j &* copy.sourceColumn]
      j &+= 1
    }
    i &+= 1
  }
}

private func clear(_ copy: MatrixCopy) {
  var (target, rows) = (copy.target, copy.rows)
  while rows > 0 {
    var c = 0
    if copy.targetColumn == 1 {
      while c < copy.columns {
        let lanes = copy.columns &- c
        storeLanes(Vector(repeating: 0), target + c, lanes)
        c &+= vectorWidth
      }
    } else {
      while c < copy.columns {
        target[c &* copy.targetColumn] = 0
        c &+= 1
      }
    }
    target += copy.targetRow
    rows &-= 1
  }
}
