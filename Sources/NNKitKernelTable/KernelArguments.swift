// What the kernels of `KernelTable` take: one type for each kernel with many arguments, and its exact contract.

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

  /// Of a place in the window, among those that say where maxima came from: 1 where it fits, else 4.
  public var placeBytes: Int { windowHeight &* windowWidth <= 256 ? 1 : 4 }
}

/// Pools output rows `rowStart ..< rowEnd` of one image. Every window holds at least one place of the input.
/// Maximum: the first of equal values wins, NaN beats every number; `argmax` (where given) takes, for each
/// output element, the place `m · windowWidth + n` of the window that it came from, in `placeBytes` bytes. `input`, `output` and `argmax` point to the
/// image's first element, whatever `rowStart` is.
/// Average: the mean over the window's places in the input, or, with `countsPadding`, over the whole window.
/// Without `argmax`, `channels` may be a part of the image's channels, from the pointers on.
public struct Pool2D {
  public var geometry: PoolGeometry
  public var input: UnsafePointer<Float>
  public var output: UnsafeMutablePointer<Float>
  public var rowStart: Int
  public var rowEnd: Int
  public var channels: Int

  public init(
    geometry: PoolGeometry, input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, rowStart: Int,
    rowEnd: Int, channels: Int? = nil
  ) {
    self.geometry = geometry
    self.input = input
    self.output = output
    self.rowStart = rowStart
    self.rowEnd = rowEnd
    self.channels = channels ?? geometry.channels
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
