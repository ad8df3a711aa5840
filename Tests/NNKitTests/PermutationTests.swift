import NNKit
import NNKitKernelTable
import Testing

@Suite struct PermutationTests {
  private func permutation(_ count: Int, epoch: Int = 0, seed: UInt64 = 1) throws -> Permutation {
    Random(seed: seed, kernels: try Runtime.shared().kernels).permutation(.shuffle(epoch: epoch), count: count)
  }

  private func order(_ count: Int, epoch: Int = 0, seed: UInt64 = 1) throws -> [Int] {
    let permutation = try permutation(count, epoch: epoch, seed: seed)
    return (0..<count).map { permutation[$0] }
  }

  @Test func everyElementComesOnce() throws {
    for count in Array(1...300) + [511, 512, 513, 1000, 4095, 4097, 65_536, 100_003, 1 << 20] {
      var seen = Array(repeating: false, count: count)
      for element in try order(count) { seen[element] = true }
      #expect(!seen.contains(false), "\(count)")
    }
  }

  @Test func seedAndEpochDecideTheOrder() throws {
    #expect(try order(1000) == order(1000))
    #expect(try order(1000) != Array(0..<1000))
    #expect(try order(1000) != order(1000, epoch: 1))
    #expect(try order(1000) != order(1000, seed: 2))
  }

  /// Chi-squared of all orders of few elements, and of each element's places among many.
  @Test func everyOrderIsEquallyLikely() throws {
    for (count, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
      let rounds = 200 * orders
      var counts: [[Int]: Int] = [:]
      for epoch in 0..<rounds { counts[try order(count, epoch: epoch), default: 0] += 1 }
      #expect(counts.count == orders)
      let chiSquared = counts.values.reduce(0.0) { $0 + Double(($1 - 200) * ($1 - 200)) / 200 }
      // Its mean is orders - 1, its variance twice that; six deviations.
      #expect(chiSquared < Double(orders - 1) + 6 * Double(2 * orders).squareRoot(), "\(count): \(chiSquared)")
    }
    for count in [100, 256, 1000] {
      var counts = Array(repeating: 0, count: 100)
      for epoch in 0..<400 {
        for (place, element) in try order(count, epoch: epoch).enumerated() {
          counts[place * 10 / count * 10 + element * 10 / count] += 1
        }
      }
      let expected = Double(400 * count) / 100
      let chiSquared = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
      #expect(chiSquared < 100 + 6 * 200.0.squareRoot(), "\(count): \(chiSquared)")
    }
  }

  @Test func neighboursDoNotStayTogether() throws {
    let order = try order(100_000)
    var (ascending, near) = (0, 0)
    for (a, b) in zip(order, order.dropFirst()) {
      ascending += a < b ? 1 : 0
      near += abs(a - b) <= 5 ? 1 : 0
    }
    #expect(abs(ascending - 50_000) < 600)
    // 10 of 100,000 places are near: 10 expected.
    #expect(near < 40)
  }

  @Test func numbersOfElementsThatNoArrayHoldsHaveAnOrder() throws {
    for count in [1 << 31, 1 << 61 - 1, Int.max] {
      let permutation = try permutation(count)
      var seen: Set<Int> = []
      for index in 0..<1000 {
        let element = permutation[index < 500 ? index : count - index]
        #expect((0..<count).contains(element))
        seen.insert(element)
      }
      #expect(seen.count == 1000)
      #expect((seen.max() ?? 0) > count / 2)
    }
  }
}
