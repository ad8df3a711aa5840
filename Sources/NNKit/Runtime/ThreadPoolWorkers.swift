import CNNKitPlatform
import Glibc
import Synchronization

/// Enough for kernels and closures, which keep large buffers elsewhere.
private let workerStackBytes = 512 * 1024

extension UnsafeMutablePointer<ThreadPoolState> {
  /// Starts the workers; if the system refuses one, there are fewer. The caller has claimed the pool.
  func startWorkers() {
    pointee.didStart.store(true, ordering: .relaxed)
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return }
    defer { pthread_attr_destroy(&attributes) }
    guard pthread_attr_setstacksize(&attributes, workerStackBytes) == 0 else { return }

    // A thread begins with its creator's mask: so no signal of the host ever runs its handler on a worker.
    var everySignal = sigset_t()
    var callersMask = sigset_t()
    sigfillset(&everySignal)
    guard pthread_sigmask(SIG_SETMASK, &everySignal, &callersMask) == 0 else { return }
    defer { pthread_sigmask(SIG_SETMASK, &callersMask, nil) }

    for position in 0..<pointee.workerCapacity {
      let worker = pointee.workers + position
      worker.initialize(to: ThreadPoolWorker(state: self, index: position + 1))
      guard pthread_create(pointee.threads + position, &attributes, runWorker, worker) == 0 else { return }
      pointee.workerCount.store(position + 1, ordering: .relaxed)
    }
  }

  /// Ends the workers and returns when they are gone. The caller has claimed the pool.
  func joinWorkers() {
    pointee.requestStop()
    for position in 0..<pointee.workerCount.load(ordering: .relaxed) {
      pthread_join(pointee.threads[position], nil)
    }
    pointee.isStopping.store(0, ordering: .sequentiallyConsistent)
    pointee.workerCount.store(0, ordering: .relaxed)
    pointee.didStart.store(false, ordering: .relaxed)
  }
}

/// A worker's life.
private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let worker = argument?.assumingMemoryBound(to: ThreadPoolWorker.self) else { return nil }
  let state = worker.pointee.state
  let index = worker.pointee.index
  "nnkit-\(index)".withCString { nnkit_platform_set_thread_name($0) }
  // A thread also begins with its creator's rounding and flush-to-zero modes.
  nnkit_platform_float_environment_set(nnkit_platform_float_environment_default())
  while state.pointee.isStopping.load(ordering: .sequentiallyConsistent) == 0 {
    state.pointee.work(worker: index)
    state.pointee.waitForWork()
  }
  return nil
}

// MARK: The list of pools, for a fork's child

private typealias Pool = UnsafeMutablePointer<ThreadPoolState>

extension UnsafeMutablePointer<ThreadPoolState> {
  /// Lets a fork's child find the pool: there, every pool is idle and has no threads.
  func register() {
    nnkit_platform_lock_pools()
    nnkit_platform_set_child_hook(nnkit_platform_child_hook_pools) { forEachPool { $0.pointee.resetAfterFork() } }
    pointee.next.store(firstPool(), ordering: .relaxed)
    nnkit_platform_pools().pointee.first = UnsafeMutableRawPointer(self)
    nnkit_platform_unlock_pools()
  }

  func unregister() {
    nnkit_platform_lock_pools()
    let following = pointee.next.load(ordering: .relaxed)
    if firstPool() == self {
      nnkit_platform_pools().pointee.first = following.map { UnsafeMutableRawPointer($0) }
    }
    forEachPool { pool in
      if pool.pointee.next.load(ordering: .relaxed) == self { pool.pointee.next.store(following, ordering: .relaxed) }
    }
    nnkit_platform_unlock_pools()
  }
}

private func firstPool() -> Pool? {
  nnkit_platform_pools().pointee.first?.assumingMemoryBound(to: ThreadPoolState.self)
}

private func forEachPool(_ body: (Pool) -> Void) {
  var next = firstPool()
  while let pool = next {
    body(pool)
    next = pool.pointee.next.load(ordering: .relaxed)
  }
}
