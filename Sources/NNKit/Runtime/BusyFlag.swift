import CNNKitPlatform
import Glibc
import Synchronization

/// Lets one call at a time into an object that serves one call at a time. In a forked child the calls of its parent's
/// other threads are over: nobody goes on with them there.
final class BusyFlag: Sendable {
  /// The generation of the process whose thread is inside, with `cancelBit` where its call is to end; 0: none is.
  private let busy = Atomic<UInt32>(0)
  private static let cancelBit: UInt32 = 1 << 31
  /// The thread whose call is calling the host back; 0: none is.
  private let callingBack = Atomic<UInt>(0)

  /// Runs `body`, in the default floating-point environment, unless another call is inside. Throws: `.busy` then;
  /// `what` names the object.
  func enter<Result>(_ what: StaticString, _ body: () throws(NNKitError) -> Result) throws(NNKitError) -> Result {
    let (inside, generation) = (busy.load(ordering: .relaxed), nnkit_platform_fork_generation())
    // A call that forked in its callback goes on in both processes.
    let isFree = inside & ~Self.cancelBit != generation && (inside == 0 || !isCallingBack)
    guard isFree, busy.compareExchange(expected: inside, desired: generation, ordering: .acquiring).exchanged else {
      throw NNKitError(
        .busy,
        isCallingBack
          ? "the \(what) is in the very call that this callback belongs to; a callback can change its settings and "
            + "write its state: do everything else when that call has returned"
          : "the \(what) is already in a call; wait for it to return, or use one \(what) per thread")
    }
    defer { leave() }
    return try withDefaultFloatEnvironment(body)
  }

  /// Runs `body`, which calls the host, inside of a call.
  func callBack<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    let outer = callingBack.exchange(UInt(pthread_self()), ordering: .relaxed)
    defer { callingBack.store(outer, ordering: .relaxed) }
    return try body()
  }

  /// As `enter`, and for the host while a call of the same thread calls it back: `body` changes nothing.
  func read<Result>(_ what: StaticString, _ body: () throws(NNKitError) -> Result) throws(NNKitError) -> Result {
    isCallingBack ? try withDefaultFloatEnvironment(body) : try enter(what, body)
  }

  /// Whether this thread is in a call that calls the host back.
  var isCallingBack: Bool { callingBack.load(ordering: .relaxed) == UInt(pthread_self()) }

  /// Asks the call that is inside, if one is, to end; never a later one. For any thread.
  func cancel() {
    let inside = busy.load(ordering: .relaxed)
    if inside & ~Self.cancelBit == nnkit_platform_fork_generation() {
      _ = busy.compareExchange(expected: inside, desired: inside | Self.cancelBit, ordering: .relaxed)
    }
  }

  /// Whether the call that is inside was asked to end.
  var isCancelled: Bool { busy.load(ordering: .relaxed) & Self.cancelBit != 0 }

  /// Ends the call that is inside; by itself only for one that will never return.
  func leave() {
    callingBack.store(0, ordering: .relaxed)
    busy.store(0, ordering: .releasing)
  }
}
