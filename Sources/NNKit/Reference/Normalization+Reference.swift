import Glibc

/// `y = f(γ (x - μ) / √(σ² + ε) + β)` over the last axis.
extension BatchNormOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    let (x, rows) = (node.x, node.x.realRows)
    let (gamma, beta) = (node.parameters[0], node.parameters[1])
    var (mean, variance) = (node.parameters[2], node.parameters[3])
    var nextState: [Int: [Double]] = [:]
    if node.mode.isTraining {
      for c in 0..<channels {
        mean[c] = rows.reduce(0) { $0 + x.values[$1 * channels + c] } / Double(rows.count)
        variance[c] =
          rows.reduce(0) { sum, row in
            let distance = x.values[row * channels + c] - mean[c]
            return sum + distance * distance
          } / Double(rows.count)
      }
      // Squares of differences from a row that lies far from the others are some tens of times as large as the variance.
      node.noise?.changeEach(&variance, roundings: 24)
      // So is the mean's rounding, as large as those differences.
      for c in 0..<channels {
        let first = x.values[rows[0] * channels + c]
        let farthest = rows.reduce(0) { max($0, abs(x.values[$1 * channels + c] - first)) }
        var rounded = [mean[c]]
        node.noise?.change(&rounded, roundings: 2, size: farthest)
        mean[c] = rounded[0]
      }
      // One row says nothing about a variance.
      let unbiased = rows.count > 1 ? Double(rows.count) / Double(rows.count - 1) : nil
      let (mean, variance) = (mean, variance)
      nextState[2] = mean.indices.map { momentum * node.parameters[2][$0] + (1 - momentum) * mean[$0] }
      nextState[3] = variance.indices.map { c in
        let old = node.parameters[3][c]
        return momentum * old + (1 - momentum) * (unbiased.map { $0 * variance[c] } ?? old)
      }
    }
    // Rounded once for all rows, whose sums cancel only without.
    node.noise?.changeEach(&mean, roundings: 1)
    var z = x
    for row in 0..<x.rows {
      for c in 0..<channels {
        let normal = (x.values[row * channels + c] - mean[c]) / (variance[c] + epsilon).squareRoot()
        z.values[row * channels + c] = gamma[c] * normal + beta[c]
      }
    }
    var result = ReferenceResult(activating: z, activation, forced: node.choices)
    result.saved += [mean, variance]
    result.nextState = nextState
    return result
  }

  /// With `x̂ = (x - μ) / √(σ² + ε)` over `m` rows: `dγ = Σ dz x̂`, `dβ = Σ dz`,
  /// `dx = γ / √(σ² + ε) (dz - dβ / m - x̂ dγ / m)`.
  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let (x, rows, gamma) = (node.x, node.x.realRows, node.parameters[0])
    let dz = result.dActivation(node, activation, dOutputs[0])
    let (mean, variance) = (result.saved[1], result.saved[2])
    var dx = Array(repeating: 0.0, count: x.values.count)
    var (dGamma, dBeta) = (Array(repeating: 0.0, count: channels), Array(repeating: 0.0, count: channels))
    for c in 0..<channels {
      let deviation = (variance[c] + epsilon).squareRoot()
      func normal(_ row: Int) -> Double { (x.values[row * channels + c] - mean[c]) / deviation }
      for row in rows {
        dGamma[c] += dz[row * channels + c] * normal(row)
        dBeta[c] += dz[row * channels + c]
      }
      // Rounded once for all rows, as large as what they are taken from; then what is left, for each row.
      let largest = rows.reduce(0) { max($0, abs(dz[$1 * channels + c])) }
      var means = [dBeta[c] / Double(rows.count), dGamma[c] / Double(rows.count)]
      node.noise?.change(&means, roundings: 2, size: largest)
      var centred = rows.map { dz[$0 * channels + c] - means[0] - normal($0) * means[1] }
      node.noise?.change(&centred, roundings: 2, size: largest)
      for (row, value) in zip(rows, centred) { dx[row * channels + c] = gamma[c] / deviation * value }
    }
    return ReferenceGradient(dInputs: [dx], dParameters: [dGamma, dBeta])
  }
}

/// `y_i = exp(x_i) / Σ_j exp(x_j)` over the last axis, or its logarithm.
extension SoftmaxOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    var y = node.x
    let columns = node.x.columns
    for row in 0..<node.x.rows {
      let range = row * columns..<(row + 1) * columns
      let logSum = logSumExp(node.x.values[range])
      for i in range {
        let logarithm = node.x.values[i] - logSum
        y.values[i] = self.logarithm ? logarithm : exp(logarithm)
      }
    }
    // The sum of the exponentials is rounded once for its row.
    node.noise?.change(&y.values, roundings: 2, size: logarithm ? 1 : 0)
    return ReferenceResult(outputs: [y])
  }

  /// `dx_i = y_i (dy_i - Σ_j y_j dy_j)`; of the logarithm `dx_i = dy_i - exp(y_i) Σ_j dy_j`.
  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let (y, dy, columns) = (result.outputs[0].values, dOutputs[0], node.x.columns)
    var dx = Array(repeating: 0.0, count: y.count)
    for row in 0..<node.x.rows {
      let range = row * columns..<(row + 1) * columns
      let sum = range.reduce(0) { $0 + (logarithm ? 1 : y[$1]) * dy[$1] }
      for i in range { dx[i] = logarithm ? dy[i] - exp(y[i]) * sum : y[i] * (dy[i] - sum) }
    }
    node.noise?.change(&dx, roundings: 1, size: dy.reduce(0) { max($0, abs($1)) })
    return ReferenceGradient(dInputs: [dx])
  }
}

/// `log Σ exp(x)`, without overflow.
func logSumExp(_ x: ArraySlice<Double>) -> Double {
  let largest = x.max() ?? 0
  return largest + log(x.reduce(0) { $0 + exp($1 - largest) })
}
