/// The lanes of a `Vector` in double precision: sums over many rows are kept so.
struct DoubleLanes {
  var low: DoubleVector
  var high: DoubleVector

  @_transparent
  init(_ low: DoubleVector, _ high: DoubleVector) {
    self.low = low
    self.high = high
  }

  @_transparent
  init(_ vector: Vector) {
    low = DoubleVector(vector.lowHalf)
    high = DoubleVector(vector.highHalf)
  }

  @_transparent
  init(repeating value: Double) {
    low = DoubleVector(repeating: value)
    high = DoubleVector(repeating: value)
  }

  /// `vectorWidth` doubles from `source` on.
  @_transparent
  init(from source: UnsafePointer<Double>) {
    let raw = UnsafeRawPointer(source)
    low = raw.loadUnaligned(as: DoubleVector.self)
    high = raw.loadUnaligned(fromByteOffset: MemoryLayout<DoubleVector>.size, as: DoubleVector.self)
  }

  @_transparent
  func store(to target: UnsafeMutablePointer<Double>) {
    let raw = UnsafeMutableRawPointer(target)
    raw.storeBytes(of: low, as: DoubleVector.self)
    raw.storeBytes(of: high, toByteOffset: MemoryLayout<DoubleVector>.size, as: DoubleVector.self)
  }

  /// Each lane rounded to single precision.
  @_transparent
  var rounded: Vector {
    #if NNKIT_AVX512
      Vector(lowHalf: SIMD8<Float>(low), highHalf: SIMD8<Float>(high))
    #elseif NNKIT_AVX2
      Vector(lowHalf: SIMD4<Float>(low), highHalf: SIMD4<Float>(high))
    #else
      Vector(lowHalf: SIMD2<Float>(low), highHalf: SIMD2<Float>(high))
    #endif
  }

  @_transparent
  func squareRoot() -> DoubleLanes { DoubleLanes(low.squareRoot(), high.squareRoot()) }

  @_transparent
  static func + (a: DoubleLanes, b: DoubleLanes) -> DoubleLanes { DoubleLanes(a.low + b.low, a.high + b.high) }

  @_transparent
  static func - (a: DoubleLanes, b: DoubleLanes) -> DoubleLanes { DoubleLanes(a.low - b.low, a.high - b.high) }

  @_transparent
  static func * (a: DoubleLanes, b: DoubleLanes) -> DoubleLanes { DoubleLanes(a.low * b.low, a.high * b.high) }

  @_transparent
  static func / (a: DoubleLanes, b: DoubleLanes) -> DoubleLanes { DoubleLanes(a.low / b.low, a.high / b.high) }
}
