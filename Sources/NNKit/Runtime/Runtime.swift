internal import CNNKit
import Glibc
import NNKitKernelTable
import NNKitKernels
import NNKitKernelsAVX2
import NNKitKernelsAVX512

/// Threads and an instruction-set level: what models run on.
public final class Runtime: Sendable {
  package let kernels: KernelTable
  package let pool: ThreadPool

  package static let options = [
    OptionSpecification(
      "threads", .int(0...maximumThreads), default: .int(0), "how many threads; 0: as many as the process may use")
  ]

  /// Makes a runtime with `threads` threads, the calling one among them; 0: as many as the process may use.
  /// The environment variable `NNKIT_ISA` forces an instruction-set level.
  ///
  /// Throws: `.invalidArgument` for a bad number of threads or environment variable, `.unsupported` for a level
  /// that the processor lacks.
  public init(threads: Int = 0) throws(NNKitError) {
    guard (0...Runtime.maximumThreads).contains(threads) else {
      throw NNKitError(
        .invalidArgument,
        "threads=\(threads) is not valid; expected 0 (as many as may be used) to "
          + "\(Runtime.maximumThreads)")
    }
    kernels = Runtime.kernelTable(try CPUFeatures.chosenLevel())
    pool = ThreadPool(threads: threads == 0 ? try ProcessorCount.defaultThreads() : threads)
  }

  package static let maximumThreads = 1024

  /// The kernels of a level that the processor has.
  package static func kernelTable(_ level: InstructionSetLevel) -> KernelTable {
    switch level {
    case .baseline: NNKitKernels.makeKernelTable()
    case .avx2: NNKitKernelsAVX2.makeKernelTable()
    case .avx512: NNKitKernelsAVX512.makeKernelTable()
    }
  }

  /// The library's version, "major.minor.patch".
  public static let version = "\(NNK_VERSION_MAJOR).\(NNK_VERSION_MINOR).\(NNK_VERSION_PATCH)"

  /// "baseline", "avx2" or "avx512".
  public var instructionSet: String { kernels.level.name }
  /// How many there are, the calling one among them.
  public var threads: Int { pool.threads }

  nonisolated(unsafe) private static var sharedRuntime: Runtime?

  /// The runtime that everything uses that is not given one. Throws: as `init`.
  public static func shared() throws(NNKitError) -> Runtime {
    if let runtime = GlobalLock.withLock({ sharedRuntime }) { return runtime }
    // Made outside of the lock, which is never held while another one is taken; the first one made is the one kept.
    let runtime = try Runtime()
    return GlobalLock.withLock {
      sharedRuntime = sharedRuntime ?? runtime
      return sharedRuntime ?? runtime
    }
  }

  /// Ends the shared runtime's worker threads, and waits until they are gone; they start again when they are needed.
  public static func shutDown() {
    GlobalLock.withLock { sharedRuntime }?.pool.stop()
  }
}
