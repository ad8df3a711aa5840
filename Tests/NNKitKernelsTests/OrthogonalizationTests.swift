import NNKitKernelTable
import Testing

@Suite struct OrthogonalizationTests {
  /// Eight lanes and no fused operation at any level: the first values of a model do not depend on the processor.
  @Test(arguments: testedLevels)
  func bitsAreThoseOfBaseline(level: InstructionSetLevel) {
    func result(_ table: KernelTable) -> [Double] {
      let (count, length, stride) = (37, 48, 56)
      var numbers = TestNumbers(seed: 31)
      var vectors = numbers.floats(count * stride).map { Double($0) }
      var products = [Double](repeating: 0, count: 64)
      vectors.withUnsafeMutableBufferPointer { buffer in
        let base = buffer.baseAddress!
        table.orthonormalize(Orthonormalization(vectors: base, count: 32, stride: stride, length: length))
        products.withUnsafeMutableBufferPointer {
          table.projectOut(
            Projection(
              basis: base, basisCount: 32, vectors: base + 32 * stride, count: count - 32, stride: stride,
              length: length, products: $0.baseAddress!))
        }
      }
      return vectors
    }
    let ours = result(kernels(level))
    #expect(ours.map(\.bitPattern) == result(kernels(.baseline)).map(\.bitPattern))
    for i in 0..<37 {
      for j in 0..<min(i, 32) {
        let product = (0..<48).reduce(0.0) { $0 + ours[i * 56 + $1] * ours[j * 56 + $1] }
        #expect(abs(product) < 1e-12)
      }
    }
  }
}
