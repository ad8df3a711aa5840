import Glibc

/// The one lock of what the whole process shares (the shared runtime, the handles, the graphs behind handles, the list
/// of parameter locks, the settings of trainers). It is held for moments only, and a fork waits for it, so that a child
/// process never inherits it locked.
package enum GlobalLock {
  nonisolated(unsafe) private static let mutex: UnsafeMutablePointer<pthread_mutex_t> = {
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_atfork(
      {
        GlobalLock.lock()
        ParameterLock.beforeFork()
      },
      {
        ParameterLock.inParent()
        GlobalLock.unlock()
      },
      {
        ParameterLock.inChild()
        GlobalLock.unlock()
      })
    return mutex
  }()

  private static func lock() { pthread_mutex_lock(mutex) }
  private static func unlock() { pthread_mutex_unlock(mutex) }

  /// Runs `body` with the lock held. `body` must not come back here, wait, or call out of NNKit.
  package static func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body()
  }
}
