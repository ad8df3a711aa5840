/// Numbers for drawing graphs and data: the same seed, the same numbers, in every version.
/// Source: Steele et al., SplitMix (2014).
package struct RandomSource {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
    // Neighbouring seeds have nothing in common.
    state = next()
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in `range`.
  package mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next().multipliedFullWidth(by: UInt64(range.count)).high)
  }

  /// Uniform in `[low, high)`.
  package mutating func number(_ low: Double, _ high: Double) -> Double {
    low + (high - low) * Double(next() >> 11) * 0x1p-53
  }

  package mutating func chance(_ probability: Double) -> Bool { number(0, 1) < probability }

  /// One of `choices`, of which there is at least one.
  package mutating func choose<Element>(_ choices: [Element]) -> Element { choices[integer(0...choices.count - 1)] }
}
