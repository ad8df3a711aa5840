import NNKitKernelTable

/// `z = x · y` or `z = x - y`, elementwise. An axis of size 1, or one that is missing in front, is repeated as often as the
/// other input has it (NumPy's rule).
package struct PairwiseOperation: Operation {
  package enum Kind: String, Sendable {
    case multiply
    case subtract
  }

  let kind: Kind
  private var steps = [false, false]

  /// Throws: as `outputTypes`.
  init(_ kind: Kind, _ inputs: [ValueType]) throws(NNKitError) {
    self.kind = kind
    let shape = try outputTypes(inputs)[0].shape
    // From the shapes as they are declared: an open axis may turn out to be 1.
    if shape.rank > 1 { steps = inputs.map { $0.shape.rank == shape.rank && $0.shape[0] == shape[0] } }
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    try requireFloat(inputs[1])
    let rank = max(inputs[0].shape.rank, inputs[1].shape.rank)
    let (x, y) = (inputs[0].shape.extended(to: rank), inputs[1].shape.extended(to: rank))
    var sizes: [Int] = []
    for (a, b) in zip(x.sizes, y.sizes) {
      guard a == b || a == 1 || b == 1 else {
        throw NNKitError(
          .shape,
          "the inputs have shapes \(inputs[0].shape) and \(inputs[1].shape); expected the same sizes, or 1, along each axis "
            + "from the last one on")
      }
      sizes.append(a == 1 ? b : a)
    }
    return [ValueType(.float32, Shape(sizes))]
  }

  package func stepInputs(_ inputs: [ValueType]) -> [Bool] { steps }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let z = try plan.tensor(try outputTypes(node.inputs.map(\.type))[0])
    let x = try plan.repeated("\(kind.rawValue), repeat", node.inputs[0], to: z.shape)
    let y = try plan.repeated("\(kind.rawValue), repeat", node.inputs[1], to: z.shape)
    add(plan, kind.rawValue, kind, x, y, to: z)
    return ForwardResult(outputs: [z], saved: kind == .multiply ? [x, y] : [])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dz = node.dOutputs[0] else { return [nil, nil] }
    var gradients: [Tensor?] = []
    for (position, input) in node.inputs.enumerated() {
      guard node.wantsInput[position] else {
        gradients.append(nil)
        continue
      }
      var gradient = dz
      if kind == .multiply {
        gradient = try plan.tensor(dz.type)
        add(plan, "multiply gradient", .multiply, dz, node.saved[1 - position], to: gradient)
      } else if position == 1 {
        gradient = try plan.tensor(dz.type)
        let kernels = plan.kernels
        plan.elementwise("subtract gradient", elementwise: [dz], writes: [gradient], count: dz.count) { binding in
          let (source, target) = (UnsafePointer(binding.floats(dz)), binding.floats(gradient))
          return { start, count in kernels.negate(source + start, target + start, count) }
        }
      }
      gradients.append(try plan.summed("\(kind.rawValue) gradient, sum", gradient, to: input.shape))
    }
    return gradients
  }

  private func add(
    _ plan: PlanBuilder, _ name: String, _ kind: Kind, _ x: Tensor, _ y: Tensor, to z: Tensor
  ) {
    let kernels = plan.kernels
    plan.elementwise(name, elementwise: [x, y], writes: [z], count: z.count) { binding in
      let (first, second) = (UnsafePointer(binding.floats(x)), UnsafePointer(binding.floats(y)))
      let result = binding.floats(z)
      return { start, count in
        let pair = ElementPair(x: first + start, y: second + start, z: result + start, count: count)
        switch kind {
        case .multiply: kernels.multiply(pair)
        case .subtract: kernels.subtract(pair)
        }
      }
    }
  }
}

extension Shape {
  /// The same elements with axes of size 1 in front.
  func extended(to rank: Int) -> Shape { Shape(Array(repeating: 1, count: rank - self.rank) + sizes) }
}

extension PlanBuilder {
  /// A tensor of this shape in which axes of size 1, and missing ones in front, are repeated; the tensor itself where it has
  /// the shape.
  func repeated(_ name: String, _ x: Tensor, to shape: Shape) throws(NNKitError) -> Tensor {
    if x.shape == shape { return x }
    let y = try tensor(ValueType(.float32, shape))
    let own = x.shape.extended(to: shape.rank)
    let (from, to) = (own.denseStrides, shape.denseStrides)
    let axes = shape.sizes.indices.map { axis in
      CopyAxis(size: shape[axis], source: own[axis] == shape[axis] ? from[axis] : 0, target: to[axis])
    }
    assemble(name, [CopyPiece(x, axes: axes)], to: y)
    return y
  }

  /// The gradient of `repeated`: the sum over the axes that were. In the order of the axes.
  func summed(_ name: String, _ dy: Tensor, to shape: Shape) throws(NNKitError) -> Tensor {
    if dy.shape == shape { return dy }
    let own = shape.extended(to: dy.shape.rank)
    let axes = dy.shape.sizes.indices
    // Those to be summed first.
    let order = axes.filter { own[$0] != dy.shape[$0] } + axes.filter { own[$0] == dy.shape[$0] }
    var rows = dy
    if order != Array(axes) {
      rows = try tensor(ValueType(.float32, Shape(order.map { dy.shape[$0] })))
      assemble("\(name), order", [CopyPiece(dy, order: order, to: rows.shape)], to: rows)
    }
    let dx = try tensor(ValueType(.float32, shape))
    addColumnSums(name, rows, to: dx)
    return dx
  }

  /// Adds `dx = Σ rows`: the first axes of each sample of `rows` are those that `dx` lacks.
  func addColumnSums(_ name: String, _ rows: Tensor, to dx: Tensor) {
    let (kernels, columns) = (kernels, dx.sampleCount)
    let count = rows.sampleCount / columns
    let columnsPerTile = min(columns, 1024)
    let parts = ceilDivide(columns, columnsPerTile)
    step(name, reads: [rows], writes: [dx], tiles: dx.batch * parts, work: [rows.count]) { binding in
      let (source, target) = (UnsafePointer(binding.floats(rows)), binding.floats(dx))
      return { tile, _ in
        let (sample, part) = tile.quotientAndRemainder(dividingBy: parts)
        let start = part * columnsPerTile
        kernels.columnSum(
          source + sample * count * columns + start, count, min(columnsPerTile, columns - start), columns,
          target + sample * columns + start, false)
      }
    }
  }
}
