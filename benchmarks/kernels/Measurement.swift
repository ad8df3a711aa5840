import CMachineLimits
import Glibc
import NNKitKernelTable

/// What a figure is held against, measured beside it.
enum Limit {
  /// Multiply-adds that use registers alone.
  case peak(threads: Int)
  /// The triad over `bytes` bytes.
  case triad(bytes: Int)

  /// The limit now, in operations or bytes a second.
  func sample(_ level: InstructionSetLevel, seconds: Double) -> Double {
    let level = Int32(level.rawValue)
    return switch self {
    case .peak(let threads): 1e9 * machine_peak(level, Int32(threads), seconds)
    case .triad(let bytes): 1e9 * machine_triad(level, 1, bytes, seconds)
    }
  }
}

/// How long to measure.
struct Effort {
  var rounds = 9
  /// Of one sample.
  var seconds = 0.01

  static let quick = Effort(rounds: 3, seconds: 0.002)
}

func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// The median seconds of one call of `body`, and the median of `limit`, sampled in turn.
func timeInTurn(_ effort: Effort, _ level: InstructionSetLevel, limit: Limit, _ body: () -> Void) -> (
  seconds: Double, limit: Double
) {
  // As many calls as fill a sample: doubled until they take a fifth of it, then scaled.
  var calls = 1
  var elapsed = 0.0
  while true {
    let begin = now()
    for _ in 0..<calls { body() }
    elapsed = now() - begin
    if elapsed >= effort.seconds / 5 { break }
    calls *= 2
  }
  calls = max(1, Int(Double(calls) * effort.seconds / elapsed))

  var (samples, limits): ([Double], [Double]) = ([], [])
  for _ in 0..<effort.rounds {
    let begin = now()
    for _ in 0..<calls { body() }
    samples.append((now() - begin) / Double(calls))
    limits.append(limit.sample(level, seconds: effort.seconds))
  }
  return (median(samples), median(limits))
}

/// One line of the table.
struct Figure: Encodable {
  let name: String
  let variant: String
  let nanoseconds: Double
  let value: Double
  /// "GFLOP/s", "GB/s" or "ns/element".
  let unit: String
  /// Of the limit that was measured beside it; nil for figures that have none.
  let share: Double?
}
