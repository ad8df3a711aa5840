import NNKitKernelTable

/// A long short-term memory over a whole sequence, forward and backward as one operation each:
///
///     f_t = σ(W_f [h_{t-1}, x_t] + b_f)     i_t, o_t alike     g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
///     c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t       h_t = o_t ⊙ tanh(c_t)
///
/// Shape: see `RecurrentSequence`.
/// Parameters: kernel `[I, 4U]`, recurrent kernel `[U, 4U]`, bias `[4U]`; the gates lie in the order `i f g o`.
/// Source: Hochreiter and Schmidhuber (1997), with forget gates as Gers et al. (2000).
package struct LSTMOperation: RecurrentOperation {
  package let sequence: RecurrentSequence
  package let hasBias: Bool
  package let forgetBias: Double
  package let kernelInitializer: Initializer
  package let recurrentInitializer: Initializer

  private var inputs: Int { sequence.inputs }
  private var units: Int { sequence.units }

  package var parameters: [ParameterSpecification] {
    let kernel = ParameterSpecification("kernel", [inputs, 4 * units], kernelInitializer, fanIn: inputs, fanOut: units)
    let recurrent = ParameterSpecification(
      "recurrent_kernel", [units, 4 * units], recurrentInitializer, fanIn: units, fanOut: units)
    let bias = ParameterSpecification(
      "bias", [4 * units], .zeros, fanIn: inputs, fanOut: units, offset: (units..<2 * units, Float(forgetBias)))
    return hasBias ? [kernel, recurrent, bias] : [kernel, recurrent]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try sequence.outputTypes(inputs)
  }

  package func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>? {
    sequence.inputRange(index, inputs)
  }

  func forward(
    _ plan: PlanBuilder, _ node: ForwardNode, _ input: RecurrentInput
  ) throws(NNKitError) -> ForwardResult {
    let sequences = sequence.lengths(node.inputs)
    let (batch, time, units) = (plan.batch, node.inputs[0].shape[0], units)
    let tiles = SequenceTiles(batch: batch, time: time, units: units)
    if !plan.isTraining && tiles.count == 1 { return try forwardByUnits(plan, node) }
    var y = try plan.tensor(ValueType(.float32, sequence.returnsSequences ? [time, units] : [units]))
    y.isBounded = true
    let gates = try plan.tensor(ValueType(.float32, [time, 4 * units]))
    let hidden = sequence.returnsSequences ? y : try plan.tensor(ValueType(.float32, [time, units]))
    // Without a backward pass each sequence needs one cell state only.
    let keepsCells = plan.isTraining
    let cells = try plan.tensor(ValueType(.float32, keepsCells ? [time, units] : [units]))

    let inputRows = try input.addProduct(
      plan, "lstm", node, inputs: inputs, bias: hasBias ? node.parameters[2] : nil, to: gates, sequences,
      allowsPairs: sequence.allowsPairs)

    let recurrentWeights = try plan.packMatrix(
      node.parameters[1], depth: units, columns: 4 * units,
      inPairs: sequence.pairsSteps(plan, tiles, depth: units, columns: 4 * units))
    let listFloats = RowList.floats(tiles.rowsPerTile)
    let scratch = try plan.scratch(floats: listFloats + recurrentWeights.rowFloats(plan.kernels))
    let noTap = plan.table([0])
    let (kernels, sequence) = (plan.kernels, sequence)
    plan.step(
      "lstm", reads: [gates] + recurrentWeights.tensors + sequence.reads(inputRows, sequences),
      writes: [gates, hidden, cells, y],
      scratch: scratch, tiles: tiles.count, work: [batch * time, units, 4 * units]
    ) { binding in
      let (g, h, c, output) = (
        binding.floats(gates), binding.floats(hidden), binding.floats(cells), binding.floats(y)
      )
      let lengths = sequences.map { binding.integers($0.tensor) }
      let inputRows = inputRows?.bind(binding)
      let weights = BoundWeights(binding, recurrentWeights)
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let tile = tiles.sequences(tile, lengths)
        let memory = workspace.base + worker * workspace.stride
        var rows = RowList(memory, capacity: tiles.rowsPerTile)
        for t in 0..<time {
          rows.removeAll()
          for n in tile.range where t < tile.length(n) {
            rows.append(a: (n * time + t - 1) * units, c: (n * time + t) * 4 * units)
            inputRows?.copy(n * time + t, to: g)
          }
          if rows.count == 0 { break }
          if t > 0 {
            kernels.rowProducts(
              rows, a: UnsafePointer(h), taps, weights, to: g, accumulate: true, scratch: memory + listFloats)
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
        sequence.writeOutput(tile, h, to: output)
      }
    }
    return ForwardResult(outputs: [y], saved: [gates, hidden, cells])
  }

  func backward(
    _ plan: PlanBuilder, _ node: BackwardNode, _ input: RecurrentInput
  ) throws(NNKitError) -> [Tensor?] {
    let noGradients = Array(repeating: Tensor?.none, count: node.inputs.count)
    guard let dy = node.dOutputs[0] else { return noGradients }
    let sequences = sequence.lengths(node.inputs)
    let (batch, time, units) = (plan.batch, node.inputs[0].shape[0], units)
    let (gates, hidden, cells) = (node.saved[0], node.saved[1], node.saved[2])

    // Through time, from the last step to the first: the activations of the gates become the gradients of their
    // pre-activations, in place.
    let dHidden = try plan.tensor(ValueType(.float32, [units]))
    let dCell = try plan.tensor(ValueType(.float32, [units]))
    let tiles = SequenceTiles(batch: batch, time: time, units: units)
    let transposed = try plan.packTransposed(
      node.parameters[1], depth: 4 * units, columns: units,
      inPairs: sequence.pairsSteps(plan, tiles, depth: 4 * units, columns: units))
    let listFloats = RowList.floats(tiles.rowsPerTile)
    let scratch = try plan.scratch(floats: listFloats + transposed.rowFloats(plan.kernels))
    let noTap = plan.table([0])
    let (kernels, sequence) = (plan.kernels, sequence)
    plan.step(
      "lstm gradient", reads: [dy, cells] + transposed.tensors + (sequences.map { [$0.tensor] } ?? []),
      writes: [gates, dHidden, dCell],
      scratch: scratch, tiles: tiles.count, work: [batch * time, units, 4 * units]
    ) { binding in
      let (dOutput, c, g) = (
        UnsafePointer(binding.floats(dy)), UnsafePointer(binding.floats(cells)), binding.floats(gates)
      )
      let (dh, dc) = (binding.floats(dHidden), binding.floats(dCell))
      let lengths = sequences.map { binding.integers($0.tensor) }
      let weights = BoundWeights(binding, transposed)
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let tile = tiles.sequences(tile, lengths)
        let memory = workspace.base + worker * workspace.stride
        var rows = RowList(memory, capacity: tiles.rowsPerTile)
        (dc + tile.range.lowerBound * units).update(repeating: 0, count: tile.range.count * units)
        sequence.startGradient(tile, dOutput, to: dh)
        var t = time - 1
        while t >= 0 {
          rows.removeAll()
          for n in tile.range where t < tile.length(n) {
            rows.append(a: (n * time + t) * 4 * units, c: n * units)
            if sequence.returnsSequences { kernels.accumulate(dOutput + (n * time + t) * units, dh + n * units, units) }
            let cell = c + (n * time + t) * units
            kernels.lstmCellBackward(
              LSTMCellGradient(
                gates: g + (n * time + t) * 4 * units, cPrevious: t > 0 ? cell - units : nil, c: cell,
                dh: UnsafePointer(dh + n * units), dc: dc + n * units, units: units))
          }
          // dh_{t-1} = dGates_t Rᵀ
          if t > 0 && rows.count > 0 {
            kernels.rowProducts(
              rows, a: UnsafePointer(g), taps, weights, to: dh, accumulate: false, scratch: memory + listFloats)
          }
          t -= 1
        }
      }
    }

    // dR = Σ h_{t-1}ᵀ dGates_t; then dK = Σ x_tᵀ dGates_t, db = Σ dGates_t, dx_t = dGates_t Kᵀ
    let perState = sequence.stateLoops(batch: batch, time: time, gateColumns: 4 * units, sequences)
    try plan.weightGradient(
      "lstm recurrent gradient", hidden, gates, perState, rows: units, columns: 4 * units, to: node.dParameters[1],
      bias: nil, inPairs: sequence.allowsPairs)
    let dx = try input.addGradients(
      plan, "lstm", node, inputs: inputs, dGates: gates, dBias: hasBias ? node.dParameters[2] : nil, sequence,
      sequences)
    return [dx] + noGradients.dropFirst()
  }
}
