#if NNKIT_AVX2 || NNKIT_AVX512
  import NNKitKernels
#endif

/// Gates, cell state and hidden state of one time step: see `LSTMCell`.
///
/// Accuracy: that of `sigmoid` and `hyperbolicTangent`, and one rounding an operation.
func lstmCellForward(_ cell: LSTMCell) {
  let units = cell.units
  var u = 0
  while u < units {
    let lanes = units &- u
    let i = sigmoid(load(cell.gates + u, lanes))
    let f = sigmoid(load(cell.gates + (units &+ u), lanes))
    let g = hyperbolicTangent(load(cell.gates + (2 &* units &+ u), lanes))
    let o = sigmoid(load(cell.gates + (3 &* units &+ u), lanes))
    var c = i * g
    if let cPrevious = cell.cPrevious { c = multiplyAdd(f, load(cPrevious + u, lanes), c) }
    let h = o * hyperbolicTangent(c)
    store(i, cell.gates + u, lanes)
    store(f, cell.gates + (units &+ u), lanes)
    store(g, cell.gates + (2 &* units &+ u), lanes)
    store(o, cell.gates + (3 &* units &+ u), lanes)
    store(c, cell.c + u, lanes)
    store(h, cell.h + u, lanes)
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
    let i = load(cell.gates + u, lanes)
    let f = load(cell.gates + (units &+ u), lanes)
    let g = load(cell.gates + (2 &* units &+ u), lanes)
    let o = load(cell.gates + (3 &* units &+ u), lanes)
    let tanhC = hyperbolicTangent(load(cell.c + u, lanes))
    let dh = load(cell.dh + u, lanes)
    let dc = multiplyAdd(dh * o, one - tanhC * tanhC, load(cell.dc + u, lanes))
    let cPrevious = cell.cPrevious.map { load($0 + u, lanes) } ?? Vector()
    store((dc * g) * (i * (one - i)), cell.gates + u, lanes)
    store((dc * cPrevious) * (f * (one - f)), cell.gates + (units &+ u), lanes)
    store((dc * i) * (one - g * g), cell.gates + (2 &* units &+ u), lanes)
    store((dh * tanhC) * (o * (one - o)), cell.gates + (3 &* units &+ u), lanes)
    store(dc * f, cell.dc + u, lanes)
    u &+= vectorWidth
  }
}

/// A vector, or its first `lanes` lanes where there are fewer.
@inline(__always)
private func load(_ source: UnsafePointer<Float>, _ lanes: Int) -> Vector {
  lanes >= vectorWidth ? loadVector(source) : loadPartialVector(source, lanes)
}

@inline(__always)
private func load(_ source: UnsafeMutablePointer<Float>, _ lanes: Int) -> Vector {
  load(UnsafePointer(source), lanes)
}

@inline(__always)
private func store(_ vector: Vector, _ target: UnsafeMutablePointer<Float>, _ lanes: Int) {
  if lanes >= vectorWidth { storeVector(vector, target) } else { storePartialVector(vector, target, lanes) }
}
