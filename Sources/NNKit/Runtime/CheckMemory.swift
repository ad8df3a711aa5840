import CNNKitPlatform
import Glibc

/// Ends a call for which some allocation could not be had. Such an allocation was served from the shared library's
/// reserve, because Swift's own cannot report a failure; the reserve is small, so every part of planning and loading
/// asks here, and an object is handed out only after this.
///
/// Throws: `.outOfMemory`.
package func checkMemory() throws(NNKitError) {
  guard !nnkit_platform_memory_failed().pointee else {
    throw NNKitError(.outOfMemory, "memory cannot be had; use a smaller batch or model, or free other memory")
  }
}

/// The same, before work that takes about `bytes` in pieces that cannot each be checked, such as the growth of an array:
/// the reserve would not last for more than some megabytes of them.
///
/// Throws: `.outOfMemory`.
package func checkMemory(for bytes: Int) throws(NNKitError) {
  try checkMemory()
  guard bytes >= 1 << 20 else { return }
  let room = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let room, room != UnsafeMutableRawPointer(bitPattern: -1) else {
    throw NNKitError(
      .outOfMemory, "about \(bytes) bytes cannot be had; use a smaller batch or model, or free other memory")
  }
  munmap(room, bytes)
}
