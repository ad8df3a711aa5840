struct UsageError: Error {}

/// What the command line says.
struct Arguments {
  var graphs = 1000
  var seed: UInt64 = 1
  var seconds = 0.0
  var jobs = 2
  var one: UInt64?
  var show: UInt64?
  var exportsPrograms = false
  var printsPairs = false
  /// Of a worker: one of so many seeds is its own.
  var stride = 1
  var isWorker = false

  init(_ words: ArraySlice<String>) throws {
    var rest = words
    func number<Number: LosslessStringConvertible>(_ type: Number.Type) throws -> Number {
      guard let word = rest.popFirst(), let value = Number(word) else { throw UsageError() }
      return value
    }
    while let word = rest.popFirst() {
      switch word {
      case "--graphs": graphs = try number(Int.self)
      case "--seed": seed = try number(UInt64.self)
      case "--seconds": seconds = try number(Double.self)
      case "--jobs": jobs = max(1, try number(Int.self))
      case "--one": one = try number(UInt64.self)
      case "--show": show = try number(UInt64.self)
      case "--export": exportsPrograms = true
      case "--pairs": printsPairs = true
      case "--worker":
        isWorker = true
        stride = try number(Int.self)
      default: throw UsageError()
      }
    }
  }
}
