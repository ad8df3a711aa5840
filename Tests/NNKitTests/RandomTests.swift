import NNKit
import NNKitKernelTable
import Testing

@Suite struct RandomTests {
  private func random(_ seed: UInt64) throws -> Random { Random(seed: seed, kernels: try Runtime.shared().kernels) }

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
