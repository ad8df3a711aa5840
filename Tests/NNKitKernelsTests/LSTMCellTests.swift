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
            // A gate's error, and one for each product and sum, all of numbers not above 1.
            let allowed = 10 * Double(Float.ulpOfOne)
            for (gate, exact) in [i, f, g, o].enumerated() { #expect(ulps(gates[gate * units + u], exact) <= 6) }
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
    #expect(gates[0] == 1 && (0...0x1p-125).contains(gates[2]) && gates[4] == 1 && gates[6] == 1)
    #expect(c[0] == 1 && c[1].isNaN && h[1].isNaN && ulps(h[0], Glibc.tanh(1)) <= 3)
  }

  /// Over every magnitude that a pre-activation may have.
  @Test(arguments: testedLevels)
  func gatesAreWithinTheirBound(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 24)
    var largest = 0.0
    for scale: Float in [1e-30, 1e-6, 1e-3, 0.03, 0.3, 1, 3, 10, 30, 85] {
      let units = 999
      var gates = numbers.floats(4 * units, -scale...scale)
      let before = gates.map(Double.init)
      var (c, h) = (Array(repeating: Float(0), count: units), Array(repeating: Float(0), count: units))
      table.lstmCellForward(LSTMCell(gates: &gates, cPrevious: nil, c: &c, h: &h, units: units))
      for index in before.indices {
        let isCandidate = (2 * units..<3 * units).contains(index)
        largest = max(largest, ulps(gates[index], isCandidate ? Glibc.tanh(before[index]) : sigma(before[index])))
      }
      for u in 0..<units { largest = max(largest, ulps(h[u], Double(gates[3 * units + u]) * Glibc.tanh(Double(c[u])))) }
    }
    print("lstm gates \(level): largest error \(largest) ulp")
    #expect(largest <= 6)
  }

  /// The product is `RowProduct`'s, the cell is `LSTMCell`'s.
  @Test(arguments: testedLevels)
  func aStepHasTheBitsOfProductAndCell(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 23)
    let lanes = table.panelColumns / 2
    for units in [1, lanes - 1, lanes, lanes + 1, 2 * lanes, 2 * lanes + 1, 3 * lanes, 5 * lanes - 1] where units > 0 {
      for depth in [0, 1, 7, 64] {
        for placement in Placement.allCases {
          let panels = 2 * ((units + lanes - 1) / lanes)
          let gates = GuardedBuffer(numbers.floats(panels * 2 * lanes, -3...3), placement)
          let weights = GuardedBuffer(numbers.floats(panels * depth * 2 * lanes), placement)
          let hPrevious = GuardedBuffer(numbers.floats(max(depth, 1)), placement)
          let before = GuardedBuffer(numbers.floats(units), placement)
          let c = GuardedBuffer(units, placement, repeating: Float.nan)
          let h = GuardedBuffer(units, placement, repeating: Float.nan)
          table.lstmStepForward(
            LSTMStep(
              gates: gates.read, hPrevious: hPrevious.read, depth: depth, weights: weights.read,
              panelStride: depth * 2 * lanes, cPrevious: depth > 0 ? before.read : nil, c: c.pointer, h: h.pointer,
              units: units))
          let sums = GuardedBuffer(gates.array, placement)
          table.vectorProduct(
            VectorProduct(
              a: hPrevious.read, depth: depth, b: weights.read, panelStride: depth * 2 * lanes, c: sums.pointer,
              columns: panels * 2 * lanes, accumulate: true))
          let cExpected = GuardedBuffer(units, placement, repeating: Float.nan)
          let hExpected = GuardedBuffer(units, placement, repeating: Float.nan)
          table.lstmCellForward(
            LSTMCell(
              gates: sums.pointer, interleaved: true, cPrevious: depth > 0 ? before.read : nil, c: cExpected.pointer,
              h: hExpected.pointer, units: units))
          #expect(sameBits(c.array, cExpected.array) && sameBits(h.array, hExpected.array), "\(units) units")
          // Interleaved or not, a unit's numbers are the same.
          let apart = GuardedBuffer(4 * units, placement, repeating: Float(0))
          for gate in 0..<4 {
            for u in 0..<units { apart.pointer[gate * units + u] = sums[(u / lanes * 4 + gate) * lanes + u % lanes] }
          }
          table.lstmCellForward(
            LSTMCell(
              gates: apart.pointer, cPrevious: depth > 0 ? before.read : nil, c: c.pointer, h: h.pointer, units: units))
          #expect(sameBits(c.array, cExpected.array) && sameBits(h.array, hExpected.array), "\(units) units")
        }
      }
    }
  }
}
