import Glibc
import NNKit
import RandomGraphs

/// Runs graphs in this process and tells the supervisor how it goes, line by line:
/// "start SEED", then "ok SEED LARGEST SHARE COMPARISONS NEAR SKIPPED" or "fail SEED CHECK: ...".
enum Worker {
  static func run(_ arguments: Arguments) throws {
    let runtimes = try Runtimes()
    for index in 0..<arguments.graphs {
      let seed = arguments.seed &+ UInt64(index * arguments.stride)
      say("start \(seed)")
      do {
        let statistics = try GraphCheck.run(GraphGenerator.program(seed: seed), runtimes)
        say(
          "ok \(seed) \(statistics.largestDifference) \(statistics.largestShare) \(statistics.comparisons) "
            + "\(statistics.nearBorder) \(statistics.skipped)")
      } catch let failure as GraphFailure {
        say("fail \(seed) \(failure)")
      }
    }
  }

  /// Runs one graph and, where it fails, looks for the smallest one that fails the same way.
  static func runOne(_ seed: UInt64) throws -> Bool {
    let runtimes = try Runtimes()
    let program = GraphGenerator.program(seed: seed)
    func failure(_ program: GraphProgram) -> GraphFailure? {
      do {
        _ = try GraphCheck.run(program, runtimes)
        return nil
      } catch {
        return error as? GraphFailure
      }
    }
    guard let first = failure(program) else {
      print("seed \(seed): all checks pass")
      return true
    }
    print("seed \(seed) fails: \(first)\n\(program.swiftTest("as drawn"))\n")
    let smallest = program.shrunk(failure)
    print(smallest.swiftTest("\(failure(smallest).map { $0.description } ?? "")"))
    return false
  }

  /// Prints programs from the first seed on, those left out that are too large.
  static func export(_ arguments: Arguments) throws {
    let runtime = try Runtime(threads: 1)
    var (seed, left) = (arguments.seed, arguments.graphs)
    while left > 0 {
      if let line = try ProgramExport.line(GraphGenerator.program(seed: seed), runtime) {
        print(line)
        left -= 1
      }
      seed += 1
    }
  }

  private static func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}
