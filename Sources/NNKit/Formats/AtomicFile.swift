import CNNKitPlatform
import Glibc

/// Writes a file so that at any moment the old one or the new one stands at `path`, whole: a new temporary file
/// beside it, all bytes, fsync, rename, fsync of the folder. On any error the temporary file goes and the old file
/// stays. A symbolic link is followed; the new file has the mode and the owner of the one that it replaces. Files
/// that saves left behind in the folder when they were killed are removed.
///
/// Throws: `.io`; for a `path` that is a folder, a device, a FIFO or a socket, too, and where the owner cannot be kept.
package func writeAtomically(to path: String, _ parts: [UnsafeRawBufferPointer]) throws(NNKitError) {
  let target = try SaveTarget(path)
  defer { target.close() }
  removeLeftovers(in: target.folder)
  let temporary = try TemporaryFile(in: target.folder, for: path)
  do throws(NNKitError) {
    defer { temporary.close() }
    try withoutFileSizeSignal { () throws(NNKitError) in
      for part in parts { try writeAll(part, to: temporary.file, path) }
    }
    if let replaced = target.replaced { try keepOwnerAndMode(of: replaced, on: temporary.file, path) }
    guard fsync(temporary.file) == 0 else { throw systemError("cannot write \(quoted(path)) to the disk") }
    guard renameat(target.folder, temporary.name, target.folder, target.name) == 0 else {
      throw systemError("cannot replace \(quoted(path))")
    }
  } catch {
    unlinkat(target.folder, temporary.name, 0)
    throw error
  }
  // A file system that cannot sync a folder keeps the file all the same, only without the promise against a power cut.
  if fsync(target.folder) != 0 && errno != EINVAL && errno != EROFS && errno != EBADF {
    throw systemError("cannot make the new name of \(quoted(path)) last")
  }
}

/// A path in quotation marks; of a very long one, the end.
package func quoted(_ path: String) -> String {
  path.utf8.count <= 512 ? "\"\(path)\"" : "\"…\(path.suffix(256))\""
}

/// Where a save goes: an open folder, and a name in it that is no symbolic link.
private struct SaveTarget {
  let folder: Int32
  let name: String
  /// What stands there now.
  let replaced: stat?

  /// Throws: `.io` for a path that leads nowhere, and for one to anything but a regular file.
  init(_ path: String) throws(NNKitError) {
    // What could be written through its folder could not be read by its path.
    guard path.utf8.count < Int(PATH_MAX) else {
      errno = ENAMETOOLONG
      throw systemError("cannot write \(quoted(path))")
    }
    var (at, rest) = (AT_FDCWD, path)
    // As many symbolic links as the system follows itself.
    for _ in 0...40 {
      let (parent, name) = SaveTarget.split(rest)
      guard !name.isEmpty, name != ".", name != ".." else {
        if at != AT_FDCWD { Glibc.close(at) }
        errno = path.isEmpty ? ENOENT : EISDIR
        throw systemError("cannot write \(quoted(path))")
      }
      // A folder that may not be read can still be written to.
      let flags = O_DIRECTORY | O_CLOEXEC
      var folder = openat(at, parent, O_RDONLY | flags)
      if folder < 0 && errno == EACCES { folder = openat(at, parent, Int32(nnkit_platform_o_path) | flags) }
      let failure = errno
      if at != AT_FDCWD { Glibc.close(at) }
      errno = failure
      guard folder >= 0 else { throw systemError("cannot open the folder of \(quoted(path))") }

      var status = stat()
      let exists = fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0
      if !exists && errno != ENOENT {
        let error = systemError("cannot write \(quoted(path))")
        Glibc.close(folder)
        throw error
      }
      if exists && status.st_mode & S_IFMT == S_IFLNK {
        guard let link = readLink(name, in: folder) else {
          let error = systemError("cannot follow \(quoted(path))")
          Glibc.close(folder)
          throw error
        }
        (at, rest) = (folder, link)
        continue
      }
      guard !exists || status.st_mode & S_IFMT == S_IFREG else {
        Glibc.close(folder)
        throw NNKitError(.io, "cannot write \(quoted(path)): it is \(kind(of: status)), not a regular file")
      }
      (self.folder, self.name, replaced) = (folder, name, exists ? status : nil)
      return
    }
    Glibc.close(at)
    errno = ELOOP
    throw systemError("cannot write \(quoted(path))")
  }

  func close() { Glibc.close(folder) }

  private static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = path[..<slash]
    return (folder.isEmpty ? "/" : String(folder), String(path[path.utf8.index(after: slash)...]))
  }
}

private func readLink(_ name: String, in folder: Int32) -> String? {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) { text in
    let count = readlinkat(folder, name, text.baseAddress!, Int(PATH_MAX))
    guard count > 0 else { return nil }
    text[count] = 0
    return String(cString: text.baseAddress!)
  }
}

/// "a folder"
package func kind(of status: stat) -> String {
  switch status.st_mode & S_IFMT {
  case S_IFDIR: "a folder"
  case S_IFCHR, S_IFBLK: "a device"
  case S_IFIFO: "a FIFO"
  case S_IFSOCK: "a socket"
  default: "something else"
  }
}

/// A file that a save writes to, before it has its name. It is locked as long as its writer lives, so that another save
/// can tell it from what a dead one has left.
private struct TemporaryFile {
  let file: Int32
  let name: String

  static let prefix = ".nnkit-save-"
  static let suffix = ".tmp"

  /// Throws: `.io`.
  init(in folder: Int32, for path: String) throws(NNKitError) {
    while true {
      // Nothing that a process that is started again, or another one, would have too, such as its number.
      let name = Self.prefix + String(nnkit_platform_random_number(), radix: 16) + Self.suffix
      let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      if file < 0 && errno == EEXIST { continue }
      guard file >= 0 else { throw systemError("cannot create a file beside \(quoted(path))") }
      // Between the two calls another save may have taken this file for one that was left, and removed it.
      if isLocked(file), isStill(file, name, in: folder) {
        (self.file, self.name) = (file, name)
        return
      }
      Glibc.close(file)
    }
  }

  func close() { Glibc.close(file) }
}

/// Locks `file` unless somebody else has. A file system without locks counts as locked.
private func isLocked(_ file: Int32) -> Bool {
  while flock(file, LOCK_EX | LOCK_NB) != 0 {
    if errno != EINTR { return errno != EWOULDBLOCK }
  }
  return true
}

private func isStill(_ file: Int32, _ name: String, in folder: Int32) -> Bool {
  var (opened, named) = (stat(), stat())
  return fstat(file, &opened) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0
    && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
}

/// Removes the temporary files of saves that were killed: those that nobody holds locked.
private func removeLeftovers(in folder: Int32) {
  let listed = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard listed >= 0, let directory = fdopendir(listed) else {
    if listed >= 0 { close(listed) }
    return
  }
  defer { closedir(directory) }
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    guard name.utf8.starts(with: TemporaryFile.prefix.utf8), name.hasSuffix(TemporaryFile.suffix) else { continue }
    let file = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { continue }
    var status = stat()
    // Never on a file system without locks, where a living save would look the same.
    if fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, flock(file, LOCK_EX | LOCK_NB) == 0,
      isStill(file, name, in: folder)
    {
      unlinkat(folder, name, 0)
    }
    close(file)
  }
}

/// Gives a new file the owner and the mode of the one that it will replace. Throws: `.io` where the system does not
/// allow it.
private func keepOwnerAndMode(of replaced: stat, on file: Int32, _ path: String) throws(NNKitError) {
  var status = stat()
  guard fstat(file, &status) == 0 else { throw systemError("cannot write \(quoted(path))") }
  if status.st_uid != replaced.st_uid || status.st_gid != replaced.st_gid {
    guard fchown(file, replaced.st_uid, replaced.st_gid) == 0 else {
      throw systemError(
        "cannot give the new \(quoted(path)) the owner of the old one (\(replaced.st_uid):\(replaced.st_gid)); save to "
          + "another path, or remove the old file first")
    }
  }
  // After the owner, whose change may clear bits of the mode.
  guard fchmod(file, replaced.st_mode & 0o7777) == 0 else {
    throw systemError("cannot give the new \(quoted(path)) the mode of the old one")
  }
}

/// Runs `body` so that a file beyond the process's limit is an error of `write` (EFBIG) and not the signal that would
/// end the process.
private func withoutFileSizeSignal(_ body: () throws(NNKitError) -> Void) throws(NNKitError) {
  var (signal, before, pending) = (sigset_t(), sigset_t(), sigset_t())
  sigemptyset(&signal)
  sigaddset(&signal, SIGXFSZ)
  sigpending(&pending)
  pthread_sigmask(SIG_BLOCK, &signal, &before)
  defer {
    // What this thread's writes have raised is taken back; a signal that was waiting before is the host's.
    if sigismember(&pending, SIGXFSZ) == 0 {
      var none = timespec()
      while sigtimedwait(&signal, nil, &none) < 0 && errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
  try body()
}

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
