/// `output[c] = Σ_p input[p · channels + c] / pixels` for one image of `pixels` (≥ 1) pixels.
/// Order of sums: pixels ascending, even and odd ones apart, in blocks of 64, whose sums are then added in double
/// precision.
public struct GlobalAveragePool {
  public var input: UnsafePointer<Float>
  public var output: UnsafeMutablePointer<Float>
  public var pixels: Int
  public var channels: Int

  public init(input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pixels: Int, channels: Int) {
    self.input = input
    self.output = output
    self.pixels = pixels
    self.channels = channels
  }
}

/// The gradient of `GlobalAveragePool`: `dInput[p · channels + c] = dOutput[c] / pixels`.
public struct GlobalAveragePoolGradient {
  public var dOutput: UnsafePointer<Float>
  public var dInput: UnsafeMutablePointer<Float>
  public var pixels: Int
  public var channels: Int

  public init(dOutput: UnsafePointer<Float>, dInput: UnsafeMutablePointer<Float>, pixels: Int, channels: Int) {
    self.dOutput = dOutput
    self.dInput = dInput
    self.pixels = pixels
    self.channels = channels
  }
}
