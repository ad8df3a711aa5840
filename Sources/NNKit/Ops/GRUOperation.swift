import NNKitKernelTable

/// A gated recurrent unit over a whole sequence, forward and backward as one operation each:
///
///     z_t = σ(W_z [h_{t-1}, x_t] + b_z)     r_t = σ(W_r [h_{t-1}, x_t] + b_r)
///     g_t = tanh(W_h [r_t ⊙ h_{t-1}, x_t] + b_h)
///     h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ g_t
///
/// With `resetsAfter` the reset gate acts behind the recurrent product, which has a bias of its own:
/// `g_t = tanh(K_g x_t + b_h + r_t ⊙ (R_g h_{t-1} + b_r))`.
///
/// Shape: see `RecurrentSequence`.
/// Parameters: kernel `[I, 3U]`, recurrent kernel `[U, 3U]`, bias `[3U]`, and with `resetsAfter` recurrent bias `[U]`;
/// the gates lie in the order `z r g`.
/// Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014), whose `z` is `1 - z` here; the
/// other form is that of cuDNN and PyTorch.
package struct GRUOperation: RecurrentOperation {
  package let sequence: RecurrentSequence
  package let resetsAfter: Bool
  package let hasBias: Bool
  package let kernelInitializer: Initializer
  package let recurrentInitializer: Initializer

  private var inputs: Int { sequence.inputs }
  private var units: Int { sequence.units }

  package var parameters: [ParameterSpecification] {
    let kernel = ParameterSpecification("kernel", [inputs, 3 * units], kernelInitializer, fanIn: inputs, fanOut: units)
    let recurrent = ParameterSpecification(
      "recurrent_kernel", [units, 3 * units], recurrentInitializer, fanIn: units, fanOut: units)
    let bias = ParameterSpecification("bias", [3 * units], .zeros, fanIn: inputs, fanOut: units)
    let recurrentBias = ParameterSpecification("recurrent_bias", [units], .zeros, fanIn: units, fanOut: units)
    return [kernel, recurrent] + (hasBias ? [bias] : []) + (hasBias && resetsAfter ? [recurrentBias] : [])
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
    var y = try plan.tensor(ValueType(.float32, sequence.returnsSequences ? [time, units] : [units]))
    y.isBounded = true
    let gates = try plan.tensor(ValueType(.float32, [time, 3 * units]))
    let hidden = sequence.returnsSequences ? y : try plan.tensor(ValueType(.float32, [time, units]))
    // r ⊙ h_{t-1}, or with `resetsAfter` R_g h_{t-1} + b_r. Without a backward pass one time step of it is enough.
    let keepsAll = plan.isTraining
    let recurrent = try plan.tensor(ValueType(.float32, keepsAll ? [time, units] : [units]))

    let inputRows = try input.addProduct(
      plan, "gru", node, inputs: inputs, bias: hasBias ? node.parameters[2] : nil, to: gates, sequences,
      allowsPairs: sequence.allowsPairs)

    let tiles = SequenceTiles(batch: batch, time: time, units: units)
    let gateWeights = try packRecurrent(plan, node.parameters[1], tiles, columns: 0..<2 * units)
    let candidateWeights = try packRecurrent(plan, node.parameters[1], tiles, columns: 2 * units..<3 * units)
    let recurrentBias = hasBias && resetsAfter ? node.parameters[3] : nil
    let listFloats = RowList.floats(tiles.rowsPerTile)
    let scratch = try plan.scratch(floats: 2 * listFloats + gateWeights.rowFloats(plan.kernels))
    let noTap = plan.table([0])
    let (kernels, sequence, resetsAfter) = (plan.kernels, sequence, resetsAfter)
    plan.step(
      "gru",
      reads: [gates] + gateWeights.tensors + candidateWeights.tensors + (recurrentBias.map { [$0] } ?? [])
        + sequence.reads(inputRows, sequences), writes: [gates, hidden, recurrent, y],
      scratch: scratch, tiles: tiles.count, work: [batch * time, units, 3 * units]
    ) { binding in
      let (g, h, q, output) = (
        binding.floats(gates), binding.floats(hidden), binding.floats(recurrent), binding.floats(y)
      )
      let lengths = sequences.map { binding.integers($0.tensor) }
      let inputRows = inputRows?.bind(binding)
      let bias = recurrentBias.map { UnsafePointer(binding.floats($0)) }
      let weights = BoundWeights(binding, gateWeights)
      let candidateRows = BoundWeights(binding, candidateWeights)
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let tile = tiles.sequences(tile, lengths)
        let lists = workspace.base + worker * workspace.stride
        var toGates = RowList(lists, capacity: tiles.rowsPerTile)
        var toCandidate = RowList(lists + listFloats, capacity: tiles.rowsPerTile)
        for t in 0..<time {
          toGates.removeAll()
          toCandidate.removeAll()
          for n in tile.range where t < tile.length(n) {
            let (row, place) = (n * time + t, (keepsAll ? n * time + t : n) * units)
            toGates.append(a: (row - 1) * units, c: row * 3 * units)
            inputRows?.copy(row, to: g)
            if resetsAfter {
              toCandidate.append(a: (row - 1) * units, c: place)
              if let bias {
                (q + place).update(from: bias, count: units)
              } else {
                (q + place).update(repeating: 0, count: units)
              }
            } else {
              toCandidate.append(a: place, c: (row * 3 + 2) * units)
            }
          }
          if toGates.count == 0 { break }
          if t > 0 {
            kernels.rowProducts(
              toGates, a: UnsafePointer(h), taps, weights, to: g, accumulate: true, scratch: lists + 2 * listFloats)
          }
          for i in 0..<toGates.count {
            let previous = t > 0 ? UnsafePointer(h + toGates.a[i]) : nil
            kernels.gruGatesForward(
              GRUGates(
                gates: g + toGates.c[i], hPrevious: previous, reset: resetsAfter ? nil : q + toCandidate.a[i],
                units: units))
          }
          if t > 0 {
            kernels.rowProducts(
              toCandidate, a: UnsafePointer(resetsAfter ? h : q), taps, candidateRows, to: resetsAfter ? q : g,
              accumulate: true, scratch: lists + 2 * listFloats)
          }
          for i in 0..<toGates.count {
            let previous = t > 0 ? UnsafePointer(h + toGates.a[i]) : nil
            kernels.gruCellForward(
              GRUCell(
                gates: g + toGates.c[i], recurrent: resetsAfter ? UnsafePointer(q + toCandidate.c[i]) : nil,
                hPrevious: previous, h: h + toGates.a[i] + units, units: units))
          }
        }
        sequence.writeOutput(tile, h, to: output)
      }
    }
    return ForwardResult(outputs: [y], saved: [gates, hidden, recurrent])
  }

  /// Packs some columns of the recurrent kernel.
  private func packRecurrent(
    _ plan: PlanBuilder, _ kernel: Tensor, _ tiles: SequenceTiles, columns: Range<Int>
  ) throws(NNKitError) -> PackedWeights {
    try plan.packWeights(
      kernel, segments: [columns.lowerBound], segmentDepth: units, columns: columns.count, depthStride: 3 * units,
      columnStride: 1, inPairs: sequence.pairsSteps(plan, tiles, depth: units, columns: columns.count))
  }

  /// Packs the transpose of some columns of the recurrent kernel.
  private func packRecurrentTransposed(
    _ plan: PlanBuilder, _ kernel: Tensor, _ tiles: SequenceTiles, columns: Range<Int>
  ) throws(NNKitError) -> PackedWeights {
    try plan.packWeights(
      kernel, segments: [columns.lowerBound], segmentDepth: columns.count, columns: units, depthStride: 1,
      columnStride: 3 * units, inPairs: sequence.pairsSteps(plan, tiles, depth: columns.count, columns: units))
  }

  func backward(
    _ plan: PlanBuilder, _ node: BackwardNode, _ input: RecurrentInput
  ) throws(NNKitError) -> [Tensor?] {
    let noGradients = Array(repeating: Tensor?.none, count: node.inputs.count)
    guard let dy = node.dOutputs[0] else { return noGradients }
    let sequences = sequence.lengths(node.inputs)
    let (batch, time, units) = (plan.batch, node.inputs[0].shape[0], units)
    let (gates, hidden, recurrent) = (node.saved[0], node.saved[1], node.saved[2])
    try addTimeSteps(plan, node, dy, sequences)

    // dR_zr = Σ h_{t-1}ᵀ [dz_t dr_t]
    let perState = sequence.stateLoops(batch: batch, time: time, gateColumns: 3 * units, sequences)
    try plan.weightGradient(
      "gru recurrent gradient", hidden, gates, perState, rows: units, columns: 2 * units, to: node.dParameters[1],
      bias: nil, inPairs: sequence.allowsPairs)
    // dR_g = Σ (r_t ⊙ h_{t-1})ᵀ dg_t, or with `resetsAfter` Σ h_{t-1}ᵀ (r_t ⊙ dg_t)
    if resetsAfter {
      let perCandidate = sequence.stateLoops(batch: batch, time: time, gateColumns: units, sequences)
      try plan.weightGradient(
        "gru candidate gradient", hidden, recurrent, perCandidate, rows: units, columns: units,
        to: node.dParameters[1], firstColumn: 2 * units, bias: nil, inPairs: sequence.allowsPairs)
      if hasBias {
        try plan.sequenceSum("gru recurrent bias gradient", recurrent, to: node.dParameters[3], sequences)
      }
    } else {
      let perCandidate = sequence.stateLoops(
        batch: batch, time: time, gateStart: 2 * units, gateColumns: 3 * units, sameStep: true, sequences)
      try plan.weightGradient(
        "gru candidate gradient", recurrent, gates, perCandidate, rows: units, columns: units,
        to: node.dParameters[1], firstColumn: 2 * units, bias: nil, inPairs: sequence.allowsPairs)
    }

    // dK = Σ x_tᵀ dGates_t, db = Σ dGates_t, dx_t = dGates_t Kᵀ
    let dx = try input.addGradients(
      plan, "gru", node, inputs: inputs, dGates: gates, dBias: hasBias ? node.dParameters[2] : nil, sequence, sequences)
    return [dx] + noGradients.dropFirst()
  }

  /// Adds the step that goes through time, from the last step to the first: the activations of the gates become the
  /// gradients of their pre-activations, in place, and with `resetsAfter` the recurrent products become their gradients.
  private func addTimeSteps(
    _ plan: PlanBuilder, _ node: BackwardNode, _ dy: Tensor, _ sequences: SequenceLengths?
  ) throws(NNKitError) {
    let (batch, time, units) = (plan.batch, node.inputs[0].shape[0], units)
    let (gates, hidden, recurrent) = (node.saved[0], node.saved[1], node.saved[2])
    let dHidden = try plan.tensor(ValueType(.float32, [units]))
    let dReset = try plan.tensor(ValueType(.float32, [units]))
    let tiles = SequenceTiles(batch: batch, time: time, units: units)
    let gateWeights = try packRecurrentTransposed(plan, node.parameters[1], tiles, columns: 0..<2 * units)
    let candidateWeights = try packRecurrentTransposed(plan, node.parameters[1], tiles, columns: 2 * units..<3 * units)
    let listFloats = RowList.floats(tiles.rowsPerTile)
    let scratch = try plan.scratch(floats: 2 * listFloats + gateWeights.rowFloats(plan.kernels))
    let noTap = plan.table([0])
    let (kernels, sequence, resetsAfter) = (plan.kernels, sequence, resetsAfter)
    plan.step(
      "gru gradient",
      reads: [dy, hidden] + gateWeights.tensors + candidateWeights.tensors + (sequences.map { [$0.tensor] } ?? []),
      writes: [gates, recurrent, dHidden, dReset], scratch: scratch, tiles: tiles.count,
      work: [batch * time, units, 3 * units]
    ) { binding in
      let (dOutput, h) = (UnsafePointer(binding.floats(dy)), UnsafePointer(binding.floats(hidden)))
      let (g, q) = (binding.floats(gates), binding.floats(recurrent))
      let (dh, dr) = (binding.floats(dHidden), binding.floats(dReset))
      let lengths = sequences.map { binding.integers($0.tensor) }
      let weights = BoundWeights(binding, gateWeights)
      let candidateRows = BoundWeights(binding, candidateWeights)
      let taps = binding.offsets(noTap)
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let tile = tiles.sequences(tile, lengths)
        let lists = workspace.base + worker * workspace.stride
        var fromGates = RowList(lists, capacity: tiles.rowsPerTile)
        var fromCandidate = RowList(lists + listFloats, capacity: tiles.rowsPerTile)
        sequence.startGradient(tile, dOutput, to: dh)
        var t = time - 1
        while t >= 0 {
          fromGates.removeAll()
          fromCandidate.removeAll()
          for n in tile.range where t < tile.length(n) {
            let row = n * time + t
            fromGates.append(a: row * 3 * units, c: n * units)
            fromCandidate.append(a: resetsAfter ? row * units : (row * 3 + 2) * units, c: n * units)
            if sequence.returnsSequences { kernels.accumulate(dOutput + row * units, dh + n * units, units) }
            kernels.gruCellBackward(
              GRUCellGradient(
                gates: g + row * 3 * units, recurrent: resetsAfter ? q + row * units : nil,
                hPrevious: t > 0 ? h + (row - 1) * units : nil, dh: dh + n * units, units: units))
            // No state came before: the reset gate had nothing to act on.
            if t == 0 && !resetsAfter { (g + (row * 3 + 1) * units).update(repeating: 0, count: units) }
          }
          if t > 0 && fromGates.count > 0 {
            // With `resetsAfter` dh_{t-1} += (r_t ⊙ dg_t) R_gᵀ; otherwise this product is the gradient of r_t ⊙ h_{t-1}.
            kernels.rowProducts(
              fromCandidate, a: UnsafePointer(resetsAfter ? q : g), taps, candidateRows, to: resetsAfter ? dh : dr,
              accumulate: resetsAfter, scratch: lists + 2 * listFloats)
            if !resetsAfter {
              for i in 0..<fromGates.count {
                let (row, place) = (fromGates.a[i] / (3 * units), fromGates.c[i])
                kernels.gruResetBackward(
                  GRUResetGradient(
                    gates: g + fromGates.a[i], hPrevious: h + (row - 1) * units, dReset: UnsafePointer(dr + place),
                    dh: dh + place, units: units))
              }
            }
            // dh_{t-1} += [dz_t dr_t] R_zrᵀ
            kernels.rowProducts(
              fromGates, a: UnsafePointer(g), taps, weights, to: dh, accumulate: true, scratch: lists + 2 * listFloats)
          }
          t -= 1
        }
      }
    }
  }
}
