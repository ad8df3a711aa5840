/// What went wrong: a code for programs and a message for people, which says what was wrong, where, what was
/// expected and what to do.
public struct NNKitError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The numbers are those of `nnk_status` in the C header.
  public enum Code: Int32, Sendable {
    /// An unknown option, a value out of range, a wrong number of tensors.
    case invalidArgument = 1
    /// Of the C interface alone: a handle that is stale, foreign or of another kind.
    case invalidHandle
    /// A shape that does not fit, or whose size overflows.
    case shape
    /// An element type that does not fit.
    case type
    /// Memory that cannot be had, or more than a limit allows.
    case outOfMemory
    /// A file that cannot be read or written.
    case io
    /// A file that is not a valid model, or bytes that are no valid state.
    case format
    /// A loss, gradient or update that is not finite: that step changed nothing.
    case numeric
    /// The trainer, session or stream is already in a call.
    case busy
    /// A valid request that this version or processor cannot serve.
    case unsupported
    /// A fault of NNKit's own.
    case `internal`
    /// `Session.cancel` ended the call.
    case cancelled
  }

  /// For programs.
  public let code: Code
  /// For people: one line.
  public let message: String

  /// An error that a program throws itself, from what it gives to `Model.write`, for example.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }

  /// The same error with the place where it happened in front.
  package func at(_ place: String) -> NNKitError { NNKitError(code, "\(place): \(message)") }
}
