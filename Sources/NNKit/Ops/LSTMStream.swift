import NNKitKernelTable

/// One time step of streams, `[x_t h_{t-1}]` to `c_t` and `h_t`: divided by hidden units, as few sequences are, and with
/// many streams by these, too. No part waits for another.
extension LSTMOperation {
  package var stateSizes: [Int] { [sequence.units, sequence.units] }

  func forwardStep(_ plan: PlanBuilder, _ node: ForwardNode, from state: [Tensor]) throws(NNKitError) -> StepResult {
    let (x, hPrevious, cells) = (node.inputs[0], state[0], state[1])
    let (streams, inputs, units) = (plan.batch, sequence.inputs, sequence.units)
    let lanes = plan.kernels.panelColumns / 2
    let blocks = ceilDivide(units, lanes)
    let gateColumns = 4 * blocks * lanes
    let h = try plan.tensor(ValueType(.float32, [units]))
    let gates = try plan.tensor(ValueType(.float32, [gateColumns]))
    let inputWeights = try packInterleaved(plan, node.parameters[0], depth: inputs)
    let recurrentWeights = try packInterleaved(plan, node.parameters[1], depth: units)
    let packedBias = hasBias ? try packInterleaved(plan, node.parameters[2], depth: 1).tensor : nil

    let rows = ProductTiling(rows: streams, depth: inputs + units, panels: 2 * blocks, kernels: plan.kernels)
    let xRows = plan.table((0..<rows.blockRows).map { $0 * inputs })
    let hRows = plan.table((0..<rows.blockRows).map { $0 * units })
    let gateRows = plan.table((0..<rows.blockRows).map { $0 * gateColumns })
    let noTap = plan.table([0])
    // The kernel of a single stream takes two vectors of units at once.
    let pairs = ceilDivide(blocks, 2)
    let kernels = plan.kernels
    plan.step(
      "lstm",
      reads: [x, hPrevious, cells, inputWeights.tensor, recurrentWeights.tensor] + (packedBias.map { [$0] } ?? []),
      writes: [gates, h, cells], tiles: rows.rowBlocks * pairs, work: [streams, inputs + units, 4 * units]
    ) { binding in
      let (input, previous) = (UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(hPrevious)))
      let (g, c, next) = (binding.floats(gates), binding.floats(cells), binding.floats(h))
      let fromInput = UnsafePointer(binding.floats(inputWeights.tensor))
      let fromState = UnsafePointer(binding.floats(recurrentWeights.tensor))
      let bias = packedBias.map { UnsafePointer(binding.floats($0)) }
      let (xOffsets, hOffsets, gateOffsets, taps) = (
        binding.offsets(xRows), binding.offsets(hRows), binding.offsets(gateRows), binding.offsets(noTap)
      )
      return { tile, _ in
        let (rowBlock, pair) = (rows.rowBlock(tile / pairs), tile % pairs)
        let (firstRow, rowCount) = (rowBlock.lowerBound, rowBlock.count)
        let panels = 4 * pair..<min(4 * pair + 4, 2 * blocks)
        let first = 2 * pair * lanes
        let count = min(2 * lanes, units - first)
        kernels.panelProducts(
          panels, of: inputWeights, fromInput, a: input + firstRow * inputs, aRows: xOffsets, taps: taps,
          rows: rowCount, bias: bias, to: g + firstRow * gateColumns, cRows: gateOffsets, accumulate: false)
        if rowCount > 1 {
          kernels.panelProducts(
            panels, of: recurrentWeights, fromState, a: previous + firstRow * units, aRows: hOffsets, taps: taps,
            rows: rowCount, bias: nil, to: g + firstRow * gateColumns, cRows: gateOffsets, accumulate: true)
        }
        for row in firstRow..<firstRow + rowCount {
          let place = row * units + first
          let gatesOfUnits = g + row * gateColumns + panels.lowerBound * recurrentWeights.panelColumns
          if rowCount == 1 {
            kernels.lstmStepForward(
              LSTMStep(
                gates: gatesOfUnits, hPrevious: previous + row * units, depth: units,
                weights: fromState + panels.lowerBound * recurrentWeights.panelElements,
                panelStride: recurrentWeights.panelElements, cPrevious: c + place, c: c + place, h: next + place,
                units: count))
          } else {
            kernels.lstmCellForward(
              LSTMCell(
                gates: gatesOfUnits, interleaved: true, cPrevious: c + place, c: c + place, h: next + place,
                units: count))
          }
        }
      }
    }
    let output = returnsSequences ? h.reshaped([1, units]) : h
    return StepResult(output: output, state: [h, cells])
  }
}
