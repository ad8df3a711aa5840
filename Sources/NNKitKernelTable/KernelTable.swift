/// The kernels of one instruction-set level.
///
/// Each field is one kernel. The three kernel modules are compiled from the same sources with their own
/// instruction set, and each offers `makeKernelTable()`; the engine picks one table when it starts.
///
/// Rules for every kernel: single-threaded; no allocation; no argument is checked (the callers have done so);
/// pointers need only the alignment of their element; counts may be zero; tails are handled inside, and
/// nothing is read or written outside what the arguments describe. Inputs and outputs do not overlap unless
/// the kernel says that they may. All sums run in an order fixed by the sizes.
///
/// A class, because all steps of a plan keep it: a value would take about a kilobyte of stack wherever it is passed.
public final class KernelTable: Sendable {
  public let level: InstructionSetLevel
  /// How many rows the largest register tile of a product has; row counts that are multiples run fastest.
  public let tileRows: Int
  /// Columns of one packed panel: two vectors.
  public let panelColumns: Int
  /// Whether `rowProduct` fetches `RowProduct.next`.
  public let fetchesAhead: Bool

  /// Columns of one packed panel of the `A` of a `columnProduct`, which are rows of its `C`: two register tiles.
  public var panelRows: Int { 2 * tileRows }

  /// Floats of one vector register.
  public var vectorWidth: Int { panelColumns / 2 }

  /// Rows of the largest tile of `pairedProduct`.
  public var pairedRows: Int { vectorWidth }

  // Products
  public let rowProduct: @Sendable (RowProduct) -> Void
  public let vectorProduct: @Sendable (VectorProduct) -> Void
  public let columnProduct: @Sendable (ColumnProduct) -> Void
  public let packPanel: @Sendable (PanelPacking) -> Void
  public let pairedProduct: @Sendable (PairedProduct) -> Void
  public let balancePairs: @Sendable (PairedBalance) -> Void
  public let packPairedRows: @Sendable (PairedRows) -> Void
  public let winogradInput: @Sendable (WinogradInput) -> Void
  public let winogradProducts: @Sendable (WinogradProducts) -> Void
  public let winogradOutput: @Sendable (WinogradOutput) -> Void
  public let winogradWeights: @Sendable (WinogradWeights) -> Void
  public let winogradOutputGradient: @Sendable (WinogradOutputGradient) -> Void
  public let winogradKernelGradient: @Sendable (WinogradKernelGradient) -> Void
  public let copyPlanes: @Sendable (PlaneCopy) -> Void
  public let copyMatrix: @Sendable (MatrixCopy) -> Void
  public let depthwiseConvolution: @Sendable (DepthwiseConvolution) -> Void
  public let depthwiseWeightGradient: @Sendable (DepthwiseWeightGradient) -> Void

  // Elementwise
  /// `y = f(x)` for `count` elements; `y` may be `x`.
  public let activationForward:
    @Sendable (
      _ kind: ActivationKind, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
    ) -> Void
  /// `dx = f'(·) dy` for `count` elements; `dx` may be `dy`. `saved` is `x` where
  /// `kind.gradientNeedsInput`, else `y`.
  public let activationBackward:
    @Sendable (
      _ kind: ActivationKind, _ saved: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
      _ dx: UnsafeMutablePointer<Float>, _ count: Int
    ) -> Void
  /// `sum += x` for `count` elements.
  public let accumulate: @Sendable (_ x: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  public let add: @Sendable (Addition) -> Void
  public let multiply: @Sendable (ElementPair) -> Void
  public let subtract: @Sendable (ElementPair) -> Void
  /// `y = -x` for `count` elements; `y` may be `x`.
  public let negate: @Sendable (_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  public let dropout: @Sendable (Dropout) -> Void
  /// The `count` words of the Philox4x32-10 stream `key`, `stream` from word `start` on. Word `i` is word
  /// `i % 4` of the block with counter `(low(i / 4), high(i / 4), low(stream), high(stream))`.
  /// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011).
  public let randomBits:
    @Sendable (
      _ key: UInt64, _ stream: UInt64, _ start: UInt64, _ out: UnsafeMutablePointer<UInt32>, _ count: Int
    ) -> Void

  // Reductions
  /// `out[n] = Σ_r x[r * stride + n]` for `n < columns`, rows in ascending order; with `accumulate`, `out[n] +=` that sum.
  /// Many rows are added by blocks of 256, whose sums are added in double precision.
  public let columnSum:
    @Sendable (
      _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, _ out: UnsafeMutablePointer<Float>,
      _ accumulate: Bool
    ) -> Void
  /// `Σ x²`, in double precision.
  public let sumOfSquares: @Sendable (_ x: UnsafePointer<Float>, _ count: Int) -> Double

  // Pooling
  public let maxPool2DForward: @Sendable (Pool2D, _ argmax: UnsafeMutableRawPointer?) -> Void
  public let maxPool2DBackward: @Sendable (Pool2DGradient, _ argmax: UnsafeRawPointer) -> Void
  public let averagePool2DForward: @Sendable (Pool2D) -> Void
  public let averagePool2DBackward: @Sendable (Pool2DGradient) -> Void
  public let globalAveragePoolForward: @Sendable (GlobalAveragePool) -> Void
  public let globalAveragePoolBackward: @Sendable (GlobalAveragePoolGradient) -> Void

  // Normalisation
  public let columnMoments: @Sendable (ColumnMoments) -> Void
  public let batchNormStatistics: @Sendable (BatchNormStatistics) -> Void
  public let batchNormForward: @Sendable (BatchNorm) -> Void
  public let batchNormSums: @Sendable (BatchNormSums) -> Void
  public let batchNormParameterGradient: @Sendable (BatchNormParameterGradient) -> Void
  public let batchNormBackward: @Sendable (BatchNormGradient) -> Void

  // Softmax and losses
  public let softmaxForward: @Sendable (Softmax) -> Void
  public let softmaxBackward: @Sendable (SoftmaxGradient) -> Void
  public let softmaxCrossEntropy: @Sendable (SoftmaxCrossEntropy) -> Void
  /// Returns `Σ (prediction - target)²` over `count` elements, in double precision. Where `dPrediction` is
  /// given, writes `2 * scale * (prediction - target)` to it.
  public let squaredError:
    @Sendable (
      _ prediction: UnsafePointer<Float>, _ target: UnsafePointer<Float>, _ count: Int, _ scale: Float,
      _ dPrediction: UnsafeMutablePointer<Float>?
    ) -> Double

  // Recurrent cells
  public let lstmCellForward: @Sendable (LSTMCell) -> Void
  public let lstmStepForward: @Sendable (LSTMStep) -> Void
  public let lstmCellBackward: @Sendable (LSTMCellGradient) -> Void
  public let gruGatesForward: @Sendable (GRUGates) -> Void
  public let gruCellForward: @Sendable (GRUCell) -> Void
  public let gruCellBackward: @Sendable (GRUCellGradient) -> Void
  public let gruResetBackward: @Sendable (GRUResetGradient) -> Void

  // Initialisation
  public let orthonormalize: @Sendable (Orthonormalization) -> Void
  public let projectOut: @Sendable (Projection) -> Void

  // Optimizers
  public let sgd: @Sendable (SGDUpdate) -> Void
  public let adam: @Sendable (AdamUpdate) -> Void

  /// Every kernel by name, so that no module can leave one out.
  public init(
    level: InstructionSetLevel,
    tileRows: Int,
    panelColumns: Int,
    fetchesAhead: Bool,
    rowProduct: @escaping @Sendable (RowProduct) -> Void,
    vectorProduct: @escaping @Sendable (VectorProduct) -> Void,
    columnProduct: @escaping @Sendable (ColumnProduct) -> Void,
    packPanel: @escaping @Sendable (PanelPacking) -> Void,
    pairedProduct: @escaping @Sendable (PairedProduct) -> Void,
    balancePairs: @escaping @Sendable (PairedBalance) -> Void,
    packPairedRows: @escaping @Sendable (PairedRows) -> Void,
    winogradInput: @escaping @Sendable (WinogradInput) -> Void,
    winogradProducts: @escaping @Sendable (WinogradProducts) -> Void,
    winogradOutput: @escaping @Sendable (WinogradOutput) -> Void,
    winogradWeights: @escaping @Sendable (WinogradWeights) -> Void,
    winogradOutputGradient: @escaping @Sendable (WinogradOutputGradient) -> Void,
    winogradKernelGradient: @escaping @Sendable (WinogradKernelGradient) -> Void,
    copyPlanes: @escaping @Sendable (PlaneCopy) -> Void,
    copyMatrix: @escaping @Sendable (MatrixCopy) -> Void,
    depthwiseConvolution: @escaping @Sendable (DepthwiseConvolution) -> Void,
    depthwiseWeightGradient: @escaping @Sendable (DepthwiseWeightGradient) -> Void,
    activationForward:
      @escaping @Sendable (
        _ kind: ActivationKind, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
      ) -> Void,
    activationBackward:
      @escaping @Sendable (
        _ kind: ActivationKind, _ saved: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
        _ dx: UnsafeMutablePointer<Float>, _ count: Int
      ) -> Void,
    accumulate:
      @escaping @Sendable (
        _ x: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int
      ) -> Void,
    add: @escaping @Sendable (Addition) -> Void,
    multiply: @escaping @Sendable (ElementPair) -> Void,
    subtract: @escaping @Sendable (ElementPair) -> Void,
    negate:
      @escaping @Sendable (_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void,
    dropout: @escaping @Sendable (Dropout) -> Void,
    randomBits:
      @escaping @Sendable (
        _ key: UInt64, _ stream: UInt64, _ start: UInt64, _ out: UnsafeMutablePointer<UInt32>, _ count: Int
      ) -> Void,
    columnSum:
      @escaping @Sendable (
        _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, _ out: UnsafeMutablePointer<Float>,
        _ accumulate: Bool
      ) -> Void,
    sumOfSquares: @escaping @Sendable (_ x: UnsafePointer<Float>, _ count: Int) -> Double,
    maxPool2DForward: @escaping @Sendable (Pool2D, _ argmax: UnsafeMutableRawPointer?) -> Void,
    maxPool2DBackward: @escaping @Sendable (Pool2DGradient, _ argmax: UnsafeRawPointer) -> Void,
    averagePool2DForward: @escaping @Sendable (Pool2D) -> Void,
    averagePool2DBackward: @escaping @Sendable (Pool2DGradient) -> Void,
    globalAveragePoolForward: @escaping @Sendable (GlobalAveragePool) -> Void,
    globalAveragePoolBackward: @escaping @Sendable (GlobalAveragePoolGradient) -> Void,
    columnMoments: @escaping @Sendable (ColumnMoments) -> Void,
    batchNormStatistics: @escaping @Sendable (BatchNormStatistics) -> Void,
    batchNormForward: @escaping @Sendable (BatchNorm) -> Void,
    batchNormSums: @escaping @Sendable (BatchNormSums) -> Void,
    batchNormParameterGradient: @escaping @Sendable (BatchNormParameterGradient) -> Void,
    batchNormBackward: @escaping @Sendable (BatchNormGradient) -> Void,
    softmaxForward: @escaping @Sendable (Softmax) -> Void,
    softmaxBackward: @escaping @Sendable (SoftmaxGradient) -> Void,
    softmaxCrossEntropy: @escaping @Sendable (SoftmaxCrossEntropy) -> Void,
    squaredError:
      @escaping @Sendable (
        _ prediction: UnsafePointer<Float>, _ target: UnsafePointer<Float>, _ count: Int, _ scale: Float,
        _ dPrediction: UnsafeMutablePointer<Float>?
      ) -> Double,
    lstmCellForward: @escaping @Sendable (LSTMCell) -> Void,
    lstmStepForward: @escaping @Sendable (LSTMStep) -> Void,
    lstmCellBackward: @escaping @Sendable (LSTMCellGradient) -> Void,
    gruGatesForward: @escaping @Sendable (GRUGates) -> Void,
    gruCellForward: @escaping @Sendable (GRUCell) -> Void,
    gruCellBackward: @escaping @Sendable (GRUCellGradient) -> Void,
    gruResetBackward: @escaping @Sendable (GRUResetGradient) -> Void,
    orthonormalize: @escaping @Sendable (Orthonormalization) -> Void,
    projectOut: @escaping @Sendable (Projection) -> Void,
    sgd: @escaping @Sendable (SGDUpdate) -> Void,
    adam: @escaping @Sendable (AdamUpdate) -> Void
  ) {
    self.level = level
    self.tileRows = tileRows
    self.panelColumns = panelColumns
    self.fetchesAhead = fetchesAhead
    self.rowProduct = rowProduct
    self.vectorProduct = vectorProduct
    self.columnProduct = columnProduct
    self.packPanel = packPanel
    self.pairedProduct = pairedProduct
    self.balancePairs = balancePairs
    self.packPairedRows = packPairedRows
    self.winogradInput = winogradInput
    self.winogradProducts = winogradProducts
    self.winogradOutput = winogradOutput
    self.winogradWeights = winogradWeights
    self.winogradOutputGradient = winogradOutputGradient
    self.winogradKernelGradient = winogradKernelGradient
    self.copyPlanes = copyPlanes
    self.copyMatrix = copyMatrix
    self.depthwiseConvolution = depthwiseConvolution
    self.depthwiseWeightGradient = depthwiseWeightGradient
    self.activationForward = activationForward
    self.activationBackward = activationBackward
    self.accumulate = accumulate
    self.add = add
    self.multiply = multiply
    self.subtract = subtract
    self.negate = negate
    self.dropout = dropout
    self.randomBits = randomBits
    self.columnSum = columnSum
    self.sumOfSquares = sumOfSquares
    self.maxPool2DForward = maxPool2DForward
    self.maxPool2DBackward = maxPool2DBackward
    self.averagePool2DForward = averagePool2DForward
    self.averagePool2DBackward = averagePool2DBackward
    self.globalAveragePoolForward = globalAveragePoolForward
    self.globalAveragePoolBackward = globalAveragePoolBackward
    self.columnMoments = columnMoments
    self.batchNormStatistics = batchNormStatistics
    self.batchNormForward = batchNormForward
    self.batchNormSums = batchNormSums
    self.batchNormParameterGradient = batchNormParameterGradient
    self.batchNormBackward = batchNormBackward
    self.softmaxForward = softmaxForward
    self.softmaxBackward = softmaxBackward
    self.softmaxCrossEntropy = softmaxCrossEntropy
    self.squaredError = squaredError
    self.lstmCellForward = lstmCellForward
    self.lstmStepForward = lstmStepForward
    self.lstmCellBackward = lstmCellBackward
    self.gruGatesForward = gruGatesForward
    self.gruCellForward = gruCellForward
    self.gruCellBackward = gruCellBackward
    self.gruResetBackward = gruResetBackward
    self.orthonormalize = orthonormalize
    self.projectOut = projectOut
    self.sgd = sgd
    self.adam = adam
  }
}

public enum InstructionSetLevel: Int, Sendable, CaseIterable, Comparable {
  case baseline
  case avx2
  case avx512

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The functions a layer may apply to its result. `α` is fixed where a function has one.
public enum ActivationKind: Int, Sendable, CaseIterable {
  case linear
  /// `max(0, x)`; NaN stays NaN.
  case relu
  /// `x` for `x > 0`, else `0.01 x`.
  case leakyRelu
  /// `x` for `x > 0`, else `exp(x) - 1`.
  case elu
  /// `λ x` for `x > 0`, else `λ α (exp(x) - 1)`; λ = 1.0507009873554805, α = 1.6732632423543772.
  case selu
  /// `x Φ(x)` by its tanh form: `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
  case gelu
  /// `x σ(x)`.
  case silu
  case sigmoid
  case tanh
  /// `log(1 + exp(x))`.
  case softplus
  /// `clip(x / 6 + 1/2, 0, 1)`.
  case hardSigmoid
  /// `x · hardSigmoid(x)`.
  case hardSwish

  /// Whether the gradient is computed from the input (`true`) or from the output (`false`).
  public var gradientNeedsInput: Bool {
    switch self {
    case .gelu, .silu, .hardSwish: true
    default: false
    }
  }
}
