import CNNKitPlatform
import Glibc
import Synchronization

/// Threads that share the tiles of one job at a time.
///
/// Which thread computes which tile is left to chance; a caller whose tiles depend on the shape alone, and
/// write to places of their own, gets the same bits for any number of threads.
///
/// Threads start with the first job that can use them, block when there is nothing to do, and take no signal.
/// After a `fork` the child's pool has no threads and starts its own, whatever the parent was doing.
package final class ThreadPool: @unchecked Sendable {
  /// How many threads a job may have, its caller's included.
  package let threads: Int
  private let state: UnsafeMutablePointer<ThreadPoolState>?

  /// Long enough to meet the next step of a plan without a system call, short enough to cost nothing.
  private static let spinNanoseconds = 50_000
  /// The same where threads outnumber processors and a spinning one keeps another from its work.
  private static let crowdedSpinNanoseconds = 1_000

  /// A pool of `threads` (≥ 1) threads, the caller's included; 1 never starts one. A team has at most `teamLimit`
  /// members; nil: as many as there are processors, since a member without one would keep the others waiting.
  package init(threads: Int, teamLimit: Int? = nil) {
    self.threads = max(1, threads)
    guard threads > 1 else {
      state = nil
      return
    }
    let processors = ProcessorCount.available()
    let isCrowded = threads > processors
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<ThreadPoolState>.stride, alignment: AlignedMemory.alignmentBytes)
    let state = memory.bindMemory(to: ThreadPoolState.self, capacity: 1)
    state.initialize(
      to: ThreadPoolState(
        workerCapacity: threads - 1, teamCapacity: min(threads, teamLimit ?? processors),
        spinNanoseconds: isCrowded ? Self.crowdedSpinNanoseconds : Self.spinNanoseconds))
    state.register()
    self.state = state
  }

  deinit {
    guard let state else { return }
    stop()
    state.unregister()
    state.deinitialize(count: 1)
    UnsafeMutableRawPointer(state).deallocate()
  }

  /// Calls `body` once for each tile in `0 ..< tiles` and returns when all calls have returned.
  ///
  /// `worker` is in `0 ..< threads`; no two calls of one job run at once with the same one. The caller is worker 0.
  /// The caller computes all tiles itself where there is one tile or one thread, inside a body, and
  /// while another thread's job has the pool. Every tile is computed in the default floating-point environment
  /// (nearest, no flush to zero); the caller's is restored. Nothing is allocated, but for the first start of
  /// the threads.
  ///
  /// With `sharesOut` neighbouring tiles, and the same ones in every job of as many tiles, go to the same thread, whose
  /// cache may still have what the last job left there; otherwise all threads work side by side in ascending order,
  /// which suits jobs that are larger than a cache.
  package func run(tiles: Int, sharesOut: Bool = false, _ body: @escaping (_ tile: Int, _ worker: Int) -> Void) {
    guard tiles > 0 else { return }
    withDefaultFloatEnvironment { share(tiles: tiles, sharesOut: sharesOut, body) }
  }

  private func share(tiles: Int, sharesOut: Bool, _ body: @escaping (_ tile: Int, _ worker: Int) -> Void) {
    if tiles > 1, let state, state.pointee.stopRequests.load(ordering: .relaxed) == 0, state.pointee.claim() {
      defer { state.pointee.release() }
      if !state.pointee.didStart.load(ordering: .relaxed) { state.startWorkers() }
      let workers = state.pointee.workerCount.load(ordering: .relaxed)
      if workers > 0 {
        withUnsafePointer(to: ThreadPoolJob(tiles: tiles, shares: sharesOut ? workers + 1 : 1, body: .tiles(body))) {
          job in
          state.pointee.publish(job)
          state.pointee.work(worker: 0)
          state.pointee.waitForCompletion()
        }
        return
      }
    }
    for tile in 0..<tiles { body(tile, 0) }
  }

  /// Calls `body` on the members of a team at the same time and returns when all calls have returned. The team is the
  /// caller and up to `members - 1` workers, those that come in time: see `TeamPatience`.
  ///
  /// The team's size is left to chance, 1 where the pool is another job's, so the caller divides its work such that
  /// the bits do not depend on it. The floating-point environment is as with `run`, and nothing is allocated.
  package func runTeam(members: Int, _ patience: TeamPatience, _ body: @escaping (ThreadTeam) -> Void) {
    withDefaultFloatEnvironment { assemble(members: members, patience, body) }
  }

  private func assemble(members: Int, _ patience: TeamPatience, _ body: @escaping (ThreadTeam) -> Void) {
    if members > 1, let state, state.pointee.teamCapacity > 1,
      state.pointee.stopRequests.load(ordering: .relaxed) == 0, state.pointee.claim()
    {
      defer { state.pointee.release() }
      if !state.pointee.didStart.load(ordering: .relaxed) { state.startWorkers() }
      let seats = min(members, state.pointee.teamCapacity, state.pointee.workerCount.load(ordering: .relaxed) + 1) - 1
      if seats > 0 {
        withUnsafePointer(to: ThreadPoolJob(tiles: seats, shares: 1, body: .team(body))) { job in
          body(state.pointee.assembleTeam(job, patience))
          state.pointee.waitForCompletion()
        }
        return
      }
    }
    body(ThreadTeam())
  }

  /// Ends the worker threads and returns when they are gone; a running job is finished first. The next job
  /// starts them again. Not to be called from inside a body.
  package func stop() {
    guard let state else { return }
    // Jobs that come meanwhile run inline, so that this call waits for one at most.
    state.pointee.stopRequests.add(1, ordering: .sequentiallyConsistent)
    state.pointee.claimWaiting()
    state.joinWorkers()
    state.pointee.release()
    state.pointee.stopRequests.subtract(1, ordering: .sequentiallyConsistent)
  }
}
