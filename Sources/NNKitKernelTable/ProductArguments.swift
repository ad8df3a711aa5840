/// `C[r][n] = Σ_t Σ_k A[aRows[r] + taps[t] + k] · B[(t · depth + k) · panelColumns + n]` for `r < rows` and
/// `n < columns`: a matrix product whose rows lie anywhere, and a direct convolution, whose rows are pixels
/// and whose taps are the places in the window.
///
/// Order of sums: ascending `t`, then ascending `k`, one accumulator an element, whatever the row count, so a
/// row's result does not depend on the rows beside it. With `accumulate` the sum starts from `C`, with `addend` from
/// that, else from zero; `bias` is added first. `relu` is applied last.
public struct RowProduct {
  public var a: UnsafePointer<Float>
  /// `rows` element offsets into `a`.
  public var aRows: UnsafePointer<Int>
  /// `tapCount` element offsets, added to those of the row.
  public var taps: UnsafePointer<Int>
  public var tapCount: Int
  public var depth: Int
  /// A packed panel: `tapCount · depth` rows of `panelColumns` floats, zero beyond `columns`.
  public var b: UnsafePointer<Float>
  public var c: UnsafeMutablePointer<Float>
  /// `rows` element offsets into `c`.
  public var cRows: UnsafePointer<Int>
  /// Any number.
  public var rows: Int
  /// 1 ... panelColumns.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  /// Laid out as `c` is; may be `c`. Not together with `accumulate`.
  public var addend: UnsafePointer<Float>?
  public var accumulate: Bool
  public var relu: Bool
  /// What is fetched into the second-level cache meanwhile, evenly: `nextFloats` of what the next calls read. Need not be
  /// valid. Only where the kernels' `fetchesAhead` and `columns` is more than a vector.
  public var next: UnsafePointer<Float>?
  public var nextFloats: Int

  /// So many rows or fewer use a panel in less time than it may take to come from memory.
  public static let fewRows = 128

  public init(
    a: UnsafePointer<Float>, aRows: UnsafePointer<Int>, taps: UnsafePointer<Int>, tapCount: Int, depth: Int,
    b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, cRows: UnsafePointer<Int>, rows: Int, columns: Int,
    bias: UnsafePointer<Float>? = nil, addend: UnsafePointer<Float>? = nil, accumulate: Bool = false,
    relu: Bool = false, next: UnsafePointer<Float>? = nil, nextFloats: Int = 0
  ) {
    self.a = a
    self.aRows = aRows
    self.taps = taps
    self.tapCount = tapCount
    self.depth = depth
    self.b = b
    self.c = c
    self.cRows = cRows
    self.rows = rows
    self.columns = columns
    self.bias = bias
    self.addend = addend
    self.accumulate = accumulate
    self.relu = relu
    self.next = next
    self.nextFloats = nextFloats
  }
}

/// `C[m · cStride + n] (+)= Σ_d A[offset(d) + m] · B[d · bStride + n]` for `m < rows`, `n < columns`: the
/// product of a transposed matrix, for weight gradients, whose depth is samples, pixels or time steps.
///
/// Depth index `d` runs over three nested loops of `depths.0`, `depths.1`, `depths.2` (the innermost) steps, and
/// `offset(d) = i0 · aSteps.0 + i1 · aSteps.1 + i2 · aSteps.2`. Order of sums: ascending `d`, from zero; with
/// `accumulate` the sum is then added to `C`.
public struct ColumnProduct {
  public var a: UnsafePointer<Float>
  public var aSteps: (Int, Int, Int)
  public var depths: (Int, Int, Int)
  /// `depths.0 · depths.1 · depths.2` rows of `columns` floats, rounded up to whole vectors: a packed panel, or a matrix
  /// as it lies.
  public var b: UnsafePointer<Float>
  public var bStride: Int
  public var c: UnsafeMutablePointer<Float>
  public var cStride: Int
  /// Any number.
  public var rows: Int
  /// 1 ... panelColumns.
  public var columns: Int
  public var accumulate: Bool
  /// What is fetched into the second-level cache meanwhile, evenly: `nextFloats` of what the next calls read. Need not be
  /// valid. Only where the kernels' `fetchesAhead` and `columns` is more than a vector.
  public var next: UnsafePointer<Float>?
  public var nextFloats: Int

  public init(
    a: UnsafePointer<Float>, aSteps: (Int, Int, Int), depths: (Int, Int, Int), b: UnsafePointer<Float>,
    bStride: Int, c: UnsafeMutablePointer<Float>, cStride: Int, rows: Int, columns: Int, accumulate: Bool,
    next: UnsafePointer<Float>? = nil, nextFloats: Int = 0
  ) {
    self.a = a
    self.aSteps = aSteps
    self.depths = depths
    self.b = b
    self.bStride = bStride
    self.c = c
    self.cStride = cStride
    self.rows = rows
    self.columns = columns
    self.accumulate = accumulate
    self.next = next
    self.nextFloats = nextFloats
  }

  /// Of a packed panel of `A`, `depth` rows of `panelRows` floats.
  public init(
    packedA: UnsafePointer<Float>, panelRows: Int, depth: Int, b: UnsafePointer<Float>, bStride: Int,
    c: UnsafeMutablePointer<Float>, cStride: Int, rows: Int, columns: Int, accumulate: Bool,
    next: UnsafePointer<Float>? = nil, nextFloats: Int = 0
  ) {
    // What is fetched ahead is divided among the iterations of the middle loop.
    let steps = depth % 16 == 0 ? 16 : depth % 8 == 0 ? 8 : depth
    self.init(
      a: packedA, aSteps: (0, steps * panelRows, panelRows), depths: (1, depth / max(1, steps), steps), b: b,
      bStride: bStride, c: c, cStride: cStride, rows: rows, columns: columns, accumulate: accumulate, next: next,
      nextFloats: nextFloats)
  }
}

/// Packs a panel: `panel[k · width + n] = source[k · depthStride + n · columnStride]` for `k < depth` and `n < columns`,
/// zero for `columns ≤ n < width`. One of the two strides is usually 1; both cases are fast.
public struct PanelPacking {
  public var source: UnsafePointer<Float>
  public var depthStride: Int
  public var columnStride: Int
  public var depth: Int
  /// 1 ... width.
  public var columns: Int
  public var panel: UnsafeMutablePointer<Float>
  /// Whether the width is `panelRows`, for the `A` of a `columnProduct`, where `columnStride` has to be 1. Otherwise it
  /// is `panelColumns`.
  public var packsRows: Bool

  public init(
    source: UnsafePointer<Float>, depthStride: Int, columnStride: Int, depth: Int, columns: Int,
    panel: UnsafeMutablePointer<Float>, packsRows: Bool = false
  ) {
    self.source = source
    self.depthStride = depthStride
    self.columnStride = columnStride
    self.depth = depth
    self.columns = columns
    self.panel = panel
    self.packsRows = packsRows
  }
}

/// `c[n] (+)= Σ_k a[k] · B[k][n]` for `n < columns`, over any number of panels: `RowProduct` with one row and one tap,
/// and the same bits. With `accumulate` the sum starts from `c`, with `addend` from that, else from zero; `bias` is added
/// first. `relu` is applied last.
public struct VectorProduct {
  /// `depth` floats.
  public var a: UnsafePointer<Float>
  public var depth: Int
  /// The first packed panel: `depth` rows of `panelColumns` floats.
  public var b: UnsafePointer<Float>
  /// From one panel to the next.
  public var panelStride: Int
  public var c: UnsafeMutablePointer<Float>
  /// Any number.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  /// `columns` floats; may be `c`. Not together with `accumulate`.
  public var addend: UnsafePointer<Float>?
  public var accumulate: Bool
  public var relu: Bool

  public init(
    a: UnsafePointer<Float>, depth: Int, b: UnsafePointer<Float>, panelStride: Int, c: UnsafeMutablePointer<Float>,
    columns: Int, bias: UnsafePointer<Float>? = nil, addend: UnsafePointer<Float>? = nil, accumulate: Bool = false,
    relu: Bool = false
  ) {
    self.a = a
    self.depth = depth
    self.b = b
    self.panelStride = panelStride
    self.c = c
    self.columns = columns
    self.bias = bias
    self.addend = addend
    self.accumulate = accumulate
    self.relu = relu
  }
}
