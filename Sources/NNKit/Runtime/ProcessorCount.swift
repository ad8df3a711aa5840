import CNNKitPlatform
import Glibc

/// How many threads this process may use, and how many it uses by default.
package enum ProcessorCount {
  /// More threads than this are never asked for.
  package static let maximumThreads = 1024

  /// `min(affinity, ⌈quota⌉)`: the processors that the calling thread's affinity mask and the control groups'
  /// processor-time quota allow, in `1 ... maximumThreads`.
  package static func available(fileRoot: String = "") -> Int {
    available(affinity: Int(nnkit_platform_affinity_count()), quota: ControlGroup(fileRoot: fileRoot).processorQuota)
  }

  package static func available(affinity: Int, quota: Double?) -> Int {
    // Where the kernel does not tell the mask, every processor that is online may be used.
    let processors = affinity > 0 ? affinity : sysconf(Int32(_SC_NPROCESSORS_ONLN))
    let allowed = quota.map { Int(min($0, Double(maximumThreads)).rounded(.up)) } ?? processors
    return max(1, min(processors, allowed, maximumThreads))
  }

  /// What `NNKIT_NUM_THREADS` says, or, where it is unset or empty, `available()`.
  ///
  /// Throws: `invalidArgument` for anything but a whole number in `1 ... maximumThreads`.
  package static func defaultThreads(
    environment: String? = environmentValue("NNKIT_NUM_THREADS")
  ) throws(NNKitError) -> Int {
    guard let text = environment, !text.isEmpty else { return available() }
    guard let threads = Int(text), (1...maximumThreads).contains(threads) else {
      throw NNKitError(
        .invalidArgument,
        "NNKIT_NUM_THREADS=\(text): expected a whole number from 1 to \(maximumThreads). Set one, or unset "
          + "NNKIT_NUM_THREADS to use every processor that this process may use")
    }
    return threads
  }
}
