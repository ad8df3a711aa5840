import CNNKit
import Glibc
import NNKit

/// Runs `body` and turns its error into a status and the thread's last error.
func status(of function: StaticString, _ body: () throws(NNKitError) -> Void) -> nnk_status {
  do throws(NNKitError) {
    try body()
    return 0
  } catch {
    LastError.set("\(function): \(error.message)")
    return error.code.rawValue
  }
}

/// A string of each thread, which stays until the thread sets it again or ends.
final class ThreadString: Sendable {
  private let key: pthread_key_t

  init() {
    var key = pthread_key_t()
    pthread_key_create(&key) { free($0) }
    self.key = key
  }

  var pointer: UnsafePointer<CChar>? {
    pthread_getspecific(key).map { UnsafePointer($0.assumingMemoryBound(to: CChar.self)) }
  }

  /// Keeps a copy of `text`; where memory cannot be had, none.
  @discardableResult
  func set(_ text: String) -> UnsafePointer<CChar>? {
    free(pthread_getspecific(key))
    pthread_setspecific(key, strdup(text))
    return pointer
  }
}

enum LastError {
  private static let string = ThreadString()

  static var pointer: UnsafePointer<CChar> { string.pointer ?? emptyString }
  static func set(_ message: String) { string.set(message) }
}

/// A C string that stays until the process ends.
func permanentString(_ text: String) -> UnsafePointer<CChar> { strdup(text).map { UnsafePointer($0) } ?? emptyString }

nonisolated(unsafe) private let emptyString: UnsafePointer<CChar> = {
  let empty = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
  empty.pointee = 0
  return UnsafePointer(empty)
}()
