/// What a tensor's elements can be in a Swift program's memory: `Float`, `Int32`, and `Int64` or `Int` with values that
/// fit into 32 bits. No other type may conform to it.
public protocol TensorElement: BitwiseCopyable {
  static var arrayType: ArrayType { get }
}

extension Float: TensorElement { public static var arrayType: ArrayType { .float32 } }
extension Int32: TensorElement { public static var arrayType: ArrayType { .int32 } }
extension Int64: TensorElement { public static var arrayType: ArrayType { .int64 } }
extension Int: TensorElement { public static var arrayType: ArrayType { .int64 } }

/// A view of memory that belongs to the program, a tensor whose first axis is the sample: it is read from or written to
/// in place. A view keeps the address, and neither the memory nor a copy: the memory must be there during every call
/// that is given the view. It can be used any number of times; a call with views that were made before allocates
/// nothing for them.
public struct HostView {
  /// Valid as long as this is there.
  package let view: TensorView
  private let sizes: ViewSizes

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
        reach = min(reach, 1 << 61) + (overflow ? 1 << 61 : min(steps, 1 << 61))
      }
    }
    guard reach <= count else {
      throw NNKitError(
        .shape,
        "a view of shape \(shape)\(strides.map { " with the strides \($0)" } ?? "") needs \(reach) elements; the "
          + "memory has \(count)")
    }
    self.init(base ?? Self.nothing, type, shape, strides, isWritable: isWritable)
  }

  /// Without checks.
  init(_ base: UnsafeMutableRawPointer, _ type: ArrayType, _ shape: [Int], _ strides: [Int]?, isWritable: Bool = true) {
    sizes = ViewSizes(shape, strides)
    view = TensorView(
      data: base, type: type, rank: shape.count, shape: sizes.shape, strides: sizes.strides, isWritable: isWritable)
  }

  /// The same view with sizes and strides of its own.
  init(_ view: TensorView) {
    self.init(
      view.data, view.type, (0..<view.rank).map { Int(view.shape[$0]) },
      view.strides.map { strides in (0..<view.rank).map { Int(strides[$0]) } }, isWritable: view.isWritable)
  }

  /// Where a view without elements lies; never read.
  private static var nothing: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 64)! }
}

/// Sizes and strides at addresses that stay.
private final class ViewSizes {
  let shape: UnsafePointer<Int64>
  let strides: UnsafePointer<Int64>?
  private let memory: UnsafeMutablePointer<Int64>

  init(_ shape: [Int], _ strides: [Int]?) {
    memory = .allocate(capacity: max(1, 2 * shape.count))
    for (axis, size) in shape.enumerated() { (memory + axis).initialize(to: Int64(size)) }
    for (axis, stride) in (strides ?? []).enumerated() {
      (memory + shape.count + axis).initialize(to: Int64(stride))
    }
    self.shape = UnsafePointer(memory)
    self.strides = strides == nil ? nil : UnsafePointer(memory + shape.count)
  }

  deinit { memory.deallocate() }
}
