import Synchronization

/// All parameters of a model in one aligned piece of memory: the trainable ones first, then the others.
package final class ParameterArena: @unchecked Sendable {
  package let memory: AlignedMemory
  package let count: Int
  /// How many of the first elements belong to trainable parameters.
  package let trainableCount: Int
  /// Runs and saves read under it, updates write.
  package let lock = ParameterLock()
  private let currentVersion = Atomic<Int>(1)

  /// Throws: `.outOfMemory`.
  package init(count: Int, trainableCount: Int) throws(NNKitError) {
    self.count = count
    self.trainableCount = trainableCount
    memory = try AlignedMemory(byteCount: count * MemoryLayout<Float>.stride)
  }

  package var floats: UnsafeMutablePointer<Float> { memory.base.assumingMemoryBound(to: Float.self) }

  /// Grows whenever parameters change; plans pack their weights again when it does.
  package var version: Int { currentVersion.load(ordering: .acquiring) }

  /// A copy of all parameters as they are between two updates. Throws: `.outOfMemory`.
  package func snapshot() throws(NNKitError) -> AlignedMemory {
    let copy = try AlignedMemory(byteCount: memory.byteCount)
    lock.read { copy.base.copyMemory(from: memory.base, byteCount: memory.byteCount) }
    return copy
  }

  /// The first element among `elements` that is not finite.
  func firstNonFinite(in elements: Range<Int>) -> Int? { elements.first { !floats[$0].isFinite } }

  package func markChanged() { currentVersion.add(1, ordering: .acquiringAndReleasing) }
}
