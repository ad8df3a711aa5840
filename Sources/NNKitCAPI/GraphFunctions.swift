import CNNKit
import NNKit

/// A call on a graph that cannot report a status of its own: it becomes the last error, and the value is invalid.
private func value(of function: StaticString, _ body: () throws(NNKitError) -> nnk_value) -> nnk_value {
  var value: nnk_value = -1
  _ = status(of: function) { () throws(NNKitError) in value = try body() }
  return value
}

extension GraphBox {
  /// Changes the graph. Throws the graph's first error, whether this change made it or an earlier one.
  func change<Result>(_ body: (inout Graph) -> Result) throws(NNKitError) -> Result {
    let (result, error) = withGraph { graph in
      let result = body(&graph)
      do throws(NNKitError) { try checkMemory() } catch { graph.remember(error) }
      return (result, graph.firstError)
    }
    if let error { throw error }
    return result
  }
}

@_cdecl("nnk_graph_create") @implementation
public func nnk_graph_create() -> OpaquePointer! {
  var handle: OpaquePointer?
  _ = status(of: "nnk_graph_create") { () throws(NNKitError) in handle = try HandleTable.add(GraphBox()) }
  return handle
}

@_cdecl("nnk_graph_destroy") @implementation
public func nnk_graph_destroy(_ graph: OpaquePointer!) { call { HandleTable.remove(graph, .graph) } }

@_cdecl("nnk_graph_input") @implementation
public func nnk_graph_input(
  _ graph: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ dtype: nnk_dtype, _ shape: UnsafePointer<Int64>!,
  _ rank: Int32
) -> nnk_value {
  value(of: "nnk_graph_input") { () throws(NNKitError) -> nnk_value in
    let box: GraphBox = try HandleTable.get(graph)
    let checked = Checked { () throws(NNKitError) -> (String, Shape, DataType) in
      let name = try requireText(name, "the input's name")
      guard dtype == 1 || dtype == 2 else {
        throw NNKitError(
          .type, "input \"\(excerpt(name))\" has the dtype \(dtype); expected NNK_FLOAT32 (1) or NNK_INT32 (2)")
      }
      return (name, try requireShape(shape, rank), dtype == 1 ? .float32 : .int32)
    }
    return try box.change { graph in
      switch checked {
      case .success(let (name, shape, type)): nnk_value(truncatingIfNeeded: graph.input(name, shape, type).index)
      case .failure(let error): graph.fail(error)
      }
    }
  }
}

@_cdecl("nnk_graph_layer") @implementation
public func nnk_graph_layer(
  _ graph: OpaquePointer!, _ kind: UnsafePointer<CChar>!, _ options: UnsafePointer<CChar>!, _ input: nnk_value
) -> nnk_value {
  value(of: "nnk_graph_layer") { () throws(NNKitError) -> nnk_value in
    let box: GraphBox = try HandleTable.get(graph)
    let checked = Checked { () throws(NNKitError) -> (String, String) in
      (try requireText(kind, "the layer's kind"), try optionText(options))
    }
    return try box.change { graph in
      switch checked {
      case .success(let (kind, options)):
        nnk_value(truncatingIfNeeded: graph.layer(kind, options, Value(index: Int(input))).index)
      case .failure(let error): graph.fail(error)
      }
    }
  }
}

@_cdecl("nnk_graph_layer_multi") @implementation
public func nnk_graph_layer_multi(
  _ graph: OpaquePointer!, _ kind: UnsafePointer<CChar>!, _ options: UnsafePointer<CChar>!,
  _ inputs: UnsafePointer<nnk_value>!, _ n_inputs: Int32, _ outputs: UnsafeMutablePointer<nnk_value>!,
  _ n_outputs: Int32
) -> nnk_status {
  status(of: "nnk_graph_layer_multi") { () throws(NNKitError) in
    let box: GraphBox = try HandleTable.get(graph)
    let checked = Checked { () throws(NNKitError) -> (String, String, [Value]) in
      let inputs = try requireArray(inputs, n_inputs, "inputs")
      _ = try requireArray(UnsafePointer(outputs), n_outputs, "outputs")
      return (try requireText(kind, "the layer's kind"), try optionText(options), inputs.map { Value(index: Int($0)) })
    }
    let values = try box.change { graph -> [Value] in
      switch checked {
      case .success(let (kind, options, inputs)):
        if let definition = LayerCatalog.definition(of: kind), let count = definition.outputCount(options),
          count != Int(n_outputs)
        {
          graph.fail(
            NNKitError(.invalidArgument, "layer \(kind) has \(count) outputs here; there is room for \(n_outputs)"))
        }
        return graph.layer(kind, options, inputs) ?? []
      case .failure(let error):
        graph.fail(error)
        return []
      }
    }
    for (index, value) in values.enumerated() { outputs[index] = nnk_value(truncatingIfNeeded: value.index) }
  }
}

@_cdecl("nnk_graph_output") @implementation
public func nnk_graph_output(
  _ graph: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: nnk_value
) -> nnk_status {
  status(of: "nnk_graph_output") { () throws(NNKitError) in
    let box: GraphBox = try HandleTable.get(graph)
    let checked = Checked { () throws(NNKitError) -> String in try requireText(name, "the output's name") }
    try box.change { graph in
      switch checked {
      case .success(let name): graph.output(name, Value(index: Int(value)))
      case .failure(let error): graph.fail(error)
      }
    }
  }
}

@_cdecl("nnk_graph_shape") @implementation
public func nnk_graph_shape(
  _ graph: OpaquePointer!, _ value: nnk_value, _ shape: UnsafeMutablePointer<Int64>!,
  _ rank: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_graph_shape") { () throws(NNKitError) in
    let box: GraphBox = try HandleTable.get(graph)
    let rank = try requireOutput(rank, "rank")
    let graph = try box.change { $0 }
    try write(try graph.type(of: Value(index: Int(value))).shape.sizes, of: "the value", shape, rank)
  }
}

/// What checking arguments gave. A graph remembers a failure as its first error, as it does those of its own.
private typealias Checked<Success> = Result<Success, NNKitError>

extension Result where Failure == NNKitError {
  fileprivate init(_ body: () throws(NNKitError) -> Success) {
    do throws(NNKitError) {
      self = .success(try body())
    } catch {
      self = .failure(error)
    }
  }
}

extension Graph {
  /// Makes `error` the graph's first error, unless it has one; returns an invalid value.
  @discardableResult
  fileprivate mutating func fail(_ error: NNKitError) -> nnk_value {
    remember(error)
    return -1
  }
}
