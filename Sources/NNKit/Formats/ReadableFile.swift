import Glibc

/// A regular file that is open for reading. It is read, not mapped: a file that shrinks meanwhile must not end the
/// process.
struct ReadableFile {
  private let file: Int32
  let byteCount: Int

  /// Throws: `.io`; for anything but a regular file, too, which is not even opened: to open a FIFO may wait for ever, and
  /// to open a device may do something.
  init(_ path: String) throws(NNKitError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw systemError("cannot open \(quoted(path))") }
    try ReadableFile.requireRegular(status, path)
    // Does not wait, should something else stand there by now.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw systemError("cannot open \(quoted(path))") }
    do throws(NNKitError) {
      guard fstat(file, &status) == 0 else { throw systemError("cannot read \(quoted(path))") }
      try ReadableFile.requireRegular(status, path)
    } catch {
      Glibc.close(file)
      throw error
    }
    self.file = file
    byteCount = Int(status.st_size)
  }

  func close() { Glibc.close(file) }

  /// The bytes of a part of the file. Throws: `.io`, `.outOfMemory`.
  func read(_ range: Range<Int>) throws(NNKitError) -> AlignedMemory {
    let memory = try AlignedMemory(byteCount: range.count)
    var count = 0
    while count < range.count {
      let got = pread(file, memory.base + count, range.count - count, range.lowerBound + count)
      if got < 0 {
        if errno == EINTR { continue }
        throw systemError("cannot read the file")
      }
      guard got > 0 else {
        throw NNKitError(.io, "the file ended at byte \(range.lowerBound + count) while it was read")
      }
      count += got
    }
    return memory
  }

  private static func requireRegular(_ status: stat, _ path: String) throws(NNKitError) {
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw NNKitError(.io, "cannot read \(quoted(path)): it is \(kind(of: status)), not a regular file")
    }
  }
}
