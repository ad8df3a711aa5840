import Glibc

/// Memory for tensors: zeroed, aligned to `alignmentBytes`, freed with its last reference.
///
/// Large blocks come from the kernel as untouched zero pages, so a page that is never used costs nothing.
package final class AlignedMemory: @unchecked Sendable {
  /// A cache line, and the widest vector register.
  package static let alignmentBytes = 64
  /// From this size on a block is mapped from the kernel.
  private static let mappedBytes = 1 << 20
  /// From this size on huge pages are asked for, and the block is aligned so that the kernel can give them.
  private static let hugePageBytes = 2 << 20

  /// Valid, and not to be read or written, for 0 bytes too.
  package let base: UnsafeMutableRawPointer
  package let byteCount: Int

  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// Throws: `outOfMemory` for more than the machine or the control group has, or where the allocation fails;
  /// `invalidArgument` for a negative size.
  package init(byteCount: Int) throws(NNKitError) {
    guard byteCount >= 0 else {
      throw NNKitError(.invalidArgument, "memory of \(byteCount) bytes was asked for; expected 0 or more")
    }
    self.byteCount = byteCount
    if byteCount < Self.mappedBytes {
      var pointer: UnsafeMutableRawPointer?
      guard posix_memalign(&pointer, Self.alignmentBytes, max(byteCount, 1)) == 0, let pointer else {
        throw Self.outOfMemory(byteCount: byteCount, limitBytes: Self.limitBytes())
      }
      do throws(NNKitError) {
        try checkMemory()
      } catch {
        free(pointer)
        throw error
      }
      memset(pointer, 0, byteCount)
      base = pointer
    } else {
      let limitBytes = Self.limitBytes()
      // A mapping beyond the limit would succeed, and end the process at the page that breaks it.
      guard byteCount <= limitBytes, let pointer = Self.map(byteCount: byteCount) else {
        throw Self.outOfMemory(byteCount: byteCount, limitBytes: limitBytes)
      }
      base = pointer
    }
  }

  deinit {
    if byteCount < Self.mappedBytes {
      free(base)
    } else {
      munmap(base, byteCount)
    }
  }

  /// The most memory this process can have: the machine's, or its control group's limit where that is smaller.
  package static func limitBytes(fileRoot: String = "") -> Int {
    let physical = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
    let machineBytes = physical.overflow || physical.partialValue <= 0 ? Int.max : physical.partialValue
    return min(machineBytes, ControlGroup(fileRoot: fileRoot).memoryLimitBytes ?? Int.max)
  }

  private static func outOfMemory(byteCount: Int, limitBytes: Int) -> NNKitError {
    NNKitError(
      .outOfMemory,
      "memory of \(byteCount) bytes cannot be had; this process may use \(limitBytes) bytes in all. Use a smaller "
        + "batch or model, or free other memory")
  }

  /// `byteCount` (≥ `mappedBytes`, at most the machine's memory) of zero pages, nil where the kernel refuses.
  private static func map(byteCount: Int) -> UnsafeMutableRawPointer? {
    let isHuge = byteCount >= hugePageBytes
    let mappingBytes = isHuge ? byteCount + hugePageBytes : byteCount
    let mapping = mmap(nil, mappingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapping, mapping != UnsafeMutableRawPointer(bitPattern: -1) else { return nil }
    guard isHuge else { return mapping }

    // Huge pages start at multiples of their size: keep the aligned part and give the two ends back.
    let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    let base = mapping.alignedUp(toMultipleOf: hugePageBytes)
    let end = (base + byteCount).alignedUp(toMultipleOf: pageBytes)
    let mappingEnd = mapping + mappingBytes
    if base > mapping { munmap(mapping, base - mapping) }
    if mappingEnd > end { munmap(end, mappingEnd - end) }
    // A hint: where huge pages are switched off, small ones do.
    madvise(base, byteCount, Int32(MADV_HUGEPAGE))
    return base
  }
}
