import CNNKit
import CNNKitBoundary
import NNKit

/// Runs `body` as every function of the C interface runs: see `nnkit_boundary_begin`. False where it was not run to its
/// end. Never inlined, so that its frame is there for a second return of `nnkit_boundary_begin`, and is all that has one.
@inline(never)
private func enter(_ body: () -> Void) -> Bool {
  withUnsafeTemporaryAllocation(of: nnkit_boundary_frame.self, capacity: 1) { frame in
    guard let frame = frame.baseAddress, nnkit_boundary_begin(frame) else { return false }
    body()
    nnkit_boundary_end(frame)
    return true
  }
}

/// Runs the body of a function that cannot fail; `fallback` is for a library that is closed.
func call<Result>(_ fallback: Result, _ body: () -> Result) -> Result {
  var result = fallback
  return enter { result = body() } ? result : fallback
}

/// Runs the body of a destroy function.
func call(_ body: () -> Void) { _ = enter(body) }

/// Runs `body` and turns its error into a status and the thread's last error.
func status(of function: StaticString, _ body: () throws(NNKitError) -> Void) -> nnk_status {
  call(NNKitError.Code.outOfMemory.rawValue) {
    do throws(NNKitError) {
      guard !nnkit_reserve_is_low() else {
        throw NNKitError(.outOfMemory, "memory cannot be had; destroy objects or free other memory, and try again")
      }
      try body()
      return 0
    } catch {
      LastError.set("\(function): \(error.message)")
      return error.code.rawValue
    }
  }
}

extension nnkit_text {
  /// Keeps `text` for the thread until it is set again or the thread ends. Throws: `.outOfMemory`.
  func set(_ text: String) throws(NNKitError) -> UnsafePointer<CChar> {
    var text = text
    guard
      let kept = text.withUTF8({ bytes in
        bytes.withMemoryRebound(to: CChar.self) { nnkit_boundary_set_text(self, $0.baseAddress ?? emptyText, $0.count) }
      })
    else { throw NNKitError(.outOfMemory, "memory for a text of \(text.utf8.count) bytes cannot be had") }
    try checkMemory()
    return kept
  }
}

enum LastError {
  static var pointer: UnsafePointer<CChar> { nnkit_boundary_text(nnkit_text_last_error) ?? emptyText }

  static func set(_ message: String) { _ = try? nnkit_text_last_error.set(message) }
}

/// A C string that lies in the library itself.
func constantText(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

private var emptyText: UnsafePointer<CChar> { constantText("") }
