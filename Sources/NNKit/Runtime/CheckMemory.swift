import CNNKitPlatform

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
