/// `z[i] = x[i] ∘ y[i]` for `i < count`. `z` may be `x` or `y`.
public struct ElementPair {
  public var x: UnsafePointer<Float>
  public var y: UnsafePointer<Float>
  public var z: UnsafeMutablePointer<Float>
  public var count: Int

  public init(x: UnsafePointer<Float>, y: UnsafePointer<Float>, z: UnsafeMutablePointer<Float>, count: Int) {
    self.x = x
    self.y = y
    self.z = z
    self.count = count
  }
}

/// `sum[i] = x[i] + y[i]` for `i < count`, or with `relu` `max(0, x[i] + y[i])`, NaN kept. `sum` may be `x` or `y`.
public struct Addition {
  public var x: UnsafePointer<Float>
  public var y: UnsafePointer<Float>
  public var sum: UnsafeMutablePointer<Float>
  public var count: Int
  public var relu: Bool

  public init(
    x: UnsafePointer<Float>, y: UnsafePointer<Float>, sum: UnsafeMutablePointer<Float>, count: Int, relu: Bool
  ) {
    self.x = x
    self.y = y
    self.sum = sum
    self.count = count
    self.relu = relu
  }
}
