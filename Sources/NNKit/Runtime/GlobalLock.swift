import CNNKitPlatform

/// The one lock of what the whole process shares (the shared runtime, the handles, the graphs behind handles). It is
/// held for moments only, and a fork waits for it, so that a child process never inherits it locked.
package enum GlobalLock {
  /// Runs `body` with the lock held. `body` must not come back here, wait, or call out of NNKit.
  package static func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    nnkit_platform_lock_global()
    defer { nnkit_platform_unlock_global() }
    return try body()
  }
}
