import Glibc

/// Which end of a buffer lies against a page that cannot be touched.
enum Placement: CaseIterable {
  case afterGuard
  case beforeGuard
}

/// Elements between two pages that can be neither read nor written, so that a kernel that leaves its buffer ends
/// the test process. `placement` says which end lies against its page exactly.
final class GuardedBuffer<Element> {
  let count: Int
  let pointer: UnsafeMutablePointer<Element>
  private let region: UnsafeMutableRawPointer
  private let regionBytes: Int

  init(_ count: Int, _ placement: Placement, repeating value: Element) {
    let page = 4096
    let bytes = count * MemoryLayout<Element>.stride
    let dataBytes = (bytes + page - 1) / page * page
    regionBytes = dataBytes + 2 * page
    let mapped = mmap(nil, regionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(mapped != MAP_FAILED, "mmap of \(regionBytes) bytes failed")
    region = mapped!
    if dataBytes > 0 {
      precondition(mprotect(region + page, dataBytes, PROT_READ | PROT_WRITE) == 0, "mprotect failed")
    }
    let offset = placement == .afterGuard ? 0 : dataBytes - bytes
    pointer = (region + page + offset).bindMemory(to: Element.self, capacity: count)
    self.count = count
    pointer.initialize(repeating: value, count: count)
  }

  convenience init(_ elements: [Element], _ placement: Placement, padding value: Element) {
    self.init(elements.count, placement, repeating: value)
    for (index, element) in elements.enumerated() { pointer[index] = element }
  }

  deinit { munmap(region, regionBytes) }

  var read: UnsafePointer<Element> { UnsafePointer(pointer) }

  var array: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  subscript(_ index: Int) -> Element {
    get { pointer[index] }
    set { pointer[index] = newValue }
  }
}

extension GuardedBuffer where Element == Float {
  convenience init(_ elements: [Float], _ placement: Placement) { self.init(elements, placement, padding: 0) }
}
