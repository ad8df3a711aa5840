import NNKitKernelTable

/// Gates and cell state of one vector of units.
private struct LSTMUnits {
  var i: Vector
  var f: Vector
  var g: Vector
  var o: Vector
  var c: Vector

  /// The hidden state.
  @_transparent
  var h: Vector { hiddenState(o: o, c: c) }
}

/// `h = o tanh(c)`.
@_transparent
private func hiddenState(o: Vector, c: Vector) -> Vector {
  let (m, d) = tangentFraction(c)
  return o * withSign(of: c, m / d)
}

/// `exp(x)` for x ≤ 0, and `exp(-87)`, about 2⁻¹²⁵, below -87: a gate that is closed as far as float32 can tell.
///
/// Accuracy: 1 ulp. NaN is kept.
@_transparent
private func exponentialForGate(_ x: Vector) -> Vector {
  let (n, r) = reduceByLogarithmOfTwo(atLeast(-87, x))
  return (multiplyAdd(exponentialRemainder(r), r * r, r) + Vector(repeating: 1)) * powerOfTwo(n)
}

/// `m` and `d` with `tanh(|x|) = m / d`: `m = 1 - exp(-2|x|)` without cancellation, `d = 1 + exp(-2|x|) = 2 - m`.
@_transparent
private func tangentFraction(_ x: Vector) -> (numerator: Vector, denominator: Vector) {
  let negative = negativeMagnitude(x)
  let m = absolute(exponentialMinusOneOfNegative(negative + negative))
  return (m, Vector(repeating: 2) - m)
}

/// The gates and the cell state of one time step from the pre-activations of the gates.
///
/// A division takes as long as ten multiplications. With `σ(x) = n / d`, where `d = 1 + exp(-|x|)`, and `tanh` alike,
/// the four gates share one: `1 / (d_i d_g d_f d_o)`, each of them in 1 ... 2.
@_transparent
private func lstmUnits(i xi: Vector, f xf: Vector, g xg: Vector, o xo: Vector, cPrevious: Vector) -> LSTMUnits {
  let one = Vector(repeating: 1)
  let ei = exponentialForGate(negativeMagnitude(xi))
  let ef = exponentialForGate(negativeMagnitude(xf))
  let eo = exponentialForGate(negativeMagnitude(xo))
  let (mg, dg) = tangentFraction(xg)
  let (di, df, d0) = (one + ei, one + ef, one + eo)
  let digs = multiplyAdd(ei, dg, dg)
  let dfos = absolute(multiplyAdd(ef, d0, d0))
  let inverse = one / (digs * dfos)
  let (inverseIG, inverseFO) = (inverse * dfos, inverse * digs)
  let i = one.blended(with: ei, where: xi .< Vector()) * (inverseIG * dg)
  let g = withSign(of: xg, mg * (inverseIG * di))
  let f = one.blended(with: ef, where: xf .< Vector()) * (inverseFO * d0)
  let o = one.blended(with: eo, where: xo .< Vector()) * (inverseFO * df)
  return LSTMUnits(i: i, f: f, g: g, o: o, c: multiplyAdd(f, cPrevious, i * g))
}

/// Gates, cell state and hidden state of one time step: see `LSTMCell`.
///
/// In two loops, with the output gates waiting in `h`: one long chain of steps for each vector would leave the processor
/// with nothing to do beside it.
func lstmCellForward(_ cell: LSTMCell) {
  let units = cell.units
  let gateStride = cell.interleaved ? vectorWidth : units
  let blockStride = cell.interleaved ? 4 &* vectorWidth : vectorWidth
  var gates = cell.gates
  var u = 0
  while u < units {
    // Interleaved gates are padded to whole vectors.
    let lanes = units &- u
    let gateLanes = cell.interleaved ? vectorWidth : lanes
    var cPrevious = Vector()
    if let previous = cell.cPrevious { cPrevious = loadLanes(previous + u, lanes) }
    let result = lstmUnits(
      i: loadLanes(gates, gateLanes), f: loadLanes(gates + gateStride, gateLanes),
      g: loadLanes(gates + 2 &* gateStride, gateLanes), o: loadLanes(gates + 3 &* gateStride, gateLanes),
      cPrevious: cPrevious)
    if !cell.interleaved {
      storeLanes(result.i, gates, lanes)
      storeLanes(result.f, gates + gateStride, lanes)
      storeLanes(result.g, gates + 2 &* gateStride, lanes)
      storeLanes(result.o, gates + 3 &* gateStride, lanes)
    }
    storeLanes(result.c, cell.c + u, lanes)
    storeLanes(result.o, cell.h + u, lanes)
    gates += blockStride
    u &+= vectorWidth
  }
  u = 0
  while u < units {
    let lanes = units &- u
    let (o, c) = (loadLanes(UnsafePointer(cell.h + u), lanes), loadLanes(UnsafePointer(cell.c + u), lanes))
    storeLanes(hiddenState(o: o, c: c), cell.h + u, lanes)
    u &+= vectorWidth
  }
}

/// The recurrent product of one time step and the cell behind it: see `LSTMStep`.
func lstmStepForward(_ step: LSTMStep) {
  let unitsAtOnce = 2 &* vectorWidth
  let count = (step.units &+ unitsAtOnce &- 1) / unitsAtOnce
  var done = 0
  while done < count {
    let u = (step.isReversed ? count &- 1 &- done : done) &* unitsAtOnce
    if step.units &- u > vectorWidth { twoBlocks(step, u) } else { oneBlock(step, u) }
    done &+= 1
  }
}

/// Two vectors of units: eight sums hide the latency of a multiply-add.
@inline(never)
private func twoBlocks(_ step: LSTMStep, _ u: Int) {
  let stride = step.panelStride
  var b = step.weights + u / vectorWidth &* 2 &* stride
  let gates = step.gates + 4 &* u
  var i0 = loadVector(gates)
  var f0 = loadVector(gates + vectorWidth)
  var g0 = loadVector(gates + 2 &* vectorWidth)
  var o0 = loadVector(gates + 3 &* vectorWidth)
  var i1 = loadVector(gates + 4 &* vectorWidth)
  var f1 = loadVector(gates + 5 &* vectorWidth)
  var g1 = loadVector(gates + 6 &* vectorWidth)
  var o1 = loadVector(gates + 7 &* vectorWidth)
  var h = step.hPrevious
  var remaining = step.depth
  while remaining > 0 {
    let factor = Vector(repeating: h.pointee)
    i0 = multiplyAdd(factor, loadVector(b), i0)
    f0 = multiplyAdd(factor, loadVector(b + vectorWidth), f0)
    g0 = multiplyAdd(factor, loadVector(b + stride), g0)
    o0 = multiplyAdd(factor, loadVector(b + (stride &+ vectorWidth)), o0)
    i1 = multiplyAdd(factor, loadVector(b + 2 &* stride), i1)
    f1 = multiplyAdd(factor, loadVector(b + (2 &* stride &+ vectorWidth)), f1)
    g1 = multiplyAdd(factor, loadVector(b + 3 &* stride), g1)
    o1 = multiplyAdd(factor, loadVector(b + (3 &* stride &+ vectorWidth)), o1)
    h += 1
    b += panelColumns
    remaining &-= 1
  }
  let second = u &+ vectorWidth
  let lanes = step.units &- second
  var (c0, c1) = (Vector(), Vector())
  if let previous = step.cPrevious {
    c0 = loadVector(previous + u)
    c1 = loadLanes(previous + second, lanes)
  }
  let first = lstmUnits(i: i0, f: f0, g: g0, o: o0, cPrevious: c0)
  let other = lstmUnits(i: i1, f: f1, g: g1, o: o1, cPrevious: c1)
  storeVector(first.c, step.c + u)
  storeVector(first.h, step.h + u)
  storeLanes(other.c, step.c + second, lanes)
  storeLanes(other.h, step.h + second, lanes)
}

/// The last vector of units, where their number is odd.
@inline(never)
private func oneBlock(_ step: LSTMStep, _ u: Int) {
  let stride = step.panelStride
  var b = step.weights + u / vectorWidth &* 2 &* stride
  let gates = step.gates + 4 &* u
  var i = loadVector(gates)
  var f = loadVector(gates + vectorWidth)
  var g = loadVector(gates + 2 &* vectorWidth)
  var o = loadVector(gates + 3 &* vectorWidth)
  var h = step.hPrevious
  var remaining = step.depth
  while remaining > 0 {
    let factor = Vector(repeating: h.pointee)
    i = multiplyAdd(factor, loadVector(b), i)
    f = multiplyAdd(factor, loadVector(b + vectorWidth), f)
    g = multiplyAdd(factor, loadVector(b + stride), g)
    o = multiplyAdd(factor, loadVector(b + (stride &+ vectorWidth)), o)
    h += 1
    b += panelColumns
    remaining &-= 1
  }
  let lanes = step.units &- u
  var cPrevious = Vector()
  if let previous = step.cPrevious { cPrevious = loadLanes(previous + u, lanes) }
  let result = lstmUnits(i: i, f: f, g: g, o: o, cPrevious: cPrevious)
  storeLanes(result.c, step.c + u, lanes)
  storeLanes(result.h, step.h + u, lanes)
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
    let c = loadLanes(cell.c + u, lanes)
    let (m, d) = tangentFraction(c)
    let tanhC = withSign(of: c, m / d)
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
