/// What can be said of a JSON text without parsing it. Text that is not JSON has an outline of its own, which means
/// nothing.
struct JSONOutline {
  /// How many entries the outermost object (or list) has, those with one name counted separately.
  private(set) var entries = 0
  /// How deep its brackets are nested.
  private(set) var depth = 0

  /// Deeper than any file that NNKit writes or reads needs it, and little enough for a parser that calls itself for each
  /// bracket on a small stack.
  static let maximumDepth = 32

  init(_ json: UnsafeRawBufferPointer) {
    var (open, commas, isEmpty, isText, isEscaped) = (0, 0, true, false, false)
    for byte in json {
      if isText {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isText = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        isText = true
        isEmpty = false
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        open += 1
        depth = max(depth, open)
      case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
      case UInt8(ascii: ","): commas += open == 1 ? 1 : 0
      default: break
      }
    }
    entries = isEmpty ? 0 : commas + 1
  }
}
