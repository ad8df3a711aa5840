/// The same elements in the same order under another shape; nothing is copied.
package struct ReshapeOperation: Operation {
  /// At most one size is -1: what remains, or the open axis. Where each step of the output is one of the input, that is the
  /// first one, which may be shorter in a stream.
  private var sizes: [Int]
  private var keepsSteps = false

  /// Throws: `.shape` where the elements are not as many.
  init(_ input: ValueType, to sizes: [Int]) throws(NNKitError) {
    self.sizes = sizes
    let shape = try outputTypes([input])[0].shape
    guard input.shape.rank > 1, shape.rank > 1, shape[0] == input.shape[0] else { return }
    keepsSteps = true
    if !shape.sizes.dropFirst().contains(Shape.open) { self.sizes = [-1] + shape.sizes.dropFirst() }
  }

  package func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType] {
    let shape = inputs[0].shape
    let wanted = sizes.map { $0 == -1 ? "-1" : String($0) }.joined(separator: ",")
    let known = try checkedProduct(sizes.filter { $0 != -1 }, of: "the shape \(wanted)")
    let count = try checkedProduct(shape.sizes.filter { $0 != Shape.open }, of: "the input")
    var result = sizes
    if let remaining = sizes.firstIndex(of: -1) {
      if shape.isOpen {
        guard count == known else {
          throw NNKitError(
            .shape,
            "the input has shape \(shape), \(count) elements along all axes but the open one, and shape=\(wanted) has "
              + "\(known) beside -1; expected as many")
        }
        result[remaining] = Shape.open
      } else {
        guard count % known == 0 else {
          throw NNKitError(
            .shape,
            "the input has shape \(shape), which is \(count) elements; shape=\(wanted) needs a multiple of \(known)")
        }
        result[remaining] = count / known
      }
    } else {
      guard !shape.isOpen else {
        throw NNKitError(
          .shape, "the input has shape \(shape) with an open axis; shape=\(wanted) needs -1 in its place")
      }
      guard count == known else {
        throw NNKitError(
          .shape, "the input has shape \(shape), which is \(count) elements; shape=\(wanted) has \(known)")
      }
    }
    return [ValueType(inputs[0].dataType, Shape(result))]
  }

  package func actsPerStep(_ inputs: [ValueType]) -> Bool { keepsSteps }

  package func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult {
    let x = node.inputs[0]
    return ForwardResult(outputs: [x.reshaped(try outputTypes([x.type])[0].shape)])
  }

  package func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?] {
    [node.dOutputs[0]?.reshaped(node.inputs[0].shape)]
  }
}
