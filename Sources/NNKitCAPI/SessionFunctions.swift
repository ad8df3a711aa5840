import CNNKit
import NNKit

@_cdecl("nnk_session_create") @implementation
public func nnk_session_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_session_create") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let model: Model = try HandleTable.get(model)
    let options = try Options(try optionText(options), Session.options, owner: "the session")
    out.pointee = try HandleTable.add(try Session(model, options))
  }
}

@_cdecl("nnk_session_destroy") @implementation
public func nnk_session_destroy(_ session: OpaquePointer!) { call { HandleTable.remove(session, .session) } }

@_cdecl("nnk_session_run") @implementation
public func nnk_session_run(
  _ handle: OpaquePointer!, _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32,
  _ outputs: UnsafeMutablePointer<nnk_tensor>!, _ n_outputs: Int32
) -> nnk_status {
  status(of: "nnk_session_run") { () throws(NNKitError) in
    let session: Session = try HandleTable.get(handle)
    let inputs = try requireArray(inputs, n_inputs, "inputs")
    let outputs = try requireArray(UnsafePointer(outputs), n_outputs, "outputs")
    try session.run(
      inputCount: inputs.count, { (index) throws(NNKitError) in try view(inputs[index], "inputs") },
      outputCount: outputs.count, { (index) throws(NNKitError) in try view(outputs[index], "outputs") })
  }
}

@_cdecl("nnk_session_cancel") @implementation
public func nnk_session_cancel(_ handle: OpaquePointer!) -> nnk_status {
  status(of: "nnk_session_cancel") { () throws(NNKitError) in
    let session: Session = try HandleTable.get(handle)
    session.cancel()
  }
}

@_cdecl("nnk_session_bytes") @implementation
public func nnk_session_bytes(
  _ model: OpaquePointer!, _ options: UnsafePointer<CChar>!, _ bytes: UnsafeMutablePointer<Int64>!
) -> nnk_status {
  status(of: "nnk_session_bytes") { () throws(NNKitError) in
    let bytes = try requireOutput(bytes, "bytes")
    let model: Model = try HandleTable.get(model)
    let options = try Options(try optionText(options), Session.options, owner: "the session")
    bytes.pointee = Int64(
      try Session.bytes(model, maximumBatch: options.int("max_batch"), maximumTime: options.int("max_time")))
  }
}
