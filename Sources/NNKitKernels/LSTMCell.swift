import NNKitKernelTable

/// Gates, cell state and hidden state of one time step: see `LSTMCell`.
///
/// Accuracy: that of `sigmoid` and `hyperbolicTangent`, and one rounding an operation.
func lstmCellForward(_ cell: LSTMCell) {
  let units = cell.units
  var u = 0
  while u < units {
    let lanes = units &- u
    let i = sigmoid(loadLanes(cell.gates + u, lanes))
    let f = sigmoid(loadLanes(cell.gates + (units &+ u), lanes))
    let g = hyperbolicTangent(loadLanes(cell.gates + (2 &* units &+ u), lanes))
    let o = sigmoid(loadLanes(cell.gates + (3 &* units &+ u), lanes))
    var c = i * g
    if let cPrevious = cell.cPrevious { c = multiplyAdd(f, loadLanes(cPrevious + u, lanes), c) }
    let h = o * hyperbolicTangent(c)
    storeLanes(i, cell.gates + u, lanes)
    storeLanes(f, cell.gates + (units &+ u), lanes)
    storeLanes(g, cell.gates + (2 &* units &+ u), lanes)
    storeLanes(o, cell.gates + (3 &* units &+ u), lanes)
    storeLanes(c, cell.c + u, lanes)
    storeLanes(h, cell.h + u, lanes)
    u &+= vectorWidth
  }
}

/// Gradients of one time step's pre-activations and of the previous cell state: see `LSTMCellGradient`.
func lstmCellBackward(_ cell: LSTMCellGradient) {
  let units = cell.units
  let one = Vector(repeating: 1)
  var u = 0
  while u < units {
    let lanes = units &- u
    let i = loadLanes(cell.gates + u, lanes)
    let f = loadLanes(cell.gates + (units &+ u), lanes)
    let g = loadLanes(cell.gates + (2 &* units &+ u), lanes)
    let o = loadLanes(cell.gates + (3 &* units &+ u), lanes)
    let tanhC = hyperbolicTangent(loadLanes(cell.c + u, lanes))
    let dh = loadLanes(cell.dh + u, lanes)
    let dc = multiplyAdd(dh * o, one - tanhC * tanhC, loadLanes(cell.dc + u, lanes))
    var cPrevious = Vector()
    if let previous = cell.cPrevious { cPrevious = loadLanes(previous + u, lanes) }
    storeLanes((dc * g) * (i * (one - i)), cell.gates + u, lanes)
    storeLanes((dc * cPrevious) * (f * (one - f)), cell.gates + (units &+ u), lanes)
    storeLanes((dc * i) * (one - g * g), cell.gates + (2 &* units &+ u), lanes)
    storeLanes((dh * tanhC) * (o * (one - o)), cell.gates + (3 &* units &+ u), lanes)
    storeLanes(dc * f, cell.dc + u, lanes)
    u &+= vectorWidth
  }
}
