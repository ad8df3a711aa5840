import NNKit

/// How large the graphs of a draw may be. Most are small and fast; some reach what only large sizes use.
package enum GraphScale: Sendable {
  case small
  case medium
  case large

  /// The most multiply-adds of a forward pass.
  var work: Int {
    switch self {
    case .small: 200_000
    case .medium: 3_000_000
    case .large: 20_000_000
    }
  }

  /// The most elements of one tensor of a batch.
  var elements: Int {
    switch self {
    case .small: 20_000
    case .medium: 100_000
    case .large: 600_000
    }
  }
}

extension LayerDefinition {
  /// Options for a layer whose first input has this type.
  func drawOptions(_ random: inout RandomSource, _ scale: GraphScale, input: ValueType) -> [GraphProgram.Option] {
    var drawn: [GraphProgram.Option] = []
    // An axis first: others depend on it.
    for option in options.filter({ $0.kind == .axis }) + options.filter({ $0.kind != .axis }) {
      let axis = drawn.first { $0.name == "axis" }.flatMap { Int($0.value) } ?? -1
      if let value = option.draw(&random, scale, input.shape, axis: axis) {
        drawn.append(GraphProgram.Option(name: option.name, value: value))
      }
    }
    return drawn
  }
}

extension [GraphProgram.Option] {
  var text: String { map { "\($0.name)=\($0.value)" }.joined(separator: " ") }
}

extension OptionSpecification {
  /// A value that the option may have, as text; nil: it is left out.
  ///
  /// From the option's type and range alone, so that options are drawn as soon as they are in the catalogue.
  /// `input`: the shape of the layer's first input, for what must fit it; `axis`: the one that the layer is about.
  fileprivate func draw(_ random: inout RandomSource, _ scale: GraphScale, _ input: Shape, axis: Int) -> String? {
    let (channels, rank) = (max(1, input.sizes.last ?? 1), input.rank)
    let size = (-rank..<rank).contains(axis) ? max(1, input[axis < 0 ? axis + rank : axis]) : 1
    let mayBeLeftOut = defaultValue != nil || optional
    if mayBeLeftOut && random.chance(0.4) { return nil }
    switch kind {
    case .int(let range):
      if range.lowerBound < -1 { return String(random.integer(-size...size)) }
      if name == "groups" { return String(random.choose((1...channels).filter { channels % $0 == 0 })) }
      return String(drawSize(&random, scale).clamped(to: range))
    case .float(let low, let high, let upperOpen):
      return String(drawNumber(&random, low, high, upperOpen))
    case .bool:
      return String(random.chance(0.5))
    case .string:
      return nil
    case .choice(let choices):
      return random.choose(choices)
    case .list(let count, let range):
      let first = drawExtent(&random).clamped(to: range)
      if random.chance(0.5) { return String(first) }
      let others = (1..<count).map { _ in drawExtent(&random).clamped(to: range) }
      return ([first] + others).map { String($0) }.joined(separator: ",")
    case .padding:
      switch random.integer(0...9) {
      case 0...3: return "same"
      case 4...5: return "valid"
      default:
        let count = random.choose([1, 2, 4])
        return (0..<count).map { _ in String(random.integer(0...3)) }.joined(separator: ",")
      }
    case .axis:
      return String(random.integer(-max(1, rank)...max(0, rank - 1)))
    case .numbers(.axes, _):
      let order = Array(0..<rank).shuffled(using: &random)
      return order.map { String(random.chance(0.2) ? $0 - rank : $0) }.joined(separator: ",")
    case .numbers(.parts, _):
      return parts(&random, of: size).map { String($0) }.joined(separator: ",")
    case .numbers(.shape, _):
      var sizes = factors(&random, of: input.sizes.filter { $0 != Shape.open }.reduce(1, *))
      if input.isOpen {
        sizes.insert(-1, at: random.chance(0.8) ? 0 : random.integer(0...sizes.count))
      } else if random.chance(0.3) {
        sizes[random.integer(0...sizes.count - 1)] = -1
      }
      return sizes.map { String($0) }.joined(separator: ",")
    }
  }

  /// One to four numbers with this sum.
  private func parts(_ random: inout RandomSource, of sum: Int) -> [Int] {
    var (parts, rest) = ([Int](), sum)
    while rest > 1 && parts.count < 3 && random.chance(0.7) {
      parts.append(random.integer(1...rest - 1))
      rest -= parts[parts.count - 1]
    }
    return parts + [rest]
  }

  /// One to four numbers with this product.
  private func factors(_ random: inout RandomSource, of product: Int) -> [Int] {
    var (factors, rest) = ([Int](), product)
    while factors.count < 3 && random.chance(0.6) {
      let divisors = (1...min(rest, 64)).filter { rest % $0 == 0 }
      factors.append(random.choose(divisors))
      rest /= factors[factors.count - 1]
    }
    return factors + [rest]
  }

  /// Units, filters, rows of a table.
  private func drawSize(_ random: inout RandomSource, _ scale: GraphScale) -> Int {
    let wide = scale == .small ? 0.03 : scale == .medium ? 0.3 : 0.7
    if random.chance(wide) { return random.choose([32, 33, 48, 64, 65, 96, 100, 128, 130, 192, 256]) }
    return random.chance(0.75) ? random.integer(1...9) : random.integer(10...40)
  }

  /// Windows, strides, dilations.
  private func drawExtent(_ random: inout RandomSource) -> Int {
    if random.chance(0.35) { return 1 }
    return random.chance(0.9) ? random.integer(2...3) : random.choose([4, 5, 6, 7, 11])
  }

  private func drawNumber(_ random: inout RandomSource, _ low: Double, _ high: Double, _ upperOpen: Bool) -> Double {
    if low > 0, high <= 1 {
      // A small constant: all of its powers of ten are as likely.
      let exponent = random.integer(0...5)
      return max(low, min(high, 1 / Double((0..<exponent).reduce(1) { power, _ in power * 10 })))
    }
    let (low, high) = (max(low, -3), min(high, 3))
    if random.chance(0.1) { return low }
    if !upperOpen, random.chance(0.1) { return high }
    return random.number(low, high)
  }
}

extension Int {
  func clamped(to range: ClosedRange<Int>) -> Int { Swift.min(Swift.max(self, range.lowerBound), range.upperBound) }
}
