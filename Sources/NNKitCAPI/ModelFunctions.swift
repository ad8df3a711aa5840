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
    try model.save(to: try requireText(path, "the path"))
  }
}

@_cdecl("nnk_model_load") @implementation
public func nnk_model_load(
  _ runtimeHandle: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_model_load") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let path = try requireText(path, "the path")
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

@_cdecl("nnk_model_counts") @implementation
public func nnk_model_counts(
  _ handle: OpaquePointer!, _ n_inputs: UnsafeMutablePointer<Int32>!, _ n_outputs: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_model_counts") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    n_inputs?.pointee = Int32(model.graph.inputs.count)
    n_outputs?.pointee = Int32(model.graph.outputs.count)
  }
}

@_cdecl("nnk_model_input") @implementation
public func nnk_model_input(
  _ handle: OpaquePointer!, _ index: Int32, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>!,
  _ dtype: UnsafeMutablePointer<nnk_dtype>!, _ shape: UnsafeMutablePointer<Int64>!, _ rank: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_model_input") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    try describe("input", index, model.inputTypes, model.inputNames, name, dtype, shape, rank)
  }
}

@_cdecl("nnk_model_output") @implementation
public func nnk_model_output(
  _ handle: OpaquePointer!, _ index: Int32, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>!,
  _ dtype: UnsafeMutablePointer<nnk_dtype>!, _ shape: UnsafeMutablePointer<Int64>!, _ rank: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_model_output") { () throws(NNKitError) in
    let model: Model = try HandleTable.get(handle)
    try describe("output", index, model.outputTypes, model.outputNames, name, dtype, shape, rank)
  }
}

/// Writes what is asked for of an input or output, or nothing. Throws: `.invalidArgument` where there is no such one, or
/// too little room.
private func describe(
  _ what: StaticString, _ index: Int32, _ types: [ValueType], _ names: CStrings,
  _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>?, _ dtype: UnsafeMutablePointer<nnk_dtype>?,
  _ shape: UnsafeMutablePointer<Int64>?, _ rank: UnsafeMutablePointer<Int32>?
) throws(NNKitError) {
  guard types.indices.contains(Int(index)) else {
    throw NNKitError(
      .invalidArgument,
      "there is no \(what) \(index); the model has \(types.count) \(what)\(types.count == 1 ? "" : "s"), counted from 0"
    )
  }
  let type = types[Int(index)]
  guard shape == nil || rank != nil else {
    throw NNKitError(.invalidArgument, "rank is NULL; expected how many sizes shape has room for")
  }
  if let rank {
    if shape == nil {
      rank.pointee = Int32(type.shape.rank)
    } else {
      try write(type.shape.sizes, of: "the tensor", shape, rank)
    }
  }
  name?.pointee = names[Int(index)]
  dtype?.pointee = type.dataType == .float32 ? nnk_dtype(1) : nnk_dtype(2)
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
