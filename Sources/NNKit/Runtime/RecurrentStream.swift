import CNNKitPlatform
import Glibc
import Synchronization

/// The recurrent state of one running sequence of a model: see `Session.step`. It begins as a sequence does, and serves
/// one call at a time.
///
/// A stream may outlive its sessions and go on in any session of its model.
public final class RecurrentStream: @unchecked Sendable {
  /// The model that the stream is of, which it keeps alive.
  public let model: Model
  package let shapes: StreamShapes
  /// The tensors of the state, one behind the other.
  private let memory: AlignedMemory
  /// The call that the stream is in, and above its 48 bits the generation of the process that it is in; 0: none.
  private let call = Atomic<UInt64>(0)
  private static let callBits: UInt64 = 48
  /// In place of a session's address.
  private static let reset = (1 << callBits) - 1

  /// A stream at the start of a sequence.
  ///
  /// Throws: `.unsupported` for a model that has no recurrent layer or one that needs the whole sequence, which the
  /// message names; `.outOfMemory`.
  public init(_ model: Model) throws(NNKitError) {
    self.model = model
    shapes = try StreamShapes(model.graph)
    memory = try AlignedMemory(byteCount: shapes.stateSizes.reduce(0, +) * MemoryLayout<Float>.stride)
  }

  var state: UnsafeMutablePointer<Float> { memory.base.assumingMemoryBound(to: Float.self) }

  /// Goes back to the start of a sequence. Throws: `.busy`.
  public func reset() throws(NNKitError) {
    try enter(call: Self.reset)
    memset(memory.base, 0, memory.byteCount)
    leave()
  }

  /// Takes the stream for a call. Throws: `.busy` where another call has it, `.invalidArgument` where this one does.
  func enter(call number: Int) throws(NNKitError) {
    let generation = UInt64(nnkit_platform_fork_generation() & 0xffff) << Self.callBits
    let mine = generation | UInt64(number) & UInt64(Self.reset)
    // A call of another process, before a fork, is over.
    let stale = call.load(ordering: .relaxed)
    let expected = stale >> Self.callBits == mine >> Self.callBits ? 0 : stale
    let (isFree, other) = call.compareExchange(expected: expected, desired: mine, ordering: .acquiring)
    if isFree { return }
    // Of two threads that go back to the start, the second one comes too early.
    guard other != mine || number == Self.reset else {
      throw NNKitError(.invalidArgument, "a stream was given twice; each advances by one time step in a call")
    }
    throw NNKitError(.busy, "the stream is already in a call; wait for it to return, or use one stream per sequence")
  }

  func leave() { call.store(0, ordering: .releasing) }
}

/// Lends several streams one by one, without an array.
package typealias StreamSource = (_ index: Int) throws(NNKitError) -> RecurrentStream
