/// `C[r][n] (+)= aScales[r] · bScales[n] · Σ_k A[k][r] · B[k][n]` for `r < rows`, `n < columns`, with a third less
/// multiplications: two of three steps of the depth are taken together,
///
///     a₀ b₀ + a₁ b₁ = (a₀ + b₁) (a₁ + b₀) - a₀ a₁ - b₀ b₁
///
/// where the last two products belong to a row of A or a column of B alone, and `balancePairs` has summed them. A
/// processor that adds in other units than it multiplies in gets the additions for nothing.
///
/// Order of sums: from `-(aTerms + bTerms)` on ascending `k`, one accumulator an element, whatever the row count; then
/// the scales, and last the sum with `bias` and, with `accumulate`, `C`.
/// Accuracy: errors are relative to the largest elements of the row and of the column, where those of a plain product
/// are relative to the elements themselves.
/// Source: Winograd, A New Algorithm for Inner Product (1968); the scales: Brent (1970).
public struct PairedProduct {
  /// `depth` steps of `pairedRows` rows, balanced; a step is `aStride` floats behind the one before.
  public var a: UnsafePointer<Float>
  public var aStride: Int
  /// `pairedRows` of each, from `balancePairs`.
  public var aTerms: UnsafePointer<Float>
  public var aScales: UnsafePointer<Float>
  /// A packed panel, balanced.
  public var b: UnsafePointer<Float>
  /// `panelColumns` of each.
  public var bTerms: UnsafePointer<Float>
  public var bScales: UnsafePointer<Float>
  public var depth: Int
  public var c: UnsafeMutablePointer<Float>
  /// `rows` element offsets into `c`.
  public var cRows: UnsafePointer<Int>
  /// 0 ... pairedRows.
  public var rows: Int
  /// 1 ... panelColumns.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  public var accumulate: Bool

  public init(
    a: UnsafePointer<Float>, aStride: Int, aTerms: UnsafePointer<Float>, aScales: UnsafePointer<Float>,
    b: UnsafePointer<Float>, bTerms: UnsafePointer<Float>, bScales: UnsafePointer<Float>, depth: Int,
    c: UnsafeMutablePointer<Float>, cRows: UnsafePointer<Int>, rows: Int, columns: Int,
    bias: UnsafePointer<Float>? = nil, accumulate: Bool
  ) {
    self.a = a
    self.aStride = aStride
    self.aTerms = aTerms
    self.aScales = aScales
    self.b = b
    self.bTerms = bTerms
    self.bScales = bScales
    self.depth = depth
    self.c = c
    self.cRows = cRows
    self.rows = rows
    self.columns = columns
    self.bias = bias
    self.accumulate = accumulate
  }
}

/// Makes a packed block, `depth` steps of `width` columns, an operand of `PairedProduct`, in place: every column is
/// divided by the power of two `scales` at or below its largest magnitude (0 for a column of zeros), and
/// `terms[n] = Σ x₀ x₁` over its pairs. Of every second pair the first element changes its sign, in A and B alike: it
/// leaves the product as it is, and the terms of the pairs cancel instead of adding up.
public struct PairedBalance {
  public var block: UnsafeMutablePointer<Float>
  public var depth: Int
  /// Whole vectors.
  public var width: Int
  /// `width` of each.
  public var terms: UnsafeMutablePointer<Float>
  public var scales: UnsafeMutablePointer<Float>

  public init(
    block: UnsafeMutablePointer<Float>, depth: Int, width: Int, terms: UnsafeMutablePointer<Float>,
    scales: UnsafeMutablePointer<Float>
  ) {
    self.block = block
    self.depth = depth
    self.width = width
    self.terms = terms
    self.scales = scales
  }
}

/// Packs rows that lie anywhere: `block[k · pairedRows + r] = source[rows[r] + k]` for `k < depth`, `r < count`, zero for
/// `count ≤ r < pairedRows`.
public struct PairedRows {
  public var source: UnsafePointer<Float>
  /// `count` element offsets.
  public var rows: UnsafePointer<Int>
  /// 0 ... pairedRows.
  public var count: Int
  public var depth: Int
  public var block: UnsafeMutablePointer<Float>

  public init(
    source: UnsafePointer<Float>, rows: UnsafePointer<Int>, count: Int, depth: Int, block: UnsafeMutablePointer<Float>
  ) {
    self.source = source
    self.rows = rows
    self.count = count
    self.depth = depth
    self.block = block
  }
}
