import Glibc

/// The element types of arrays that come from outside.
public enum ArrayType: Sendable {
  case float32
  case int32
  /// Read where int32 is expected, if every value fits into 32 bits.
  case int64

  var bytes: Int { self == .int64 ? 8 : 4 }
  var name: String {
    switch self {
    case .float32: "float32"
    case .int32: "int32"
    case .int64: "int64"
    }
  }
}

/// A view of memory that belongs to the host: checked against what is expected, then copied from or to. Using one
/// allocates nothing as long as nothing is wrong.
package struct TensorView {
  package var data: UnsafeMutableRawPointer
  package var type: ArrayType
  package var rank: Int
  /// `rank` sizes, the batch first.
  package var shape: UnsafePointer<Int64>
  /// `rank` strides in elements; nil: dense.
  package var strides: UnsafePointer<Int64>?
  /// Whether results may be written to it.
  let isWritable: Bool

  package init(
    data: UnsafeMutableRawPointer, type: ArrayType, rank: Int, shape: UnsafePointer<Int64>,
    strides: UnsafePointer<Int64>?, isWritable: Bool = true
  ) {
    self.data = data
    self.type = type
    self.rank = rank
    self.shape = shape
    self.strides = strides
    self.isWritable = isWritable
  }

  package func size(_ axis: Int) -> Int { Int(shape[axis]) }

  /// "[16, 28, 28, 1]".
  package var shapeDescription: String {
    "[" + (0..<max(0, min(rank, 16))).map { String(shape[$0]) }.joined(separator: ", ") + "]"
  }

  /// "[784, 1]".
  package var stridesDescription: String {
    guard let strides else { return "of a dense array" }
    return "[" + (0..<max(0, min(rank, 16))).map { String(strides[$0]) }.joined(separator: ", ") + "]"
  }

  /// Whether elements may share memory: whether an axis has steps that are not wider than all that lies within one of
  /// them. Few views that have none look so, such as that of sizes [2, 3] and strides [3, 2].
  var mayOverlapItself: Bool {
    guard let strides else { return false }
    for axis in 0..<rank where shape[axis] > 1 {
      var within: UInt64 = 0
      for other in 0..<rank where other != axis && shape[other] > 1 {
        if strides[other].magnitude <= strides[axis].magnitude {
          within &+= strides[other].magnitude &* UInt64(shape[other] - 1)
        }
      }
      if strides[axis].magnitude <= within { return true }
    }
    return false
  }

  /// Whether the view's axes but the first are `sizes`, in which `Shape.open` stands for any size of at least 1.
  func matches(_ sizes: [Int]) -> Bool {
    guard rank == sizes.count + 1 else { return false }
    for (axis, size) in sizes.enumerated() {
      let actual = self.size(axis + 1)
      guard size == Shape.open ? actual >= 1 : actual == size else { return false }
    }
    return true
  }

  /// Checks type and shape. Throws: `.type`, `.shape`; `what` names the tensor.
  package func check(_ expected: ValueType, _ what: @autoclosure () -> String) throws(NNKitError) {
    let typeFits = expected.dataType == .float32 ? type == .float32 : type != .float32
    guard typeFits else {
      throw NNKitError(
        .type,
        "\(what()) is \(type.name); expected \(expected.dataType.rawValue)"
          + (expected.dataType == .int32
            ? " (or int64 with small values)\(oneHotAdvice(expected))" : "; convert it first"))
    }
    guard matches(expected.shape.sizes) else {
      let sizes = ["N"] + expected.shape.sizes.map { $0 == Shape.open ? "T" : String($0) }
      throw NNKitError(
        .shape,
        "\(what()) has shape \(shapeDescription); expected [\(sizes.joined(separator: ", "))]"
          + advice(expected.shape.sizes) + oneHotAdvice(expected))
    }
    guard size(0) >= 1 else {
      throw NNKitError(.shape, "\(what()) has shape \(shapeDescription); expected at least one sample")
    }
  }

  /// What may have been meant by a shape that does not match.
  private func advice(_ sizes: [Int]) -> String {
    guard (1...16).contains(rank) else { return "" }
    func fit(_ actual: [Int]) -> Bool {
      actual.count == sizes.count && zip(actual, sizes).allSatisfy { $1 == Shape.open ? $0 >= 1 : $0 == $1 }
    }
    let actual = (0..<rank).map { size($0) }
    if fit(actual) {
      let shape = ([1] + actual).map { String($0) }.joined(separator: ", ")
      return "; the first axis is the sample, also of one: [\(shape)]"
    }
    if rank == 4, fit([actual[2], actual[3], actual[1]]) {
      return "; channels come last: move axis 1 to the end"
    }
    if sizes.last == 1, fit(Array(actual.dropFirst()) + [1]) { return "; add an axis of size 1 at the end" }
    return ""
  }

  /// What may have been meant where integers are expected, and there is one axis more.
  private func oneHotAdvice(_ expected: ValueType) -> String {
    guard expected.dataType == .int32, rank == expected.shape.rank + 2, size(rank - 1) > 1 else { return "" }
    return "; of one-hot rows give the place of each 1"
  }

  /// Whether the elements of one sample lie side by side.
  private var samplesAreDense: Bool {
    guard let strides else { return true }
    var expected: Int64 = 1
    var axis = rank - 1
    while axis >= 1 {
      if shape[axis] != 1 && strides[axis] != expected { return false }
      expected &*= shape[axis]
      axis -= 1
    }
    return true
  }

  /// The distance of neighbours along an axis, in bytes. Products wrap: what strides describe is the host's to know.
  private func byteStride(_ axis: Int) -> Int {
    if let strides { return Int(strides[axis]) &* type.bytes }
    var stride = type.bytes
    for later in axis + 1..<max(axis + 1, rank) { stride &*= size(later) }
    return stride
  }

  private func sample(_ index: Int) -> UnsafeMutableRawPointer { data.advanced(by: index &* byteStride(0)) }

  /// Copies sample `index`, `count` float32 elements, to `out`. With `steps` only so many entries of its first axis are
  /// read, and zeros stand for the others.
  func copySample(_ index: Int, steps: Int? = nil, count: Int, to out: UnsafeMutablePointer<Float>) {
    let source = sample(index)
    let read = self.count(of: steps, count)
    if samplesAreDense {
      memcpy(out, source, read * 4)
    } else {
      var next = UnsafeMutableRawPointer(out)
      forEachElement(source, axis: 1, steps: steps) { element in
        memcpy(next, element, 4)
        next += 4
      }
    }
    if read < count { memset(out + read, 0, (count - read) * 4) }
  }

  /// How many of a sample's `count` elements are in `steps` entries of its first axis.
  private func count(of steps: Int?, _ count: Int) -> Int { steps.map { count / max(1, size(1)) * $0 } ?? count }

  /// Copies `count` elements of float32 results to sample `index`.
  func writeSample(_ index: Int, count: Int, from values: UnsafeRawPointer) {
    let target = sample(index)
    if samplesAreDense {
      memcpy(target, values, count * 4)
    } else {
      var next = values
      forEachElement(target, axis: 1) { element in
        memcpy(element, next, 4)
        next += 4
      }
    }
  }

  /// Copies sample `index`, `count` whole numbers, to `out`; `steps` as above. Returns the first value outside of
  /// `range`, if there is one among those read.
  func copySample(
    _ index: Int, steps: Int? = nil, count: Int, to out: UnsafeMutablePointer<Int32>, in range: ClosedRange<Int32>
  ) -> Int64? {
    var next = out
    var bad: Int64?
    let isWide = type == .int64
    forEachElement(sample(index), axis: 1, steps: steps) { element in
      let value = isWide ? element.loadUnaligned(as: Int64.self) : Int64(element.loadUnaligned(as: Int32.self))
      if value < Int64(range.lowerBound) || value > Int64(range.upperBound) {
        bad = bad ?? value
      } else {
        next.pointee = Int32(truncatingIfNeeded: value)
      }
      next += 1
    }
    let read = self.count(of: steps, count)
    if read < count { memset(out + read, 0, (count - read) * 4) }
    return bad
  }

  /// The first sample of `samples` with a whole number outside of `range`, and that number. `lengths` holds how many
  /// entries of each sample's first axis to look at. An axis of stride 0 repeats one element, which is looked at once.
  func firstOutside(
    _ range: ClosedRange<Int32>, _ samples: Range<Int>, lengths: TensorView?
  ) -> (sample: Int, value: Int64)? {
    let wanted = Int64(range.lowerBound)...Int64(range.upperBound)
    func outside(_ element: UnsafeMutableRawPointer) -> Int64? {
      let value = wholeNumber(element)
      return wanted.contains(value) ? nil : value
    }
    let repeats = byteStride(0) == 0 && lengths?.byteStride(0) ?? 0 == 0
    let (areDense, count) = (samplesAreDense, (1..<max(1, rank)).reduce(1) { $0 &* size($1) })
    for index in repeats ? samples.prefix(1) : samples {
      let steps = lengths.map { min(max(0, Int($0.wholeNumber($0.sample(index)))), size(1)) }
      let first = sample(index)
      if !areDense {
        if let bad = firstElement(first, axis: 1, steps: steps, outside) { return (index, bad) }
        continue
      }
      for element in 0..<self.count(of: steps, count) {
        if let bad = outside(first + element &* type.bytes) { return (index, bad) }
      }
    }
    return nil
  }

  /// The first float32 element of sample `index` that is not finite; `steps` as above.
  func firstNonFinite(sample index: Int, steps: Int?) -> Float? {
    firstElement(sample(index), axis: 1, steps: steps) { element -> Float? in
      let value = element.loadUnaligned(as: Float.self)
      return value.isFinite ? nil : value
    }
  }

  private func wholeNumber(_ element: UnsafeMutableRawPointer) -> Int64 {
    type == .int64 ? element.loadUnaligned(as: Int64.self) : Int64(element.loadUnaligned(as: Int32.self))
  }

  /// The first result of `body` for the elements of the axes from `axis` on, and of the first `steps` entries of `axis`
  /// only where that is given; of an axis of stride 0, for one element.
  private func firstElement<Result>(
    _ base: UnsafeMutableRawPointer, axis: Int, steps: Int? = nil, _ body: (UnsafeMutableRawPointer) -> Result?
  ) -> Result? {
    if axis >= rank { return body(base) }
    let (stride, count) = (byteStride(axis), steps ?? size(axis))
    var element = base
    for _ in 0..<(stride == 0 ? min(1, count) : count) {
      if let result = firstElement(element, axis: axis + 1, body) { return result }
      element = element.advanced(by: stride)
    }
    return nil
  }

  /// Calls `body` for each element of the axes from `axis` on, the last axis fastest, and of the first `steps` entries of
  /// `axis` only where that is given.
  private func forEachElement(
    _ base: UnsafeMutableRawPointer, axis: Int, steps: Int? = nil, _ body: (UnsafeMutableRawPointer) -> Void
  ) {
    if axis >= rank {
      body(base)
      return
    }
    let stride = byteStride(axis)
    var element = base
    for _ in 0..<(steps ?? size(axis)) {
      forEachElement(element, axis: axis + 1, body)
      element = element.advanced(by: stride)
    }
  }
}

/// Lends several tensors one by one, without an array.
package typealias TensorSource = (_ index: Int) throws(NNKitError) -> TensorView
/// The same, of which some may be left out.
package typealias OptionalTensorSource = (_ index: Int) throws(NNKitError) -> TensorView?
