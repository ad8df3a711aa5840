import NNKitKernelTable

/// A long short-term memory over a whole sequence, forward and backward as one operation each:
///
///     f_t = σ(W_f [h_{t-1}, x_t] + b_f)     i_t, o_t alike     g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
///     c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t       h_t = o_t ⊙ tanh(c_t)
///
/// Shape: `x` `[T, I]`; optionally `lengths` `[]`, int32, `1 ... T`; `y` `[T, U]` or, for the last state, `[U]`.
/// Behind a sequence's length `y` is zero, and the last state is that of its own last step.
/// Parameters: kernel `[I, 4U]`, recurrent kernel `[U, 4U]`, bias `[4U]`; the gates lie in the order `i f g o`.
/// Source: Hochreiter and Schmidhuber (1997), with forget gates as Gers et al. (2000).
package struct LSTMOperation: Operation {
  package let inputs: Int
  package let units: Int
  package let returnsSequences: Bool
  package let hasBias: Bool
  package let forgetBias: Double
  package let kernelInitializer: Initializer
  package let recurrentInitializer: Initializer

  package var parameters: [ParameterSpecification] {
    let kernel = ParameterSpecification("kernel", [inputs, 4 * units], kernelInitializer, fanIn: inputs, fanOut: units)
    let recurrent = ParameterSpecification(
      "recurrent_kernel", [units, 4 * units], recurrentInitializer, fanIn: units, fanOut: units)
    let bias = ParameterSpecification(
      "bias", [4 * units], .zeros, fanIn: inputs, fanOut: units, offset: (units..<2 * units, Float(forgetBias)))
    return hasBias ? [kernel, recurrent, bias] : [kernel, recurrent]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    try requireRank(inputs[0], 2, "[T, \(self.inputs)]")
    let shape = inputs[0].shape
    guard shape[1] == self.inputs else {
      throw NNKitError(.shape, "the input has shape \(shape); expected [T, \(self.inputs)]")
    }
    if inputs.count > 1 {
      guard inputs[1].dataType == .int32, inputs[1].shape.rank == 0 else {
        throw NNKitError(
          inputs[1].dataType == .int32 ? .shape : .type,
          "the lengths are \(inputs[1]); expected int32 [], one number for each sequence")
      }
    }
    return [ValueType(.float32, returnsSequences ? [shape[0], units] : [units])]
  }

  package func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>? {
    index == 1 ? 1...Int32(clamping: max(1, inputs[0].shape[0])) : nil
  }

  /// How many sequences one tile advances through time together. Few rows leave registers idle and read the
  /// recurrent weights more often; many leave threads idle. Large weights are read from far away, so rows win.
  private func rowsPerTile(_ batch: Int) -> Int {
    units <= 128 ? min(max(ceilDivide(batch, 8), 4), 16) : min(max(ceilDivide(batch, 2), 8), 16)
  }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let sequences = node.inputs.count > 1 ? SequenceLengths(tensor: node.inputs[1]) : nil
    let (batch, time, units) = (plan.batch, x.shape[0], units)
    let y = try plan.tensor(try outputTypes(node.inputs.map(\.type))[0])
    let gates = try plan.tensor(ValueType(.float32, [time, 4 * units]))
    let hidden = returnsSequences ? y : try plan.tensor(ValueType(.float32, [time, units]))
    // Without a backward pass each sequence needs one cell state only.
    let keepsCells = plan.isTraining
    let cells = try plan.tensor(ValueType(.float32, keepsCells ? [time, units] : [units]))

    let inputWeights = try plan.packMatrix(node.parameters[0], depth: inputs, columns: 4 * units)
    plan.matrixProduct(
      "lstm inputs", x, rows: batch * time, inputWeights, bias: hasBias ? node.parameters[2] : nil, .linear, to: gates,
      sequences: sequences)

    let recurrentWeights = try plan.packMatrix(node.parameters[1], depth: units, columns: 4 * units)
    let rowsPerTile = rowsPerTile(batch)
    let scratch = try plan.scratch(floats: RowList.floats(rowsPerTile))
    let noTap = plan.table([0])
    let kernels = plan.kernels
    let returnsSequences = returnsSequences
    plan.step(
      "lstm", reads: [gates] + (sequences.map { [$0.tensor] } ?? []), writes: [gates, hidden, cells, y],
      scratch: scratch, tiles: ceilDivide(batch, rowsPerTile), work: [batch * time, units, 4 * units]
    ) { binding in
      let (g, h, c, output) = (
        binding.floats(gates), binding.floats(hidden), binding.floats(cells), binding.floats(y)
      )
      let lengths = sequences.map { binding.integers($0.tensor) }
      let weights = UnsafePointer(binding.floats(recurrentWeights.tensor))
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let first = tile * rowsPerTile
        let last = min(first + rowsPerTile, batch)
        var rows = RowList(workspace.base + worker * workspace.stride, capacity: rowsPerTile)
        for t in 0..<time {
          rows.removeAll()
          for n in first..<last where lengths.map({ t < Int($0[n]) }) ?? true {
            rows.append(a: (n * time + t - 1) * units, c: (n * time + t) * 4 * units)
          }
          if rows.count == 0 { break }
          if t > 0 {
            kernels.rowProducts(
              rows, a: UnsafePointer(h), taps, recurrentWeights, weights, to: g, accumulate: true)
          }
          for i in 0..<rows.count {
            let row = rows.c[i] / (4 * units)
            let cell = keepsCells ? c + row * units : c + row / time * units
            let previous = keepsCells ? cell - units : cell
            kernels.lstmCellForward(
              LSTMCell(
                gates: g + rows.c[i], cPrevious: t > 0 ? UnsafePointer(previous) : nil, c: cell, h: h + row * units,
                units: units))
          }
        }
        for n in first..<last {
          let length = lengths.map { Int($0[n]) } ?? time
          if returnsSequences {
            (output + (n * time + length) * units).update(repeating: 0, count: (time - length) * units)
          } else {
            (output + n * units).update(from: h + (n * time + length - 1) * units, count: units)
          }
        }
      }
    }
    return ForwardResult(outputs: [y], saved: [gates, hidden, cells])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    let noGradients = Array(repeating: Tensor?.none, count: node.inputs.count)
    guard let dy = node.dOutputs[0] else { return noGradients }
    let x = node.inputs[0]
    let sequences = node.inputs.count > 1 ? SequenceLengths(tensor: node.inputs[1]) : nil
    let (batch, time, units) = (plan.batch, x.shape[0], units)
    let (gates, hidden, cells) = (node.saved[0], node.saved[1], node.saved[2])

    // Through time, from the last step to the first: the activations of the gates become the gradients of their
    // pre-activations, in place.
    let dHidden = try plan.tensor(ValueType(.float32, [units]))
    let dCell = try plan.tensor(ValueType(.float32, [units]))
    let transposed = try plan.packTransposed(node.parameters[1], depth: 4 * units, columns: units)
    let rowsPerTile = rowsPerTile(batch)
    let scratch = try plan.scratch(floats: RowList.floats(rowsPerTile))
    let noTap = plan.table([0])
    let (kernels, returnsSequences) = (plan.kernels, returnsSequences)
    plan.step(
      "lstm gradient", reads: [dy, cells] + (sequences.map { [$0.tensor] } ?? []), writes: [gates, dHidden, dCell],
      scratch: scratch, tiles: ceilDivide(batch, rowsPerTile), work: [batch * time, units, 4 * units]
    ) { binding in
      let (dOutput, c, g) = (
        UnsafePointer(binding.floats(dy)), UnsafePointer(binding.floats(cells)), binding.floats(gates)
      )
      let (dh, dc) = (binding.floats(dHidden), binding.floats(dCell))
      let lengths = sequences.map { binding.integers($0.tensor) }
      let weights = UnsafePointer(binding.floats(transposed.tensor))
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let first = tile * rowsPerTile
        let last = min(first + rowsPerTile, batch)
        var rows = RowList(workspace.base + worker * workspace.stride, capacity: rowsPerTile)
        (dc + first * units).update(repeating: 0, count: (last - first) * units)
        if returnsSequences {
          (dh + first * units).update(repeating: 0, count: (last - first) * units)
        } else {
          (dh + first * units).update(from: dOutput + first * units, count: (last - first) * units)
        }
        var t = time - 1
        while t >= 0 {
          rows.removeAll()
          for n in first..<last where lengths.map({ t < Int($0[n]) }) ?? true {
            rows.append(a: (n * time + t) * 4 * units, c: n * units)
            if returnsSequences { kernels.accumulate(dOutput + (n * time + t) * units, dh + n * units, units) }
            let cell = c + (n * time + t) * units
            kernels.lstmCellBackward(
              LSTMCellGradient(
                gates: g + (n * time + t) * 4 * units, cPrevious: t > 0 ? cell - units : nil, c: cell,
                dh: UnsafePointer(dh + n * units), dc: dc + n * units, units: units))
          }
          // dh_{t-1} = dGates_t Rᵀ
          if t > 0 && rows.count > 0 {
            kernels.rowProducts(rows, a: UnsafePointer(g), taps, transposed, weights, to: dh, accumulate: false)
          }
          t -= 1
        }
      }
    }

    // dK = Σ x_tᵀ dGates_t, db = Σ dGates_t, dR = Σ h_{t-1}ᵀ dGates_t
    let perInput = DepthLoops(
      outer: sequences == nil ? 1 : batch, inner: sequences == nil ? batch * time : time, aOuterStep: time * inputs,
      aInnerStep: inputs, bOuterStep: time * 4 * units, bInnerStep: 4 * units, sequences: sequences)
    try plan.weightGradient(
      "lstm kernel gradient", x, gates, perInput, rows: inputs, columns: 4 * units, to: node.dParameters[0],
      bias: hasBias ? node.dParameters[2] : nil)
    let perState = DepthLoops(
      outer: batch, inner: time - 1, aOuterStep: time * units, aInnerStep: units, bStart: 4 * units,
      bOuterStep: time * 4 * units, bInnerStep: 4 * units, sequences: sequences, lengthLess: 1)
    try plan.weightGradient(
      "lstm recurrent gradient", hidden, gates, perState, rows: units, columns: 4 * units, to: node.dParameters[1],
      bias: nil)

    guard node.wantsInput[0] else { return noGradients }
    // dx_t = dGates_t Kᵀ
    let dx = try plan.tensor(x.type)
    let inputWeights = try plan.packTransposed(node.parameters[0], depth: 4 * units, columns: inputs)
    plan.matrixProduct(
      "lstm input gradient", gates, rows: batch * time, inputWeights, bias: nil, .linear, to: dx, sequences: sequences,
      zeroesPadding: true)
    return [dx] + noGradients.dropFirst()
  }
}

/// The rows of one recurrent product: where each begins in `A` and in `C`. Lives in a worker's scratch memory.
private struct RowList {
  let a: UnsafeMutablePointer<Int>
  let c: UnsafeMutablePointer<Int>
  private(set) var count = 0

  /// The size of the scratch memory for `capacity` rows.
  static func floats(_ capacity: Int) -> Int { 2 * capacity * MemoryLayout<Int>.stride / MemoryLayout<Float>.stride }

  init(_ memory: UnsafeMutablePointer<Float>, capacity: Int) {
    a = UnsafeMutableRawPointer(memory).bindMemory(to: Int.self, capacity: 2 * capacity)
    c = a + capacity
  }

  mutating func removeAll() { count = 0 }

  mutating func append(a aOffset: Int, c cOffset: Int) {
    a[count] = aOffset
    c[count] = cOffset
    count += 1
  }
}

extension KernelTable {
  /// `C[rows] (+)= A[rows] · B` for the listed rows, panel by panel.
  fileprivate func rowProducts(
    _ rows: RowList, a: UnsafePointer<Float>, _ taps: UnsafePointer<Int>, _ b: PackedWeights,
    _ panels: UnsafePointer<Float>, to c: UnsafeMutablePointer<Float>, accumulate: Bool
  ) {
    if rows.count == 1 {
      vectorProduct(
        VectorProduct(
          a: a + rows.a[0], depth: b.depth, b: panels, panelStride: b.panelElements, c: c + rows.c[0],
          columns: b.columns, accumulate: accumulate))
      return
    }
    for panel in 0..<b.panels {
      let column = panel * b.panelColumns
      rowProduct(
        RowProduct(
          a: a, aRows: rows.a, taps: taps, tapCount: 1, depth: b.depth, b: panels + panel * b.panelElements,
          c: c + column, cRows: rows.c, rows: rows.count, columns: min(b.panelColumns, b.columns - column),
          accumulate: accumulate))
    }
  }
}
