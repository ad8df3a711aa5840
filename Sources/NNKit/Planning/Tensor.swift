import NNKitKernelTable

/// A tensor of a plan: a place in one of the plan's buffers, and its shape. Several tensors may share a buffer.
package struct Tensor: Sendable {
  let buffer: Int
  package let batch: Int
  package let type: ValueType
  /// What is still to be done to the memory's values to make them this tensor's. Only operations that say
  /// `readsPending` are given such a tensor.
  var pending: PendingNormalization?
  /// Whether all elements lie in -1 ... 1: the states of a recurrent layer.
  var isBounded = false
  /// Whether the memory holds the host's numbers as they came.
  var isModelInput = false

  /// Whether the values can be of any scale.
  var isUnscaled: Bool { isModelInput && pending == nil }

  /// Sizes without the batch.
  package var shape: Shape { type.shape }
  /// Of one sample. No overflow: `PlanBuilder` has checked the product.
  package var sampleCount: Int { shape.sizes.reduce(1, *) }
  package var count: Int { batch * sampleCount }
  /// The size of the last axis; 1 for a scalar per sample.
  package var columns: Int { shape.sizes.last ?? 1 }
  /// How many rows of `columns` elements there are.
  package var rows: Int { count / columns }

  /// The same memory seen with another shape of the same number of elements.
  package func reshaped(_ shape: Shape) -> Tensor {
    Tensor(buffer: buffer, batch: batch, type: ValueType(type.dataType, shape), isModelInput: isModelInput)
  }
}

/// A normalisation of the last axis, `f((x - mean) · scale + shift)`, that whoever reads the tensor applies on the way:
/// its result is never written to memory.
final class PendingNormalization: Sendable {
  let mean: Tensor
  let scale: Tensor
  let shift: Tensor
  let relu: Bool

  init(mean: Tensor, scale: Tensor, shift: Tensor, relu: Bool) {
    self.mean = mean
    self.scale = scale
    self.shift = shift
    self.relu = relu
  }

  /// What a step reads besides the tensor itself.
  var tensors: [Tensor] { [mean, scale, shift] }

  func bind(_ binding: Binding) -> ChannelNormalization {
    ChannelNormalization(
      channels: mean.count, mean: binding.floats(mean), scale: binding.floats(scale), shift: binding.floats(shift),
      relu: relu)
  }
}

/// Memory that one step's workers use while a tile runs, one part a worker.
package struct Scratch: Sendable {
  let buffer: Int
  let bytesPerWorker: Int
}

/// What varies from run to run of a plan, at a fixed address.
package struct RunState {
  package var seed: UInt64
  /// How many training steps came before.
  package var step: UInt64
}

/// Computes one tile of a step; `worker` chooses the part of the step's scratch memory.
package typealias StepBody = (_ tile: Int, _ worker: Int) -> Void

/// Computes one member's part of a step.
package typealias TeamBody = (ThreadTeam) -> Void

/// The samples of a batch where the host keeps them, for a plan that loads its float32 inputs itself.
///
/// Behind pointers that never change: a thread that reads a variable of a class for the first time allocates what
/// Swift watches such accesses with.
final class BatchSource {
  /// Of each input; nil: its memory is filled from outside.
  private let views: UnsafeMutableBufferPointer<TensorView?>
  private let samples: UnsafeMutableBufferPointer<Int>

  init(inputs: Int, batch: Int) {
    views = .allocate(capacity: inputs)
    views.initialize(repeating: nil)
    samples = .allocate(capacity: batch)
    samples.initialize(repeating: 0)
  }

  deinit {
    views.deallocate()
    samples.deallocate()
  }

  /// Takes sample `sample` of `view`, which must stay valid while the plan runs, for slot `slot` of input `position`.
  func set(_ view: TensorView, sample: Int, position: Int, slot: Int) {
    views[position] = view
    samples[slot] = sample
  }

  /// Copies the `count` floats of the sample in slot `slot` to its place in `values`; see `TensorView.copySample`.
  func load(_ position: Int, slot: Int, steps: Int?, count: Int, to values: UnsafeMutablePointer<Float>) {
    views[position]?.copySample(samples[slot], steps: steps, count: count, to: values + slot * count)
  }
}

/// What a step of a bound plan runs.
enum StepCode {
  case tiles(StepBody)
  case team(TeamBody)
}

/// Where a plan's buffers lie, for the steps to fetch their pointers once, when the plan is bound to memory.
package struct Binding {
  let addresses: [UnsafeMutableRawPointer]
  package let state: UnsafeMutablePointer<RunState>
  let audit: BindingAudit
  let source: BatchSource
  /// Buffers in whose place the step that is being bound has others.
  var substitutes: [Int: Int] = [:]

  package func floats(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { pointer(tensor, Float.self) }
  package func integers(_ tensor: Tensor) -> UnsafeMutablePointer<Int32> { pointer(tensor, Int32.self) }
  package func doubles(_ tensor: Tensor) -> UnsafeMutablePointer<Double> { pointer(tensor, Double.self) }
  package func offsets(_ table: OffsetTable) -> UnsafePointer<Int> {
    UnsafePointer(addresses[table.buffer].assumingMemoryBound(to: Int.self))
  }

  /// The scratch memory of worker 0; that of worker `w` begins `w · stride` floats further on.
  package func scratch(_ scratch: Scratch) -> (base: UnsafeMutablePointer<Float>, stride: Int) {
    (address(scratch.buffer).assumingMemoryBound(to: Float.self), scratch.bytesPerWorker / 4)
  }

  private func pointer<Element>(_ tensor: Tensor, _: Element.Type) -> UnsafeMutablePointer<Element> {
    // Whoever reads such a tensor normalises it.
    for factor in tensor.pending?.tensors ?? [] { audit.note(substitutes[factor.buffer] ?? factor.buffer) }
    return address(tensor.buffer).assumingMemoryBound(to: Element.self)
  }

  private func address(_ buffer: Int) -> UnsafeMutableRawPointer {
    let buffer = substitutes[buffer] ?? buffer
    audit.note(buffer)
    return addresses[buffer]
  }
}

/// Watches that a step fetches no buffer that it did not declare, since its lifetime would be too short, and no tensor
/// whose normalisation is pending without declaring that.
final class BindingAudit {
  /// What the step that is being bound has declared; nil: anything goes.
  var declared: Set<Int>?
  private(set) var isViolated = false

  func note(_ buffer: Int) {
    if let declared, !declared.contains(buffer) { isViolated = true }
  }
}

/// A table of element offsets that is written once, when the plan is bound.
package struct OffsetTable: Sendable {
  let buffer: Int
}
