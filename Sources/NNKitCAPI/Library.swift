import CNNKit
import CNNKitBoundary
import NNKit

@_cdecl("nnk_version") @implementation
public func nnk_version() -> UnsafePointer<CChar>! { nnkit_boundary_version() }

@_cdecl("nnk_abi_version") @implementation
public func nnk_abi_version() -> UInt32 { UInt32(NNK_ABI_VERSION) }

@_cdecl("nnk_status_name") @implementation
public func nnk_status_name(_ status: nnk_status) -> UnsafePointer<CChar>! {
  switch status {
  case 0: constantText("NNK_OK")
  case 1: constantText("NNK_ERROR_INVALID_ARGUMENT")
  case 2: constantText("NNK_ERROR_INVALID_HANDLE")
  case 3: constantText("NNK_ERROR_SHAPE")
  case 4: constantText("NNK_ERROR_TYPE")
  case 5: constantText("NNK_ERROR_OUT_OF_MEMORY")
  case 6: constantText("NNK_ERROR_IO")
  case 7: constantText("NNK_ERROR_FORMAT")
  case 8: constantText("NNK_ERROR_NUMERIC")
  case 9: constantText("NNK_ERROR_BUSY")
  case 10: constantText("NNK_ERROR_UNSUPPORTED")
  case 11: constantText("NNK_ERROR_INTERNAL")
  case 12: constantText("NNK_ERROR_CANCELLED")
  default: constantText("unknown status")
  }
}

@_cdecl("nnk_last_error") @implementation
public func nnk_last_error() -> UnsafePointer<CChar>! { LastError.pointer }

@_cdecl("nnk_tensor_view") @implementation
public func nnk_tensor_view(
  _ data: UnsafeMutableRawPointer!, _ dtype: nnk_dtype, _ shape: UnsafePointer<Int64>!, _ rank: Int32
) -> nnk_tensor {
  var tensor = nnk_tensor()
  tensor.data = data
  tensor.device.device_type = 1
  tensor.ndim = rank
  // Any other number stays a type that no function takes, and is reported there.
  let isKnown = (1...3).contains(dtype)
  tensor.dtype.code = dtype == 1 ? 2 : 0
  tensor.dtype.bits = isKnown ? (dtype == 3 ? 64 : 32) : 0
  tensor.dtype.lanes = 1
  tensor.shape = UnsafeMutablePointer(mutating: shape)
  return tensor
}

@_cdecl("nnk_catalog_json") @implementation
public func nnk_catalog_json() -> UnsafePointer<CChar>! {
  var text: UnsafePointer<CChar>?
  _ = status(of: "nnk_catalog_json") { () throws(NNKitError) in text = try PermanentText.catalog() }
  return text
}

@_cdecl("nnk_runtime_create") @implementation
public func nnk_runtime_create(
  _ options: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_runtime_create") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let options = try Options(try optionText(options), Runtime.options, owner: "the runtime")
    out.pointee = try HandleTable.add(try Runtime(threads: options.int("threads")))
  }
}

@_cdecl("nnk_runtime_destroy") @implementation
public func nnk_runtime_destroy(_ runtime: OpaquePointer!) { call { HandleTable.remove(runtime, .runtime) } }

@_cdecl("nnk_runtime_info_json") @implementation
public func nnk_runtime_info_json(
  _ handle: OpaquePointer!, _ out: UnsafeMutablePointer<UnsafePointer<CChar>?>!
) -> nnk_status {
  status(of: "nnk_runtime_info_json") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let runtime = try runtime(handle)
    let version = String(cString: nnkit_boundary_version())
    out.pointee = try nnkit_text_runtime_info.set(
      #"{"isa":"\#(runtime.instructionSet)","threads":\#(runtime.threads),"version":"\#(version)"}"#)
  }
}

@_cdecl("nnk_shutdown") @implementation
public func nnk_shutdown() { call { Runtime.shutDown() } }

private enum PermanentText {
  nonisolated(unsafe) private static var madeCatalog: UnsafePointer<CChar>?

  /// The catalog, made at the first call that has the memory. Throws: `.outOfMemory`.
  static func catalog() throws(NNKitError) -> UnsafePointer<CChar> {
    if let made = GlobalLock.withLock({ madeCatalog }) { return made }
    let json = Catalog.json
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: json.utf8.count + 1)
    for (index, byte) in json.utf8.enumerated() { text[index] = CChar(bitPattern: byte) }
    text[json.utf8.count] = 0
    do throws(NNKitError) {
      try checkMemory()
    } catch {
      text.deallocate()
      throw error
    }
    let kept = GlobalLock.withLock { () -> UnsafePointer<CChar> in
      let kept = madeCatalog ?? UnsafePointer(text)
      madeCatalog = kept
      return kept
    }
    if kept != UnsafePointer(text) { text.deallocate() }
    return kept
  }
}
