/// One time step of one sequence, behind the products. `gates` holds the pre-activations of `i f g o`, `units`
/// each, and takes their activations: `i, f, o = σ(·)`, `g = tanh(·)`; then `c = f ⊙ cPrevious + i ⊙ g` and
/// `h = o ⊙ tanh(c)`. `cPrevious` nil is zero; `c` may be `cPrevious`.
///
/// With `interleaved` the pre-activations lie as `LSTMStep` has them, and the activations are not stored.
///
/// Accuracy: `i f g o` within 6 ulp, but σ does not fall below `exp(-87)`; then one rounding an operation, and 6 ulp
/// for `o tanh(c)`. A NaN in one gate of a unit makes all that is computed for the unit NaN.
public struct LSTMCell {
  public var gates: UnsafeMutablePointer<Float>
  public var interleaved: Bool
  public var cPrevious: UnsafePointer<Float>?
  public var c: UnsafeMutablePointer<Float>
  public var h: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, interleaved: Bool = false, cPrevious: UnsafePointer<Float>?,
    c: UnsafeMutablePointer<Float>, h: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.interleaved = interleaved
    self.cPrevious = cPrevious
    self.c = c
    self.h = h
    self.units = units
  }
}

/// One time step of one sequence, for some units: the recurrent product is added to the pre-activations of `gates`, and
/// `LSTMCell` follows; `gates` stays as it was.
///
/// Gates are interleaved, a vector (half of `panelColumns`) of units at a time, the last one padded: `i` of these units,
/// their `f`, `g` and `o`, then the next units. Two panels of `depth` rows hold the weights of one vector of units, in
/// the same order. Order of sums: ascending `k`, from `gates` on.
public struct LSTMStep {
  public var gates: UnsafePointer<Float>
  /// The state of all units, `depth` floats.
  public var hPrevious: UnsafePointer<Float>
  /// 0 leaves the product out.
  public var depth: Int
  public var weights: UnsafePointer<Float>
  /// From one panel to the next.
  public var panelStride: Int
  /// Nil is zero.
  public var cPrevious: UnsafePointer<Float>?
  /// May be `cPrevious`.
  public var c: UnsafeMutablePointer<Float>
  public var h: UnsafeMutablePointer<Float>
  public var units: Int
  /// Whether the last units come first. Every other time step in this order finds in the first cache the weights that the
  /// step before has read last, where not all of them fit.
  public var isReversed: Bool

  public init(
    gates: UnsafePointer<Float>, hPrevious: UnsafePointer<Float>, depth: Int, weights: UnsafePointer<Float>,
    panelStride: Int, cPrevious: UnsafePointer<Float>?, c: UnsafeMutablePointer<Float>,
    h: UnsafeMutablePointer<Float>, units: Int, isReversed: Bool = false
  ) {
    self.gates = gates
    self.hPrevious = hPrevious
    self.depth = depth
    self.weights = weights
    self.panelStride = panelStride
    self.cPrevious = cPrevious
    self.c = c
    self.h = h
    self.units = units
    self.isReversed = isReversed
  }
}

/// The gradient of `LSTMCell`. `gates` holds the activations and takes the gradients of the pre-activations;
/// `dc` holds the gradient of `c` from the next time step and takes that of `cPrevious`; `dh` is the whole
/// gradient of `h`.
public struct LSTMCellGradient {
  public var gates: UnsafeMutablePointer<Float>
  public var cPrevious: UnsafePointer<Float>?
  public var c: UnsafePointer<Float>
  public var dh: UnsafePointer<Float>
  public var dc: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, cPrevious: UnsafePointer<Float>?, c: UnsafePointer<Float>,
    dh: UnsafePointer<Float>, dc: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.cPrevious = cPrevious
    self.c = c
    self.dh = dh
    self.dc = dc
    self.units = units
  }
}
