import NNKitKernelTable

/// What recurrent layers over whole sequences have in common: their shapes, lengths, and tiles of sequences.
///
/// Shape: `x` `[T, I]`; optionally `lengths` `[]`, int32, `1 ... T`; `y` `[T, U]` or, for the last state, `[U]`.
/// Behind a sequence's length `y` is zero, and the last state is that of its own last step.
package struct RecurrentSequence: Sendable {
  package let inputs: Int
  package let units: Int
  package let returnsSequences: Bool
  /// Whether large products may be computed in pairs: see `PairedProduct`.
  package let allowsPairs: Bool

  package init(inputs: Int, units: Int, returnsSequences: Bool, allowsPairs: Bool) {
    self.inputs = inputs
    self.units = units
    self.returnsSequences = returnsSequences
    self.allowsPairs = allowsPairs
  }

  /// Whether the products of each time step, with `columns` recurrent weights a unit, are computed in pairs.
  func pairsSteps(_ plan: PlanBuilder, _ tiles: SequenceTiles, depth: Int, columns: Int) -> Bool {
    allowsPairs && plan.pairsProducts(rows: min(tiles.rowsPerTile, tiles.batch), depth: depth, columns: columns)
      && tiles.rowsPerTile <= plan.kernels.pairedRows
  }

  func outputTypes(_ types: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(types[0])
    try requireRank(types[0], 2, "[T, \(inputs)]")
    let shape = types[0].shape
    guard shape[1] == inputs else {
      throw NNKitError(.shape, "the input has shape \(shape); expected [T, \(inputs)]")
    }
    if types.count > 1 {
      guard types[1].dataType == .int32, types[1].shape.rank == 0 else {
        throw NNKitError(
          types[1].dataType == .int32 ? .shape : .type,
          "the lengths are \(types[1]); expected int32 [], one number for each sequence")
      }
    }
    return [ValueType(.float32, returnsSequences ? [shape[0], units] : [units])]
  }

  func inputRange(_ index: Int, _ types: [ValueType]) -> ClosedRange<Int32>? {
    index == 1 ? 1...Int32(clamping: max(1, types[0].shape[0])) : nil
  }

  func lengths(_ inputs: [Tensor]) -> SequenceLengths? {
    inputs.count > 1 ? SequenceLengths(tensor: inputs[1]) : nil
  }

  /// What the forward step through time reads besides the gates.
  func reads(_ inputRows: GateRows?, _ sequences: SequenceLengths?) -> [Tensor] {
    (inputRows.map { [$0.indices, $0.table] } ?? []) + (sequences.map { [$0.tensor] } ?? [])
  }

  /// Writes a tile's outputs from its states: zeros behind the lengths, or the last states. With `columns` of these
  /// units only.
  @inline(__always)
  func writeOutput(
    _ sequences: BoundSequences, _ hidden: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>,
    columns: Range<Int>? = nil
  ) {
    let time = sequences.time
    let (first, count) = (columns?.lowerBound ?? 0, columns?.count ?? units)
    for n in sequences.range {
      let length = sequences.length(n)
      if returnsSequences {
        for t in length..<time { (output + (n * time + t) * units + first).update(repeating: 0, count: count) }
      } else {
        (output + n * units + first).update(from: hidden + (n * time + length - 1) * units + first, count: count)
      }
    }
  }

  /// Writes what each sequence's gradient of the state is before the last step is gone through.
  @inline(__always)
  func startGradient(
    _ sequences: BoundSequences, _ dOutput: UnsafePointer<Float>, to dHidden: UnsafeMutablePointer<Float>
  ) {
    let first = sequences.range.lowerBound * units
    if returnsSequences {
      (dHidden + first).update(repeating: 0, count: sequences.range.count * units)
    } else {
      (dHidden + first).update(from: dOutput + first, count: sequences.range.count * units)
    }
  }

  /// The depth of the gradient of weights between an input of every time step, `[T, columns]`, and the gradients of
  /// the gates, `[T, gateColumns]`.
  func inputLoops(
    batch: Int, time: Int, columns: Int, gateColumns: Int, _ sequences: SequenceLengths?
  ) -> DepthLoops {
    DepthLoops(
      outer: sequences == nil ? 1 : batch, inner: sequences == nil ? batch * time : time, aOuterStep: time * columns,
      aInnerStep: columns, bOuterStep: time * gateColumns, bInnerStep: gateColumns, sequences: sequences)
  }

  /// The depth of the gradient of recurrent weights: the states of the steps before (or, with `sameStep`, what was made
  /// of them in the same step), and the gradients of all steps but the first, `[T, gateColumns]` from `gateStart` on.
  func stateLoops(
    batch: Int, time: Int, gateStart: Int = 0, gateColumns: Int, sameStep: Bool = false, _ sequences: SequenceLengths?
  ) -> DepthLoops {
    DepthLoops(
      outer: batch, inner: time - 1, aStart: sameStep ? units : 0, aOuterStep: time * units, aInnerStep: units,
      bStart: gateColumns + gateStart, bOuterStep: time * gateColumns, bInnerStep: gateColumns, sequences: sequences,
      lengthLess: 1)
  }
}

/// How the sequences of a batch are divided into tiles, each of which goes through time on its own.
struct SequenceTiles {
  let batch: Int
  let time: Int
  /// How many sequences one tile advances together. Few rows leave registers idle and read the recurrent weights more
  /// often; many leave threads idle. Large weights are read from far away, so rows win.
  let rowsPerTile: Int

  init(batch: Int, time: Int, units: Int) {
    self.batch = batch
    self.time = time
    rowsPerTile =
      units <= 128 ? min(max(ceilDivide(batch, 8), 4), 16) : min(max(ceilDivide(batch, 2), 8), 16)
  }

  var count: Int { ceilDivide(batch, rowsPerTile) }

  @inline(__always)
  func sequences(_ tile: Int, _ lengths: UnsafeMutablePointer<Int32>?) -> BoundSequences {
    let first = tile * rowsPerTile
    return BoundSequences(range: first..<min(first + rowsPerTile, batch), time: time, lengths: lengths)
  }
}

/// The sequences of one tile, while a step runs.
struct BoundSequences {
  let range: Range<Int>
  let time: Int
  let lengths: UnsafeMutablePointer<Int32>?

  @inline(__always)
  func length(_ n: Int) -> Int { lengths.map { Int($0[n]) } ?? time }

  /// Every time step of every sequence in order, as a row of `[N · T]`.
  @inline(__always)
  func forEachRow(_ body: (_ row: Int) -> Void) {
    for n in range {
      for row in n * time..<n * time + length(n) { body(row) }
    }
  }
}

/// The rows of one recurrent product: where each begins in `A` and in `C`. Lives in a worker's scratch memory.
struct RowList {
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
  /// `C[rows] (+)= A[rows] · B` for the listed rows, panel by panel. `scratch`: `rowFloats` of the weights.
  func rowProducts(
    _ rows: RowList, a: UnsafePointer<Float>, _ taps: UnsafePointer<Int>, _ bound: BoundWeights,
    to c: UnsafeMutablePointer<Float>, accumulate: Bool, scratch: UnsafeMutablePointer<Float>
  ) {
    let (b, panels) = (bound.weights, bound.panels)
    if bound.isPaired {
      pairedRowProducts(a, rows.a, bound, to: c, rows.c, rows: rows.count, accumulate: accumulate, scratch: scratch)
      return
    }
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

extension PlanBuilder {
  /// Adds `sum[c] = Σ x[n][t][c]` over all sequences and their time steps, for `x` `[T, C]`.
  func sequenceSum(_ name: String, _ x: Tensor, to sum: Tensor, _ sequences: SequenceLengths?) throws(NNKitError) {
    let (kernels, batch, time, columns) = (kernels, batch, x.shape[0], x.columns)
    let perChunk = ceilDivide(batch, min(batch, max(8, PartialSums.chunks(ofBlocks: batch, sums: columns))))
    let chunks = ceilDivide(batch, perChunk)
    let partials = try PartialSums(self, chunks: chunks, sizes: [columns])
    step(
      name, reads: [x] + (sequences.map { [$0.tensor] } ?? []), writes: [sum] + partials.tensors, tiles: chunks,
      work: [x.count]
    ) { binding in
      let source = UnsafePointer(binding.floats(x))
      let target = partials.target(binding, 0, sum)
      let lengths = sequences.map { binding.integers($0.tensor) }
      return { chunk, _ in
        let first = chunk * perChunk
        let part = BoundSequences(range: first..<min(first + perChunk, batch), time: time, lengths: lengths)
        for n in part.range {
          kernels.columnSum(
            source + n * time * columns, part.length(n), columns, columns, target(chunk), n > part.range.lowerBound)
        }
      }
    }
    partials.addReduction(self, name, to: [sum])
  }
}
