import NNKitKernelTable

/// One time step of one sequence through a GRU whose reset gate comes before the recurrent product.
let gruRows: [KernelRow] = [64, 512].flatMap { units in
  [
    KernelRow("gruGatesForward", "\(units) units") { table in
      let (gates, before, reset) = (try Floats(3 * units), try Floats(units), try Floats(units))
      return (
        .elements(units),
        {
          table.gruGatesForward(
            GRUGates(gates: gates.pointer, hPrevious: before.read, reset: reset.pointer, units: units))
        }
      )
    },
    KernelRow("gruCellForward", "\(units) units") { table in
      let (gates, before, h) = (try Floats(3 * units), try Floats(units), try Floats(units))
      return (
        .elements(units),
        {
          table.gruCellForward(
            GRUCell(gates: gates.pointer, recurrent: nil, hPrevious: before.read, h: h.pointer, units: units))
        }
      )
    },
    KernelRow("gruCellBackward", "\(units) units") { table in
      let (gates, activations, before) = (try Floats(3 * units), try Floats(3 * units), try Floats(units))
      let dh = try Floats(units)
      return (
        .elements(units),
        {
          // In place, as the LSTM's: its numbers are set anew, too.
          gates.pointer.update(from: activations.pointer, count: 3 * units)
          dh.pointer.update(from: before.pointer, count: units)
          table.gruCellBackward(
            GRUCellGradient(
              gates: gates.pointer, recurrent: nil, hPrevious: before.read, dh: dh.pointer, units: units))
        }
      )
    },
    KernelRow("gruResetBackward", "\(units) units") { table in
      let (gates, activations, before) = (try Floats(3 * units), try Floats(3 * units), try Floats(units))
      let (dReset, dh) = (try Floats(units), try Floats(units))
      return (
        .elements(units),
        {
          gates.pointer.update(from: activations.pointer, count: 3 * units)
          dh.pointer.update(from: before.pointer, count: units)
          table.gruResetBackward(
            GRUResetGradient(
              gates: gates.pointer, hPrevious: before.read, dReset: dReset.read, dh: dh.pointer, units: units))
        }
      )
    },
  ]
}
