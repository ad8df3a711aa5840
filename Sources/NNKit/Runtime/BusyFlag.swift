import Synchronization

/// Lets one call at a time into an object that serves one call at a time.
final class BusyFlag: Sendable {
  private let busy = Atomic<Bool>(false)

  /// Runs `body`, in the default floating-point environment, unless another call is inside. Throws: `.busy` then;
  /// `what` names the object.
  func enter<Result>(_ what: StaticString, _ body: () throws(NNKitError) -> Result) throws(NNKitError) -> Result {
    guard busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      throw NNKitError(.busy, "the \(what) is already in a call; wait for it to return, or use one \(what) per thread")
    }
    defer { leave() }
    return try withDefaultFloatEnvironment(body)
  }

  /// Ends the call that is inside; by itself only for one that will never return.
  func leave() { busy.store(false, ordering: .releasing) }
}
