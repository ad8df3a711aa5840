import NNKit
import NNKitKernelTable
import Testing

@Suite struct RandomTests {
  private func random(_ seed: UInt64) throws -> Random { Random(seed: seed, kernels: try Runtime.shared().kernels) }

  @Test func aShuffleIsAPermutationThatTheSeedDecides() throws {
    var first = Array(0..<1000)
    try random(1).shuffle(.shuffle(epoch: 0), &first)
    #expect(first.sorted() == Array(0..<1000))
    #expect(first != Array(0..<1000))
    var again = Array(0..<1000)
    try random(1).shuffle(.shuffle(epoch: 0), &again)
    #expect(again == first)
    var other = Array(0..<1000)
    try random(1).shuffle(.shuffle(epoch: 1), &other)
    #expect(other != first)
  }

  @Test func everyPlaceIsEquallyLikely() throws {
    var counts = Array(repeating: 0, count: 5)
    for epoch in 0..<2000 {
      var order = Array(0..<5)
      try random(3).shuffle(.shuffle(epoch: epoch), &order)
      counts[order[0]] += 1
    }
    // 400 expected; five standard deviations are 90.
    for count in counts { #expect(abs(count - 400) < 90) }
  }

  @Test func uniformNumbersFillTheirRangeEvenly() throws {
    var values = Array(repeating: Float(0), count: 20_000)
    try values.withUnsafeMutableBufferPointer {
      try random(5).uniform(.initializer(parameter: 0), limit: 2, into: $0.baseAddress!, count: 20_000)
    }
    #expect(values.allSatisfy { (-2...2).contains($0) })
    let mean = values.reduce(0.0) { $0 + Double($1) } / 20_000
    let variance = values.reduce(0.0) { $0 + Double($1) * Double($1) } / 20_000
    #expect(abs(mean) < 0.05)
    #expect(abs(variance - 4.0 / 3) < 0.05)
  }

  @Test func normalNumbersHaveTheirMoments() throws {
    var values = Array(repeating: Float(0), count: 20_001)
    try values.withUnsafeMutableBufferPointer {
      try random(6).normal(.initializer(parameter: 0), deviation: 3, into: $0.baseAddress!, count: 20_001)
    }
    let mean = values.reduce(0.0) { $0 + Double($1) } / 20_001
    let variance = values.reduce(0.0) { $0 + Double($1) * Double($1) } / 20_001
    let fourth = values.reduce(0.0) { $0 + Double($1 * $1) * Double($1 * $1) } / 20_001
    #expect(abs(mean) < 0.12)
    #expect(abs(variance - 9) < 0.5)
    #expect(abs(fourth / (variance * variance) - 3) < 0.3)
  }

  @Test func orthogonalBlocksAreOrthogonal() throws {
    let model = try Model(input: [4, 6], seed: 8) { LSTM(units: 12) }
    try model.withParameter("lstm/recurrent_kernel") { values, shape in
      #expect(shape == [12, 48])
      for gate in 0..<4 {
        for i in 0..<12 {
          for j in 0...i {
            var product = 0.0
            for k in 0..<12 {
              product += Double(values[i * 48 + gate * 12 + k]) * Double(values[j * 48 + gate * 12 + k])
            }
            #expect(abs(product - (i == j ? 1 : 0)) < 1e-5)
          }
        }
      }
    }
  }

  @Test func forgetGatesBeginOpen() throws {
    let model = try Model(input: [4, 6]) { LSTM(units: 3) }
    try model.withParameter("lstm/bias") { values, _ in
      #expect(Array(values) == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    }
  }
}
