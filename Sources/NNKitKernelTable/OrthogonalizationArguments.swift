/// Vectors of `length` doubles, a multiple of 8, `stride` apart, that become orthonormal by the modified Gram-Schmidt
/// process. The bits are the same at every level.
public struct Orthonormalization {
  public var vectors: UnsafeMutablePointer<Double>
  public var count: Int
  public var stride: Int
  public var length: Int

  public init(vectors: UnsafeMutablePointer<Double>, count: Int, stride: Int, length: Int) {
    self.vectors = vectors
    self.count = count
    self.stride = stride
    self.length = length
  }
}

/// Vectors from which their projections on an orthonormal basis are taken: `v -= Σ_i (v · basis_i) basis_i`. All are
/// `length` doubles, a multiple of 8, and `stride` apart; the basis has a multiple of four. The bits are the same at
/// every level, and do not depend on what other vectors there are.
public struct Projection {
  public var basis: UnsafePointer<Double>
  public var basisCount: Int
  public var vectors: UnsafeMutablePointer<Double>
  public var count: Int
  public var stride: Int
  public var length: Int
  /// Scratch memory for `2 · basisCount` doubles.
  public var products: UnsafeMutablePointer<Double>

  public init(
    basis: UnsafePointer<Double>, basisCount: Int, vectors: UnsafeMutablePointer<Double>, count: Int, stride: Int,
    length: Int, products: UnsafeMutablePointer<Double>
  ) {
    self.basis = basis
    self.basisCount = basisCount
    self.vectors = vectors
    self.count = count
    self.stride = stride
    self.length = length
    self.products = products
  }
}
