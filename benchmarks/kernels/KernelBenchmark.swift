// Every kernel of the table against the machine's limit, and whole operations through the engine.
//
//     kernel-benchmark [--json PATH] [--quick] [--threads N] [NAME ...]
//     kernel-benchmark --profile MODEL.nnkit [--batch N] [--time T] [--loss NAME] [--threads N] [--memory]
//
// The second form says where the time of a run, or with a loss of a training step without its optimizer, goes;
// with --memory, what its memory holds while the most is in use.
// NAME leaves out every line whose name or variant holds none of them. NNKIT_ISA chooses the level.

import FoundationEssentials
import Glibc
import NNKit
import NNKitKernelTable

private struct Arguments {
  var json: String?
  var effort = Effort()
  var threads = 0
  var names: [String] = []
  var profile: Profile?

  /// Throws: `.invalidArgument`.
  init(_ words: [String]) throws(NNKitError) {
    var rest = words[...]
    while let word = rest.popFirst() {
      switch word {
      case "--quick": effort = .quick
      case "--json":
        json = try Self.text(&rest, after: word)
      case "--threads": threads = try Self.number(&rest, after: word)
      case "--profile": profile = Profile(path: try Self.text(&rest, after: word))
      case "--batch": profile?.batch = try Self.number(&rest, after: word)
      case "--time": profile?.time = try Self.number(&rest, after: word)
      case "--memory": profile?.listsMemory = true
      case "--loss": profile?.loss = try Self.text(&rest, after: word)
      default:
        guard !word.hasPrefix("-") else {
          throw NNKitError(.invalidArgument, "\(word) is no option; see the top of KernelBenchmark.swift")
        }
        names.append(word)
      }
    }
  }

  private static func text(_ rest: inout ArraySlice<String>, after word: String) throws(NNKitError) -> String {
    guard let text = rest.popFirst() else { throw NNKitError(.invalidArgument, "\(word) needs a word after it") }
    return text
  }

  private static func number(_ rest: inout ArraySlice<String>, after word: String) throws(NNKitError) -> Int {
    guard let number = Int(try text(&rest, after: word)), number >= 0 else {
      throw NNKitError(.invalidArgument, "\(word) needs a number after it")
    }
    return number
  }

  func wants(_ texts: String...) -> Bool {
    names.isEmpty || texts.contains { text in names.contains { text.contains($0) } }
  }
}

private struct Report: Encodable {
  var level: String
  var threads: Int
  var kernels: [Figure] = []
  var operations: [Figure] = []
  var unmeasured: [String] = []
}

@main struct KernelBenchmark {
  static func main() {
    do {
      try run()
    } catch {
      print("kernel-benchmark: \(error)")
      exit(2)
    }
  }

  private static func run() throws {
    let arguments = try Arguments(Array(CommandLine.arguments.dropFirst()))
    let runtime = try Runtime(threads: arguments.threads)
    if let profile = arguments.profile { return try profile.run(runtime) }
    let table = runtime.kernels
    var report = Report(level: runtime.instructionSet, threads: runtime.threads)

    print("kernels, \(report.level), one thread")
    for row in KernelRow.all where arguments.wants(row.kernel, row.variant) {
      let figure = try row.measure(table, arguments.effort)
      report.kernels.append(figure)
      print(line(figure))
    }
    report.unmeasured = KernelRow.unmeasured(table)
    for kernel in report.unmeasured { print("\(kernel): no row measures it") }

    print(
      "\nwhole operations, \(report.level), \(report.threads) threads; more than 100 % of the peak is less arithmetic")
    for operation in WholeOperation.all where arguments.wants(operation.name) {
      let (figures, problem) = try operation.measure(runtime, arguments.effort)
      report.operations += figures
      for figure in figures { print(line(figure)) }
      if let problem { print("\(operation.name): left out: \(problem)") }
    }

    if let path = arguments.json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      try encoder.encode(report).write(to: URL(filePath: path))
    }
  }

  /// "name  variant  time  value unit  share".
  private static func line(_ figure: Figure) -> String {
    let share = figure.share.map { "\(Int((100 * $0).rounded())) %" } ?? ""
    return padded(figure.name, 34) + padded(figure.variant, 28) + aligned(text(figure.nanoseconds / 1e3), 10) + " µs"
      + aligned(text(figure.value), 10) + " " + padded(figure.unit, 11) + aligned(share, 6)
  }

  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  static func aligned(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }

  /// Three significant digits or so.
  static func text(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let scale = value.magnitude >= 100 ? 1.0 : value.magnitude >= 10 ? 10 : value.magnitude >= 1 ? 100 : 1000
    let rounded = (value * scale).rounded() / scale
    return scale == 1 ? "\(Int(rounded))" : "\(rounded)"
  }
}
