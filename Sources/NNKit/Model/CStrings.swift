/// Texts at addresses that stay, each with a zero behind it.
package final class CStrings: @unchecked Sendable {
  private let bytes: UnsafeMutablePointer<CChar>
  private let starts: [Int]

  init(_ texts: [String]) {
    var (starts, count) = ([Int](), 0)
    for text in texts {
      starts.append(count)
      count += text.utf8.count + 1
    }
    self.starts = starts
    bytes = .allocate(capacity: max(1, count))
    var next = bytes
    for text in texts {
      for byte in text.utf8 {
        next.pointee = CChar(bitPattern: byte)
        next += 1
      }
      next.pointee = 0
      next += 1
    }
  }

  deinit { bytes.deallocate() }

  package subscript(index: Int) -> UnsafePointer<CChar> { UnsafePointer(bytes + starts[index]) }
}
