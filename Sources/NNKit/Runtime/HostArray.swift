/// A tensor as a Swift program holds one: its elements, the last axis fastest, and its sizes, the sample first.
public enum HostArray: Sendable, Equatable {
  case float32([Float], shape: [Int])
  case int32([Int32], shape: [Int])

  /// Its sizes, the sample first.
  public var shape: [Int] {
    switch self {
    case .float32(_, let shape), .int32(_, let shape): shape
    }
  }

  /// Its elements as `Float`; those of an int32 tensor are converted.
  public var floats: [Float] {
    switch self {
    case .float32(let values, _): values
    case .int32(let values, _): values.map { Float($0) }
    }
  }

  /// The samples `range` of it, which are the first axis.
  ///
  /// Throws: `.shape` where the elements do not make the shape; `.invalidArgument` where there are no such samples.
  public func samples(_ range: Range<Int>) throws(NNKitError) -> HostArray {
    _ = try checkedCount()
    guard let samples = shape.first, range.lowerBound >= 0, range.upperBound <= samples else {
      throw NNKitError(.invalidArgument, "there are no samples \(range) in an array of shape \(shape)")
    }
    let sizes = [range.count] + shape.dropFirst()
    let count = try checkedProduct(Array(shape.dropFirst()), of: "a sample of the shape \(shape)")
    let elements = range.lowerBound * count..<range.upperBound * count
    return switch self {
    case .float32(let values, _): .float32(Array(values[elements]), shape: sizes)
    case .int32(let values, _): .int32(Array(values[elements]), shape: sizes)
    }
  }

  /// The number of its elements. Throws: `.shape` where they do not make the shape.
  fileprivate func checkedCount() throws(NNKitError) -> Int {
    let count =
      switch self {
      case .float32(let values, _): values.count
      case .int32(let values, _): values.count
      }
    guard shape.count <= Shape.maximumRank, shape.allSatisfy({ $0 >= 0 }),
      try checkedProduct(shape, of: "the shape \(shape)") == count
    else {
      throw NNKitError(
        .shape,
        "an array has \(count) elements, which do not make the shape \(shape) of at most \(Shape.maximumRank) sizes")
    }
    return count
  }
}

/// Memory for tensors that go to the engine from a program's arrays, or come from it.
struct TensorCopies {
  private var memory: [AlignedMemory] = []
  private(set) var views: [HostView] = []

  /// Copies of `arrays`. Throws: `.shape` where an array's elements do not make its shape; `.outOfMemory`.
  init(_ arrays: [HostArray]) throws(NNKitError) {
    for array in arrays {
      let count = try array.checkedCount()
      switch array {
      case .float32(let values, let shape):
        try add(.float32, shape, count) { target in values.withUnsafeBytes { target.copyMemory(from: $0) } }
      case .int32(let values, let shape):
        try add(.int32, shape, count) { target in values.withUnsafeBytes { target.copyMemory(from: $0) } }
      }
    }
  }

  /// Zeros: `batch` samples of each type, which has no open size. Throws: `.shape` for more than 2⁴⁶ elements;
  /// `.outOfMemory`.
  init(_ types: [ValueType], batch: Int) throws(NNKitError) {
    for type in types {
      let shape = [batch] + type.shape.sizes
      let count = try checkedProduct(shape, of: "a result of shape \(shape)")
      try add(type.dataType == .float32 ? .float32 : .int32, shape, count) { _ in }
    }
  }

  private mutating func add(
    _ type: ArrayType, _ shape: [Int], _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(NNKitError) {
    let block = try AlignedMemory(byteCount: count * type.bytes)
    fill(UnsafeMutableRawBufferPointer(start: block.base, count: block.byteCount))
    memory.append(block)
    views.append(HostView(block.base, type, shape, nil))
  }

  /// The views, in their order, where `isThere`, and nil elsewhere.
  func views(_ isThere: [Bool]) -> [HostView?] {
    var next = views.makeIterator()
    return isThere.map { $0 ? next.next() : nil }
  }

  /// What stands there now. Throws: `.outOfMemory`.
  func arrays() throws(NNKitError) -> [HostArray] {
    try checkMemory(for: memory.reduce(0) { $0 + $1.byteCount })
    return zip(memory, views.map(\.view)).map { block, view in
      let shape = (0..<view.rank).map { view.size($0) }
      let bytes = block.bytes
      return view.type == .float32
        ? .float32(Array(bytes.bindMemory(to: Float.self)), shape: shape)
        : .int32(Array(bytes.bindMemory(to: Int32.self)), shape: shape)
    }
  }
}
