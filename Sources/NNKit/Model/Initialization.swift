import NNKitKernelTable

/// Writes a parameter's first values. Throws: `.outOfMemory`.
func initialize(
  _ parameter: Parameter, _ stream: Random.Stream, _ random: Random, _ runtime: Runtime,
  _ out: UnsafeMutablePointer<Float>
) throws(NNKitError) {
  let specification = parameter.specification
  let fanIn = Double(max(1, specification.fanIn))
  let fanAverage = Double(max(1, specification.fanIn + specification.fanOut)) / 2
  let count = parameter.count
  switch specification.initializer {
  case .zeros: out.update(repeating: 0, count: count)
  case .ones: out.update(repeating: 1, count: count)
  // Source: Glorot and Bengio (2010), section 4.2; He et al. (2015), section 2.2.
  case .glorotUniform: random.uniform(stream, limit: (3 / fanAverage).squareRoot(), into: out, count: count)
  case .glorotNormal: random.normal(stream, deviation: (1 / fanAverage).squareRoot(), into: out, count: count)
  case .heUniform: random.uniform(stream, limit: (6 / fanIn).squareRoot(), into: out, count: count)
  case .heNormal: random.normal(stream, deviation: (2 / fanIn).squareRoot(), into: out, count: count)
  case .orthogonal: try orthogonal(parameter.shape, stream, random, runtime, out, count)
  }
  if let offset = specification.offset {
    let columns = parameter.shape.sizes.last ?? 1
    for row in stride(from: 0, to: count, by: columns) {
      for column in offset.columns { out[row + column] += offset.value }
    }
  }
}

/// Fills each square block of the matrix `[rows, columns]` (or the one wide or tall block, where the sides do not
/// divide) with an orthogonal matrix: normal numbers, made orthonormal by the Gram-Schmidt process in double precision.
/// A recurrent kernel `[U, 4U]` so gets one orthogonal matrix for each gate.
/// Source: Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning (2014).
///
/// Throws: `.outOfMemory`.
private func orthogonal(
  _ shape: Shape, _ stream: Random.Stream, _ random: Random, _ runtime: Runtime, _ out: UnsafeMutablePointer<Float>,
  _ count: Int
) throws(NNKitError) {
  random.normal(stream, deviation: 1, into: out, count: count)
  let columns = shape.sizes.last ?? 1
  let rows = count / max(1, columns)
  guard rows > 0, columns > 0 else { return }
  let blockColumns = columns % rows == 0 ? rows : columns
  // The shorter side's vectors are made orthonormal: rows of a wide block, columns of a tall one.
  let isWide = rows <= blockColumns
  let basis = try OrthonormalBasis(
    vectors: min(rows, blockColumns), length: max(rows, blockColumns), vectorStride: isWide ? columns : 1,
    elementStride: isWide ? 1 : columns, threads: runtime.pool.threads)
  for first in stride(from: 0, to: columns, by: blockColumns) { basis.orthonormalize(out + first, runtime) }
}

/// Vectors in double precision that become orthonormal block by block: those of a block by the modified process, then
/// what lies along them is taken from all later vectors at once, which is nearly all of the work and is shared by the
/// threads. Each vector goes through the same operations whichever thread has it.
/// Source: Björck, Numerics of Gram-Schmidt Orthogonalization (1994), section 5.
private struct OrthonormalBasis {
  private let vectors: Int
  private let length: Int
  private let vectorStride: Int
  private let elementStride: Int
  /// Doubles from one vector to the next: an odd number of cache lines, zero behind the end, which changes no product.
  private let stride: Int
  private let memory: AlignedMemory

  private static let vectorsPerBlock = 32
  private static let vectorsPerTile = 8

  /// The vectors of a matrix of floats: its element `(i, k)` is at `i · vectorStride + k · elementStride`.
  init(vectors: Int, length: Int, vectorStride: Int, elementStride: Int, threads: Int) throws(NNKitError) {
    (self.vectors, self.length) = (vectors, length)
    (self.vectorStride, self.elementStride) = (vectorStride, elementStride)
    stride = (ceilDivide(length, 8) | 1) * 8
    let doubles = try checkedProduct([vectors, stride], of: "an orthogonal matrix in double precision")
    memory = try AlignedMemory(byteCount: 8 * (doubles + 2 * Self.vectorsPerBlock * threads))
  }

  func orthonormalize(_ matrix: UnsafeMutablePointer<Float>, _ runtime: Runtime) {
    let (kernels, pool) = (runtime.kernels, runtime.pool)
    let base = memory.base.assumingMemoryBound(to: Double.self)
    let products = base + vectors * stride
    for i in 0..<vectors {
      for k in 0..<length { base[i * stride + k] = Double(matrix[i * vectorStride + k * elementStride]) }
    }
    let (vectors, stride, lanes) = (vectors, stride, length.roundedUp(toMultipleOf: 8))
    for first in Swift.stride(from: 0, to: vectors, by: Self.vectorsPerBlock) {
      let end = min(first + Self.vectorsPerBlock, vectors)
      kernels.orthonormalize(
        Orthonormalization(vectors: base + first * stride, count: end - first, stride: stride, length: lanes))
      // Only the last block can have fewer vectors, and nothing comes behind it.
      pool.run(tiles: ceilDivide(vectors - end, Self.vectorsPerTile)) { tile, worker in
        let vector = end + tile * Self.vectorsPerTile
        kernels.projectOut(
          Projection(
            basis: base + first * stride, basisCount: Self.vectorsPerBlock, vectors: base + vector * stride,
            count: min(Self.vectorsPerTile, vectors - vector), stride: stride, length: lanes,
            products: products + worker * 2 * Self.vectorsPerBlock))
      }
    }
    for i in 0..<vectors {
      for k in 0..<length { matrix[i * vectorStride + k * elementStride] = Float(base[i * stride + k]) }
    }
  }
}
