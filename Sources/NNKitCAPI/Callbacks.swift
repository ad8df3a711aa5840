import CNNKit
import CNNKitBoundary
import NNKit

/// A host's progress callback.
final class HostReport {
  private let callback: nnk_progress_callback?
  private let user: UnsafeMutableRawPointer?
  private let trainer: Trainer
  /// What is left of an exception that the callback threw.
  private(set) var exception: NNKitError?

  init(_ callback: nnk_progress_callback?, _ user: UnsafeMutableRawPointer?, _ trainer: Trainer) {
    (self.callback, self.user, self.trainer) = (callback, user, trainer)
  }

  /// Whether to go on.
  func call(_ progress: nnk_progress) -> Bool {
    guard let callback else { return true }
    // The boundary knows nothing of the header's types.
    let untyped = unsafeBitCast(
      callback, to: (@convention(c) (UnsafeRawPointer, UnsafeMutableRawPointer?) -> Int32).self)
    let outcome = withUnsafePointer(to: progress) { nnkit_boundary_report(untyped, $0, user, leaving(trainer)) }
    exception = outcome.exception("progress callback")
    return exception == nil && outcome.answer == 0
  }
}

/// What gives bytes to a writer of the host, in a call on `trainer` where that is not nil. Throws: `.invalidArgument` for
/// NULL; later `.io` where the writer fails, and `.invalidArgument` where it throws.
func requireWriter(
  _ writer: nnk_writer?, _ user: UnsafeMutableRawPointer?, _ trainer: Trainer? = nil
) throws(NNKitError) -> (UnsafeRawBufferPointer) throws(NNKitError) -> Void {
  guard let writer else { throw NNKitError(.invalidArgument, "writer is NULL; expected a function") }
  return { (bytes) throws(NNKitError) in
    let outcome = nnkit_boundary_write(writer, bytes.baseAddress, Int64(bytes.count), user, leaving(trainer))
    if let exception = outcome.exception("writer") { throw exception }
    guard outcome.answer == 0 else {
      throw NNKitError(
        .io, "the writer returned \(outcome.answer) for \(bytes.count) bytes; expected 0, that it took them")
    }
  }
}

/// Ends the call on `trainer` where a callback never returns.
private func leaving(_ trainer: Trainer?) -> nnkit_callback_exit {
  nnkit_callback_exit(
    abandon: { if let trainer = $0 { Unmanaged<Trainer>.fromOpaque(trainer).takeUnretainedValue().abandonCall() } },
    object: trainer.map { Unmanaged.passUnretained($0).toOpaque() })
}

extension nnkit_callback_outcome {
  fileprivate func exception(_ what: StaticString) -> NNKitError? {
    guard threw else { return nil }
    let message = withUnsafeBytes(of: self.what) {
      String(cString: $0.baseAddress!.assumingMemoryBound(to: CChar.self))
    }
    return NNKitError(
      .invalidArgument, "the \(what) threw an exception (\(message)), which ended the call; it is to return a number")
  }
}
