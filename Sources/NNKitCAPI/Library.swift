import CNNKit
import NNKit

@_cdecl("nnk_version") @implementation
public func nnk_version() -> UnsafePointer<CChar>! { versionPointer }

@_cdecl("nnk_abi_version") @implementation
public func nnk_abi_version() -> UInt32 { UInt32(NNK_ABI_VERSION) }

@_cdecl("nnk_status_name") @implementation
public func nnk_status_name(_ status: nnk_status) -> UnsafePointer<CChar>! {
  statusNames.indices.contains(Int(status)) ? statusNames[Int(status)] : unknownStatus
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
public func nnk_catalog_json() -> UnsafePointer<CChar>! { catalogPointer }

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
public func nnk_runtime_destroy(_ runtime: OpaquePointer!) { HandleTable.remove(runtime, .runtime) }

@_cdecl("nnk_runtime_info_json") @implementation
public func nnk_runtime_info_json(
  _ handle: OpaquePointer!, _ out: UnsafeMutablePointer<UnsafePointer<CChar>?>!
) -> nnk_status {
  status(of: "nnk_runtime_info_json") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let runtime = try runtime(handle)
    out.pointee = runtimeInfo.set(
      #"{"isa":"\#(runtime.instructionSet)","threads":\#(runtime.threads),"version":"\#(version)"}"#)
  }
}

@_cdecl("nnk_shutdown") @implementation
public func nnk_shutdown() { Runtime.shutDown() }

private let version = "\(NNK_VERSION_MAJOR).\(NNK_VERSION_MINOR).\(NNK_VERSION_PATCH)"
nonisolated(unsafe) private let versionPointer = permanentString(version)
nonisolated(unsafe) private let catalogPointer = permanentString(Catalog.json)
nonisolated(unsafe) private let unknownStatus = permanentString("unknown status")
nonisolated(unsafe) private let statusNames = [
  "NNK_OK", "NNK_ERROR_INVALID_ARGUMENT", "NNK_ERROR_INVALID_HANDLE", "NNK_ERROR_SHAPE", "NNK_ERROR_TYPE",
  "NNK_ERROR_OUT_OF_MEMORY", "NNK_ERROR_IO", "NNK_ERROR_FORMAT", "NNK_ERROR_NUMERIC", "NNK_ERROR_BUSY",
  "NNK_ERROR_UNSUPPORTED", "NNK_ERROR_INTERNAL",
].map { permanentString($0) }
private let runtimeInfo = ThreadString()
