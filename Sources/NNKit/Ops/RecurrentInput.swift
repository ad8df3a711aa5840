import NNKitKernelTable

/// A recurrent layer, which can read its input through an embedding.
protocol RecurrentOperation: StreamingOperation {
  var sequence: RecurrentSequence { get }
  func forward(_ plan: PlanBuilder, _ node: ForwardNode, _ input: RecurrentInput) throws(NNKitError) -> ForwardResult
  func backward(_ plan: PlanBuilder, _ node: BackwardNode, _ input: RecurrentInput) throws(NNKitError) -> [Tensor?]
}

extension RecurrentOperation {
  package var returnsSequences: Bool { sequence.returnsSequences }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    try forward(plan, node, .values)
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    try backward(plan, node, .values)
  }
}

/// What the first input of a recurrent layer's node is, and the part of the gates that comes from it: `K x_t + b`.
enum RecurrentInput {
  /// `x` `[T, I]`.
  case values
  /// Indices `[T]` of rows of the node's last parameter, the embeddings `E` `[vocabulary, I]`: `x_t = E[index_t]`.
  ///
  /// There are fewer different rows than time steps, so all of them are multiplied once, `E K + b`, and a time step
  /// looks its product up: the same bits. Backward the gradients of the gates are summed for each row first, `S`
  /// `[vocabulary, gates]`; then `dK = Eᵀ S`, `db = Σ S` and `dE = S Kᵀ`.
  case rows(vocabulary: Int)

  /// Adds the product. The gates `[T, columns]` are written, or a table is returned that has their rows.
  func addProduct(
    _ plan: PlanBuilder, _ name: String, _ node: ForwardNode, inputs: Int, bias: Tensor?, to gates: Tensor,
    _ sequences: SequenceLengths?, allowsPairs: Bool
  ) throws(NNKitError) -> GateRows? {
    let columns = gates.columns
    guard case .rows(let vocabulary) = self else {
      let inPairs =
        allowsPairs && node.inputs[0].isBounded
        && plan.pairsProducts(rows: gates.rows, depth: inputs, columns: columns)
      let weights = try plan.packMatrix(node.parameters[0], depth: inputs, columns: columns, inPairs: inPairs)
      try plan.matrixProduct(
        "\(name) inputs", node.inputs[0], rows: gates.rows, weights, bias: bias, .linear, to: gates,
        sequences: sequences)
      return nil
    }
    let weights = try plan.packMatrix(node.parameters[0], depth: inputs, columns: columns)
    let table = try plan.floats([vocabulary, columns])
    try plan.matrixProduct(
      "\(name) embeddings", node.parameters[node.parameters.count - 1], rows: vocabulary, weights, bias: bias, .linear,
      to: table)
    return GateRows(indices: node.inputs[0], table: table)
  }

  /// Adds the gradients of the kernel, the bias and the embeddings, or returns that of the input, where it is wanted.
  func addGradients(
    _ plan: PlanBuilder, _ name: String, _ node: BackwardNode, inputs: Int, dGates: Tensor, dBias: Tensor?,
    _ sequence: RecurrentSequence, _ sequences: SequenceLengths?
  ) throws(NNKitError) -> Tensor? {
    let (batch, time, columns) = (plan.batch, dGates.shape[0], dGates.columns)
    guard case .rows(let vocabulary) = self else {
      let x = node.inputs[0]
      let loops = sequence.inputLoops(batch: batch, time: time, columns: inputs, gateColumns: columns, sequences)
      try plan.weightGradient(
        "\(name) kernel gradient", x, dGates, loops, rows: inputs, columns: columns, to: node.dParameters[0],
        bias: dBias, inPairs: sequence.allowsPairs && x.isBounded)
      guard node.wantsInput[0] else { return nil }
      let dx = try plan.tensor(x.type)
      let inPairs = sequence.allowsPairs && plan.pairsProducts(rows: batch * time, depth: columns, columns: inputs)
      let weights = try plan.packTransposed(node.parameters[0], depth: columns, columns: inputs, inPairs: inPairs)
      try plan.matrixProduct(
        "\(name) input gradient", dGates, rows: batch * time, weights, bias: nil, .linear, to: dx,
        sequences: sequences, zeroesPadding: true)
      return dx
    }
    let sums = try plan.floats([vocabulary, columns])
    try addSums(plan, name, node.inputs[0], dGates, to: sums, sequences)
    let (embeddings, dEmbeddings) = (
      node.parameters[node.parameters.count - 1], node.dParameters[node.dParameters.count - 1]
    )
    let loops = DepthLoops(
      outer: 1, inner: vocabulary, aOuterStep: 0, aInnerStep: inputs, bOuterStep: 0, bInnerStep: columns)
    try plan.weightGradient(
      "\(name) kernel gradient", embeddings, sums, loops, rows: inputs, columns: columns, to: node.dParameters[0],
      bias: dBias)
    let weights = try plan.packTransposed(node.parameters[0], depth: columns, columns: inputs)
    try plan.matrixProduct(
      "\(name) embedding gradient", sums, rows: vocabulary, weights, bias: nil, .linear, to: dEmbeddings)
    return nil
  }

  /// Adds `sums[index_t] += dGates_t` over all sequences and their time steps, in order. A tile owns some columns.
  private func addSums(
    _ plan: PlanBuilder, _ name: String, _ indices: Tensor, _ dGates: Tensor, to sums: Tensor,
    _ sequences: SequenceLengths?
  ) throws(NNKitError) {
    let (kernels, batch, time, columns) = (plan.kernels, plan.batch, dGates.shape[0], dGates.columns)
    let columnsPerTile = 128
    let rows = IndexSums(rows: batch * time, vocabulary: sums.rows, columns: columnsPerTile)
    let scratch = try plan.scratch(floats: rows.scratchFloats)
    plan.step(
      "\(name) gradient by index", reads: [indices, dGates] + (sequences.map { [$0.tensor] } ?? []), writes: [sums],
      scratch: scratch, tiles: ceilDivide(columns, columnsPerTile), work: [batch * time, columns]
    ) { binding in
      let (index, gradient, sum) = (
        binding.integers(indices), UnsafePointer(binding.floats(dGates)), binding.floats(sums)
      )
      let lengths = sequences.map { binding.integers($0.tensor) }
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let column = tile * columnsPerTile
        rows.write(
          kernels, index, gradient + column, to: sum + column, stride: columns,
          count: min(columnsPerTile, columns - column), BoundSequences(range: 0..<batch, time: time, lengths: lengths),
          scratch: workspace.base + worker * workspace.stride)
      }
    }
  }
}

/// The products of all embeddings, and which of them each time step has.
struct GateRows {
  let indices: Tensor
  let table: Tensor

  func bind(_ binding: Binding) -> BoundGateRows {
    BoundGateRows(indices: binding.integers(indices), table: binding.floats(table), columns: table.columns)
  }
}

struct BoundGateRows {
  let indices: UnsafeMutablePointer<Int32>
  let table: UnsafeMutablePointer<Float>
  let columns: Int

  /// Writes the row that belongs to time step `row` of all sequences.
  @inline(__always)
  func copy(_ row: Int, to gates: UnsafeMutablePointer<Float>) {
    (gates + row * columns).update(from: table + Int(indices[row]) * columns, count: columns)
  }
}

/// An embedding and the recurrent layer that alone reads it.
struct EmbeddedOperation: StreamingOperation {
  let embedding: EmbeddingOperation
  let recurrent: any RecurrentOperation

  /// The embedding's come last.
  var parameters: [ParameterSpecification] { recurrent.parameters + embedding.parameters }

  private func recurrentTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try embedding.outputTypes([inputs[0]]) + inputs.dropFirst()
  }

  func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try recurrent.outputTypes(try recurrentTypes(inputs))
  }

  func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>? {
    index == 0 ? embedding.inputRange(0, inputs) : recurrent.inputRange(index, inputs)
  }

  var returnsSequences: Bool { recurrent.returnsSequences }
  var stateSizes: [Int] { recurrent.stateSizes }

  func forwardStep(_ plan: PlanBuilder, _ node: ForwardNode, from state: [Tensor]) throws(NNKitError) -> StepResult {
    try recurrent.forwardStep(plan, try lookUp(plan, node), from: state)
  }

  /// Whether there are fewer embeddings than time steps that read one. Without enough sequences for tiles the layer is
  /// divided by units, where the input's product costs least.
  private func looksUp(_ plan: PlanBuilder, _ indices: Tensor) -> Bool {
    let (time, units) = (indices.shape[0], recurrent.sequence.units)
    return embedding.vocabulary < plan.batch * time
      && (plan.isTraining || SequenceTiles(batch: plan.batch, time: time, units: units).count > 1)
  }

  func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    if looksUp(plan, node.inputs[0]) {
      return try recurrent.forward(plan, node, .rows(vocabulary: embedding.vocabulary))
    }
    let embedded = try lookUp(plan, node)
    var result = try recurrent.forward(plan, embedded)
    result.saved.append(embedded.inputs[0])
    return result
  }

  /// Adds the steps of the embedding, and returns the node of the recurrent layer behind it.
  private func lookUp(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardNode {
    let table = node.parameters.count - 1
    let values = try embedding.forward(
      plan,
      ForwardNode(
        index: node.index, inputs: [node.inputs[0]], parameters: [node.parameters[table]], lengths: nil,
        outputMayBePending: false))
    return ForwardNode(
      index: node.index, inputs: values.outputs + node.inputs.dropFirst(), parameters: Array(node.parameters[..<table]),
      lengths: node.lengths, outputMayBePending: false)
  }

  func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    if looksUp(plan, node.inputs[0]) {
      return try recurrent.backward(plan, node, .rows(vocabulary: embedding.vocabulary))
    }
    let table = node.parameters.count - 1
    let values = node.saved[node.saved.count - 1]
    let dInputs = try recurrent.backward(
      plan,
      BackwardNode(
        index: node.index, inputs: [values] + node.inputs.dropFirst(), outputs: node.outputs,
        saved: Array(node.saved.dropLast()), parameters: Array(node.parameters[..<table]),
        lengths: node.lengths, dParameters: Array(node.dParameters[..<table]), dOutputs: node.dOutputs,
        wantsInput: [true] + node.wantsInput.dropFirst(), addends: node.addends))
    _ = try embedding.backward(
      plan,
      BackwardNode(
        index: node.index, inputs: [node.inputs[0]], outputs: [values], saved: [],
        parameters: [node.parameters[table]], lengths: nil, dParameters: [node.dParameters[table]],
        dOutputs: [dInputs[0]], wantsInput: [false], addends: [nil]))
    return Array(repeating: nil, count: node.inputs.count)
  }
}
