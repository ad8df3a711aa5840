import Glibc
import NNKitKernelTable
import Testing

private func sigma(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

@Suite struct LSTMCellTests {
  @Test(arguments: testedLevels)
  func forwardMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 21)
    for units in table.counts {
      for hasPrevious in [false, true] {
        for placement in Placement.allCases {
          let gates = GuardedBuffer(numbers.floats(4 * units, -6...6), placement)
          let before = gates.array.map(Double.init)
          let previous = GuardedBuffer(numbers.floats(units), placement)
          let c = GuardedBuffer(units, placement, repeating: Float.nan)
          let h = GuardedBuffer(units, placement, repeating: Float.nan)
          table.lstmCellForward(
            LSTMCell(
              gates: gates.pointer, cPrevious: hasPrevious ? previous.read : nil, c: c.pointer, h: h.pointer,
              units: units))
          for u in 0..<units {
            let (i, f) = (sigma(before[u]), sigma(before[units + u]))
            let (g, o) = (Glibc.tanh(before[2 * units + u]), sigma(before[3 * units + u]))
            let cExact = f * (hasPrevious ? Double(previous[u]) : 0) + i * g
            // 3 ulp a gate, one for each product and sum, all of numbers not above 1.
            let allowed = 8 * Double(Float.ulpOfOne)
            #expect(ulps(gates[u], i) <= 3 && ulps(gates[units + u], f) <= 3)
            #expect(ulps(gates[2 * units + u], g) <= 2 && ulps(gates[3 * units + u], o) <= 3)
            #expect(abs(Double(c[u]) - cExact) <= allowed)
            #expect(abs(Double(h[u]) - o * Glibc.tanh(cExact)) <= allowed)
          }
          // `c` may be `cPrevious`.
          let again = GuardedBuffer(before.map { Float($0) }, placement)
          if hasPrevious {
            table.lstmCellForward(
              LSTMCell(
                gates: again.pointer, cPrevious: previous.read, c: previous.pointer, h: h.pointer, units: units))
            #expect(sameBits(previous.array, c.array))
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func backwardMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 22)
    for units in table.counts {
      for hasPrevious in [false, true] {
        for placement in Placement.allCases {
          let gates = GuardedBuffer(numbers.floats(4 * units, 0.02...0.98), placement)
          let before = gates.array.map(Double.init)
          let previous = GuardedBuffer(numbers.floats(units), placement)
          let c = GuardedBuffer(numbers.floats(units, -2...2), placement)
          let dh = GuardedBuffer(numbers.floats(units), placement)
          let dc = GuardedBuffer(numbers.floats(units), placement)
          let dcNext = dc.array
          table.lstmCellBackward(
            LSTMCellGradient(
              gates: gates.pointer, cPrevious: hasPrevious ? previous.read : nil, c: c.read, dh: dh.read,
              dc: dc.pointer, units: units))
          for u in 0..<units {
            let (i, f, g, o) = (before[u], before[units + u], before[2 * units + u], before[3 * units + u])
            let t = Glibc.tanh(Double(c[u]))
            let dcTotal = Double(dcNext[u]) + Double(dh[u]) * o * (1 - t * t)
            let exact = [
              dcTotal * g * i * (1 - i), dcTotal * (hasPrevious ? Double(previous[u]) : 0) * f * (1 - f),
              dcTotal * i * (1 - g * g), Double(dh[u]) * t * o * (1 - o),
            ]
            // A handful of roundings of numbers not above 2.
            let allowed = 16 * Double(Float.ulpOfOne)
            for gate in 0..<4 { #expect(abs(Double(gates[gate * units + u]) - exact[gate]) <= allowed) }
            #expect(abs(Double(dc[u]) - dcTotal * f) <= allowed)
          }
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func infiniteGatesSaturateAndNaNTravels(level: InstructionSetLevel) {
    let table = kernels(level)
    var gates: [Float] = [.infinity, 0, -.infinity, 0, .infinity, 0, .infinity, .nan]
    var c: [Float] = [0, 0]
    var h: [Float] = [0, 0]
    table.lstmCellForward(LSTMCell(gates: &gates, cPrevious: [5, 5], c: &c, h: &h, units: 2))
    #expect(gates[0] == 1 && gates[2] == 0 && gates[4] == 1 && gates[6] == 1)
    #expect(c == [1, 2.5] && h[1].isNaN && ulps(h[0], Glibc.tanh(1)) <= 2)
  }
}
