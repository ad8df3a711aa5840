import CNNKit
import CNNKitBoundary
import NNKit

@_cdecl("nnk_model_create") @implementation
public func nnk_model_create(
  _ runtimeHandle: OpaquePointer!, _ graph: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_model_create") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let box: GraphBox = try HandleTable.get(graph)
    let runtime = try runtime(runtimeHandle)
    let options = try Options(try optionText(options), Model.options, owner: "the model")
    let model = try Model(box.withGraph { $0 }, seed: UInt64(options.int("seed")), runtime: runtime)
    out.pointee = try HandleTable.add(model)
  }
}

@_cdecl("nnk_model_destroy") @implementation
public func nnk_model_destroy(_ model: OpaquePointer!) { call { HandleTable.remove(model, .model) } }

@_cdecl("nnk_model_save") @implementation
public func nnk_model_save(_ handle: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> nnk_status {
  status(of: "nnk_model_save") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    try model.save(to: try requireText(path, "path"))
  }
}

@_cdecl("nnk_model_load") @implementation
public func nnk_model_load(
  _ runtimeHandle: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_model_load") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let path = try requireText(path, "path")
    out.pointee = try HandleTable.add(try Model(contentsOf: path, runtime: try runtime(runtimeHandle)))
  }
}

@_cdecl("nnk_model_write") @implementation
public func nnk_model_write(
  _ handle: OpaquePointer!, _ writer: nnk_writer?, _ user: UnsafeMutableRawPointer!
) -> nnk_status {
  status(of: "nnk_model_write") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    try model.write(try requireWriter(writer, user))
  }
}

@_cdecl("nnk_model_read") @implementation
public func nnk_model_read(
  _ runtimeHandle: OpaquePointer!, _ bytes: UnsafeRawPointer!, _ count: Int64,
  _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_model_read") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let bytes = try requireBytes(bytes, count)
    out.pointee = try HandleTable.add(try Model(data: bytes, runtime: try runtime(runtimeHandle)))
  }
}

@_cdecl("nnk_model_info_json") @implementation
public func nnk_model_info_json(
  _ handle: OpaquePointer!, _ out: UnsafeMutablePointer<UnsafePointer<CChar>?>!
) -> nnk_status {
  status(of: "nnk_model_info_json") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let model: Model = try HandleTable.get(handle)
    out.pointee = try nnkit_text_model_info.set(ModelInfo(model).json)
  }
}

@_cdecl("nnk_model_parameters_view") @implementation
public func nnk_model_parameters_view(_ handle: OpaquePointer!, _ out: UnsafeMutablePointer<nnk_tensor>!) -> nnk_status
{
  status(of: "nnk_model_parameters_view") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let model: Model = try HandleTable.get(handle)
    out.pointee = nnk_tensor_view(model.arena.floats, 1, model.flatShape, 1)
  }
}

@_cdecl("nnk_model_parameters_changed") @implementation
public func nnk_model_parameters_changed(_ handle: OpaquePointer!) -> nnk_status {
  status(of: "nnk_model_parameters_changed") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    model.arena.markChanged()
  }
}
