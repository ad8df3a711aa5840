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
/// divide) with an orthogonal matrix: normal numbers, made orthonormal by the modified Gram-Schmidt process.
/// A recurrent kernel `[U, 4U]` so gets one orthogonal matrix for each gate.
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
  for i in 0..<vectors {
    let vector = matrix + i * vectorStride
    for j in 0..<i {
      let other = matrix + j * vectorStride
      var product: Float = 0
      for k in 0..<length { product += vector[k * elementStride] * other[k * elementStride] }
      for k in 0..<length { vector[k * elementStride] -= product * other[k * elementStride] }
    }
    var square: Float = 0
    for k in 0..<length { square += vector[k * elementStride] * vector[k * elementStride] }
    let scale = 1 / max(square.squareRoot(), .leastNormalMagnitude)
    for k in 0..<length { vector[k * elementStride] *= scale }
  }
}
