import CNNKitPlatform
import Synchronization

/// Lets any number of readers see one state of a model's parameters, or one writer make the next.
///
/// A writer waits for the readers that are inside; readers that come meanwhile wait for the writer, and one of them at
/// least comes in before the next writer: neither can be kept out for ever. Nothing is allocated, and while nobody waits
/// a reader costs two atomic operations and a writer four.
///
/// A fork waits for writers (they are inside its gate), so that a child finds whole states; there, nobody is inside.
package final class ParameterLock: Sendable {
  /// What a lock is to the list of all locks. It lies in memory of its own, so that a fork's child walks the list without
  /// counting references: another thread may have been giving back the last of them.
  private struct Node {
    let word: LockWord
    var previous: UnsafeMutablePointer<Node>?
    var following: UnsafeMutablePointer<Node>?
  }

  private let word: LockWord
  nonisolated(unsafe) private let node: UnsafeMutablePointer<Node>
  /// The list's head; the process's lock guards the list.
  nonisolated(unsafe) private static var first: UnsafeMutablePointer<Node>?

  init() {
    let node = UnsafeMutablePointer<Node>.allocate(capacity: 1)
    word = LockWord()
    node.initialize(to: Node(word: word))
    self.node = node
    GlobalLock.withLock {
      if Self.first == nil {
        nnkit_platform_set_child_hook(nnkit_platform_child_hook_parameters) { ParameterLock.resetAll() }
      }
      node.pointee.following = Self.first
      Self.first?.pointee.previous = node
      Self.first = node
    }
  }

  deinit {
    GlobalLock.withLock {
      let (previous, following) = (node.pointee.previous, node.pointee.following)
      if let previous { previous.pointee.following = following } else { Self.first = following }
      following?.pointee.previous = previous
    }
    node.deallocate()
    word.deallocate()
  }

  /// Runs `body` while no writer is inside. `body` must not come back here, wait for a writer, or call out of NNKit.
  package func read<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    word.enterReading()
    defer { word.leaveReading() }
    return try body()
  }

  /// Runs `body` alone. It must not come back here, wait for a reader, or call out of NNKit.
  package func write<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    // Not the other way round: a reader may have to enter the gate before it leaves.
    while true {
      word.enterWriting()
      if nnkit_platform_fork_gate_try_enter() { break }
      word.leaveWriting()
      nnkit_platform_fork_gate_await_open()
    }
    defer {
      nnkit_platform_fork_gate_leave()
      word.leaveWriting()
    }
    return try body()
  }

  /// In the child of a fork. Nobody was inside the gate: the list is whole, and no writer had begun.
  private static func resetAll() {
    var next = first
    while let node = next {
      node.pointee.word.reset()
      next = node.pointee.following
    }
  }
}

/// The word that waiting threads block on, and what it means.
private struct LockWord: @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  /// The readers inside.
  private static let readers: UInt32 = 0x000F_FFFF
  /// One of the writers that wait.
  private static let waitingWriter: UInt32 = 1 << 20
  private static let waitingWriters: UInt32 = 0x1FF0_0000
  /// Readers wait.
  private static let waitingReaders: UInt32 = 1 << 29
  /// A reader comes next, whoever else waits.
  private static let readersTurn: UInt32 = 1 << 30
  private static let writer: UInt32 = 1 << 31

  init() {
    word = .allocate(capacity: 1)
    word.initialize(to: Atomic(0))
  }

  func deallocate() {
    word.deinitialize(count: 1)
    word.deallocate()
  }

  /// Nobody is inside, and nobody waits.
  func reset() { word.pointee.store(0, ordering: .relaxed) }

  func enterReading() {
    var old = word.pointee.load(ordering: .relaxed)
    while true {
      if old & Self.writer == 0 && (old & Self.waitingWriters == 0 || old & Self.readersTurn != 0) {
        let (done, now) = word.pointee.weakCompareExchange(
          expected: old, desired: (old & ~Self.readersTurn) + 1, successOrdering: .acquiring, failureOrdering: .relaxed)
        if done { return }
        old = now
      } else {
        old = wait(old, Self.waitingReaders)
      }
    }
  }

  func leaveReading() {
    let now = word.pointee.subtract(1, ordering: .releasing).newValue
    if now & Self.readers == 0 && now & Self.waitingWriters != 0 { wakeAll() }
  }

  func enterWriting() {
    var isWaiting: UInt32 = 0
    var old = word.pointee.load(ordering: .relaxed)
    while true {
      if old & (Self.writer | Self.readers | Self.readersTurn) == 0 {
        let (done, now) = word.pointee.weakCompareExchange(
          expected: old, desired: (old - isWaiting) | Self.writer, successOrdering: .acquiring,
          failureOrdering: .relaxed)
        if done { return }
        old = now
      } else if isWaiting == 0 {
        let (done, now) = word.pointee.weakCompareExchange(
          expected: old, desired: old + Self.waitingWriter, ordering: .relaxed)
        if done { isWaiting = Self.waitingWriter }
        old = done ? old + Self.waitingWriter : now
      } else {
        nnkit_platform_futex_wait(word, old)
        old = word.pointee.load(ordering: .relaxed)
      }
    }
  }

  func leaveWriting() {
    var old = word.pointee.load(ordering: .relaxed)
    while true {
      var new = old & ~Self.writer
      if old & Self.waitingReaders != 0 { new = (new & ~Self.waitingReaders) | Self.readersTurn }
      let (done, now) = word.pointee.weakCompareExchange(
        expected: old, desired: new, successOrdering: .releasing, failureOrdering: .relaxed)
      if done { break }
      old = now
    }
    if old & (Self.waitingReaders | Self.waitingWriters) != 0 { wakeAll() }
  }

  /// Marks in the word that somebody waits, and blocks until it may be otherwise. Returns the word then.
  private func wait(_ old: UInt32, _ mark: UInt32) -> UInt32 {
    if old & mark == 0 {
      let (done, now) = word.pointee.weakCompareExchange(expected: old, desired: old | mark, ordering: .relaxed)
      guard done else { return now }
    }
    nnkit_platform_futex_wait(word, old | mark)
    return word.pointee.load(ordering: .relaxed)
  }

  private func wakeAll() { nnkit_platform_futex_wake_all(word) }
}
