import NNKitKernelTable

/// Collects the buffers and steps of a plan. Operations add tensors and steps in the order in which they run; the
/// builder derives every buffer's lifetime from the steps that touch it.
package final class PlanBuilder {
  /// Where a buffer lives.
  enum Region {
    /// Shared between buffers whose lifetimes do not meet.
    case arena
    /// Kept from run to run: packed weights and tables.
    case persistent
    case parameters(offset: Int)
    case gradients(offset: Int)
  }

  struct PlannedBuffer {
    var region: Region
    var bytes: Int
    var first = Int.max
    var last = -1
    /// For tables: what to write there.
    var contents: [Int] = []
    /// Whether it is filled before the plan runs, and read after it has run.
    var isFilledBefore = false
    /// Of what is filled before: the first step before which it must be there, if no step reads it.
    var filledUntil = 0
    var isReadAfter = false
  }

  package struct PlannedStep {
    /// "layer: what is computed".
    package let name: String
    /// Of a team's step: how many members it can use.
    let tiles: Int
    /// About how many multiply-adds the step does; decides whether waking the pool pays.
    let work: Int
    /// Whether neighbouring tiles go to the same thread however much work there is; see `ThreadPool.run`.
    var sharesOut = false
    package internal(set) var accesses: StepAccesses
    /// Of the buffers that its code names: those in whose place it has others, and which.
    var substitutes: [Int: Int] = [:]
    /// The step that it runs a second time.
    var repeats: Int?
    let bind: (Binding) -> StepCode

    /// What it reads or writes, scratch memory too.
    var buffers: Set<Int> { accesses.all }
  }

  package let kernels: KernelTable
  package let threads: Int
  package let batch: Int
  /// Whether dropout is active and backward steps will follow.
  package let isTraining: Bool
  /// The layer, output or other part of the model whose steps are being added.
  var owner = ""

  private(set) var buffers: [PlannedBuffer] = []
  private var checkedBuffers = 256
  private(set) var steps: [PlannedStep] = []
  /// Steps that depend on parameters alone: run when parameters have changed.
  private(set) var prologue: [PlannedStep] = []
  /// The steps that compute buffers again when a step next asks for them.
  private var makers: [Int: Range<Int>] = [:]
  /// What has been computed again: the new buffers in place of the old ones.
  private var substitutes: [Int: Int] = [:]
  package init(kernels: KernelTable, threads: Int, batch: Int, isTraining: Bool) {
    self.kernels = kernels
    self.threads = threads
    self.batch = batch
    self.isTraining = isTraining
  }

  // MARK: Buffers

  /// A tensor in the arena. Throws: `.shape` where its size overflows.
  package func tensor(_ type: ValueType) throws(NNKitError) -> Tensor {
    try tensor(type, batch: batch)
  }

  /// A tensor of `shape` whose first axis need not be the batch.
  package func floats(_ shape: Shape) throws(NNKitError) -> Tensor {
    try tensor(ValueType(.float32, shape), batch: 1)
  }

  /// `count` doubles, for sums.
  package func doubles(_ count: Int) throws(NNKitError) -> Tensor {
    try floats([2 * count])
  }

  private func tensor(_ type: ValueType, batch: Int) throws(NNKitError) -> Tensor {
    try checkRoom()
    let count = try checkedProduct([batch] + type.shape.sizes, of: "the tensor [\(batch)] + \(type.shape)")
    return Tensor(buffer: add(PlannedBuffer(region: .arena, bytes: count * 4)), batch: batch, type: type)
  }

  func parameter(_ parameter: Parameter) -> Tensor {
    let buffer = PlannedBuffer(region: .parameters(offset: parameter.offset), bytes: 0)
    return Tensor(buffer: add(buffer), batch: 1, type: ValueType(.float32, parameter.shape))
  }

  func gradient(of parameter: Parameter) -> Tensor {
    let buffer = PlannedBuffer(region: .gradients(offset: parameter.offset), bytes: 0)
    return Tensor(buffer: add(buffer), batch: 1, type: ValueType(.float32, parameter.shape))
  }

  /// Floats that depend on parameters alone, for `packingStep` to write. They keep their values from run to run, but for
  /// training, where parameters change with every run: there they are made again for each use and share the arena.
  package func packed(_ factors: [Int]) throws(NNKitError) -> Tensor {
    let count = try checkedProduct(factors, of: "the packed weights")
    return Tensor(
      buffer: add(PlannedBuffer(region: isTraining ? .arena : .persistent, bytes: count * 4)), batch: 1,
      type: ValueType(.float32, [count]))
  }

  package func table(_ contents: [Int]) -> OffsetTable {
    let bytes = contents.count * MemoryLayout<Int>.stride
    return OffsetTable(buffer: add(PlannedBuffer(region: .persistent, bytes: bytes, contents: contents)))
  }

  /// Scratch memory of `floats` floats for each worker of the step that it is given to.
  package func scratch(floats: Int) throws(NNKitError) -> Scratch {
    let perWorker = (floats * 4).roundedUp(toMultipleOf: bufferAlignmentBytes)
    let bytes = try checkedProduct([perWorker, threads], of: "the scratch memory")
    return Scratch(buffer: add(PlannedBuffer(region: .arena, bytes: bytes)), bytesPerWorker: perWorker)
  }

  /// About how much memory a plan takes for each buffer: its step's names, sets, closures and places.
  static let bytesPerBuffer = 4096

  /// Whenever there are twice as many buffers as the last time, asks for the memory of as many more.
  private func checkRoom() throws(NNKitError) {
    guard buffers.count >= checkedBuffers else { return try checkMemory() }
    try checkMemory(for: buffers.count * Self.bytesPerBuffer)
    checkedBuffers = 2 * buffers.count
  }

  private func add(_ buffer: PlannedBuffer) -> Int {
    buffers.append(buffer)
    return buffers.count - 1
  }

  /// Keeps a tensor's memory from the first step on: it is filled before the plan runs, or before step `until` does.
  func keepFromStart(_ tensor: Tensor, until step: Int = 0) {
    use(tensor.buffer, at: 0)
    use(tensor.buffer, at: step)
    buffers[tensor.buffer].isFilledBefore = true
    buffers[tensor.buffer].filledUntil = step
  }

  /// Keeps a tensor's memory to the end: it is read after the plan has run.
  func keepToEnd(_ tensor: Tensor) {
    use(tensor.buffer, at: Int.max - 1)
    buffers[tensor.buffer].isReadAfter = true
  }

  // MARK: Steps

  /// Adds a step of `tiles` tiles. `bind` fetches the pointers once and returns the code of a tile, which must not
  /// allocate. Tiles may run in any order and at the same time. The product of `work` is about how many
  /// multiply-adds the step does. All memory that it touches is in `reads`, `elementwise`, `writes` and `scratch`.
  ///
  /// `reads`: what any tile may read anywhere and at any time. `elementwise`: what is read only where, and before, the
  /// same tile writes the element of `writes[0]` in the same place. A tensor may be in both. What follows for memory
  /// that is used twice is the builder's affair.
  package func step(
    _ name: String, reads: [Tensor], elementwise: [Tensor] = [], writes: [Tensor], scratch: Scratch? = nil,
    tiles: Int = 1, work: [Int], sharesOut: Bool = false, _ bind: @escaping (Binding) -> StepBody
  ) {
    append(
      PlannedStep(
        name: "\(owner): \(name)", tiles: tiles, work: saturatingProduct(work), sharesOut: sharesOut,
        accesses: StepAccesses(reads: reads, elementwise: elementwise, writes: writes, scratch: scratch),
        bind: { .tiles(bind($0)) }))
  }

  /// Adds a step that up to `members` threads run together: each does a part of its own, and they may wait for one
  /// another. How many come is left to chance; the bits must not depend on it.
  package func teamStep(
    _ name: String, reads: [Tensor], writes: [Tensor], scratch: Scratch? = nil, members: Int, work: [Int],
    _ bind: @escaping (Binding) -> TeamBody
  ) {
    append(
      PlannedStep(
        name: "\(owner): \(name)", tiles: members, work: saturatingProduct(work),
        accesses: StepAccesses(reads: reads, elementwise: [], writes: writes, scratch: scratch),
        bind: { .team(bind($0)) }))
  }

  /// Adds a step, behind those that compute again what it asks for.
  private func append(_ step: PlannedStep) {
    // In a fixed order, so that plans repeat.
    for buffer in step.buffers.sorted() { makeAgain(buffer) }
    var step = step
    step.substitutes = substitutes.isEmpty ? [:] : substitutes(of: step.buffers)
    step.accesses.substitute(step.substitutes)
    for buffer in step.buffers { use(buffer, at: steps.count) }
    steps.append(step)
  }

  /// Adds a step that reads parameters alone and writes tensors that `packed` made: at inference one that runs when
  /// parameters have changed.
  package func packingStep(
    _ name: String, reads: [Tensor], writes: [Tensor], tiles: Int, work: [Int],
    _ bind: @escaping (Binding) -> StepBody
  ) {
    if isTraining { return step(name, reads: reads, writes: writes, tiles: tiles, work: work, bind) }
    prologue.append(
      PlannedStep(
        name: "\(owner): \(name)", tiles: tiles, work: saturatingProduct(work),
        accesses: StepAccesses(reads: reads, elementwise: [], writes: writes, scratch: nil),
        bind: { .tiles(bind($0)) }))
  }

  // MARK: Computing again

  /// Lets the steps from now on have the tensor's values from a second run of `steps`, which made it: the tensor need
  /// not be kept until then. What those steps read must still be there, or be computed again itself.
  func computeAgain(_ tensor: Tensor, by steps: Range<Int>) { makers[tensor.buffer] = steps }

  private func substitutes(of buffers: Set<Int>) -> [Int: Int] {
    Dictionary(uniqueKeysWithValues: buffers.compactMap { buffer in substitutes[buffer].map { (buffer, $0) } })
  }

  private func makeAgain(_ buffer: Int) {
    guard let range = makers.removeValue(forKey: buffer) else { return }
    let repeated = steps[range]
    // Everything that these steps made gets a second place, their scratch memory too.
    for old in Set(repeated.flatMap(\.accesses.written)).sorted() where range.contains(buffers[old].first) {
      guard case .arena = buffers[old].region else { continue }
      substitutes[old] = add(PlannedBuffer(region: .arena, bytes: buffers[old].bytes))
    }
    for index in range {
      let step = steps[index]
      append(
        PlannedStep(
          name: "\(step.name), again", tiles: step.tiles, work: step.work, sharesOut: step.sharesOut,
          accesses: step.accesses, repeats: index, bind: step.bind))
    }
  }

  // MARK: Leaving out

  /// Removes the steps from `first` on that compute nothing of what is read after the plan or of gradients of parameters
  /// whose offset is not in `unwanted`.
  func removeNeedlessSteps(from first: Int, unwantedGradients unwanted: Set<Int>) {
    let isNeeded = neededSteps(steps, from: first) { [buffers] index in
      if case .gradients(let offset) = buffers[index].region { return !unwanted.contains(offset) }
      return buffers[index].isReadAfter
    }
    guard isNeeded.contains(false) else { return }
    steps = zip(steps, isNeeded).filter { $1 }.map(\.0)
    for index in buffers.indices {
      buffers[index].first = buffers[index].isFilledBefore ? 0 : Int.max
      buffers[index].last =
        buffers[index].isReadAfter ? Int.max - 1 : buffers[index].isFilledBefore ? buffers[index].filledUntil : -1
    }
    for (index, step) in steps.enumerated() {
      for buffer in step.buffers { use(buffer, at: index) }
    }
  }

  private func use(_ buffer: Int, at step: Int) {
    buffers[buffer].first = min(buffers[buffer].first, step)
    buffers[buffer].last = max(buffers[buffer].last, step)
  }
}

/// Of each step: whether it comes before `first`, writes what `isWanted`, or writes what such a step reads.
func neededSteps(
  _ steps: [PlanBuilder.PlannedStep], from first: Int, isWanted: (_ buffer: Int) -> Bool
) -> [Bool] {
  var isNeeded = Array(repeating: true, count: steps.count)
  var read: Set<Int> = []
  for (index, step) in steps.enumerated().reversed() where index >= first {
    isNeeded[index] = step.accesses.written.contains { read.contains($0) || isWanted($0) }
    if isNeeded[index] { read.formUnion(step.accesses.read) }
  }
  return isNeeded
}

private func saturatingProduct(_ factors: [Int]) -> Int {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    if overflow { return .max }
    product = next
  }
  return product
}
