import NNKitKernelTable

/// Elements in one tile of an elementwise step: 32 KiB of floats.
private let elementsPerTile = 8192

extension PlanBuilder {
  /// Adds a step that calls `body` for consecutive parts of `count` elements, each of whole rows of `rowLength`.
  /// `reads` and `elementwise`: as for `step`.
  func elementwise(
    _ name: String, reads: [Tensor] = [], elementwise: [Tensor], writes: [Tensor], count: Int, rowLength: Int = 1,
    workPerElement: Int = 4,
    _ bind: @escaping (Binding) -> (_ start: Int, _ count: Int) -> Void
  ) {
    let elementsPerTile = max(1, elementsPerTile / rowLength) * rowLength
    step(
      name, reads: reads, elementwise: elementwise, writes: writes, tiles: ceilDivide(count, elementsPerTile),
      work: [count, workPerElement]
    ) { binding in
      let body = bind(binding)
      return { tile, _ in
        let start = tile * elementsPerTile
        body(start, min(elementsPerTile, count - start))
      }
    }
  }

  /// Adds `sum = Σ parts`, two or more, in their order. Each gradient that an output has more than one consumer for comes here.
  func addSum(of parts: [Tensor], to sum: Tensor) {
    let kernels = kernels
    elementwise(
      // The sum of the first two is there when the others are read.
      "sum of gradients", reads: Array(parts.dropFirst(2)), elementwise: Array(parts.prefix(2)), writes: [sum],
      count: sum.count
    ) { binding in
      let pointers = parts.map { UnsafePointer(binding.floats($0)) }
      let total = binding.floats(sum)
      return { start, count in
        kernels.add(
          Addition(x: pointers[0] + start, y: pointers[1] + start, sum: total + start, count: count, relu: false))
        for part in 2..<pointers.count { kernels.accumulate(pointers[part] + start, total + start, count) }
      }
    }
  }

  /// Adds `y = f(x)`.
  func activation(_ kind: ActivationKind, _ x: Tensor, to y: Tensor) {
    let kernels = kernels
    elementwise(kind.name, elementwise: [x], writes: [y], count: x.count, workPerElement: 16) { binding in
      let (input, output) = (UnsafePointer(binding.floats(x)), binding.floats(y))
      return { start, count in kernels.activationForward(kind, input + start, output + start, count) }
    }
  }

  /// Adds `dz = f'(·) dy`, `saved` being what `kind.gradientNeedsInput` says, and returns `dz`. Linear: `dy`.
  func activationGradient(_ kind: ActivationKind, saved: Tensor, _ dy: Tensor) throws(NNKitError) -> Tensor {
    if kind == .linear { return dy }
    let dz = try tensor(dy.type)
    let kernels = kernels
    elementwise(
      "\(kind.name) gradient", elementwise: [dy, saved], writes: [dz], count: dy.count, workPerElement: 8
    ) { binding in
      let (value, input, output) = (
        UnsafePointer(binding.floats(saved)), UnsafePointer(binding.floats(dy)), binding.floats(dz)
      )
      return { start, count in
        kernels.activationBackward(kind, value + start, input + start, output + start, count)
      }
    }
    return dz
  }

  /// Adds `x = source`, or without a source `x = 0`. Where `x` takes the memory of `source`, nothing is copied.
  func fill(_ name: String, _ x: Tensor, from source: Tensor?) {
    elementwise(
      "\(name), \(source == nil ? "zero" : "copy")", elementwise: source.map { [$0] } ?? [], writes: [x],
      count: x.count, workPerElement: 1
    ) { binding in
      let values = binding.floats(x)
      guard let source = source.map({ UnsafePointer(binding.floats($0)) }) else {
        return { start, count in (values + start).update(repeating: 0, count: count) }
      }
      if source == UnsafePointer(values) { return { _, _ in } }
      return { start, count in (values + start).update(from: source + start, count: count) }
    }
  }
}

/// How an operation that ends in an activation computes it. Where the gradient needs the value before the
/// activation, training keeps that value in a tensor of its own.
struct ActivatedOutput {
  /// Where the product goes, and which activation it applies on the way.
  let product: Tensor
  let fused: ActivationKind
  let output: Tensor
  let activation: ActivationKind

  init(_ plan: PlanBuilder, _ type: ValueType, _ activation: ActivationKind) throws(NNKitError) {
    self.activation = activation
    output = try plan.tensor(type)
    let keepsInput = plan.isTraining && activation.gradientNeedsInput
    product = keepsInput ? try plan.tensor(type) : output
    fused = keepsInput ? .linear : activation
  }

  /// Adds the activation, where the product did not apply it, and says what backward needs.
  func finish(_ plan: PlanBuilder) -> ForwardResult {
    if fused == activation { return ForwardResult(outputs: [output], saved: [output]) }
    plan.activation(activation, product, to: output)
    return ForwardResult(outputs: [output], saved: [product])
  }
}

/// `y = f(x)`, elementwise.
package struct ActivationOperation: Operation {
  package let kind: ActivationKind

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    try requireFloat(inputs[0])
    return inputs
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { true }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let y = try plan.tensor(node.inputs[0].type)
    plan.activation(kind, node.inputs[0], to: y)
    return ForwardResult(outputs: [y])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    guard let dy = node.dOutputs[0] else { return [nil] }
    let saved = kind.gradientNeedsInput ? node.inputs[0] : node.outputs[0]
    return [try plan.activationGradient(kind, saved: saved, dy)]
  }
}
