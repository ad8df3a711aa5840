/// The value of an option, after its text has been read.
package enum OptionValue: Equatable, Sendable, CustomStringConvertible {
  case int(Int)
  case float(Double)
  case bool(Bool)
  case string(String)
  case list([Int])

  package var description: String {
    switch self {
    case .int(let value): String(value)
    case .float(let value): value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    case .bool(let value): String(value)
    case .string(let value): value
    case .list(let values): values.map { String($0) }.joined(separator: ",")
    }
  }
}

/// What an option may be: its type, its range, its default, and one line about it.
package struct OptionSpecification: Sendable {
  package enum Kind: Sendable, Equatable {
    case int(ClosedRange<Int>)
    /// A number that is used in single precision. `upperOpen` leaves out the upper bound itself.
    case float(Double, Double, upperOpen: Bool)
    case bool
    case string
    case choice([String])
    /// `count` numbers, or one that stands for all of them.
    case list(count: Int, ClosedRange<Int>)
    /// `valid`, `same`, or 1, 2 or 4 numbers.
    case padding
    /// The number of an axis of the input, without the batch; negative ones count from the end.
    case axis
    /// As many numbers as wanted.
    case numbers(NumbersRole, ClosedRange<Int>)
  }

  /// What a list of numbers is, for whoever draws options.
  package enum NumbersRole: Sendable, Equatable {
    case shape
    /// The order of axes.
    case axes
    /// Sizes that add up to that of an axis.
    case parts
  }

  package let name: String
  package let kind: Kind
  /// nil: the option is required, unless `optional` is set.
  package let defaultValue: OptionValue?
  package let optional: Bool
  package let summary: String

  package init(
    _ name: String, _ kind: Kind, default defaultValue: OptionValue? = nil, optional: Bool = false, _ summary: String
  ) {
    self.name = name
    self.kind = kind
    self.defaultValue = defaultValue
    self.optional = optional
    self.summary = summary
  }

  /// The same option with another default.
  func with(default value: OptionValue?) -> OptionSpecification {
    OptionSpecification(name, kind, default: value, optional: optional, summary)
  }

  /// What the option takes, in words: "a whole number from 1 to 16".
  package var expectation: String {
    switch kind {
    case .int(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .float(let low, let high, let upperOpen):
      "a number from \(OptionValue.float(low)) to \(upperOpen ? "below " : "")\(OptionValue.float(high))"
    case .bool: "true or false"
    case .string: "a word"
    case .choice(let choices): "one of " + choices.joined(separator: ", ")
    case .list(let count, let range):
      "one number or \(count) numbers with commas between them, each from \(range.lowerBound) to \(range.upperBound)"
    case .padding: "valid, same, or 1, 2 or 4 numbers (all sides; vertical,horizontal; top,bottom,left,right)"
    case .axis: "a whole number from \(Self.axes.lowerBound) to \(Self.axes.upperBound)"
    case .numbers(_, let range):
      "numbers with commas between them, each from \(range.lowerBound) to \(range.upperBound)"
    }
  }

  /// What a number of an axis may be: those of a sample of the largest rank.
  package static let axes = -(Shape.maximumRank - 1)...Shape.maximumRank - 2

  /// The most numbers of a list.
  package static let maximumNumbers = 1024

  package static let namedPaddings = ["valid", "same"]

  /// The upper bound of a number that may be as large as a single-precision one can be.
  package static let largestFloat = Double(Float.greatestFiniteMagnitude)

  /// Whether a number is zero in single precision, though it is none.
  private func vanishes(_ value: Double) -> Bool { value != 0 && Float(value) == 0 }

  /// What is wrong with a text that is no value.
  func problem(_ text: Substring) -> String {
    if case .float = kind, let value = Double(text), vanishes(value) {
      return "it is 0 in single precision; write 0, or a number of at least 1.5e-45"
    }
    // The text may be a list, as of a kernel, with the next option behind a comma: "kernel=3,stride=2".
    if text.hasSuffix(",") || text.contains("=") { return Options.separatorAdvice }
    let problem = "expected \(expectation)"
    let choices: [String]
    switch kind {
    case .choice(let names): choices = names
    case .padding where text.first?.isLetter == true: choices = OptionSpecification.namedPaddings
    default: return problem
    }
    let hint = ForeignNames.hint(
      text, meant: { ForeignNames.own($0, among: choices, ForeignNames.values) }, among: choices)
    return problem + (hint.map { "; \($0)" } ?? "")
  }

  /// Reads the text of a value; nil where it does not fit.
  func value(of text: Substring) -> OptionValue? {
    switch kind {
    case .int(let range):
      guard let value = Int(text), range.contains(value) else { return nil }
      return .int(value)
    case .float(let low, let high, let upperOpen):
      guard let value = Double(text), value >= low, upperOpen ? value < high : value <= high, !vanishes(value) else {
        return nil
      }
      return .float(value)
    case .bool:
      switch text {
      case "true", "1": return .bool(true)
      case "false", "0": return .bool(false)
      default: return nil
      }
    case .string:
      return text.isEmpty ? nil : .string(String(text))
    case .choice(let choices):
      return ForeignNames.own(String(text), among: choices, ForeignNames.values).map { .string($0) }
    case .list(let count, let range):
      guard let values = integers(text, in: range, most: 8), values.count == count || values.count == 1 else {
        return nil
      }
      return .list(values.count == count ? values : Array(repeating: values[0], count: count))
    case .padding:
      if Self.namedPaddings.contains(String(text)) { return .string(String(text)) }
      guard let values = integers(text, in: 0...maximumSize, most: 8), [1, 2, 4].contains(values.count) else {
        return nil
      }
      return .list(values)
    case .axis:
      guard let value = Int(text), Self.axes.contains(value) else { return nil }
      return .int(value)
    case .numbers(_, let range):
      return integers(text, in: range, most: Self.maximumNumbers).map { .list($0) }
    }
  }

  private func integers(_ text: Substring, in range: ClosedRange<Int>, most: Int) -> [Int]? {
    var values: [Int] = []
    for part in text.split(separator: ",", maxSplits: most, omittingEmptySubsequences: false) {
      guard let value = Int(part), range.contains(value), values.count < most else { return nil }
      values.append(value)
    }
    return values
  }
}

/// The largest window, stride, dilation, padding or number of units an option takes. Products of a few of them
/// stay far below the range of `Int`.
package let maximumSize = 1 << 24

/// The options of a layer, a loss, an optimizer or a function, read from `key=value key=value`.
package struct Options: Sendable {
  private var values: [String: OptionValue] = [:]
  private let specifications: [OptionSpecification]

  /// Reads `text` for `owner`, whose options are `specifications`. Throws: `.invalidArgument` for an unknown key,
  /// a bad value, a key given twice and a required key that is missing; each names the owner and the key.
  package init(_ text: String, _ specifications: [OptionSpecification], owner: String) throws(NNKitError) {
    self.specifications = specifications
    for word in try Options.words(text, owner: owner) {
      guard let equals = word.firstIndex(of: "="), equals != word.startIndex else {
        throw NNKitError(
          .invalidArgument,
          "\(owner): \"\(excerpt(word))\" is not an option; "
            + (word.contains(",") ? Options.separatorAdvice : "write key=value, without spaces around the \"=\""))
      }
      let key = word[..<equals]
      let text = word[word.index(after: equals)...]
      guard let specification = Options.specification(String(key), specifications) else {
        throw Options.unknown(key, specifications, owner)
      }
      guard values[specification.name] == nil else {
        throw NNKitError(.invalidArgument, "\(owner): the option \(specification.name) is given twice")
      }
      guard let value = specification.value(of: text) else {
        throw NNKitError(
          .invalidArgument,
          "\(owner): \(specification.name)=\(excerpt(text)) is not valid; \(specification.problem(text))")
      }
      values[specification.name] = value
    }
    for specification in specifications where values[specification.name] == nil {
      if let value = specification.defaultValue {
        values[specification.name] = value
      } else if !specification.optional {
        throw NNKitError(
          .invalidArgument,
          "\(owner): the option \(specification.name) is missing; expected \(specification.name)=<"
            + "\(specification.expectation)>")
      }
    }
  }

  /// The words of an options text. Throws: `.invalidArgument` for a text that is longer than options ever are.
  package static func words(_ text: String, owner: String) throws(NNKitError) -> [Substring] {
    guard text.utf8.count <= maximumTextBytes else {
      throw NNKitError(
        .invalidArgument, "\(owner): the options have \(text.utf8.count) bytes; expected at most \(maximumTextBytes)")
    }
    return text.split(whereSeparator: { $0.isWhitespace })
  }

  package static let maximumTextBytes = 1 << 16

  static let separatorAdvice = "options are separated by spaces, without commas: key=value key=value"

  /// The specification of an option by its name, or by the name that another library has for it.
  static func specification(_ name: String, _ specifications: [OptionSpecification]) -> OptionSpecification? {
    let own = ForeignNames.own(name, among: specifications.map(\.name), ForeignNames.options)
    return specifications.first { $0.name == own }
  }

  static func unknown(
    _ key: Substring, _ specifications: [OptionSpecification], _ owner: String
  ) -> NNKitError {
    let names = specifications.map(\.name)
    var message = "\(owner) has no option \"\(excerpt(key))\""
    if key.hasPrefix(",") {
      message += "; \(separatorAdvice)"
    } else if let hint = ForeignNames.hint(key, meant: { specification($0, specifications)?.name }, among: names) {
      message += "; \(hint)"
    }
    message += names.isEmpty ? " (it takes none)" : " (it takes \(names.joined(separator: ", ")))"
    return NNKitError(.invalidArgument, message)
  }

  package func has(_ name: String) -> Bool { values[name] != nil }
  func value(_ name: String) -> OptionValue? { values[name] }

  // The readers below are asked for names and types that the specifications declare; a mismatch is a fault of
  // NNKit's that every test of the layer shows, so the fallback values are never seen.
  package func int(_ name: String) -> Int { if case .int(let value)? = values[name] { value } else { 0 } }
  package func float(_ name: String) -> Double { if case .float(let value)? = values[name] { value } else { 0 } }
  package func bool(_ name: String) -> Bool { if case .bool(let value)? = values[name] { value } else { false } }
  package func string(_ name: String) -> String { if case .string(let value)? = values[name] { value } else { "" } }
  package func list(_ name: String) -> [Int] { if case .list(let value)? = values[name] { value } else { [] } }

  /// Every option with a value but `excluded`, in the order of the specifications: the text that reads back as the
  /// same options.
  package func text(without excluded: String) -> String {
    specifications.compactMap { specification in
      specification.name == excluded ? nil : values[specification.name].map { "\(specification.name)=\($0)" }
    }.joined(separator: " ")
  }
}

/// At most 40 Unicode scalars of a text that came from outside: one character can have a million of them.
package func excerpt(_ text: some StringProtocol) -> String {
  let scalars = text.unicodeScalars
  let end = scalars.index(scalars.startIndex, offsetBy: 40, limitedBy: scalars.endIndex) ?? scalars.endIndex
  return end == scalars.endIndex ? String(text) : String(text[..<end]) + "…"
}

/// The candidate that is closest to `word` in spelling, if one is close enough to be what was meant. Words and candidates
/// that are long, or behind the first thousands, are nobody's misspelling: the search takes milliseconds whatever comes.
package func nearest(_ word: String, in candidates: [String]) -> String? {
  let longest = 128
  guard word.utf8.count <= longest else { return nil }
  let letters = Array(word.lowercased().utf8)
  var best: (distance: Int, name: String)?
  for candidate in candidates.prefix(4096) where candidate.utf8.count <= longest {
    let mostEdits = max(2, candidate.utf8.count / 3)
    if abs(candidate.utf8.count - letters.count) > mostEdits { continue }
    let distance = editDistance(letters, Array(candidate.utf8))
    if distance <= mostEdits, distance < best?.distance ?? .max { best = (distance, candidate) }
  }
  return best?.name
}

/// The number of insertions, deletions and substitutions between two words.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let substitution = diagonal + (x == y ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}
