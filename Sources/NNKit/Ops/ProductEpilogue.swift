import NNKitKernelTable

/// What a product applies to its columns on the way to memory, besides its activation: a bias, and at inference a batch
/// normalisation that was folded into it:
///
///     (x K + b - μ) γ / √(σ² + ε) + β  =  x (K s) + (b - μ) s + β,   s = γ / √(σ² + ε)
struct ProductEpilogue {
  /// What the columns of the weights are multiplied with when they are packed; nil: 1.
  let scale: Tensor?
  let bias: Tensor?

  /// `parameters`: a kernel, a bias if there is one, and those of the normalisation if there is one.
  init(_ plan: PlanBuilder, _ parameters: [Tensor], hasBias: Bool, _ norm: BatchNormOperation?) throws(NNKitError) {
    let own = hasBias ? parameters[1] : nil
    guard let norm else {
      (scale, bias) = (nil, own)
      return
    }
    let (channels, epsilon) = (norm.channels, norm.epsilon)
    let normParameters = Array(parameters.suffix(4))
    let (scale, shift) = (try plan.packed([channels]), try plan.packed([channels]))
    plan.packingStep(
      "fold batch norm", reads: normParameters + (own.map { [$0] } ?? []), writes: [scale, shift], tiles: 1,
      work: [channels, 8]
    ) { binding in
      let (factors, constants) = (binding.floats(scale), binding.floats(shift))
      let values = normParameters.map { binding.floats($0) }
      let (gamma, beta, mean, variance) = (values[0], values[1], values[2], values[3])
      let bias = own.map { binding.floats($0) }
      return { _, _ in
        for c in 0..<channels {
          let s = Double(gamma[c]) / (Double(variance[c]) + epsilon).squareRoot()
          factors[c] = Float(s)
          constants[c] = Float((Double(bias?[c] ?? 0) - Double(mean[c])) * s + Double(beta[c]))
        }
      }
    }
    self.scale = scale
    self.bias = shift
  }

  /// A kernel `[..., columns]` with its columns multiplied, for products that take kernels as they lie.
  func scaled(_ plan: PlanBuilder, _ kernel: Tensor) throws(NNKitError) -> Tensor {
    guard let scale else { return kernel }
    let columns = scale.count
    let rows = kernel.count / columns
    let product = Tensor(buffer: try plan.packed([kernel.count]).buffer, batch: 1, type: kernel.type)
    plan.packingStep("scale weights", reads: [kernel, scale], writes: [product], tiles: 1, work: [kernel.count]) {
      binding in
      let (source, target) = (binding.floats(kernel), binding.floats(product))
      let factors = UnsafePointer(binding.floats(scale))
      return { _, _ in
        target.update(from: source, count: rows * columns)
        scaleColumns(target, depth: rows, panelColumns: columns, by: factors, columns: columns)
      }
    }
    return product
  }
}

/// Multiplies each of the first `columns` columns of a matrix of `depth` rows, `panelColumns` apart, with its factor.
func scaleColumns(
  _ panel: UnsafeMutablePointer<Float>, depth: Int, panelColumns: Int, by scale: UnsafePointer<Float>, columns: Int
) {
  for k in 0..<depth {
    let row = panel + k * panelColumns
    for n in 0..<columns { row[n] *= scale[n] }
  }
}
