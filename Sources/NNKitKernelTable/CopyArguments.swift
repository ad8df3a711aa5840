/// `target[i · targetRow + j · targetColumn] = source[i · sourceRow + j · sourceColumn]` for `i < rows`, `j < columns`;
/// without a source 0. Strides are in elements; those of the source may be zero or negative. No two elements of the target
/// lie in one place.
public struct MatrixCopy {
  public var source: UnsafePointer<Float>?
  public var sourceRow: Int
  public var sourceColumn: Int
  public var target: UnsafeMutablePointer<Float>
  public var targetRow: Int
  public var targetColumn: Int
  public var rows: Int
  public var columns: Int

  public init(
    source: UnsafePointer<Float>?, sourceRow: Int, sourceColumn: Int, target: UnsafeMutablePointer<Float>,
    targetRow: Int, targetColumn: Int, rows: Int, columns: Int
  ) {
    self.source = source
    self.sourceRow = sourceRow
    self.sourceColumn = sourceColumn
    self.target = target
    self.targetRow = targetRow
    self.targetColumn = targetColumn
    self.rows = rows
    self.columns = columns
  }
}
