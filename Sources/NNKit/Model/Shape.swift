/// The type of a tensor's elements.
public enum DataType: String, Sendable, Encodable {
  case float32
  case int32

  package var bytes: Int { 4 }
}

/// The sizes of one sample, without the batch: `[H, W, C]`, `[T, C]`. A size of `Shape.open` is a time dimension
/// left open until a plan is made.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// In place of the size of a time dimension that is left open.
  public static let open = -1
  /// The most sizes of a tensor, with the batch.
  public static let maximumRank = 8

  /// The first axis first.
  public var sizes: [Int]

  /// `sizes` are checked where the shape is used.
  public init(_ sizes: [Int]) { self.sizes = sizes }
  /// `[28, 28, 1]`.
  public init(arrayLiteral sizes: Int...) { self.sizes = sizes }

  /// How many sizes there are.
  public var rank: Int { sizes.count }
  /// Whether a time dimension is left open.
  public var isOpen: Bool { sizes.contains(Shape.open) }
  /// The size of an axis.
  public subscript(axis: Int) -> Int { sizes[axis] }

  /// `[28, 28, 1]`; an open size reads `?`.
  public var description: String {
    "[" + sizes.map { $0 == Shape.open ? "?" : String($0) }.joined(separator: ", ") + "]"
  }

  /// The number of elements of a shape without open sizes. Throws: `.shape` where it overflows.
  package func count() throws(NNKitError) -> Int { try checkedProduct(sizes, of: "the shape \(self)") }

  /// Whether a tensor of shape `other` can stand where this shape is asked for.
  package func accepts(_ other: Shape) -> Bool {
    rank == other.rank && zip(sizes, other.sizes).allSatisfy { $0 == $1 || $0 == Shape.open }
  }
}

extension Shape: Encodable {
  /// As the list of its sizes.
  public func encode(to encoder: any Encoder) throws { try sizes.encode(to: encoder) }
}

/// An element type and a sample shape.
public struct ValueType: Hashable, Sendable, CustomStringConvertible {
  /// Of the elements.
  public var dataType: DataType
  /// Of one sample, without the batch.
  public var shape: Shape

  /// An element type and a sample shape.
  public init(_ dataType: DataType, _ shape: Shape) {
    self.dataType = dataType
    self.shape = shape
  }

  /// "float32 [28, 28, 1]".
  public var description: String { "\(dataType.rawValue) \(shape)" }
}

/// The product of sizes. Throws: `.shape` where it exceeds 2⁴⁶ elements, so that no byte count or offset made
/// from it can overflow.
package func checkedProduct(_ factors: [Int], of what: @autoclosure () -> String) throws(NNKitError) -> Int {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow, next <= 1 << 46, next >= 0 else {
      throw NNKitError(.shape, "\(what()) is too large: it may have at most 2^46 elements")
    }
    product = next
  }
  return product
}

/// `⌈a / b⌉` for `a ≥ 0`, `b > 0`.
@inline(__always)
package func ceilDivide(_ a: Int, _ b: Int) -> Int { a == 0 ? 0 : (a - 1) / b + 1 }
