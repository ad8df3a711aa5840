import NNKitKernelTable

/// One time step of streams, `[x_t h_{t-1}]` to `h_t`, divided by hidden units and, with many streams, by these. The
/// candidates need `r_t ⊙ h_{t-1}` of all units and follow in a step of their own; with `resetsAfter` they do not.
extension GRUOperation {
  package var stateSizes: [Int] { [sequence.units] }

  func forwardStep(_ plan: PlanBuilder, _ node: ForwardNode, from state: [Tensor]) throws(NNKitError) -> StepResult {
    let (x, hPrevious) = (node.inputs[0], state[0])
    let (streams, inputs, units) = (plan.batch, sequence.inputs, sequence.units)
    let h = try plan.tensor(ValueType(.float32, [units]))
    let blocks = UnitBlocks(streams: streams, inputs: inputs, units: units, kernels: plan.kernels)
    let columns = blocks.columns
    let gates = try plan.tensor(ValueType(.float32, [2 * columns]))
    let candidates = try plan.tensor(ValueType(.float32, [columns]))
    // r ⊙ h_{t-1}, or with `resetsAfter` R_g h_{t-1} + b_r.
    let recurrent = try plan.tensor(ValueType(.float32, [resetsAfter ? columns : units]))

    let (kernel, recurrentKernel) = (node.parameters[0], node.parameters[1])
    let bias = hasBias ? node.parameters[2] : nil
    let gateInput = try GateProduct(plan, blocks, x, kernel, bias: bias, gates: 0..<2)
    let gateState = try GateProduct(plan, blocks, hPrevious, recurrentKernel, bias: nil, gates: 0..<2)
    let candidateInput = try GateProduct(plan, blocks, x, kernel, bias: bias, gates: 2..<3)
    let candidateState = try GateProduct(
      plan, blocks, resetsAfter ? hPrevious : recurrent, recurrentKernel,
      // That one belongs to the candidates alone.
      bias: hasBias && resetsAfter ? node.parameters[3] : nil, biasGates: 0..<1, gates: 2..<3)

    let (kernels, resetsAfter) = (plan.kernels, resetsAfter)
    let firstProducts = [gateInput, gateState, candidateInput] + (resetsAfter ? [candidateState] : [])
    plan.step(
      resetsAfter ? "gru" : "gru gates", reads: firstProducts.flatMap(\.tensors) + [hPrevious],
      writes: [gates, candidates, recurrent] + (resetsAfter ? [h] : []), tiles: blocks.tiles,
      work: [streams, inputs + units, (resetsAfter ? 3 : 2) * units]
    ) { binding in
      let (ofInput, ofState) = (gateInput.bind(binding), gateState.bind(binding))
      let (candidateOfInput, candidateOfState) = (
        candidateInput.bind(binding), resetsAfter ? candidateState.bind(binding) : nil
      )
      let (g, candidate, q) = (binding.floats(gates), binding.floats(candidates), binding.floats(recurrent))
      let previous = UnsafePointer(binding.floats(hPrevious))
      let next = resetsAfter ? binding.floats(h) : nil
      return { tile, _ in
        let part = blocks.part(tile)
        ofInput.add(kernels, part, to: g, accumulate: false)
        ofState.add(kernels, part, to: g, accumulate: true)
        candidateOfInput.add(kernels, part, to: candidate, accumulate: false)
        candidateOfState?.add(kernels, part, to: q, accumulate: false)
        for row in part.rows {
          for block in part.blocks {
            let (column, place) = (row * columns + block * blocks.width, row * units + block * blocks.width)
            let count = min(blocks.width, units - block * blocks.width)
            kernels.gruGatesForward(
              GRUGates(
                gates: g + 2 * column, gateStride: blocks.width, hPrevious: previous + place,
                reset: resetsAfter ? nil : q + place, units: count))
            if let next {
              kernels.gruCellForward(
                GRUCell(
                  gates: g + 2 * column, gateStride: blocks.width, candidate: candidate + column,
                  recurrent: q + column, hPrevious: previous + place, h: next + place, units: count))
            }
          }
        }
      }
    }
    if !resetsAfter {
      plan.step(
        "gru candidates", reads: candidateState.tensors + [gates, candidates, hPrevious], writes: [candidates, h],
        tiles: blocks.tiles, work: [streams, units, units]
      ) { binding in
        let ofState = candidateState.bind(binding)
        let (g, candidate, next) = (binding.floats(gates), binding.floats(candidates), binding.floats(h))
        let previous = UnsafePointer(binding.floats(hPrevious))
        return { tile, _ in
          let part = blocks.part(tile)
          ofState.add(kernels, part, to: candidate, accumulate: true)
          for row in part.rows {
            for block in part.blocks {
              let (column, place) = (row * columns + block * blocks.width, row * units + block * blocks.width)
              kernels.gruCellForward(
                GRUCell(
                  gates: g + 2 * column, gateStride: blocks.width, candidate: candidate + column, recurrent: nil,
                  hPrevious: previous + place, h: next + place, units: min(blocks.width, units - block * blocks.width)))
            }
          }
        }
      }
    }
    return StepResult(output: returnsSequences ? h.reshaped([1, units]) : h, state: [h])
  }
}

/// Hidden units in blocks of one panel a gate, the last one padded, and streams in blocks of rows.
private struct UnitBlocks {
  /// Units of a block.
  let width: Int
  let blocks: Int
  let rows: ProductTiling
  /// A vector product needs two panels at once to keep enough sums under way.
  let blocksPerTile: Int

  init(streams: Int, inputs: Int, units: Int, kernels: KernelTable) {
    width = kernels.panelColumns
    blocks = ceilDivide(units, width)
    blocksPerTile = streams == 1 ? 2 : 1
    rows = ProductTiling(rows: streams, depth: inputs + units, panels: 3 * blocks, kernels: kernels)
  }

  var columns: Int { blocks * width }
  private var tilesOfRows: Int { ceilDivide(blocks, blocksPerTile) }
  var tiles: Int { rows.rowBlocks * tilesOfRows }

  /// What one tile computes.
  func part(_ tile: Int) -> (rows: Range<Int>, blocks: Range<Int>) {
    let block = tile % tilesOfRows * blocksPerTile
    return (rows.rowBlock(tile / tilesOfRows), block..<min(block + blocksPerTile, blocks))
  }
}

/// A product with the weights of some gates, packed such that those of a block of units lie together.
private struct GateProduct {
  let a: Tensor
  let weights: PackedWeights
  let bias: Tensor?
  let gateCount: Int
  let columns: Int
  let aRows: OffsetTable
  let cRows: OffsetTable
  let noTap: OffsetTable

  var tensors: [Tensor] { [a, weights.tensor] + (bias.map { [$0] } ?? []) }

  init(
    _ plan: PlanBuilder, _ blocks: UnitBlocks, _ a: Tensor, _ kernel: Tensor, bias: Tensor?,
    biasGates: Range<Int>? = nil, gates: Range<Int>
  ) throws(NNKitError) {
    self.a = a
    let depth = kernel.shape[0]
    weights = try plan.packGates(kernel, depth: depth, gates, inAll: 3, units: kernel.columns / 3)
    if let bias {
      let inAll = biasGates?.count ?? 3
      self.bias = try plan.packGates(bias, depth: 1, biasGates ?? gates, inAll: inAll, units: kernel.columns / 3).tensor
    } else {
      self.bias = nil
    }
    gateCount = gates.count
    let columns = gates.count * blocks.columns
    self.columns = columns
    aRows = plan.table((0..<blocks.rows.blockRows).map { $0 * depth })
    cRows = plan.table((0..<blocks.rows.blockRows).map { $0 * columns })
    noTap = plan.table([0])
  }
}

extension GateProduct {
  func bind(_ binding: Binding) -> BoundGateProduct {
    BoundGateProduct(
      product: self, a: UnsafePointer(binding.floats(a)), weights: UnsafePointer(binding.floats(weights.tensor)),
      bias: bias.map { UnsafePointer(binding.floats($0)) }, aRows: binding.offsets(aRows),
      cRows: binding.offsets(cRows), taps: binding.offsets(noTap))
  }
}

private struct BoundGateProduct {
  let product: GateProduct
  let a: UnsafePointer<Float>
  let weights: UnsafePointer<Float>
  let bias: UnsafePointer<Float>?
  let aRows: UnsafePointer<Int>
  let cRows: UnsafePointer<Int>
  let taps: UnsafePointer<Int>

  /// `C (+)= A · B + bias` for one part; `c` begins with the first stream.
  @inline(__always)
  func add(
    _ kernels: KernelTable, _ part: (rows: Range<Int>, blocks: Range<Int>), to c: UnsafeMutablePointer<Float>,
    accumulate: Bool
  ) {
    let (row, gates) = (part.rows.lowerBound, product.gateCount)
    kernels.panelProducts(
      gates * part.blocks.lowerBound..<gates * part.blocks.upperBound, of: product.weights, weights,
      a: a + row * product.weights.depth, aRows: aRows, taps: taps, rows: part.rows.count, bias: bias,
      to: c + row * product.columns, cRows: cRows, accumulate: accumulate)
  }
}

extension PlanBuilder {
  /// Packs some of the gates of `[depth, gates · U]`: for each block of units one panel a gate.
  fileprivate func packGates(
    _ weights: Tensor, depth: Int, _ gates: Range<Int>, inAll gateCount: Int, units: Int
  ) throws(NNKitError) -> PackedWeights {
    let (panelColumns, kernels) = (kernels.panelColumns, kernels)
    let panels = ceilDivide(units, panelColumns) * gates.count
    let packed = PackedWeights(
      tensor: try packed([panels, depth, panelColumns]), depth: depth, columns: panels * panelColumns,
      panelColumns: panelColumns)
    packingStep(
      "pack gates", reads: [weights], writes: [packed.tensor], tiles: panels, work: [depth, gates.count * units]
    ) { binding in
      let source = UnsafePointer(binding.floats(weights))
      let destination = binding.floats(packed.tensor)
      return { panel, _ in
        let unit = panel / gates.count * panelColumns
        let gate = gates.lowerBound + panel % gates.count
        kernels.packPanel(
          PanelPacking(
            source: source + gate * units + unit, depthStride: gateCount * units, columnStride: 1, depth: depth,
            columns: min(panelColumns, units - unit), panel: destination + panel * packed.panelElements))
      }
    }
    return packed
  }
}
