// What the kernels of `KernelTable` take: one type for each kernel with many arguments, and its exact contract.

/// `C[r][n] = Σ_t Σ_k A[aRows[r] + taps[t] + k] · B[(t · depth + k) · panelColumns + n]` for `r < rows` and
/// `n < columns`: a matrix product whose rows lie anywhere, and a direct convolution, whose rows are pixels
/// and whose taps are the places in the window.
///
/// Order of sums: ascending `t`, then ascending `k`, one accumulator an element, whatever the row count, so a
/// row's result does not depend on the rows beside it. With `accumulate` the sum starts from `C`, else from
/// `bias` (nil: zero). `relu` is applied last.
public struct RowProduct {
  public var a: UnsafePointer<Float>
  /// `rows` element offsets into `a`.
  public var aRows: UnsafePointer<Int>
  /// `tapCount` element offsets, added to those of the row.
  public var taps: UnsafePointer<Int>
  public var tapCount: Int
  public var depth: Int
  /// A packed panel: `tapCount · depth` rows of `panelColumns` floats, zero beyond `columns`.
  public var b: UnsafePointer<Float>
  public var c: UnsafeMutablePointer<Float>
  /// `rows` element offsets into `c`.
  public var cRows: UnsafePointer<Int>
  /// Any number.
  public var rows: Int
  /// 1 ... panelColumns.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  public var accumulate: Bool
  public var relu: Bool

  public init(
    a: UnsafePointer<Float>, aRows: UnsafePointer<Int>, taps: UnsafePointer<Int>, tapCount: Int, depth: Int,
    b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, cRows: UnsafePointer<Int>, rows: Int, columns: Int,
    bias: UnsafePointer<Float>? = nil, accumulate: Bool = false, relu: Bool = false
  ) {
    self.a = a
    self.aRows = aRows
    self.taps = taps
    self.tapCount = tapCount
    self.depth = depth
    self.b = b
    self.c = c
    self.cRows = cRows
    self.rows = rows
    self.columns = columns
    self.bias = bias
    self.accumulate = accumulate
    self.relu = relu
  }
}

/// `C[m · cStride + n] (+)= Σ_d A[offset(d) + m] · B[d · panelColumns + n]` for `m < rows`, `n < columns`: the
/// product of a transposed matrix, for weight gradients, whose depth is samples, pixels or time steps.
///
/// Depth index `d` runs over three nested loops of `depths.0`, `depths.1`, `depths.2` (the innermost) steps, and
/// `offset(d) = i0 · aSteps.0 + i1 · aSteps.1 + i2 · aSteps.2`. Order of sums: ascending `d`. With
/// `accumulate` the sum starts from `C`, else from zero.
public struct ColumnProduct {
  public var a: UnsafePointer<Float>
  public var aSteps: (Int, Int, Int)
  public var depths: (Int, Int, Int)
  /// A packed panel: `depths.0 · depths.1 · depths.2` rows of `panelColumns` floats.
  public var b: UnsafePointer<Float>
  public var c: UnsafeMutablePointer<Float>
  public var cStride: Int
  /// Any number.
  public var rows: Int
  /// 1 ... panelColumns.
  public var columns: Int
  public var accumulate: Bool

  public init(
    a: UnsafePointer<Float>, aSteps: (Int, Int, Int), depths: (Int, Int, Int), b: UnsafePointer<Float>,
    c: UnsafeMutablePointer<Float>, cStride: Int, rows: Int, columns: Int, accumulate: Bool
  ) {
    self.a = a
    self.aSteps = aSteps
    self.depths = depths
    self.b = b
    self.c = c
    self.cStride = cStride
    self.rows = rows
    self.columns = columns
    self.accumulate = accumulate
  }
}

/// Packs a panel: `panel[k · panelColumns + n] = source[k · depthStride + n · columnStride]` for `k < depth` and
/// `n < columns`, zero for `columns ≤ n < panelColumns`. One of the two strides is usually 1; both cases are fast.
public struct PanelPacking {
  public var source: UnsafePointer<Float>
  public var depthStride: Int
  public var columnStride: Int
  public var depth: Int
  /// 1 ... panelColumns.
  public var columns: Int
  public var panel: UnsafeMutablePointer<Float>

  public init(
    source: UnsafePointer<Float>, depthStride: Int, columnStride: Int, depth: Int, columns: Int,
    panel: UnsafeMutablePointer<Float>
  ) {
    self.source = source
    self.depthStride = depthStride
    self.columnStride = columnStride
    self.depth = depth
    self.columns = columns
    self.panel = panel
  }
}

/// `y[i] = x[i] / (1 - rate)` where word `start + i` of the Philox stream (`key`, `stream`) is at least `threshold`,
/// else 0, for `i < count`. `y` may be `x`. The same call on `dy` is the gradient.
public struct Dropout {
  public var x: UnsafePointer<Float>
  public var y: UnsafeMutablePointer<Float>
  public var count: Int
  public var key: UInt64
  public var stream: UInt64
  public var start: UInt64
  /// `rate · 2³²`.
  public var threshold: UInt32
  /// `1 / (1 - rate)`.
  public var scale: Float

  public init(
    x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, count: Int, key: UInt64, stream: UInt64, start: UInt64,
    threshold: UInt32, scale: Float
  ) {
    self.x = x
    self.y = y
    self.count = count
    self.key = key
    self.stream = stream
    self.start = start
    self.threshold = threshold
    self.scale = scale
  }
}

/// The geometry of 2-D pooling over one image `[H, W, C]`.
public struct PoolGeometry: Sendable {
  public var inputHeight: Int
  public var inputWidth: Int
  public var channels: Int
  public var outputHeight: Int
  public var outputWidth: Int
  public var windowHeight: Int
  public var windowWidth: Int
  public var strideHeight: Int
  public var strideWidth: Int
  public var padTop: Int
  public var padLeft: Int
  /// For averages: whether places in the padding count in the divisor.
  public var countsPadding: Bool

  public init(
    inputHeight: Int, inputWidth: Int, channels: Int, outputHeight: Int, outputWidth: Int, windowHeight: Int,
    windowWidth: Int, strideHeight: Int, strideWidth: Int, padTop: Int, padLeft: Int, countsPadding: Bool
  ) {
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.channels = channels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
    self.strideHeight = strideHeight
    self.strideWidth = strideWidth
    self.padTop = padTop
    self.padLeft = padLeft
    self.countsPadding = countsPadding
  }
}

/// Pools output rows `rowStart ..< rowEnd` of one image. Every window holds at least one place of the input.
/// Maximum: the first of equal values wins, NaN beats every number; `argmax` (where given) takes, for each
/// output element, the input pixel `y · W + x` that it came from. `input`, `output` and `argmax` point to the
/// image's first element, whatever `rowStart` is.
/// Average: the mean over the window's places in the input, or, with `countsPadding`, over the whole window.
public struct Pool2D {
  public var geometry: PoolGeometry
  public var input: UnsafePointer<Float>
  public var output: UnsafeMutablePointer<Float>
  public var rowStart: Int
  public var rowEnd: Int

  public init(
    geometry: PoolGeometry, input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, rowStart: Int,
    rowEnd: Int
  ) {
    self.geometry = geometry
    self.input = input
    self.output = output
    self.rowStart = rowStart
    self.rowEnd = rowEnd
  }
}

/// The gradient of pooling for one whole image: overwrites all of `dInput` `[H, W, C]`; overlapping windows add
/// up in ascending order of output elements.
public struct Pool2DGradient {
  public var geometry: PoolGeometry
  public var dOutput: UnsafePointer<Float>
  public var dInput: UnsafeMutablePointer<Float>

  public init(geometry: PoolGeometry, dOutput: UnsafePointer<Float>, dInput: UnsafeMutablePointer<Float>) {
    self.geometry = geometry
    self.dOutput = dOutput
    self.dInput = dInput
  }
}

/// Softmax of each of `rows` rows of `columns` (≥ 1) elements, the maximum subtracted first; with `logarithm`,
/// its logarithm. `y` may be `x`.
public struct Softmax {
  public var x: UnsafePointer<Float>
  public var y: UnsafeMutablePointer<Float>
  public var rows: Int
  public var columns: Int
  public var logarithm: Bool

  public init(x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, rows: Int, columns: Int, logarithm: Bool) {
    self.x = x
    self.y = y
    self.rows = rows
    self.columns = columns
    self.logarithm = logarithm
  }
}

/// `dx = y (dy - Σ y dy)`, with `logarithm` `dx = dy - exp(y) Σ dy`, for each row. `dx` may be `dy`.
public struct SoftmaxGradient {
  public var y: UnsafePointer<Float>
  public var dy: UnsafePointer<Float>
  public var dx: UnsafeMutablePointer<Float>
  public var rows: Int
  public var columns: Int
  public var logarithm: Bool

  public init(
    y: UnsafePointer<Float>, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int, columns: Int,
    logarithm: Bool
  ) {
    self.y = y
    self.dy = dy
    self.dx = dx
    self.rows = rows
    self.columns = columns
    self.logarithm = logarithm
  }
}

/// For each row: `losses[r] = log Σ_c exp(x_c) - x_label`, computed with the maximum subtracted (a row that
/// holds NaN, or +∞, gives NaN); `correct[r]` is 1 where the first largest logit is the label's, else 0; where
/// `dLogits` is given, `dLogits = scale (softmax(x) - onehot(label))`. `dLogits` may be `logits`.
public struct SoftmaxCrossEntropy {
  public var logits: UnsafePointer<Float>
  /// In `0 ..< classes`, one for each row.
  public var labels: UnsafePointer<Int32>
  public var rows: Int
  public var classes: Int
  public var scale: Float
  public var losses: UnsafeMutablePointer<Float>
  public var correct: UnsafeMutablePointer<Int32>
  public var dLogits: UnsafeMutablePointer<Float>?

  public init(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, rows: Int, classes: Int, scale: Float,
    losses: UnsafeMutablePointer<Float>, correct: UnsafeMutablePointer<Int32>, dLogits: UnsafeMutablePointer<Float>?
  ) {
    self.logits = logits
    self.labels = labels
    self.rows = rows
    self.classes = classes
    self.scale = scale
    self.losses = losses
    self.correct = correct
    self.dLogits = dLogits
  }
}

/// One time step of one sequence, behind the products. `gates` holds the pre-activations of `i f g o`, `units`
/// each, and takes their activations: `i, f, o = σ(·)`, `g = tanh(·)`; then `c = f ⊙ cPrevious + i ⊙ g` and
/// `h = o ⊙ tanh(c)`. `cPrevious` nil is zero; `c` may be `cPrevious`.
public struct LSTMCell {
  public var gates: UnsafeMutablePointer<Float>
  public var cPrevious: UnsafePointer<Float>?
  public var c: UnsafeMutablePointer<Float>
  public var h: UnsafeMutablePointer<Float>
  public var units: Int

  public init(
    gates: UnsafeMutablePointer<Float>, cPrevious: UnsafePointer<Float>?, c: UnsafeMutablePointer<Float>,
    h: UnsafeMutablePointer<Float>, units: Int
  ) {
    self.gates = gates
    self.cPrevious = cPrevious
    self.c = c
    self.h = h
    self.units = units
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

/// `g = gradientScale · dWeight + weightDecay · w`; without `velocity`: `w -= learningRate · g`; with it:
/// `v = momentum · v + g`, then `w -= learningRate · v`, or with `nesterov` `w -= learningRate (g + momentum · v)`.
/// Source: PyTorch's form of SGD with momentum (no dampening).
public struct SGDUpdate {
  public var weight: UnsafeMutablePointer<Float>
  public var dWeight: UnsafePointer<Float>
  public var velocity: UnsafeMutablePointer<Float>?
  public var count: Int
  public var learningRate: Float
  public var momentum: Float
  public var weightDecay: Float
  public var gradientScale: Float
  public var nesterov: Bool

  public init(
    weight: UnsafeMutablePointer<Float>, dWeight: UnsafePointer<Float>, velocity: UnsafeMutablePointer<Float>?,
    count: Int, learningRate: Float, momentum: Float, weightDecay: Float, gradientScale: Float, nesterov: Bool
  ) {
    self.weight = weight
    self.dWeight = dWeight
    self.velocity = velocity
    self.count = count
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
    self.nesterov = nesterov
  }
}

/// `g = gradientScale · dWeight + weightDecay · w`; `m = β₁ m + (1 - β₁) g`; `v = β₂ v + (1 - β₂) g²`;
/// `w -= stepSize · m / (√v · inverseCorrection + ε)`, where `stepSize = learningRate / (1 - β₁ᵗ)` and
/// `inverseCorrection = 1 / √(1 - β₂ᵗ)`.
/// Source: Kingma and Ba, Adam (2015), algorithm 1, with ε added after the correction as PyTorch does.
public struct AdamUpdate {
  public var weight: UnsafeMutablePointer<Float>
  public var dWeight: UnsafePointer<Float>
  public var firstMoment: UnsafeMutablePointer<Float>
  public var secondMoment: UnsafeMutablePointer<Float>
  public var count: Int
  public var stepSize: Float
  public var beta1: Float
  public var beta2: Float
  public var epsilon: Float
  public var inverseCorrection: Float
  public var weightDecay: Float
  public var gradientScale: Float

  public init(
    weight: UnsafeMutablePointer<Float>, dWeight: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, count: Int, stepSize: Float, beta1: Float, beta2: Float,
    epsilon: Float, inverseCorrection: Float, weightDecay: Float, gradientScale: Float
  ) {
    self.weight = weight
    self.dWeight = dWeight
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    self.count = count
    self.stepSize = stepSize
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.inverseCorrection = inverseCorrection
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
  }
}

/// The input transform `V = Bᵀ d B` of Winograd's convolution F(2×2, 3×3) for a row of tiles: tile `t` is the 4 × 4
/// pixels from `source + t · 2 · channels` on, and its 16 results go to
/// `output + plane · planeStride + t · channels`.
/// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.1.
public struct WinogradInput {
  public var source: UnsafePointer<Float>
  /// From one line of pixels to the next; pixels of a line lie side by side.
  public var lineStride: Int
  public var channels: Int
  public var tiles: Int
  public var output: UnsafeMutablePointer<Float>
  public var planeStride: Int

  public init(
    source: UnsafePointer<Float>, lineStride: Int, channels: Int, tiles: Int, output: UnsafeMutablePointer<Float>,
    planeStride: Int
  ) {
    self.source = source
    self.lineStride = lineStride
    self.channels = channels
    self.tiles = tiles
    self.output = output
    self.planeStride = planeStride
  }
}

/// The output transform `Y = Aᵀ M A` of F(2×2, 3×3) for a row of tiles, then bias and ReLU: tile `t`'s 16 products are
/// at `products + plane · planeStride + t · columns`, and its 2 × 2 pixels go to
/// `output + y · rowStep + (2 t + x) · columns`. Only pixels inside `height` × `width` are written.
public struct WinogradOutput {
  public var products: UnsafePointer<Float>
  public var planeStride: Int
  /// Elements of a pixel.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  public var relu: Bool
  public var output: UnsafeMutablePointer<Float>
  public var rowStep: Int
  /// 1 or 2 rows.
  public var height: Int
  /// Pixels in a row: two for each tile, the last of which may be missing.
  public var width: Int

  public init(
    products: UnsafePointer<Float>, planeStride: Int, columns: Int, bias: UnsafePointer<Float>?, relu: Bool,
    output: UnsafeMutablePointer<Float>, rowStep: Int, height: Int, width: Int
  ) {
    self.products = products
    self.planeStride = planeStride
    self.columns = columns
    self.bias = bias
    self.relu = relu
    self.output = output
    self.rowStep = rowStep
    self.height = height
    self.width = width
  }
}

/// The weight transform `U = G g Gᵀ` of F(2×2, 3×3) for one panel: element `(k, n)` of tap `t` is
/// `source[taps[t] + k · depthStride + n · columnStride]`, taps row by row; its 16 results go to
/// `panels + plane · planeStride + k · panelColumns + n`, which is zero for `columns ≤ n < panelColumns`.
public struct WinogradWeights {
  public var source: UnsafePointer<Float>
  /// 9 offsets.
  public var taps: UnsafePointer<Int>
  public var depthStride: Int
  public var columnStride: Int
  public var depth: Int
  /// 1 ... panelColumns.
  public var columns: Int
  public var panels: UnsafeMutablePointer<Float>
  public var planeStride: Int
  /// `9 · depthPerBlock · panelColumns` floats to work in.
  public var scratch: UnsafeMutablePointer<Float>

  public static let depthPerBlock = 8

  public init(
    source: UnsafePointer<Float>, taps: UnsafePointer<Int>, depthStride: Int, columnStride: Int, depth: Int,
    columns: Int, panels: UnsafeMutablePointer<Float>, planeStride: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    self.source = source
    self.taps = taps
    self.depthStride = depthStride
    self.columnStride = columnStride
    self.depth = depth
    self.columns = columns
    self.panels = panels
    self.planeStride = planeStride
    self.scratch = scratch
  }
}

/// `c[n] (+)= Σ_k a[k] · B[k][n]` for `n < columns`, over any number of panels: `RowProduct` with one row and one tap,
/// and the same bits. With `accumulate` the sum starts from `c`, else from `bias` (nil: zero). `relu` is applied last.
public struct VectorProduct {
  /// `depth` floats.
  public var a: UnsafePointer<Float>
  public var depth: Int
  /// The first packed panel: `depth` rows of `panelColumns` floats.
  public var b: UnsafePointer<Float>
  /// From one panel to the next.
  public var panelStride: Int
  public var c: UnsafeMutablePointer<Float>
  /// Any number.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  public var accumulate: Bool
  public var relu: Bool

  public init(
    a: UnsafePointer<Float>, depth: Int, b: UnsafePointer<Float>, panelStride: Int, c: UnsafeMutablePointer<Float>,
    columns: Int, bias: UnsafePointer<Float>? = nil, accumulate: Bool = false, relu: Bool = false
  ) {
    self.a = a
    self.depth = depth
    self.b = b
    self.panelStride = panelStride
    self.c = c
    self.columns = columns
    self.bias = bias
    self.accumulate = accumulate
    self.relu = relu
  }
}
