import CNNKit
import Glibc
import NNKit

/// A name or path. Throws: `.invalidArgument` for NULL, for text that is not UTF-8, and, before it is read, for more than
/// `limit` bytes; `what` names the argument.
func requireText(
  _ text: UnsafePointer<CChar>?, _ what: StaticString, limit: Int = 1 << 20
) throws(NNKitError) -> String {
  guard let text else { throw NNKitError(.invalidArgument, "\(what) is NULL; expected a string") }
  guard strnlen(text, limit + 1) <= limit else {
    throw NNKitError(.invalidArgument, "\(what): there are more bytes than allowed; expected at most \(limit)")
  }
  guard let string = String(validatingCString: text) else {
    throw NNKitError(.invalidArgument, "\(what) is not valid UTF-8")
  }
  return string
}

/// The text of options; NULL is "".
func optionText(_ text: UnsafePointer<CChar>?) throws(NNKitError) -> String {
  text == nil ? "" : try requireText(text, "the text of options", limit: Options.maximumTextBytes)
}

/// The place for a result. Throws: `.invalidArgument` for NULL.
func requireOutput<Result>(_ out: UnsafeMutablePointer<Result>?, _ what: StaticString) throws(NNKitError)
  -> UnsafeMutablePointer<Result>
{
  guard let out else { throw NNKitError(.invalidArgument, "\(what) is NULL; expected the address of a variable") }
  return out
}

/// An array of `count` elements. Throws: `.invalidArgument` for NULL with elements, a negative or absurd count.
func requireArray<Element>(_ array: UnsafePointer<Element>?, _ count: Int32, _ what: StaticString) throws(NNKitError)
  -> UnsafeBufferPointer<Element>
{
  guard (0...Int32(Graph.maximumTensors)).contains(count) else {
    throw NNKitError(.invalidArgument, "the number of \(what) is \(count); expected 0 to \(Graph.maximumTensors)")
  }
  guard count == 0 || array != nil else {
    throw NNKitError(.invalidArgument, "\(what) is NULL; expected an array of \(count)")
  }
  return UnsafeBufferPointer(start: array, count: Int(count))
}

/// Writes sizes into the caller's array, in which there is room for `rank`. Throws: `.invalidArgument` where it is too
/// little, or the array is NULL; `what` has the sizes.
func write(
  _ sizes: [Int], of what: StaticString, _ shape: UnsafeMutablePointer<Int64>?, _ rank: UnsafeMutablePointer<Int32>
) throws(NNKitError) {
  guard rank.pointee >= sizes.count else {
    throw NNKitError(.invalidArgument, "\(what) has \(sizes.count) sizes; there is room for \(rank.pointee)")
  }
  guard let shape = shape ?? (sizes.isEmpty ? UnsafeMutablePointer(mutating: noSizes) : nil) else {
    throw NNKitError(.invalidArgument, "shape is NULL; expected an array of \(sizes.count)")
  }
  for (axis, size) in sizes.enumerated() { shape[axis] = Int64(size) }
  rank.pointee = Int32(sizes.count)
}

/// A file in memory. Throws: `.invalidArgument` for NULL with bytes and for a negative count.
func requireBytes(_ bytes: UnsafeRawPointer?, _ count: Int64) throws(NNKitError) -> UnsafeRawBufferPointer {
  guard count >= 0 else { throw NNKitError(.invalidArgument, "the number of bytes is \(count); expected 0 or more") }
  guard count == 0 || bytes != nil else {
    throw NNKitError(.invalidArgument, "bytes is NULL; expected \(count) bytes")
  }
  return UnsafeRawBufferPointer(start: bytes, count: Int(count))
}

/// A runtime; NULL is the default one.
func runtime(_ handle: OpaquePointer?) throws(NNKitError) -> Runtime {
  handle == nil ? try Runtime.shared() : try HandleTable.get(handle)
}

/// The engine's view of a tensor. Throws: `.invalidArgument`, `.type`, `.shape` for a struct that describes none.
func view(_ tensor: nnk_tensor, _ what: StaticString) throws(NNKitError) -> TensorView {
  guard tensor.device.device_type == 1 else {
    throw NNKitError(
      .invalidArgument, "\(what): the tensor is on device type \(tensor.device.device_type); expected 1, the CPU")
  }
  guard (0...Int32(Shape.maximumRank)).contains(tensor.ndim) else {
    throw NNKitError(.shape, "\(what): the tensor has rank \(tensor.ndim); expected 0 to \(Shape.maximumRank)")
  }
  guard let shape = tensor.shape ?? (tensor.ndim == 0 ? noSizes : nil) else {
    throw NNKitError(.invalidArgument, "\(what): the tensor's shape is NULL")
  }
  var count: Int64 = 1
  for axis in 0..<Int(tensor.ndim) {
    guard shape[axis] >= 0 else {
      throw NNKitError(.shape, "\(what): the size \(shape[axis]) of axis \(axis) is negative; expected 0 or more")
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: shape[axis])
    guard !overflow else {
      let sizes = (0..<Int(tensor.ndim)).map { String(shape[$0]) }.joined(separator: ", ")
      throw NNKitError(.shape, "\(what): the sizes [\(sizes)] make more than 2^63 - 1 elements")
    }
    count = product
  }
  guard let data = tensor.data ?? (count == 0 ? UnsafeMutableRawPointer(mutating: noSizes) : nil) else {
    throw NNKitError(.invalidArgument, "\(what): the tensor's data is NULL")
  }
  let elementType = try type(tensor.dtype, what)
  if count > 0 { try checkReach(tensor, elementBytes: elementType == .int64 ? 8 : 4, what) }
  return TensorView(
    data: data.advanced(by: Int(truncatingIfNeeded: tensor.byte_offset)), type: elementType,
    rank: Int(tensor.ndim), shape: shape, strides: tensor.strides.map { UnsafePointer($0) })
}

/// As `view`; nil for a tensor that is left out, whose data is NULL.
func optionalView(_ tensor: nnk_tensor, _ what: StaticString) throws(NNKitError) -> TensorView? {
  tensor.data == nil ? nil : try view(tensor, what)
}

/// Throws `.shape` where sizes, offset and strides of a tensor with elements lead out of any address space, so that no
/// element's address wraps. What they reach inside of it is the host's to know.
private func checkReach(_ tensor: nnk_tensor, elementBytes: Int64, _ what: StaticString) throws(NNKitError) {
  let addressSpace: Int64 = 1 << 47
  guard tensor.byte_offset < UInt64(addressSpace) else {
    throw NNKitError(.shape, "\(what): the tensor's byte_offset is \(tensor.byte_offset); expected less than 2^47")
  }
  guard let shape = tensor.shape else { return }
  let limit = UInt64(addressSpace / elementBytes)
  // From the last axis to the first: a dense axis strides over all that are behind it.
  var dense: Int64 = 1
  var reach: UInt64 = 0
  for axis in (0..<Int(tensor.ndim)).reversed() {
    let stride = tensor.strides?[axis] ?? dense
    let (elements, overflow) = stride.multipliedReportingOverflow(by: shape[axis] - 1)
    reach = min(reach, limit) + min(elements.magnitude, limit)
    guard !overflow, reach < limit else {
      throw NNKitError(
        .shape,
        "\(what): the stride \(stride) of axis \(axis) with \(shape[axis]) places leads out of memory; "
          + "strides count elements")
    }
    dense &*= shape[axis]
  }
}

private func type(_ type: nnk_tensor.__Unnamed_struct_dtype, _ what: StaticString) throws(NNKitError) -> ArrayType {
  switch (type.code, type.bits, type.lanes) {
  case (2, 32, 1): return .float32
  case (0, 32, 1): return .int32
  case (0, 64, 1): return .int64
  default:
    throw NNKitError(
      .type,
      "\(what): the tensor's type has code \(type.code), \(type.bits) bits and \(type.lanes) lanes; expected "
        + "float32 (2, 32, 1), int32 (0, 32, 1) or int64 (0, 64, 1)")
  }
}

nonisolated(unsafe) private let noSizes: UnsafeMutablePointer<Int64> = {
  let sizes = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
  sizes.pointee = 0
  return sizes
}()

/// The sizes of a shape. Throws: `.invalidArgument` for NULL, `.shape` for a rank out of range.
func requireShape(_ shape: UnsafePointer<Int64>?, _ rank: Int32) throws(NNKitError) -> Shape {
  guard (0...Int32(Shape.maximumRank)).contains(rank) else {
    throw NNKitError(.shape, "the rank is \(rank); expected 0 to \(Shape.maximumRank)")
  }
  guard rank == 0 || shape != nil else {
    throw NNKitError(.invalidArgument, "shape is NULL; expected \(rank) sizes")
  }
  return Shape((0..<Int(rank)).map { Int(shape![$0]) })
}
