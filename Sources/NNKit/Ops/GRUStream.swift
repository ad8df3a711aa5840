import NNKitKernelTable

/// One time step of streams, `[x_t h_{t-1}]` to `h_t`: divided by hidden units, and with many streams by these, too.
/// All meet once, where the candidates need `r_t ⊙ h_{t-1}` of all units; with `resetsAfter` they do not.
extension GRUOperation {
  package var stateSizes: [Int] { [sequence.units] }

  /// Multiply-adds that are worth a member of their own.
  private static let workPerMember = 8_192

  func forwardStep(_ plan: PlanBuilder, _ node: ForwardNode, from state: [Tensor]) throws(NNKitError) -> StepResult {
    let (x, hPrevious) = (node.inputs[0], state[0])
    let (streams, inputs, units) = (plan.batch, sequence.inputs, sequence.units)
    // A block of units is one panel of each gate. Blocks are padded.
    let blockUnits = plan.kernels.panelColumns
    let blocks = ceilDivide(units, blockUnits)
    let columns = blocks * blockUnits
    let h = try plan.tensor(ValueType(.float32, [units]))
    let gates = try plan.tensor(ValueType(.float32, [2 * columns]))
    let candidates = try plan.tensor(ValueType(.float32, [columns]))
    // r ⊙ h_{t-1}, or with `resetsAfter` R_g h_{t-1} + b_r.
    let recurrent = try plan.tensor(ValueType(.float32, [columns]))

    let (kernel, recurrentKernel) = (node.parameters[0], node.parameters[1])
    let gateInput = try packBlocks(plan, kernel, depth: inputs, gates: 0..<2)
    let gateState = try packBlocks(plan, recurrentKernel, depth: units, gates: 0..<2)
    let candidateInput = try packBlocks(plan, kernel, depth: inputs, gates: 2..<3)
    let candidateState = try packBlocks(plan, recurrentKernel, depth: units, gates: 2..<3)
    let gateBias = hasBias ? try packBlocks(plan, node.parameters[2], depth: 1, gates: 0..<2).tensor : nil
    let candidateBias = hasBias ? try packBlocks(plan, node.parameters[2], depth: 1, gates: 2..<3).tensor : nil
    // The recurrent bias is one for the candidates alone, [U].
    let recurrentBias =
      hasBias && resetsAfter
      ? try packBlocks(plan, node.parameters[3], depth: 1, gates: 0..<1, gatesInAll: 1).tensor : nil

    let rows = ProductTiling(rows: streams, depth: inputs + units, panels: 3 * blocks, kernels: plan.kernels)
    let (blockRows, parts) = (rows.blockRows, rows.rowBlocks * blocks)
    func offsets(_ stride: Int) -> OffsetTable { plan.table((0..<blockRows).map { $0 * stride }) }
    let (xRows, hRows, gateRows, candidateRows) = (
      offsets(inputs), offsets(units), offsets(2 * columns), offsets(columns)
    )
    let noTap = plan.table([0])
    let work = [streams, inputs + units, 3 * units]
    let (kernels, resetsAfter) = (plan.kernels, resetsAfter)
    plan.teamStep(
      "gru",
      reads: [x, hPrevious] + [gateInput, gateState, candidateInput, candidateState].map(\.tensor)
        + [gateBias, candidateBias, recurrentBias].compactMap { $0 }, writes: [gates, candidates, recurrent, h],
      members: min(max(work.reduce(1, *) / Self.workPerMember, 1), parts), work: work
    ) { binding in
      let (input, previous) = (UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(hPrevious)))
      let (g, candidate, q, next) = (
        binding.floats(gates), binding.floats(candidates), binding.floats(recurrent), binding.floats(h)
      )
      func bind(_ weights: PackedWeights) -> UnsafePointer<Float> { UnsafePointer(binding.floats(weights.tensor)) }
      let (gateFromInput, gateFromState) = (bind(gateInput), bind(gateState))
      let (candidateFromInput, candidateFromState) = (bind(candidateInput), bind(candidateState))
      let biases = [gateBias, candidateBias, recurrentBias].map { $0.map { UnsafePointer(binding.floats($0)) } }
      let (biasOfGates, biasOfCandidates, biasOfState) = (biases[0], biases[1], biases[2])
      let (xOffsets, hOffsets, gateOffsets, candidateOffsets, taps) = (
        binding.offsets(xRows), binding.offsets(hRows), binding.offsets(gateRows), binding.offsets(candidateRows),
        binding.offsets(noTap)
      )
      return { team in
        for half in 0..<2 {
          if half == 1 && !resetsAfter { team.meet() }
          for block in 0..<rows.rowBlocks {
            // Of all parts, those of this block of streams.
            let all = team.part(of: parts).clamped(to: block * blocks..<(block + 1) * blocks)
            if all.isEmpty { continue }
            let part = all.lowerBound - block * blocks..<all.upperBound - block * blocks
            let firstRow = block * blockRows
            let rowCount = min(blockRows, streams - firstRow)
            let (gate, own) = (g + firstRow * 2 * columns, candidate + firstRow * columns)
            let (x, h) = (input + firstRow * inputs, previous + firstRow * units)
            if half == 0 {
              let panels = 2 * part.lowerBound..<2 * part.upperBound
              kernels.panelProducts(
                panels, of: gateInput, gateFromInput, a: x, aRows: xOffsets, taps: taps, rows: rowCount,
                bias: biasOfGates, to: gate, cRows: gateOffsets, accumulate: false)
              kernels.panelProducts(
                panels, of: gateState, gateFromState, a: h, aRows: hOffsets, taps: taps, rows: rowCount, bias: nil,
                to: gate, cRows: gateOffsets, accumulate: true)
              kernels.panelProducts(
                part, of: candidateInput, candidateFromInput, a: x, aRows: xOffsets, taps: taps, rows: rowCount,
                bias: biasOfCandidates, to: own, cRows: candidateOffsets, accumulate: false)
              if resetsAfter {
                kernels.panelProducts(
                  part, of: candidateState, candidateFromState, a: h, aRows: hOffsets, taps: taps, rows: rowCount,
                  bias: biasOfState, to: q + firstRow * columns, cRows: candidateOffsets, accumulate: false)
              }
            } else if !resetsAfter {
              kernels.panelProducts(
                part, of: candidateState, candidateFromState, a: UnsafePointer(q + firstRow * units), aRows: hOffsets,
                taps: taps, rows: rowCount, bias: nil, to: own, cRows: candidateOffsets, accumulate: true)
            }
            for row in 0..<rowCount {
              for unitBlock in part {
                let unit = unitBlock * blockUnits
                let gatesOfUnits = gate + row * 2 * columns + 2 * unit
                let state = h + row * units + unit
                let count = min(blockUnits, units - unit)
                let place = (firstRow + row) * units + unit
                if half == 0 {
                  kernels.gruGatesForward(
                    GRUGates(
                      gates: gatesOfUnits, gateStride: blockUnits, hPrevious: state,
                      reset: resetsAfter ? nil : q + place, units: count))
                } else {
                  kernels.gruCellForward(
                    GRUCell(
                      gates: gatesOfUnits, gateStride: blockUnits, candidate: own + row * columns + unit,
                      recurrent: resetsAfter ? UnsafePointer(q + (firstRow + row) * columns + unit) : nil,
                      hPrevious: state, h: next + place, units: count))
                }
              }
            }
          }
        }
      }
    }
    let output = returnsSequences ? h.reshaped([1, units]) : h
    return StepResult(output: output, state: [h])
  }

  /// Packs some of the gates of `[depth, gates · U]`: for each block of units one panel a gate.
  private func packBlocks(
    _ plan: PlanBuilder, _ weights: Tensor, depth: Int, gates: Range<Int>, gatesInAll: Int = 3
  ) throws(NNKitError) -> PackedWeights {
    let (units, panelColumns, kernels) = (sequence.units, plan.kernels.panelColumns, plan.kernels)
    let panels = ceilDivide(units, panelColumns) * gates.count
    let packed = PackedWeights(
      tensor: try plan.packed([panels, depth, panelColumns]), depth: depth, columns: panels * panelColumns,
      panelColumns: panelColumns)
    plan.packingStep(
      "pack gates", reads: [weights], writes: [packed.tensor], tiles: panels, work: [depth, gates.count * units]
    ) { binding in
      let source = UnsafePointer(binding.floats(weights))
      let destination = binding.floats(packed.tensor)
      return { panel, _ in
        let unit = panel / gates.count * panelColumns
        let gate = gates.lowerBound + panel % gates.count
        kernels.packPanel(
          PanelPacking(
            source: source + gate * units + unit, depthStride: gatesInAll * units, columnStride: 1, depth: depth,
            columns: min(panelColumns, units - unit), panel: destination + panel * packed.panelElements))
      }
    }
    return packed
  }
}
