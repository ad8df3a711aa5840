/// Writes a parameter's first values.
func initialize(
  _ parameter: Parameter, _ stream: Random.Stream, _ random: Random, _ out: UnsafeMutablePointer<Float>
) {
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
  case .orthogonal: orthogonal(parameter.shape, stream, random, out, count)
  }
  if let offset = specification.offset {
    let columns = parameter.shape.sizes.last ?? 1
    for row in stride(from: 0, to: count, by: columns) {
      for column in offset.columns { out[row + column] += offset.value }
    }
  }
}

/// Fills each square block of the matrix `[rows, columns]` (or the one wide or tall block, where the sides do not
/// divide) with an orthogonal matrix: normal numbers, made orthonormal by the modified Gram-Schmidt process in double
/// precision. A recurrent kernel `[U, 4U]` so gets one orthogonal matrix for each gate.
/// Source: Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning (2014).
private func orthogonal(
  _ shape: Shape, _ stream: Random.Stream, _ random: Random, _ out: UnsafeMutablePointer<Float>, _ count: Int
) {
  random.normal(stream, deviation: 1, into: out, count: count)
  let columns = shape.sizes.last ?? 1
  let rows = count / max(1, columns)
  guard rows > 0, columns > 0 else { return }
  let blockColumns = columns % rows == 0 ? rows : columns
  for first in stride(from: 0, to: columns, by: blockColumns) {
    let block = out + first
    // The shorter side's vectors are made orthonormal: rows of a wide block, columns of a tall one.
    if rows <= blockColumns {
      orthonormalize(block, vectors: rows, length: blockColumns, vectorStride: columns, elementStride: 1)
    } else {
      orthonormalize(block, vectors: blockColumns, length: rows, vectorStride: 1, elementStride: columns)
    }
  }
}

private func orthonormalize(
  _ matrix: UnsafeMutablePointer<Float>, vectors: Int, length: Int, vectorStride: Int, elementStride: Int
) {
  // Vectors of eight, zero behind the end, which changes no product.
  let lanes = ceilDivide(length, 8)
  var basis = Array(repeating: SIMD8<Double>(), count: vectors * lanes)
  basis.withUnsafeMutableBufferPointer { basis in
    for i in 0..<vectors {
      let vector = i * lanes
      for k in 0..<length {
        basis[vector + k / 8][k % 8] = Double(matrix[i * vectorStride + k * elementStride])
      }
      for other in stride(from: 0, to: vector, by: lanes) {
        var product = SIMD8<Double>()
        for lane in 0..<lanes { product += basis[vector + lane] * basis[other + lane] }
        let scale = SIMD8<Double>(repeating: product.sum())
        for lane in 0..<lanes { basis[vector + lane] -= scale * basis[other + lane] }
      }
      var square = SIMD8<Double>()
      for lane in 0..<lanes { square += basis[vector + lane] * basis[vector + lane] }
      let scale = SIMD8<Double>(repeating: 1 / max(square.sum().squareRoot(), .leastNormalMagnitude))
      for lane in 0..<lanes { basis[vector + lane] *= scale }
      for k in 0..<length {
        matrix[i * vectorStride + k * elementStride] = Float(basis[vector + k / 8][k % 8])
      }
    }
  }
}
