/// The first half of one time step of one sequence, behind the first product. `gates` holds the pre-activations of
/// `z r g`, `gateStride` (nil: `units`) apart; `z` and `r` take their activations `σ(·)`. Where `reset` is given, it
/// takes `r ⊙ hPrevious`. `hPrevious` nil is zero.
public struct GRUGates {
  public var gates: UnsafeMutablePointer<Float>
  public var gateStride: Int
  public var hPrevious: UnsafePointer<Float>?
  public var reset: UnsafeMutablePointer<Float>?
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, gateStride: Int? = nil, hPrevious: UnsafePointer<Float>?,
    reset: UnsafeMutablePointer<Float>?, units: Int
  ) {
    self.gates = gates
    self.gateStride = gateStride ?? units
    self.hPrevious = hPrevious
    self.reset = reset
    self.units = units
  }
}

/// The second half: `g = tanh(·)` of the candidate's pre-activation, to which `r ⊙ recurrent` is added first where
/// `recurrent` is given; then `h = (1 - z) ⊙ hPrevious + z ⊙ g`. `gates` holds `z` and `r` as `GRUGates` does;
/// `candidate` (nil: behind them in `gates`) takes `g`.
public struct GRUCell {
  public var gates: UnsafeMutablePointer<Float>
  public var gateStride: Int
  public var candidate: UnsafeMutablePointer<Float>
  public var recurrent: UnsafePointer<Float>?
  public var hPrevious: UnsafePointer<Float>?
  public var h: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, gateStride: Int? = nil, candidate: UnsafeMutablePointer<Float>? = nil,
    recurrent: UnsafePointer<Float>?, hPrevious: UnsafePointer<Float>?, h: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.gateStride = gateStride ?? units
    self.candidate = candidate ?? gates + 2 * (gateStride ?? units)
    self.recurrent = recurrent
    self.hPrevious = hPrevious
    self.h = h
    self.units = units
  }
}

/// The gradient of `GRUCell`. `gates` holds the activations; `z` and `g` take the gradients of their pre-activations,
/// and so does `r` where `recurrent` is given, which holds what `GRUCell` read and takes its own gradient. `dh` holds
/// the whole gradient of `h` and takes what of it goes to `hPrevious` directly, `(1 - z) ⊙ dh`.
public struct GRUCellGradient {
  public var gates: UnsafeMutablePointer<Float>
  public var recurrent: UnsafeMutablePointer<Float>?
  public var hPrevious: UnsafePointer<Float>?
  public var dh: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, recurrent: UnsafeMutablePointer<Float>?, hPrevious: UnsafePointer<Float>?,
    dh: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.recurrent = recurrent
    self.hPrevious = hPrevious
    self.dh = dh
    self.units = units
  }
}

/// The gradient of `reset = r ⊙ hPrevious`. `gates` holds the activation of `r`, which takes the gradient of its
/// pre-activation, and `r ⊙ dReset` is added to `dh`.
public struct GRUResetGradient {
  public var gates: UnsafeMutablePointer<Float>
  public var hPrevious: UnsafePointer<Float>
  public var dReset: UnsafePointer<Float>
  public var dh: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, hPrevious: UnsafePointer<Float>, dReset: UnsafePointer<Float>,
    dh: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.hPrevious = hPrevious
    self.dReset = dReset
    self.dh = dh
    self.units = units
  }
}
