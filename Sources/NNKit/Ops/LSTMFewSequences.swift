import NNKitKernelTable

/// Inference with too few sequences for every thread to have some: the layer is divided by hidden units instead. Each
/// member of a team computes the gates of its own units, those of the inputs for all time steps first, and all meet
/// after every time step.
///
/// The columns of the kernels are packed such that the gates of one unit lie together: see `LSTMStep`. A column's sums
/// do not depend on the columns beside it, so the bits are those of any other division.
extension LSTMOperation {
  /// Multiply-adds of one time step that are worth a member of their own. A meeting takes as long as a quarter of them
  /// where the processors share a cache, and as long as all of them where they are far apart.
  private static let workPerMember = 16_384

  func forwardByUnits(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    let sequences = sequence.lengths(node.inputs)
    let (batch, time, inputs, units) = (plan.batch, x.shape[0], sequence.inputs, sequence.units)
    let lanes = plan.kernels.panelColumns / 2
    let blocks = ceilDivide(units, lanes)
    let gateColumns = 4 * blocks * lanes
    let y = try plan.tensor(ValueType(.float32, sequence.returnsSequences ? [time, units] : [units]))
    let gates = try plan.tensor(ValueType(.float32, [time, gateColumns]))
    let hidden = sequence.returnsSequences ? y : try plan.tensor(ValueType(.float32, [time, units]))
    let cells = try plan.tensor(ValueType(.float32, [units]))
    let inputWeights = try packInterleaved(plan, node.parameters[0], depth: inputs)
    let recurrentWeights = try packInterleaved(plan, node.parameters[1], depth: units)
    let packedBias = hasBias ? try packInterleaved(plan, node.parameters[2], depth: 1).tensor : nil

    let inputRows = sequences == nil ? batch * time : time
    let blockRows = ProductTiling(rows: inputRows, depth: inputs, panels: 2 * blocks, kernels: plan.kernels).blockRows
    let xRows = plan.table((0..<blockRows).map { $0 * inputs })
    let gateRows = plan.table((0..<blockRows).map { $0 * gateColumns })
    let noTap = plan.table([0])
    let scratch = try plan.scratch(floats: RowList.floats(batch))
    let pairs = ceilDivide(blocks, 2)
    let members = min(max(batch * units * 4 * units / Self.workPerMember, 1), pairs)
    let (kernels, sequence) = (plan.kernels, sequence)
    plan.teamStep(
      "lstm",
      reads: [x, inputWeights.tensor, recurrentWeights.tensor]
        + [packedBias, sequences?.tensor].compactMap { $0 }, writes: [gates, hidden, cells, y], scratch: scratch,
      members: members, work: [batch * time, inputs + units, 4 * units]
    ) { binding in
      let input = UnsafePointer(binding.floats(x))
      let (g, h, c, output) = (
        binding.floats(gates), binding.floats(hidden), binding.floats(cells), binding.floats(y)
      )
      let lengths = sequences.map { binding.integers($0.tensor) }
      let fromInput = UnsafePointer(binding.floats(inputWeights.tensor))
      let fromState = UnsafePointer(binding.floats(recurrentWeights.tensor))
      let bias = packedBias.map { UnsafePointer(binding.floats($0)) }
      let (xOffsets, gateOffsets, taps) = (
        binding.offsets(xRows), binding.offsets(gateRows), binding.offsets(noTap)
      )
      let workspace = binding.scratch(scratch)
      return { team in
        // The step's kernel takes two vectors of units at once.
        let part = team.part(of: pairs)
        let panels = 4 * part.lowerBound..<min(4 * part.upperBound, 2 * blocks)
        let first = panels.lowerBound / 2 * lanes
        let count = min(panels.upperBound / 2 * lanes, units) - first
        let sequencesOfBatch = BoundSequences(range: 0..<batch, time: time, lengths: lengths)

        for group in 0..<batch * time / inputRows {
          let rowCount = lengths == nil ? inputRows : sequencesOfBatch.length(group)
          for row in stride(from: 0, to: rowCount, by: blockRows) {
            kernels.panelProducts(
              panels, of: inputWeights, fromInput, a: input + (group * inputRows + row) * inputs, aRows: xOffsets,
              taps: taps, rows: min(blockRows, rowCount - row), bias: bias,
              to: g + (group * inputRows + row) * gateColumns, cRows: gateOffsets, accumulate: false)
          }
        }

        var rows = RowList(workspace.base + team.member * workspace.stride, capacity: batch)
        for t in 0..<time {
          rows.removeAll()
          for n in 0..<batch where t < sequencesOfBatch.length(n) {
            rows.append(a: (n * time + t - 1) * units, c: (n * time + t) * gateColumns)
          }
          if rows.count == 0 { break }
          // Those who read the states of the step before must find them whole.
          if t > 0 { team.meet() }
          let isSingle = rows.count == 1
          if t > 0 && !isSingle {
            kernels.panelProducts(
              panels, of: recurrentWeights, fromState, a: UnsafePointer(h), aRows: rows.a, taps: taps,
              rows: rows.count, bias: nil, to: g, cRows: rows.c, accumulate: true)
          }
          for i in 0..<rows.count where count > 0 {
            let cell = c + rows.c[i] / (time * gateColumns) * units + first
            let place = rows.a[i] + units + first
            let gatesOfUnits = g + rows.c[i] + panels.lowerBound * recurrentWeights.panelColumns
            if isSingle {
              kernels.lstmStepForward(
                LSTMStep(
                  gates: gatesOfUnits, hPrevious: h + (t > 0 ? rows.a[i] : 0), depth: t > 0 ? units : 0,
                  weights: fromState + panels.lowerBound * recurrentWeights.panelElements,
                  panelStride: recurrentWeights.panelElements, cPrevious: t > 0 ? UnsafePointer(cell) : nil, c: cell,
                  h: h + place, units: count, isReversed: t % 2 == 1))
            } else {
              kernels.lstmCellForward(
                LSTMCell(
                  gates: gatesOfUnits, interleaved: true, cPrevious: t > 0 ? UnsafePointer(cell) : nil, c: cell,
                  h: h + place, units: count))
            }
          }
        }
        sequence.writeOutput(sequencesOfBatch, h, to: output, columns: first..<first + count)
      }
    }
    return ForwardResult(outputs: [y])
  }

  /// Packs `[depth, 4U]` into two panels for each vector of units, `i f` and `g o`.
  func packInterleaved(_ plan: PlanBuilder, _ weights: Tensor, depth: Int) throws(NNKitError) -> PackedWeights {
    let (units, panelColumns) = (sequence.units, plan.kernels.panelColumns)
    let lanes = panelColumns / 2
    let panels = 2 * ceilDivide(units, lanes)
    let packed = PackedWeights(
      tensor: try plan.packed([panels, depth, panelColumns]), depth: depth, columns: panels * panelColumns,
      panelColumns: panelColumns)
    plan.packingStep(
      "pack gates", reads: [weights], writes: [packed.tensor], tiles: panels, work: [depth, 4 * units]
    ) { binding in
      let source = UnsafePointer(binding.floats(weights))
      let destination = binding.floats(packed.tensor)
      return { panel, _ in
        let unit = panel / 2 * lanes
        let count = min(lanes, units - unit)
        for gate in 0..<2 {
          let from = source + (panel % 2 * 2 + gate) * units + unit
          let to = destination + panel * packed.panelElements + gate * lanes
          for k in 0..<depth {
            (to + k * panelColumns).update(from: from + k * 4 * units, count: count)
            (to + k * panelColumns + count).update(repeating: 0, count: lanes - count)
          }
        }
      }
    }
    return packed
  }
}

extension KernelTable {
  /// `C = A · B + bias`, or `C += A · B`, for some panels of `B` and the listed rows.
  func panelProducts(
    _ panels: Range<Int>, of b: PackedWeights, _ weights: UnsafePointer<Float>, a: UnsafePointer<Float>,
    aRows: UnsafePointer<Int>, taps: UnsafePointer<Int>, rows: Int, bias: UnsafePointer<Float>?,
    to c: UnsafeMutablePointer<Float>, cRows: UnsafePointer<Int>, accumulate: Bool
  ) {
    let column = panels.lowerBound * b.panelColumns
    if rows == 1 {
      vectorProduct(
        VectorProduct(
          a: a + aRows[0], depth: b.depth, b: weights + panels.lowerBound * b.panelElements,
          panelStride: b.panelElements, c: c + cRows[0] + column, columns: panels.count * b.panelColumns,
          bias: bias.map { $0 + column }, accumulate: accumulate))
      return
    }
    for panel in panels {
      let column = panel * b.panelColumns
      rowProduct(
        RowProduct(
          a: a, aRows: aRows, taps: taps, tapCount: 1, depth: b.depth, b: weights + panel * b.panelElements,
          c: c + column, cRows: cRows, rows: rows, columns: b.panelColumns, bias: bias.map { $0 + column },
          accumulate: accumulate))
    }
  }
}
