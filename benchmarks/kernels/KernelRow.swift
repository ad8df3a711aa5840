import NNKit
import NNKitKernelTable

/// What one call of a kernel does, for the unit of its figure.
enum Work {
  /// Floating-point operations, two for each multiply-add: held against the peak.
  case operations(Int)
  /// Bytes that must be read and written: held against the triad over as many bytes.
  case bytes(Int)
  /// Elements, where a function's arithmetic and not the memory decides.
  case elements(Int)
}

/// One use of one kernel. `make` allocates what a call needs.
struct KernelRow: Sendable {
  /// The kernel's name in `KernelTable`.
  let kernel: String
  let variant: String
  let make: @Sendable (KernelTable) throws -> (work: Work, call: () -> Void)

  init(
    _ kernel: String, _ variant: String,
    _ make: @escaping @Sendable (KernelTable) throws -> (work: Work, call: () -> Void)
  ) {
    self.kernel = kernel
    self.variant = variant
    self.make = make
  }

  func measure(_ table: KernelTable, _ effort: Effort) throws -> Figure {
    let (work, call) = try make(table)
    switch work {
    case .operations(let count):
      let (seconds, peak) = timeInTurn(effort, table.level, limit: .peak(threads: 1), call)
      let rate = Double(count) / seconds
      return Figure(
        name: kernel, variant: variant, nanoseconds: 1e9 * seconds, value: 1e-9 * rate, unit: "GFLOP/s",
        share: rate / peak)
    case .bytes(let count):
      let (seconds, triad) = timeInTurn(effort, table.level, limit: .triad(bytes: count), call)
      let rate = Double(count) / seconds
      return Figure(
        name: kernel, variant: variant, nanoseconds: 1e9 * seconds, value: 1e-9 * rate, unit: "GB/s",
        share: rate / triad)
    case .elements(let count):
      let (seconds, _) = timeInTurn(effort, table.level, limit: .peak(threads: 1), call)
      return Figure(
        name: kernel, variant: variant, nanoseconds: 1e9 * seconds, value: 1e9 * seconds / Double(count),
        unit: "ns/element", share: nil)
    }
  }

  /// Every row of the table.
  static let all =
    productRows + winogradRows + depthwiseRows + elementwiseRows + poolingRows + normalizationRows + lossRows
    + recurrentRows + gruRows
    + optimizerRows

  /// The kernels of the table that no row measures.
  static func unmeasured(_ table: KernelTable) -> [String] {
    let measured = Set(all.map(\.kernel)).union(["level", "tileRows", "panelColumns"])
    return Mirror(reflecting: table).children.compactMap(\.label).filter { !measured.contains($0) }
  }
}

/// Floats between -1 and 1, aligned, the same in every run.
final class Floats {
  let memory: AlignedMemory
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  var read: UnsafePointer<Float> { UnsafePointer(pointer) }

  init(_ count: Int) throws {
    self.count = count
    memory = try AlignedMemory(byteCount: 4 * count)
    pointer = memory.base.assumingMemoryBound(to: Float.self)
    var state: UInt64 = 1
    for i in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      pointer[i] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
  }
}

/// Integers at an address that stays.
final class Integers<Element: FixedWidthInteger> {
  let pointer: UnsafeMutablePointer<Element>
  var read: UnsafePointer<Element> { UnsafePointer(pointer) }

  init(_ values: [Element]) {
    pointer = .allocate(capacity: max(1, values.count))
    pointer.initialize(from: values, count: values.count)
  }

  deinit { pointer.deallocate() }
}

/// Where the data of a row that walks memory lies. The bytes are those of all its arrays together.
enum Place: CaseIterable {
  case cache
  case memory

  var bytes: Int { self == .cache ? 16 << 10 : 96 << 20 }
  var name: String { self == .cache ? "L1" : "memory" }
}
