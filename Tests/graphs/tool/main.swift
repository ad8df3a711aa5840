import Glibc
import NNKit
import RandomGraphs

// random-graphs: compares random graphs with the reference. See `usage`.

let usage = """
  usage: random-graphs [--graphs N] [--seed S] [--seconds LIMIT] [--jobs J] [--one SEED] [--show SEED] [--export] [--pairs]

    --graphs N      how many graphs (1000)
    --seed S        the first seed (1)
    --seconds L     stop after so many seconds (0: no limit)
    --jobs J        processes side by side (2)
    --one SEED      this graph alone, in this process; a failure is shrunk
    --show SEED     prints the program of a seed
    --export        prints graphs, data and results as lines of JSON, for other libraries to compute the same
    --pairs         prints the table of neighbouring kinds, and fails where a fitting pair was not met
  """

// A worker's crash is found by its seed.
setenv("SWIFT_BACKTRACE", "enable=no", 1)

do {
  let arguments = try Arguments(CommandLine.arguments.dropFirst())
  if let seed = arguments.show {
    print(GraphGenerator.program(seed: seed).swiftTest("not run"))
  } else if let seed = arguments.one {
    exit(try Worker.runOne(seed) ? 0 : 1)
  } else if arguments.exportsPrograms {
    try Worker.export(arguments)
  } else if arguments.isWorker {
    try Worker.run(arguments)
  } else {
    exit(Supervisor(arguments).run() ? 0 : 1)
  }
} catch {
  print(error is UsageError ? usage : "random-graphs: \(error)")
  exit(2)
}
