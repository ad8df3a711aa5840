import NNKitKernelTable

/// An axis of a box of elements: its size, and how many elements lie between neighbours in the source and in the target.
package struct CopyAxis: Equatable {
  package var size: Int
  package var source: Int
  package var target: Int

  package init(size: Int, source: Int, target: Int) {
    self.size = size
    self.source = source
    self.target = target
  }
}

/// A box of elements of each sample that comes from somewhere else, or is zero.
struct CopyPiece {
  let source: Tensor?
  let axes: [CopyAxis]
  var sourceStart = 0
  var targetStart = 0

  /// `sizes` of `source` from `sourceStart` on along `axis`, to `targetStart` on along the same axis of `target`.
  /// Without a source zeros. The tensors have the same sizes along all other axes.
  init(_ source: Tensor?, from sourceStart: Int = 0, to target: Shape, at targetStart: Int = 0, axis: Int, size: Int) {
    self.source = source
    let (sourceStrides, targetStrides) = ((source?.shape ?? target).denseStrides, target.denseStrides)
    axes = target.sizes.indices.map {
      CopyAxis(size: $0 == axis ? size : target[$0], source: sourceStrides[$0], target: targetStrides[$0])
    }
    self.sourceStart = sourceStart * sourceStrides[axis]
    self.targetStart = targetStart * targetStrides[axis]
  }

  /// Axis `k` of `target` is axis `order[k]` of `source`.
  init(_ source: Tensor, order: [Int], to target: Shape) {
    self.source = source
    let (sourceStrides, targetStrides) = (source.shape.denseStrides, target.denseStrides)
    axes = order.indices.map {
      CopyAxis(size: target[$0], source: sourceStrides[order[$0]], target: targetStrides[$0])
    }
  }

  init(_ source: Tensor?, axes: [CopyAxis]) {
    self.source = source
    self.axes = axes
  }
}

extension Shape {
  /// Of each axis: how many elements lie between neighbours, where the last axis is the fastest.
  var denseStrides: [Int] {
    var strides = Array(repeating: 1, count: rank)
    for axis in sizes.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * sizes[axis + 1] }
    return strides
  }
}

/// How the elements of a box are dealt out: matrices for the kernel, and some of them to each tile.
///
/// Neighbouring axes that are one axis in both places are taken as one. The columns of the matrices are the last axis; their
/// rows that axis along which neighbours lie nearest in the source.
package struct CopySchedule {
  /// Outside the matrices.
  package let outer: [CopyAxis]
  package let row: CopyAxis
  package let column: CopyAxis
  /// Of each matrix but the last ones along the axes.
  package let rowsPerMatrix: Int
  package let columnsPerMatrix: Int
  package let matricesPerTile: Int
  package let tiles: Int
  private let matrices: Int

  private static let elementsPerTile = 8192
  /// Of matrices whose columns lie apart in the source: so that the lines of a block's rows stay in the first cache.
  private static let columnsApart = 512

  package init(_ axes: [CopyAxis]) {
    var merged: [CopyAxis] = []
    for axis in axes where axis.size != 1 {
      if let last = merged.last, last.source == axis.source * axis.size, last.target == axis.target * axis.size {
        merged[merged.count - 1] = CopyAxis(size: last.size * axis.size, source: axis.source, target: axis.target)
      } else {
        merged.append(axis)
      }
    }
    let one = CopyAxis(size: 1, source: 1, target: 1)
    let column = merged.popLast() ?? one
    let rowIndex =
      column.source == 1
      ? merged.indices.last : merged.indices.min { abs(merged[$0].source) < abs(merged[$1].source) }
    row = rowIndex.map { merged.remove(at: $0) } ?? one
    self.column = column
    outer = merged
    columnsPerMatrix = min(column.size, column.source == 1 ? Self.elementsPerTile : Self.columnsApart)
    rowsPerMatrix = min(row.size, max(column.source == 1 ? 1 : 16, Self.elementsPerTile / columnsPerMatrix))
    matrices = merged.reduce(
      ceilDivide(row.size, rowsPerMatrix) * ceilDivide(column.size, columnsPerMatrix)
    ) { $0 * $1.size }
    matricesPerTile = max(1, Self.elementsPerTile / (rowsPerMatrix * columnsPerMatrix))
    tiles = ceilDivide(matrices, matricesPerTile)
  }

  /// Calls `body` for each matrix of a tile: where it begins in the source and in the target, and its size.
  @inline(__always)
  package func forEachMatrix(_ tile: Int, _ body: (_ source: Int, _ target: Int, _ rows: Int, _ columns: Int) -> Void) {
    let rowChunks = ceilDivide(row.size, rowsPerMatrix)
    let columnChunks = ceilDivide(column.size, columnsPerMatrix)
    for matrix in tile * matricesPerTile..<min((tile + 1) * matricesPerTile, matrices) {
      var (rest, firstColumn) = matrix.quotientAndRemainder(dividingBy: columnChunks)
      var firstRow: Int
      (rest, firstRow) = rest.quotientAndRemainder(dividingBy: rowChunks)
      firstRow *= rowsPerMatrix
      firstColumn *= columnsPerMatrix
      var source = firstRow * row.source + firstColumn * column.source
      var target = firstRow * row.target + firstColumn * column.target
      for axis in outer.reversed() {
        let (next, index) = rest.quotientAndRemainder(dividingBy: axis.size)
        source += index * axis.source
        target += index * axis.target
        rest = next
      }
      body(source, target, min(rowsPerMatrix, row.size - firstRow), min(columnsPerMatrix, column.size - firstColumn))
    }
  }
}

extension PlanBuilder {
  /// Adds the step that puts pieces into a tensor, which cover it and do not overlap.
  func assemble(_ name: String, _ pieces: [CopyPiece], to target: Tensor) {
    let (kernels, batch) = (kernels, batch)
    let schedules = pieces.map { piece in
      CopySchedule(
        [CopyAxis(size: batch, source: piece.source?.sampleCount ?? 0, target: target.sampleCount)] + piece.axes)
    }
    var starts = [0]
    for schedule in schedules { starts.append(starts[starts.count - 1] + schedule.tiles) }
    step(
      name, reads: pieces.compactMap(\.source), writes: [target], tiles: starts[starts.count - 1],
      work: [target.count, 4]
    ) { binding in
      let sources = pieces.map { piece in
        piece.source.map { UnsafePointer(binding.floats($0)) + piece.sourceStart }
      }
      let targets = pieces.map { binding.floats(target) + $0.targetStart }
      return { tile, _ in
        var (piece, end) = (0, pieces.count)
        while end - piece > 1 {
          let middle = (piece + end) / 2
          if starts[middle] <= tile { piece = middle } else { end = middle }
        }
        let (source, to, schedule) = (sources[piece], targets[piece], schedules[piece])
        schedule.forEachMatrix(tile - starts[piece]) { sourceStart, targetStart, rows, columns in
          kernels.copyMatrix(
            MatrixCopy(
              source: source.map { $0 + sourceStart }, sourceRow: schedule.row.source,
              sourceColumn: schedule.column.source, target: to + targetStart, targetRow: schedule.row.target,
              targetColumn: schedule.column.target, rows: rows, columns: columns))
        }
      }
    }
  }
}
