/// The places of a depthwise convolution's windows and the pixels that they are put at, for kernels that work on
/// vectors of channels. All steps are in elements; they may be negative or zero.
public struct DepthwiseGeometry {
  /// Elements of a pixel, all of them side by side.
  public var channels: Int
  /// Rows and columns of output pixels.
  public var pixels: (rows: Int, columns: Int)
  /// In the source, from one output pixel's first place to the next's: down, across.
  public var sourceSteps: (Int, Int)
  /// From one output pixel to the next: down, across.
  public var outputSteps: (Int, Int)
  /// Places of a window, in three nested loops; the last is the innermost. Any may be zero.
  public var places: (Int, Int, Int)
  /// In the source, from one place to the next.
  public var sourcePlaceSteps: (Int, Int, Int)
  /// In the weights, from one place to the next.
  public var weightPlaceSteps: (Int, Int, Int)

  public init(
    channels: Int, pixels: (rows: Int, columns: Int), sourceSteps: (Int, Int), outputSteps: (Int, Int),
    places: (Int, Int, Int), sourcePlaceSteps: (Int, Int, Int), weightPlaceSteps: (Int, Int, Int)
  ) {
    self.channels = channels
    self.pixels = pixels
    self.sourceSteps = sourceSteps
    self.outputSteps = outputSteps
    self.places = places
    self.sourcePlaceSteps = sourcePlaceSteps
    self.weightPlaceSteps = weightPlaceSteps
  }
}

/// `output[p, c] = bias[c] + Σ_t source[p + t, c] · weights[t, c]` for every pixel `p` of the geometry.
///
/// Order of sums: from the bias (nil: zero) on, ascending places, one accumulator an element. `relu` is applied last.
public struct DepthwiseConvolution {
  public var geometry: DepthwiseGeometry
  /// The first place of the first pixel.
  public var source: UnsafePointer<Float>
  /// Of the first place: `channels` floats.
  public var weights: UnsafePointer<Float>
  /// `channels` floats.
  public var bias: UnsafePointer<Float>?
  /// The first pixel.
  public var output: UnsafeMutablePointer<Float>
  public var relu: Bool

  public init(
    geometry: DepthwiseGeometry, source: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>, relu: Bool
  ) {
    self.geometry = geometry
    self.source = source
    self.weights = weights
    self.bias = bias
    self.output = output
    self.relu = relu
  }
}

/// `dWeights[t, c] += Σ_p source[p + t, c] · dOutput[p, c]` over the pixels `p` of the geometry, whose output steps are
/// those of `dOutput`. The sum over this call's pixels runs in ascending order on its own and is added at the end.
public struct DepthwiseWeightGradient {
  public var geometry: DepthwiseGeometry
  public var source: UnsafePointer<Float>
  public var dOutput: UnsafePointer<Float>
  public var dWeights: UnsafeMutablePointer<Float>

  public init(
    geometry: DepthwiseGeometry, source: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
    dWeights: UnsafeMutablePointer<Float>
  ) {
    self.geometry = geometry
    self.source = source
    self.dOutput = dOutput
    self.dWeights = dWeights
  }
}

/// `target[(p · planes + j) · channels + c] = source[p · sourceStep + (first + c) / spread · planes + j]` for
/// `p < pixels`, `j < planes`, `c < channels`: some channels of a row of pixels, laid out as planes for the depthwise
/// kernels. With one plane and a spread of 1 it is a copy.
public struct PlaneCopy {
  public var source: UnsafePointer<Float>
  /// From one pixel to the next.
  public var sourceStep: Int
  public var pixels: Int
  public var planes: Int
  /// How many neighbouring channels have the same source.
  public var spread: Int
  public var first: Int
  public var channels: Int
  public var target: UnsafeMutablePointer<Float>

  public init(
    source: UnsafePointer<Float>, sourceStep: Int, pixels: Int, planes: Int, spread: Int, first: Int, channels: Int,
    target: UnsafeMutablePointer<Float>
  ) {
    self.source = source
    self.sourceStep = sourceStep
    self.pixels = pixels
    self.planes = planes
    self.spread = spread
    self.first = first
    self.channels = channels
    self.target = target
  }
}
