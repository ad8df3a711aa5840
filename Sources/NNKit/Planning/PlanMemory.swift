/// Where the buffers of a plan lie.
package struct PlanMemory {
  /// Of each buffer, within its region.
  package private(set) var offsets: [Int]
  let arenaBytes: Int
  let persistentBytes: Int
  /// The bytes of the arena that live at each step.
  let liveBytes: [Int]

  /// `sharesMemory`: whether buffers of the arena may have the memory of others; the bits do not depend on it.
  /// Throws: `.outOfMemory` where the arena would be too large.
  init(
    _ buffers: [PlanBuilder.PlannedBuffer], _ steps: [PlanBuilder.PlannedStep], sharesMemory: Bool
  ) throws(NNKitError) {
    let (shared, owners) = sharesMemory ? Self.replace(buffers, steps) : (buffers, Array(buffers.indices))
    // A buffer that no step touches needs no memory; its lifetime is empty.
    let lifetimes = shared.map { buffer in
      guard case .arena = buffer.region, buffer.last >= 0 else { return BufferLifetime(bytes: 0, first: 0, last: 0) }
      return BufferLifetime(
        bytes: buffer.bytes, first: sharesMemory ? buffer.first : 0, last: sharesMemory ? buffer.last : .max - 1)
    }
    (offsets, arenaBytes) = try layOut(lifetimes)
    var persistentBytes = 0
    for (index, buffer) in buffers.enumerated() {
      switch buffer.region {
      case .arena: offsets[index] = offsets[owners[index]]
      case .persistent:
        offsets[index] = persistentBytes
        persistentBytes += buffer.bytes.roundedUp(toMultipleOf: bufferAlignmentBytes)
      case .parameters(let offset), .gradients(let offset):
        offsets[index] = offset * MemoryLayout<Float>.stride
      }
    }
    self.persistentBytes = persistentBytes
    liveBytes = bytesByStep(lifetimes, steps: steps.count)
  }

  /// Gives the result of a step the memory of what it alone, and last, reads element by element: the owner of that memory
  /// lives for both, and the result needs none of its own.
  private static func replace(
    _ buffers: [PlanBuilder.PlannedBuffer], _ steps: [PlanBuilder.PlannedStep]
  ) -> (buffers: [PlanBuilder.PlannedBuffer], owners: [Int]) {
    var (shared, owners) = (buffers, Array(buffers.indices))
    for (index, step) in steps.enumerated() {
      guard let result = step.accesses.result else { continue }
      for replaceable in step.accesses.replaceable {
        let source = owners[replaceable]
        guard case .arena = buffers[source].region, case .arena = buffers[result].region,
          owners[result] == result, source != result, buffers[source].bytes == buffers[result].bytes,
          shared[source].last == index, buffers[result].first == index
        else { continue }
        owners[result] = source
        shared[source].last = buffers[result].last
        shared[result].last = -1
      }
    }
    return (shared, owners)
  }
}

extension PlanMemory {
  /// The same with buffer `index` at `offset` of its region: for tests of the verifier.
  package func moving(_ index: Int, to offset: Int) -> PlanMemory {
    var memory = self
    memory.offsets[index] = offset
    return memory
  }
}
