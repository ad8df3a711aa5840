/// Collects the layers of a sequential model, as Swift programs list them.
@resultBuilder
public enum LayerBuilder {
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  public static func buildBlock(_ layers: [any Layer]...) -> [any Layer] { layers.flatMap { $0 } }
  public static func buildOptional(_ layers: [any Layer]?) -> [any Layer] { layers ?? [] }
  public static func buildEither(first layers: [any Layer]) -> [any Layer] { layers }
  public static func buildEither(second layers: [any Layer]) -> [any Layer] { layers }
  public static func buildArray(_ layers: [[any Layer]]) -> [any Layer] { layers.flatMap { $0 } }
}

extension Model {
  /// A model whose layers follow one another:
  ///
  ///     let model = try Model(input: [28, 28, 1], seed: 7) {
  ///       Conv2D(filters: 32, kernel: 3, padding: .same, activation: .relu)
  ///       MaxPool2D(size: 2)
  ///       Flatten()
  ///       Dense(units: 10)
  ///     }
  ///
  /// Its input is named "input" and its output "output".
  /// Throws: as `init(_:seed:runtime:)`.
  public convenience init(
    input shape: Shape, _ dataType: DataType = .float32, seed: UInt64 = 0, runtime: Runtime? = nil,
    @LayerBuilder layers: () -> [any Layer]
  ) throws(NNKitError) {
    var graph = Graph()
    var value = graph.input("input", shape, dataType)
    for layer in layers() { value = graph.layer(layer, value) }
    graph.output("output", value)
    try self.init(graph, seed: seed, runtime: runtime)
  }
}

extension Session {
  /// Runs a model with one float32 input and one output on `samples`, dense `[N, ...]`, and returns `[N, ...]`.
  ///
  /// Throws: `.shape` where the number of elements is no multiple of a sample's; otherwise as the C interface's
  /// `nnk_session_run`.
  public func predict(_ samples: [Float]) throws(NNKitError) -> [Float] {
    guard model.inputTypes.count == 1, model.outputTypes.count == 1, !model.inputTypes[0].shape.isOpen else {
      throw NNKitError(.unsupported, "predict takes models with one input of known shape and one output")
    }
    let (inputShape, outputShape) = (model.inputTypes[0].shape, model.outputTypes[0].shape)
    let inputCount = try inputShape.count()
    guard !samples.isEmpty, samples.count % inputCount == 0 else {
      throw NNKitError(
        .shape,
        "there are \(samples.count) numbers; expected a multiple of \(inputCount), the size of a sample \(inputShape)")
    }
    return try withViews(of: samples, samples.count / inputCount, inputShape, outputShape) {
      (input, output) throws(NNKitError) in
      try run(inputCount: 1, { (_) throws(NNKitError) in input }, outputCount: 1, { (_) throws(NNKitError) in output })
    }
  }

  /// Advances streams of a model with one float32 input and one output by one time step: `samples` is `[n, ...]` without
  /// time, dense, and so is the result.
  ///
  /// Throws: `.shape` where there are not as many numbers as the streams need; otherwise as the C interface's
  /// `nnk_streams_step`.
  public func step(_ streams: [RecurrentStream], _ samples: [Float]) throws(NNKitError) -> [Float] {
    guard let shapes = streams.first?.shapes, shapes.inputs.count == 1, shapes.outputs.count == 1 else {
      throw NNKitError(.unsupported, "step takes at least one stream, of a model with one input and one output")
    }
    let (inputShape, outputShape) = (shapes.inputs[0].shape, shapes.outputs[0].shape)
    let count = try inputShape.count()
    guard samples.count == streams.count * count else {
      throw NNKitError(
        .shape, "there are \(samples.count) numbers; expected \(streams.count) time steps of \(inputShape)")
    }
    return try withViews(of: samples, streams.count, inputShape, outputShape) { (input, output) throws(NNKitError) in
      try step(
        streamCount: streams.count, { (index) throws(NNKitError) in streams[index] }, inputCount: 1,
        { (_) throws(NNKitError) in input }, outputCount: 1, { (_) throws(NNKitError) in output })
    }
  }

  /// Calls `body` with views of `samples`, `batch` of `inputShape`, and of room for the results, which it returns.
  private func withViews(
    of samples: [Float], _ batch: Int, _ inputShape: Shape, _ outputShape: Shape,
    _ body: (_ input: TensorView, _ output: TensorView) throws(NNKitError) -> Void
  ) throws(NNKitError) -> [Float] {
    var samples = samples
    var results = Array(repeating: Float(0), count: batch * (try outputShape.count()))
    let inputSizes = ([batch] + inputShape.sizes).map { Int64($0) }
    let outputSizes = ([batch] + outputShape.sizes).map { Int64($0) }
    try samples.withUnsafeMutableBufferPointer { (samples) throws(NNKitError) in
      try results.withUnsafeMutableBufferPointer { (results) throws(NNKitError) in
        try inputSizes.withUnsafeBufferPointer { (inputSizes) throws(NNKitError) in
          try outputSizes.withUnsafeBufferPointer { (outputSizes) throws(NNKitError) in
            guard let source = samples.baseAddress, let target = results.baseAddress,
              let inputShape = inputSizes.baseAddress, let outputShape = outputSizes.baseAddress
            else { return }
            try body(
              TensorView(data: source, type: .float32, rank: inputSizes.count, shape: inputShape, strides: nil),
              TensorView(data: target, type: .float32, rank: outputSizes.count, shape: outputShape, strides: nil))
          }
        }
      }
    }
    return results
  }
}
