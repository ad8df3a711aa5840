import Glibc

/// One step's product with a recurrent layer's weights, and its gradient, in plain loops.
private struct Gates {
  /// `[depth, gates · units]`.
  let weights: [Double]
  let columns: Int

  /// `z += x W` for some of the columns.
  func add(_ x: [Double], to z: inout [Double], _ range: Range<Int>) {
    for (i, value) in x.enumerated() { for c in range { z[c] += value * weights[i * columns + c] } }
  }

  /// `dx += dz Wᵀ` and `dW += xᵀ dz` for some of the columns.
  func addGradient(
    _ x: [Double], _ dz: [Double], _ range: Range<Int>, to dx: inout [Double], _ dWeights: inout [Double]
  ) {
    for i in x.indices {
      for c in range {
        dx[i] += dz[c] * weights[i * columns + c]
        dWeights[i * columns + c] += x[i] * dz[c]
      }
    }
  }
}

extension RecurrentSequence {
  /// How many steps each sequence has: what an input says, or what its values carry, or all.
  fileprivate func steps(_ node: ReferenceNode) -> [Int] {
    if node.inputs.count > 1 { return node.inputs[1].values.map { Int($0) } }
    return node.x.lengths ?? Array(repeating: node.x.shape[0], count: node.x.batch)
  }

  /// The output of states `[N][t]`: each of them and zeros behind, or each sequence's last one.
  fileprivate func output(_ node: ReferenceNode, _ states: [[[Double]]]) -> ReferenceTensor {
    var y = ReferenceTensor(batch: node.x.batch, shape: node.outputTypes[0].shape)
    for (n, states) in states.enumerated() {
      for (t, state) in states.enumerated() where returnsSequences || t == states.count - 1 {
        let first = n * y.sampleCount + (returnsSequences ? t * units : 0)
        y.values.replaceSubrange(first..<first + units, with: state)
      }
    }
    let hasLengths = node.inputs.count > 1 || node.x.lengths != nil
    if returnsSequences && hasLengths { y.lengths = steps(node) }
    return y
  }

  /// The part of the output's gradient that belongs to a step.
  fileprivate func dState(_ dy: [Double], _ node: ReferenceNode, _ n: Int, _ t: Int, last: Int) -> [Double] {
    if !returnsSequences {
      return t == last ? Array(dy[n * units..<(n + 1) * units]) : Array(repeating: 0, count: units)
    }
    let first = (n * node.x.shape[0] + t) * units
    return Array(dy[first..<first + units])
  }

  fileprivate func input(_ node: ReferenceNode, _ n: Int, _ t: Int) -> [Double] {
    let first = (n * node.x.shape[0] + t) * inputs
    return Array(node.x.values[first..<first + inputs])
  }
}

/// The largest magnitude of both.
private func largest(_ a: [Double], _ b: [Double]) -> Double { (a + b).reduce(0) { max($0, abs($1)) } }

/// One step of an LSTM, kept for its gradient.
private struct LSTMStep {
  var (i, f, g, o): ([Double], [Double], [Double], [Double])
  var (c, h): ([Double], [Double])

  init(_ z: [Double], _ previous: [Double], units: Int) {
    func gate(_ index: Int, _ function: (Double) -> Double) -> [Double] {
      z[index * units..<(index + 1) * units].map(function)
    }
    (i, f, g, o) = (gate(0, logistic), gate(1, logistic), gate(2, tanh), gate(3, logistic))
    c = []
    h = []
    for u in 0..<units {
      c.append(f[u] * previous[u] + i[u] * g[u])
      h.append(o[u] * tanh(c[u]))
    }
  }
}

extension LSTMOperation {
  /// All steps of sequence `n`.
  private func steps(_ node: ReferenceNode, _ n: Int) -> [LSTMStep] {
    let units = sequence.units
    let (kernel, recurrent) = (
      Gates(weights: node.parameters[0], columns: 4 * units), Gates(weights: node.parameters[1], columns: 4 * units)
    )
    var steps: [LSTMStep] = []
    let zero = Array(repeating: 0.0, count: units)
    for t in 0..<sequence.steps(node)[n] {
      var z = hasBias ? node.parameters[2] : Array(repeating: 0, count: 4 * units)
      kernel.add(sequence.input(node, n, t), to: &z, 0..<4 * units)
      recurrent.add(steps.last?.h ?? zero, to: &z, 0..<4 * units)
      node.noise?.change(&z, roundings: 1)
      steps.append(LSTMStep(z, steps.last?.c ?? zero, units: units))
    }
    return steps
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    ReferenceResult(outputs: [sequence.output(node, (0..<node.x.batch).map { steps(node, $0).map(\.h) })])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let units = sequence.units
    let (kernel, recurrent) = (
      Gates(weights: node.parameters[0], columns: 4 * units), Gates(weights: node.parameters[1], columns: 4 * units)
    )
    let zero = Array(repeating: 0.0, count: units)
    var dx = Array(repeating: 0.0, count: node.x.values.count)
    var (dKernel, dRecurrent) = (node.parameters[0].map { _ in 0.0 }, node.parameters[1].map { _ in 0.0 })
    var dBias = Array(repeating: 0.0, count: 4 * units)
    for n in 0..<node.x.batch {
      let steps = steps(node, n)
      var (dh, dc) = (zero, zero)
      for (t, step) in steps.enumerated().reversed() {
        let previous = t > 0 ? steps[t - 1] : nil
        let dy = sequence.dState(dOutputs[0], node, n, t, last: steps.count - 1)
        var dz = Array(repeating: 0.0, count: 4 * units)
        for u in 0..<units {
          dh[u] += dy[u]
          let cell = tanh(step.c[u])
          dc[u] += dh[u] * step.o[u] * (1 - cell * cell)
          dz[u] = dc[u] * step.g[u] * step.i[u] * (1 - step.i[u])
          dz[units + u] = dc[u] * (previous?.c[u] ?? 0) * step.f[u] * (1 - step.f[u])
          dz[2 * units + u] = dc[u] * step.i[u] * (1 - step.g[u] * step.g[u])
          dz[3 * units + u] = dh[u] * cell * step.o[u] * (1 - step.o[u])
          dc[u] *= step.f[u]
        }
        // The functions of gates are differentiated by differences from 1.
        node.noise?.change(&dz, roundings: 1, size: largest(dh, dc))
        var dInput = Array(repeating: 0.0, count: sequence.inputs)
        kernel.addGradient(sequence.input(node, n, t), dz, 0..<4 * units, to: &dInput, &dKernel)
        dh = zero
        recurrent.addGradient(previous?.h ?? zero, dz, 0..<4 * units, to: &dh, &dRecurrent)
        for c in dz.indices { dBias[c] += dz[c] }
        let first = (n * node.x.shape[0] + t) * sequence.inputs
        dx.replaceSubrange(first..<first + sequence.inputs, with: dInput)
      }
    }
    let dParameters = hasBias ? [dKernel, dRecurrent, dBias] : [dKernel, dRecurrent]
    return ReferenceGradient(dInputs: [dx] + node.inputs.dropFirst().map { _ in nil }, dParameters: dParameters)
  }
}

/// One step of a GRU, kept for its gradient.
private struct GRUStep {
  var (z, r, g, h): ([Double], [Double], [Double], [Double])
  /// `r ⊙ h_{t-1}`, or with `resetsAfter` `R_g h_{t-1} + b_r`.
  var q: [Double]
}

extension GRUOperation {
  private func weights(_ node: ReferenceNode) -> (kernel: Gates, recurrent: Gates) {
    (
      Gates(weights: node.parameters[0], columns: 3 * sequence.units),
      Gates(weights: node.parameters[1], columns: 3 * sequence.units)
    )
  }

  /// All steps of sequence `n`.
  private func steps(_ node: ReferenceNode, _ n: Int) -> [GRUStep] {
    let units = sequence.units
    let (kernel, recurrent) = weights(node)
    let zero = Array(repeating: 0.0, count: units)
    let candidate = 2 * units..<3 * units
    var steps: [GRUStep] = []
    for t in 0..<sequence.steps(node)[n] {
      let previous = steps.last?.h ?? zero
      var a = hasBias ? node.parameters[2] : Array(repeating: 0, count: 3 * units)
      kernel.add(sequence.input(node, n, t), to: &a, 0..<3 * units)
      recurrent.add(previous, to: &a, 0..<2 * units)
      node.noise?.change(&a, roundings: 1)
      let (z, r) = (a[0..<units].map(logistic), a[units..<2 * units].map(logistic))
      var q: [Double]
      if resetsAfter {
        var product = Array(repeating: 0.0, count: 3 * units)
        if hasBias { product.replaceSubrange(candidate, with: node.parameters[3]) }
        recurrent.add(previous, to: &product, candidate)
        q = Array(product[candidate])
        for u in 0..<units { a[2 * units + u] += r[u] * q[u] }
      } else {
        q = zip(r, previous).map { $0 * $1 }
        recurrent.add(q, to: &a, candidate)
      }
      let g = a[candidate].map { tanh($0) }
      let h = (0..<units).map { (1 - z[$0]) * previous[$0] + z[$0] * g[$0] }
      steps.append(GRUStep(z: z, r: r, g: g, h: h, q: q))
    }
    return steps
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    ReferenceResult(outputs: [sequence.output(node, (0..<node.x.batch).map { steps(node, $0).map(\.h) })])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let units = sequence.units
    let (kernel, recurrent) = weights(node)
    let zero = Array(repeating: 0.0, count: units)
    let candidate = 2 * units..<3 * units
    var dx = Array(repeating: 0.0, count: node.x.values.count)
    var (dKernel, dRecurrent) = (node.parameters[0].map { _ in 0.0 }, node.parameters[1].map { _ in 0.0 })
    var (dBias, dRecurrentBias) = (Array(repeating: 0.0, count: 3 * units), zero)
    for n in 0..<node.x.batch {
      let steps = steps(node, n)
      var dh = zero
      for (t, step) in steps.enumerated().reversed() {
        let previous = t > 0 ? steps[t - 1].h : zero
        let dy = sequence.dState(dOutputs[0], node, n, t, last: steps.count - 1)
        // Of the sums before the functions of the gates.
        var da = Array(repeating: 0.0, count: 3 * units)
        var dPrevious = zero
        for u in 0..<units {
          dh[u] += dy[u]
          dPrevious[u] = dh[u] * (1 - step.z[u])
          da[u] = dh[u] * (step.g[u] - previous[u]) * step.z[u] * (1 - step.z[u])
          da[2 * units + u] = dh[u] * step.z[u] * (1 - step.g[u] * step.g[u])
        }
        node.noise?.change(&da, roundings: 1, size: largest(dh, dh))
        var dReset = zero
        if resetsAfter {
          var dq = Array(repeating: 0.0, count: 3 * units)
          for u in 0..<units {
            dReset[u] = da[2 * units + u] * step.q[u]
            dq[2 * units + u] = da[2 * units + u] * step.r[u]
            dRecurrentBias[u] += dq[2 * units + u]
          }
          recurrent.addGradient(previous, dq, candidate, to: &dPrevious, &dRecurrent)
        } else {
          var dq = zero
          recurrent.addGradient(step.q, da, candidate, to: &dq, &dRecurrent)
          for u in 0..<units {
            dReset[u] = dq[u] * previous[u]
            dPrevious[u] += dq[u] * step.r[u]
          }
        }
        for u in 0..<units { da[units + u] = dReset[u] * step.r[u] * (1 - step.r[u]) }
        node.noise?.change(&da, roundings: 1, size: largest(dh, dReset))
        recurrent.addGradient(previous, da, 0..<2 * units, to: &dPrevious, &dRecurrent)
        var dInput = Array(repeating: 0.0, count: sequence.inputs)
        kernel.addGradient(sequence.input(node, n, t), da, 0..<3 * units, to: &dInput, &dKernel)
        for c in da.indices { dBias[c] += da[c] }
        let first = (n * node.x.shape[0] + t) * sequence.inputs
        dx.replaceSubrange(first..<first + sequence.inputs, with: dInput)
        dh = dPrevious
      }
    }
    let dBiases = hasBias ? (resetsAfter ? [dBias, dRecurrentBias] : [dBias]) : []
    return ReferenceGradient(
      dInputs: [dx] + node.inputs.dropFirst().map { _ in nil }, dParameters: [dKernel, dRecurrent] + dBiases)
  }
}

/// An embedding whose rows go into a recurrent layer, one behind the other. The reference goes through graphs as they
/// were written, where no such operation is; it has one like every other.
extension EmbeddedOperation {
  private func embedded(_ node: ReferenceNode) -> (table: ReferenceNode, recurrent: ReferenceNode, ReferenceResult) {
    let count = recurrent.parameters.count
    let rows = ValueType(.float32, Shape(node.x.shape.sizes + [embedding.units]))
    let table = ReferenceNode(
      index: node.index, inputs: [node.x], parameters: [node.parameters[count]], outputTypes: [rows], mode: node.mode,
      choices: nil, noise: node.noise)
    let result = embedding.reference(table)
    let inner = ReferenceNode(
      index: node.index, inputs: result.outputs + node.inputs.dropFirst(),
      parameters: Array(node.parameters.prefix(count)), outputTypes: node.outputTypes, mode: node.mode, choices: nil,
      noise: node.noise)
    return (table, inner, result)
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { recurrent.reference(embedded(node).recurrent) }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let (table, inner, rows) = embedded(node)
    let gradient = recurrent.referenceGradient(inner, result, dOutputs)
    let dTable = embedding.referenceGradient(table, rows, [gradient.dInputs[0] ?? []])
    return ReferenceGradient(
      dInputs: node.inputs.map { _ in nil }, dParameters: gradient.dParameters + dTable.dParameters)
  }
}
