import NNKitKernelTable

/// Update and reset gate of one time step: see `GRUGates`.
///
/// Accuracy: that of `sigmoid`, and one rounding an operation.
func gruGatesForward(_ step: GRUGates) {
  let units = step.units
  var u = 0
  while u < units {
    let lanes = units &- u
    let z = sigmoid(loadLanes(step.gates + u, lanes))
    let r = sigmoid(loadLanes(step.gates + (step.gateStride &+ u), lanes))
    storeLanes(z, step.gates + u, lanes)
    storeLanes(r, step.gates + (step.gateStride &+ u), lanes)
    if let reset = step.reset {
      var product = Vector()
      if let hPrevious = step.hPrevious { product = r * loadLanes(hPrevious + u, lanes) }
      storeLanes(product, reset + u, lanes)
    }
    u &+= vectorWidth
  }
}

/// Candidate and hidden state of one time step: see `GRUCell`.
///
/// Accuracy: that of `hyperbolicTangent`, and one rounding an operation.
func gruCellForward(_ cell: GRUCell) {
  let units = cell.units
  var u = 0
  while u < units {
    let lanes = units &- u
    let z = loadLanes(cell.gates + u, lanes)
    var candidate = loadLanes(cell.candidate + u, lanes)
    if let recurrent = cell.recurrent {
      candidate = multiplyAdd(
        loadLanes(cell.gates + (cell.gateStride &+ u), lanes), loadLanes(recurrent + u, lanes), candidate)
    }
    let g = hyperbolicTangent(candidate)
    var h = z * g
    if let hPrevious = cell.hPrevious {
      h = multiplyAdd(Vector(repeating: 1) - z, loadLanes(hPrevious + u, lanes), h)
    }
    storeLanes(g, cell.candidate + u, lanes)
    storeLanes(h, cell.h + u, lanes)
    u &+= vectorWidth
  }
}

/// Gradients of one time step's update gate and candidate: see `GRUCellGradient`.
func gruCellBackward(_ cell: GRUCellGradient) {
  let units = cell.units
  let one = Vector(repeating: 1)
  var u = 0
  while u < units {
    let lanes = units &- u
    let z = loadLanes(cell.gates + u, lanes)
    let g = loadLanes(cell.gates + (2 &* units &+ u), lanes)
    let dh = loadLanes(cell.dh + u, lanes)
    var change = g
    if let hPrevious = cell.hPrevious { change -= loadLanes(hPrevious + u, lanes) }
    let dg = (dh * z) * (one - g * g)
    storeLanes((dh * change) * (z * (one - z)), cell.gates + u, lanes)
    storeLanes(dg, cell.gates + (2 &* units &+ u), lanes)
    if let recurrent = cell.recurrent {
      let r = loadLanes(cell.gates + (units &+ u), lanes)
      storeLanes((dg * loadLanes(recurrent + u, lanes)) * (r * (one - r)), cell.gates + (units &+ u), lanes)
      storeLanes(dg * r, recurrent + u, lanes)
    }
    storeLanes(dh * (one - z), cell.dh + u, lanes)
    u &+= vectorWidth
  }
}

/// Gradients of one time step's reset gate and previous state: see `GRUResetGradient`.
func gruResetBackward(_ step: GRUResetGradient) {
  let units = step.units
  var u = 0
  while u < units {
    let lanes = units &- u
    let r = loadLanes(step.gates + (units &+ u), lanes)
    let dReset = loadLanes(step.dReset + u, lanes)
    let slope = r * (Vector(repeating: 1) - r)
    storeLanes((dReset * loadLanes(step.hPrevious + u, lanes)) * slope, step.gates + (units &+ u), lanes)
    storeLanes(multiplyAdd(dReset, r, loadLanes(step.dh + u, lanes)), step.dh + u, lanes)
    u &+= vectorWidth
  }
}
