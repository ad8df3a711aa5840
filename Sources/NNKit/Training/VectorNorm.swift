/// The Euclidean norm of long vectors, `√Σ x²`: sums of squares of fixed parts in double precision, added in ascending
/// order. It is finite where every element is, whatever they are, and at least the largest magnitude.
final class VectorNorm {
  private let parts: UnsafeMutablePointer<Double>
  private let partCount: Int
  private let pool: ThreadPool
  /// What the tiles read, at a fixed address.
  private let values: UnsafeMutablePointer<UnsafePointer<Float>>
  private let tile: (Int, Int) -> Void
  private static let elementsPerPart = 32_768

  /// For vectors of `count` elements.
  init(count: Int, runtime: Runtime, of first: UnsafeMutablePointer<Float>) {
    partCount = ceilDivide(count, Self.elementsPerPart)
    let parts = UnsafeMutablePointer<Double>.allocate(capacity: max(1, partCount))
    parts.initialize(repeating: 0, count: max(1, partCount))
    self.parts = parts
    let values = UnsafeMutablePointer<UnsafePointer<Float>>.allocate(capacity: 1)
    values.initialize(to: UnsafePointer(first))
    self.values = values
    pool = runtime.pool
    let kernels = runtime.kernels
    tile = { part, _ in
      let start = part * Self.elementsPerPart
      parts[part] = kernels.sumOfSquares(values.pointee + start, min(Self.elementsPerPart, count - start))
    }
  }

  deinit {
    parts.deallocate()
    values.deallocate()
  }

  func callAsFunction(_ vector: UnsafeMutablePointer<Float>) -> Double {
    values.pointee = UnsafePointer(vector)
    pool.run(tiles: partCount, tile)
    var sum = 0.0
    for part in 0..<partCount { sum += parts[part] }
    return sum.squareRoot()
  }
}
