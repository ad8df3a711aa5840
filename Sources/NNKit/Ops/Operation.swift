/// One node's mathematics: its shape rule, its forward steps and its backward steps, side by side in one file.
///
/// An operation is made by a layer from its options; it knows shapes and gradients and adds steps to a plan. What
/// it is given has been checked: `forward` and `backward` see only shapes that `outputTypes` accepted.
package protocol Operation: Sendable {
  /// The parameters, in the order in which `ForwardNode.parameters` holds them: the trainable ones first.
  var parameters: [ParameterSpecification] { get }

  /// The types of the outputs, for inputs whose time may be open or concrete.
  /// Throws: `.shape` or `.type` where the inputs do not fit.
  func outputTypes(_ inputs: [ValueType]) throws(NNKitError) -> [ValueType]

  /// The values that an int32 input may hold; nil: any.
  func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>?

  /// Whether forward and backward steps can read an input of this type whose normalisation is pending.
  func readsPending(_ index: Int, _ input: ValueType) -> Bool

  /// Whether the operation adds its gradient of an input to that which other readers of the input have.
  func addsToGradient(ofInput index: Int) -> Bool

  /// Whether each time step of the outputs, along the first axis, is made of the same time step of the inputs alone.
  func actsPerStep(_ inputs: [ValueType]) -> Bool

  /// Of each input: whether it has the time steps of the outputs, of which each step is made. The others are read whole by
  /// every step. All true where `actsPerStep`, all false where not, unless the operation knows better.
  func stepInputs(_ inputs: [ValueType]) -> [Bool]

  /// Whether the backward pass may compute the output again, by the forward steps, instead of keeping it.
  var canComputeAgain: Bool { get }

  /// Adds the steps that compute the outputs.
  func forward(_ plan: PlanBuilder, _ node: ForwardNode) throws(NNKitError) -> ForwardResult

  /// Adds the steps that compute the gradients of all parameters and of the inputs asked for, and returns the
  /// latter. Every gradient tensor is written by the operation, none is added to.
  func backward(_ plan: PlanBuilder, _ node: BackwardNode) throws(NNKitError) -> [Tensor?]

  /// The outputs by plain loops in double precision, as the definition writes them: what the steps of `forward` are
  /// compared with.
  func reference(_ node: ReferenceNode) -> ReferenceResult

  /// The gradients of inputs and parameters by plain loops in double precision. `dOutputs`: of each output.
  func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]]) -> ReferenceGradient
}

extension Operation {
  package var parameters: [ParameterSpecification] { [] }
  package func inputRange(_ index: Int, _ inputs: [ValueType]) -> ClosedRange<Int32>? { nil }
  package func readsPending(_ index: Int, _ input: ValueType) -> Bool { false }
  package func addsToGradient(ofInput index: Int) -> Bool { false }
  package func actsPerStep(_ inputs: [ValueType]) -> Bool { false }
  package func stepInputs(_ inputs: [ValueType]) -> [Bool] {
    Array(repeating: actsPerStep(inputs), count: inputs.count)
  }
  package var canComputeAgain: Bool { false }
}

/// An operation that goes through time from the first step to the last with a state, and can go on from one: what
/// streams need. Its first input and, where it returns sequences, its output have time as their first axis.
protocol StreamingOperation: Operation {
  var returnsSequences: Bool { get }

  /// Which of a node's inputs says how many steps of each sequence are data, where one does.
  func lengths<Input>(of inputs: [Input]) -> Input?

  /// Of each tensor of the state: how many floats a sequence has.
  var stateSizes: [Int] { get }

  /// Adds the steps that compute one time step from `state`, and nothing that depends on the steps before otherwise: the
  /// inputs have one time step each, and lengths are 1.
  func forwardStep(_ plan: PlanBuilder, _ node: ForwardNode, from state: [Tensor]) throws(NNKitError) -> StepResult
}

extension StreamingOperation {
  func lengths<Input>(of inputs: [Input]) -> Input? { inputs.count > 1 ? inputs[1] : nil }
}

/// What a time step gives: its output, and where the new state lies; that may be where the old one was.
struct StepResult {
  let output: Tensor
  let state: [Tensor]
}

/// What an operation's forward steps work on.
package struct ForwardNode {
  /// The node's index in the graph, for random streams.
  package let index: Int
  package let inputs: [Tensor]
  package let parameters: [Tensor]
  /// How many steps of each sequence of the output are data, where it has steps that are not.
  package let lengths: SequenceLengths?
  /// Whether the first output may be returned with a pending normalisation.
  package let outputMayBePending: Bool
}

package struct ForwardResult {
  package var outputs: [Tensor]
  /// What the backward steps will need besides inputs and outputs.
  package var saved: [Tensor] = []
}

/// What an operation's backward steps work on.
package struct BackwardNode {
  package let index: Int
  package let inputs: [Tensor]
  package let outputs: [Tensor]
  package let saved: [Tensor]
  package let parameters: [Tensor]
  /// As in `ForwardNode`. The gradients of the outputs are zero behind the lengths, and so must those of the inputs be.
  package let lengths: SequenceLengths?
  /// Where the parameters' gradients go; of those that are not trainable, their next values.
  package let dParameters: [Tensor]
  /// The gradient of each output that the loss depends on.
  package let dOutputs: [Tensor?]
  /// Whether anybody asks for the gradient of an input.
  package let wantsInput: [Bool]
  /// Where `addsToGradient` says so: the gradient that other readers of the input have, to be added to.
  package let addends: [Tensor?]
}

/// Throws `.type` unless the input is float32.
package func requireFloat(_ type: ValueType) throws(NNKitError) {
  guard type.dataType == .float32 else {
    throw NNKitError(.type, "the input is \(type); expected float32")
  }
}

/// Throws `.shape` unless the input has the rank, whose axes `layout` names: "[H, W, C]".
package func requireRank(_ type: ValueType, _ rank: Int, _ layout: String) throws(NNKitError) {
  guard type.shape.rank == rank else {
    throw NNKitError(.shape, "the input has shape \(type.shape); expected \(layout)")
  }
}

/// Throws `.shape` where one of the axes is open.
package func requireClosed(_ type: ValueType, axes: Range<Int>, _ layout: String) throws(NNKitError) {
  guard !type.shape.sizes[axes].contains(Shape.open) else {
    throw NNKitError(.shape, "the input has shape \(type.shape); expected \(layout), with these sizes known")
  }
}
