import Glibc
import Synchronization

/// Writes a file so that at any moment the old one or the new one stands at `path`, whole: a new temporary file
/// beside it, all bytes, fsync, rename, fsync of the folder. On any error the temporary file goes and the old file
/// stays.
///
/// Throws: `.io`.
package func writeAtomically(to path: String, _ parts: [UnsafeRawBufferPointer]) throws(NNKitError) {
  let temporary = "\(path).\(getpid()).\(temporaryNumber.add(1, ordering: .relaxed).newValue).tmp"
  let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
  guard file >= 0 else { throw systemError("cannot create a file beside \(quoted(path))") }
  do throws(NNKitError) {
    do throws(NNKitError) {
      for part in parts { try writeAll(part, to: file, path) }
      guard fsync(file) == 0 else { throw systemError("cannot write \(quoted(path)) to the disk") }
    } catch {
      close(file)
      throw error
    }
    guard close(file) == 0 else { throw systemError("cannot write \(quoted(path))") }
    guard rename(temporary, path) == 0 else { throw systemError("cannot replace \(quoted(path))") }
  } catch {
    unlink(temporary)
    throw error
  }
  try syncFolder(of: path)
}

/// A path in quotation marks; of a very long one, the end.
package func quoted(_ path: String) -> String {
  path.utf8.count <= 512 ? "\"\(path)\"" : "\"…\(path.suffix(256))\""
}

private let temporaryNumber = Atomic<Int>(0)

private func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32, _ path: String) throws(NNKitError) {
  var written = 0
  while written < bytes.count {
    // At most 1 GiB at once: some systems refuse more.
    let count = write(file, bytes.baseAddress! + written, min(bytes.count - written, 1 << 30))
    if count < 0 {
      if errno == EINTR { continue }
      throw systemError("cannot write \(quoted(path))")
    }
    written += count
  }
}

/// Makes the new name last. A folder that may not be opened (or a file system that cannot sync one) keeps the file all
/// the same, only without the promise against a power cut.
private func syncFolder(of path: String) throws(NNKitError) {
  let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard file >= 0 else { return }
  defer { close(file) }
  if fsync(file) != 0 && errno != EINVAL && errno != EROFS {
    throw systemError("cannot make the new name of \(quoted(path)) last")
  }
}
