/// What went wrong: a code for programs and a message for people, which says what was wrong, where, what was
/// expected and what to do.
public struct NNKitError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The numbers are those of `nnk_status` in the C header.
  public enum Code: Int32, Sendable {
    case invalidArgument = 1
    case invalidHandle
    case shape
    case type
    case outOfMemory
    case io
    case format
    case numeric
    case busy
    case unsupported
    case `internal`
    case cancelled
  }

  public let code: Code
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { message }

  /// The same error with the place where it happened in front.
  package func at(_ place: String) -> NNKitError { NNKitError(code, "\(place): \(message)") }
}
