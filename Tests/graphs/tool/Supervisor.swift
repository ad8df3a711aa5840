import Glibc
import NNKit
import RandomGraphs

/// Runs workers side by side, each a process of its own: what crashes or does not end in one costs its graph only, and is
/// reported with its seed.
struct Supervisor {
  private let arguments: Arguments
  /// The longest that a graph may take, shrinking left out.
  private static let graphSeconds = 120.0

  init(_ arguments: Arguments) { self.arguments = arguments }

  private struct Job {
    var process: pid_t
    var output: Int32
    var pending = ""
    var current: UInt64?
    var started: Double
    var next: UInt64
    var left: Int
  }

  /// Whether all graphs passed.
  func run() -> Bool {
    let begin = now()
    var coverage = GraphCoverage()
    var statistics = ComparisonStatistics()
    var failures: [(seed: UInt64, text: String)] = []
    var jobs: [Job] = []
    for index in 0..<arguments.jobs {
      let share = (arguments.graphs - index + arguments.jobs - 1) / arguments.jobs
      if share > 0 { jobs.append(start(arguments.seed &+ UInt64(index), share)) }
    }
    var stopped = false
    while !jobs.isEmpty {
      var descriptors = jobs.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
      poll(&descriptors, nfds_t(descriptors.count), 500)
      if arguments.seconds > 0, now() - begin > arguments.seconds { stopped = true }
      var remaining: [Job] = []
      for (index, var job) in jobs.enumerated() {
        var ended = false
        if descriptors[index].revents != 0 { ended = !read(&job) }
        for line in lines(of: &job) {
          let words = line.split(separator: " ", maxSplits: 2)
          guard words.count >= 2, let seed = UInt64(words[1]) else { continue }
          if words[0] == "start" {
            (job.current, job.started) = (seed, now())
            continue
          }
          job.current = nil
          job.next = seed &+ UInt64(arguments.jobs)
          job.left -= 1
          coverage.add(GraphGenerator.program(seed: seed))
          if words[0] == "ok" { statistics.add(parse(words.count > 2 ? words[2] : "")) }
          if words[0] == "fail" {
            failures.append((seed, String(words.count > 2 ? words[2] : "")))
            print("seed \(seed): \(words.count > 2 ? words[2] : "")")
            fflush(nil)
          }
        }
        let hangs = job.current != nil && now() - job.started > Self.graphSeconds
        if hangs || stopped { kill(job.process, SIGKILL) }
        if !ended && !hangs && !stopped {
          remaining.append(job)
          continue
        }
        var status: Int32 = 0
        waitpid(job.process, &status, 0)
        close(job.output)
        if stopped { continue }
        if let seed = job.current {
          let text = hangs ? "hang: more than \(Int(Self.graphSeconds)) s" : "crash: wait status \(status)"
          failures.append((seed, text))
          print("seed \(seed): \(text)\n\(GraphGenerator.program(seed: seed).swiftTest(text))")
          fflush(nil)
          job.next = seed &+ UInt64(arguments.jobs)
          job.left -= 1
        }
        if job.left > 0 { remaining.append(start(job.next, job.left)) }
      }
      jobs = remaining
    }
    return report(coverage, statistics, failures, seconds: now() - begin)
  }

  private func report(
    _ coverage: GraphCoverage, _ statistics: ComparisonStatistics, _ failures: [(seed: UInt64, text: String)],
    seconds: Double
  ) -> Bool {
    let level = (try? Runtime(threads: 1).instructionSet) ?? "?"
    let (missing, fitting) = (coverage.missingPairs(), GraphCoverage.fittingPairs().count)
    if arguments.printsPairs { print(coverage.table()) }
    print(
      "\(coverage.graphs) graphs at \(level), \(coverage.operations) operations, \(fitting - missing.count) of \(fitting) "
        + "pairs of neighbours, \(statistics.comparisons) comparisons with the reference in \(Int(seconds)) s")
    print(
      "largest difference \(statistics.largestDifference) of a tensor's largest value; where rounding is amplified "
        + "\(statistics.largestShare) of what it explains; \(statistics.nearBorder) comparisons near a border, "
        + "\(statistics.skipped) left out")
    if !missing.isEmpty && arguments.printsPairs { print("not met: \(missing.joined(separator: ", "))") }
    var kinds: [String: [UInt64]] = [:]
    for failure in failures {
      kinds[String(failure.text.split(separator: ":")[0]), default: []].append(failure.seed)
    }
    for (kind, seeds) in kinds.sorted(by: { $0.key < $1.key }) {
      print("FAILED \(kind): \(seeds.count) graphs, seeds \(seeds.sorted().prefix(8))")
    }
    if let first = failures.min(by: { $0.seed < $1.seed }) {
      print("the smallest program of a failure: random-graphs --one \(first.seed)")
    }
    print(failures.isEmpty ? "all passed" : "\(failures.count) failed")
    return failures.isEmpty && (missing.isEmpty || !arguments.printsPairs)
  }

  private func parse(_ text: Substring) -> ComparisonStatistics {
    var statistics = ComparisonStatistics()
    let numbers = text.split(separator: " ").compactMap { Double($0) }
    guard numbers.count == 5 else { return statistics }
    statistics.largestDifference = numbers[0]
    statistics.largestShare = numbers[1]
    statistics.comparisons = Int(numbers[2])
    statistics.nearBorder = Int(numbers[3])
    statistics.skipped = Int(numbers[4])
    return statistics
  }

  // MARK: Processes

  private func start(_ seed: UInt64, _ graphs: Int) -> Job {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { fatalError("pipe: \(errno)") }
    let words = [
      "/proc/self/exe", "--worker", String(arguments.jobs), "--seed", String(seed), "--graphs", String(graphs),
    ]
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    var list: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var process = pid_t()
    let status = posix_spawn(&process, "/proc/self/exe", &actions, nil, &list, environ)
    guard status == 0 else { fatalError("posix_spawn: \(status)") }
    posix_spawn_file_actions_destroy(&actions)
    for word in list { free(word) }
    close(ends[1])
    return Job(process: process, output: ends[0], started: now(), next: seed, left: graphs)
  }

  /// Whether there may be more.
  private func read(_ job: inout Job) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = Glibc.read(job.output, &bytes, bytes.count)
    if count > 0 { job.pending += String(decoding: bytes.prefix(count), as: UTF8.self) }
    return count > 0
  }

  private func lines(of job: inout Job) -> [Substring] {
    var parts = job.pending.split(separator: "\n", omittingEmptySubsequences: false)
    job.pending = String(parts.removeLast())
    return parts
  }

  private func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
