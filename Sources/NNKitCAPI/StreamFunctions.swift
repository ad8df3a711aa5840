import CNNKit
import NNKit

@_cdecl("nnk_stream_create") @implementation
public func nnk_stream_create(
  _ model: OpaquePointer!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_stream_create") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    out.pointee = try HandleTable.add(try RecurrentStream(try HandleTable.get(model)))
  }
}

@_cdecl("nnk_stream_destroy") @implementation
public func nnk_stream_destroy(_ stream: OpaquePointer!) { call { HandleTable.remove(stream, .stream) } }

@_cdecl("nnk_stream_reset") @implementation
public func nnk_stream_reset(_ handle: OpaquePointer!) -> nnk_status {
  status(of: "nnk_stream_reset") { () throws(NNKitError) in
    let stream: RecurrentStream = try HandleTable.get(handle)
    try stream.reset()
  }
}

@_cdecl("nnk_streams_step") @implementation
public func nnk_streams_step(
  _ handle: OpaquePointer!, _ streams: UnsafePointer<OpaquePointer?>!, _ n: Int32,
  _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32, _ outputs: UnsafeMutablePointer<nnk_tensor>!,
  _ n_outputs: Int32
) -> nnk_status {
  status(of: "nnk_streams_step") { () throws(NNKitError) in
    let session: Session = try HandleTable.get(handle)
    guard n >= 1 else { throw NNKitError(.invalidArgument, "n is \(n); expected at least one stream") }
    guard let streams else { throw NNKitError(.invalidArgument, "streams is NULL; expected an array of \(n)") }
    let inputs = try requireArray(inputs, n_inputs, "inputs")
    let outputs = try requireArray(UnsafePointer(outputs), n_outputs, "outputs")
    try session.step(
      streamCount: Int(n), { (index) throws(NNKitError) in try HandleTable.get(streams[index]) },
      inputCount: inputs.count, { (index) throws(NNKitError) in try view(inputs[index], "inputs") },
      outputCount: outputs.count, { (index) throws(NNKitError) in try view(outputs[index], "outputs") })
  }
}
