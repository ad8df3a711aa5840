import Glibc
import NNKitKernelTable
import Testing

private func sigma(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

@Suite struct GRUCellTests {
  /// Calls `body` for all unit counts, with and without a previous state and recurrent products.
  private func forEachCase(
    _ table: KernelTable, _ body: (_ units: Int, _ hasPrevious: Bool, _ hasRecurrent: Bool, Placement) -> Void
  ) {
    for units in table.counts {
      for (hasPrevious, hasRecurrent) in [(false, false), (false, true), (true, false), (true, true)] {
        for placement in Placement.allCases { body(units, hasPrevious, hasRecurrent, placement) }
      }
    }
  }

  @Test(arguments: testedLevels)
  func gatesMatchReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 50)
    forEachCase(table) { units, hasPrevious, writesReset, placement in
      let gates = GuardedBuffer(numbers.floats(3 * units, -6...6), placement)
      let before = gates.array
      let previous = GuardedBuffer(numbers.floats(units), placement)
      let reset = GuardedBuffer(units, placement, repeating: Float.nan)
      table.gruGatesForward(
        GRUGates(
          gates: gates.pointer, hPrevious: hasPrevious ? previous.read : nil, reset: writesReset ? reset.pointer : nil,
          units: units))
      for u in 0..<units {
        #expect(ulps(gates[u], sigma(Double(before[u]))) <= 3)
        #expect(ulps(gates[units + u], sigma(Double(before[units + u]))) <= 3)
        #expect(sameBits(gates[2 * units + u], before[2 * units + u]))
        if writesReset { #expect(reset[u] == (hasPrevious ? gates[units + u] * previous[u] : 0)) }
      }
    }
  }

  @Test(arguments: testedLevels)
  func cellMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 51)
    forEachCase(table) { units, hasPrevious, hasRecurrent, placement in
      let gates = GuardedBuffer(numbers.floats(3 * units, 0.02...0.98), placement)
      let before = gates.array.map(Double.init)
      let recurrent = GuardedBuffer(numbers.floats(units, -3...3), placement)
      let previous = GuardedBuffer(numbers.floats(units), placement)
      let h = GuardedBuffer(units, placement, repeating: Float.nan)
      table.gruCellForward(
        GRUCell(
          gates: gates.pointer, recurrent: hasRecurrent ? recurrent.read : nil,
          hPrevious: hasPrevious ? previous.read : nil, h: h.pointer, units: units))
      for u in 0..<units {
        let (z, r) = (before[u], before[units + u])
        let g = Glibc.tanh(before[2 * units + u] + (hasRecurrent ? r * Double(recurrent[u]) : 0))
        let exact = (1 - z) * (hasPrevious ? Double(previous[u]) : 0) + z * g
        // 2 ulp of tanh and a handful of roundings of numbers not above 4.
        let allowed = 8 * Double(Float.ulpOfOne)
        #expect(abs(Double(gates[2 * units + u]) - g) <= allowed)
        #expect(abs(Double(h[u]) - exact) <= allowed)
        #expect(gates[u] == Float(z) && gates[units + u] == Float(r))
      }
    }
  }

  @Test(arguments: testedLevels)
  func gatesApartAndACandidateOfItsOwnGiveTheSameBits(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 54)
    forEachCase(table) { units, hasPrevious, hasRecurrent, placement in
      let together = GuardedBuffer(numbers.floats(3 * units), placement)
      let stride = units + 3
      let padding = Array(repeating: Float(7), count: 3)
      let apart = GuardedBuffer(
        Array(together.array[..<units]) + padding + Array(together.array[units..<2 * units]), placement)
      let candidate = GuardedBuffer(Array(together.array[(2 * units)...]), placement)
      let (recurrent, previous) = (
        GuardedBuffer(numbers.floats(units), placement), GuardedBuffer(numbers.floats(units), placement)
      )
      let resets = (0..<2).map { _ in GuardedBuffer(units, placement, repeating: Float.nan) }
      let states = (0..<2).map { _ in GuardedBuffer(units, placement, repeating: Float.nan) }
      let hPrevious = hasPrevious ? previous.read : nil
      table.gruGatesForward(
        GRUGates(gates: together.pointer, hPrevious: hPrevious, reset: resets[0].pointer, units: units))
      table.gruGatesForward(
        GRUGates(
          gates: apart.pointer, gateStride: stride, hPrevious: hPrevious, reset: resets[1].pointer, units: units))
      let products = hasRecurrent ? recurrent.read : nil
      table.gruCellForward(
        GRUCell(
          gates: together.pointer, recurrent: products, hPrevious: hPrevious, h: states[0].pointer, units: units))
      table.gruCellForward(
        GRUCell(
          gates: apart.pointer, gateStride: stride, candidate: candidate.pointer, recurrent: products,
          hPrevious: hPrevious, h: states[1].pointer, units: units))
      for u in 0..<units {
        #expect(sameBits(resets[0][u], resets[1][u]) && sameBits(states[0][u], states[1][u]))
        #expect(sameBits(together[2 * units + u], candidate[u]))
        #expect(sameBits(together[u], apart[u]) && sameBits(together[units + u], apart[stride + u]))
      }
      for lane in 0..<3 { #expect(apart[units + lane] == 7) }
    }
  }

  @Test(arguments: testedLevels)
  func cellGradientMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 52)
    forEachCase(table) { units, hasPrevious, hasRecurrent, placement in
      let gates = GuardedBuffer(numbers.floats(3 * units, 0.02...0.98), placement)
      let before = gates.array.map(Double.init)
      let recurrent = GuardedBuffer(numbers.floats(units), placement)
      let products = recurrent.array.map(Double.init)
      let previous = GuardedBuffer(numbers.floats(units), placement)
      let dh = GuardedBuffer(numbers.floats(units), placement)
      let whole = dh.array.map(Double.init)
      table.gruCellBackward(
        GRUCellGradient(
          gates: gates.pointer, recurrent: hasRecurrent ? recurrent.pointer : nil,
          hPrevious: hasPrevious ? previous.read : nil, dh: dh.pointer, units: units))
      // A handful of roundings of numbers not above 2.
      let allowed = 16 * Double(Float.ulpOfOne)
      for u in 0..<units {
        let (z, r, g) = (before[u], before[units + u], before[2 * units + u])
        let dz = whole[u] * (g - (hasPrevious ? Double(previous[u]) : 0)) * z * (1 - z)
        let dg = whole[u] * z * (1 - g * g)
        #expect(abs(Double(gates[u]) - dz) <= allowed)
        #expect(abs(Double(gates[2 * units + u]) - dg) <= allowed)
        #expect(abs(Double(gates[units + u]) - (hasRecurrent ? dg * products[u] * r * (1 - r) : r)) <= allowed)
        #expect(abs(Double(recurrent[u]) - (hasRecurrent ? dg * r : products[u])) <= allowed)
        #expect(abs(Double(dh[u]) - whole[u] * (1 - z)) <= allowed)
      }
    }
  }

  @Test(arguments: testedLevels)
  func resetGradientMatchesReference(level: InstructionSetLevel) {
    let table = kernels(level)
    var numbers = TestNumbers(seed: 53)
    for units in table.counts {
      for placement in Placement.allCases {
        let gates = GuardedBuffer(numbers.floats(3 * units, 0.02...0.98), placement)
        let before = gates.array
        let previous = GuardedBuffer(numbers.floats(units), placement)
        let dReset = GuardedBuffer(numbers.floats(units), placement)
        let dh = GuardedBuffer(numbers.floats(units), placement)
        let direct = dh.array.map(Double.init)
        table.gruResetBackward(
          GRUResetGradient(
            gates: gates.pointer, hPrevious: previous.read, dReset: dReset.read, dh: dh.pointer, units: units))
        // A handful of roundings of numbers not above 2.
        let allowed = 16 * Double(Float.ulpOfOne)
        for u in 0..<units {
          let r = Double(before[units + u])
          let exact = Double(dReset[u]) * Double(previous[u]) * r * (1 - r)
          #expect(abs(Double(gates[units + u]) - exact) <= allowed)
          #expect(abs(Double(dh[u]) - (direct[u] + Double(dReset[u]) * r)) <= allowed)
          #expect(sameBits(gates[u], before[u]) && sameBits(gates[2 * units + u], before[2 * units + u]))
        }
      }
    }
  }

  @Test(arguments: testedLevels)
  func infiniteGatesSaturateAndNaNTravels(level: InstructionSetLevel) {
    let table = kernels(level)
    let gates = GuardedBuffer([.infinity, -.infinity, 0, 0, -.infinity, .nan], .beforeGuard)
    let previous = GuardedBuffer([5, 0.5], .beforeGuard)
    let h = GuardedBuffer(2, .beforeGuard, repeating: Float(0))
    withExtendedLifetime((gates, previous, h)) {
      table.gruGatesForward(GRUGates(gates: gates.pointer, hPrevious: previous.read, reset: nil, units: 2))
      #expect(gates[0] == 1 && gates[1] == 0 && gates[2] == 0.5)
      table.gruCellForward(
        GRUCell(gates: gates.pointer, recurrent: nil, hPrevious: previous.read, h: h.pointer, units: 2))
      #expect(h[0] == -1 && h[1].isNaN)
    }
  }
}
