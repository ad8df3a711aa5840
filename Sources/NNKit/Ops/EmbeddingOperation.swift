import NNKitKernelTable

/// `y[...] = E[x[...]]`: each index becomes a row of the table `E` `[vocabulary, units]`.
package struct EmbeddingOperation: Operation {
  package let vocabulary: Int
  package let units: Int

  package var parameters: [ParameterSpecification] {
    [ParameterSpecification("embeddings", [vocabulary, units], .heNormal, fanIn: 2 * units, fanOut: units)]
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    guard inputs[0].dataType == .int32 else {
      throw NNKitError(.type, "the input is \(inputs[0]); expected int32 indices: declare the input with this type")
    }
    guard inputs[0].shape.rank < Shape.maximumRank - 1 else {
      throw NNKitError(.shape, "the input has shape \(inputs[0].shape); expected at most \(Shape.maximumRank - 2) axes")
    }
    return [ValueType(.float32, Shape(inputs[0].shape.sizes + [units]))]
  }

  package func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>? { 0...Int32(vocabulary - 1) }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { true }

  private static let indicesPerTile = 128

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let (x, table, units) = (node.inputs[0], node.parameters[0], units)
    let y = try plan.tensor(try outputTypes([x.type])[0])
    let count = x.count
    plan.step(
      "embedding", reads: [x, table], writes: [y], tiles: ceilDivide(count, Self.indicesPerTile), work: [count, units]
    ) { binding in
      let (indices, rows, output) = (binding.integers(x), binding.floats(table), binding.floats(y))
      return { tile, _ in
        let first = tile * Self.indicesPerTile
        for i in first..<min(first + Self.indicesPerTile, count) {
          (output + i * units).update(from: rows + Int(indices[i]) * units, count: units)
        }
      }
    }
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let (x, dTable, units, kernels) = (node.inputs[0], node.dParameters[0], units, plan.kernels)
    let count = x.count
    // A tile owns some columns of the table and adds all rows there in order: the sums do not depend on threads.
    let columnsPerTile = 32
    let rows = IndexSums(rows: count, vocabulary: vocabulary, columns: columnsPerTile)
    let scratch = try plan.scratch(floats: rows.scratchFloats)
    plan.step(
      "embedding gradient", reads: [x, dy], writes: [dTable], scratch: scratch,
      tiles: ceilDivide(units, columnsPerTile), work: [count + vocabulary, units]
    ) { binding in
      let (indices, gradient, sums) = (binding.integers(x), UnsafePointer(binding.floats(dy)), binding.floats(dTable))
      let workspace = binding.scratch(scratch)
      return { tile, worker in
        let column = tile * columnsPerTile
        rows.write(
          kernels, indices, gradient + column, to: sums + column, stride: units,
          count: min(columnsPerTile, units - column), BoundSequences(range: 0..<1, time: count, lengths: nil),
          scratch: workspace.base + worker * workspace.stride)
      }
    }
    return [nil]
  }
}
