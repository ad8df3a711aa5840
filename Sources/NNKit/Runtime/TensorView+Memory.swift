/// What a tensor's elements can be in a Swift program's memory: `Float`, `Int32`, and `Int64` or `Int` with values that
/// fit into 32 bits. No other type may conform to it.
public protocol TensorElement: BitwiseCopyable {
  static var arrayType: ArrayType { get }
}

extension Float: TensorElement { public static var arrayType: ArrayType { .float32 } }
extension Int32: TensorElement { public static var arrayType: ArrayType { .int32 } }
extension Int64: TensorElement { public static var arrayType: ArrayType { .int64 } }
extension Int: TensorElement { public static var arrayType: ArrayType { .int64 } }

extension TensorView {
  /// A view of `memory`, to be read from or written to.
  ///
  /// `shape`: the sizes, the sample first. `strides`: how many elements lie between neighbours along each axis; nil:
  /// the elements lie side by side, the last axis fastest. An input may repeat its elements by strides of 0.
  ///
  /// Throws: `.shape` for sizes that are negative or more than 8, and where sizes and strides lead out of the memory.
  public init<Element: TensorElement>(
    _ memory: UnsafeMutableBufferPointer<Element>, shape: [Int], strides: [Int]? = nil
  ) throws(NNKitError) {
    try self.init(memory.baseAddress, memory.count, Element.arrayType, shape, strides, isWritable: true)
  }

  /// A view of `memory` that is only read from. Throws: as the other initialiser.
  public init<Element: TensorElement>(
    reading memory: UnsafeBufferPointer<Element>, shape: [Int], strides: [Int]? = nil
  ) throws(NNKitError) {
    try self.init(
      UnsafeMutablePointer(mutating: memory.baseAddress), memory.count, Element.arrayType, shape, strides,
      isWritable: false)
  }

  private init(
    _ base: UnsafeMutableRawPointer?, _ count: Int, _ type: ArrayType, _ shape: [Int], _ strides: [Int]?,
    isWritable: Bool
  ) throws(NNKitError) {
    guard shape.count <= Shape.maximumRank, shape.allSatisfy({ $0 >= 0 }) else {
      throw NNKitError(
        .shape, "a view has the shape \(shape); expected at most \(Shape.maximumRank) sizes, none of them negative")
    }
    guard strides?.count ?? shape.count == shape.count, strides?.allSatisfy({ $0 >= 0 }) ?? true else {
      throw NNKitError(
        .shape, "a view of shape \(shape) has the strides \(strides ?? []); expected one for each size, none negative")
    }
    // The number of elements from the first to behind the last one.
    var reach = try checkedProduct(shape, of: "a view of shape \(shape)")
    if let strides, reach > 0 {
      reach = 1
      for (size, stride) in zip(shape, strides) {
        let (steps, overflow) = stride.multipliedReportingOverflow(by: size - 1)
        reach = overflow ? .max : min(reach, 1 << 61) + min(steps, 1 << 61)
      }
    }
    guard reach <= count else {
      throw NNKitError(
        .shape,
        "a view of shape \(shape)\(strides.map { " with the strides \($0)" } ?? "") needs \(reach) elements; the "
          + "memory has \(count)")
    }
    self.init(
      base ?? Self.nothing, type, rank: shape.count, shape: Sizes { $0 < shape.count ? Int64(shape[$0]) : 0 },
      strides: strides.map { strides in Sizes { $0 < strides.count ? Int64(strides[$0]) : 0 } },
      isWritable: isWritable)
  }

  /// Where a view without elements lies; never read.
  private static var nothing: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 64)! }
}
