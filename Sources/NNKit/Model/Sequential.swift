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
    let (inputCount, outputCount) = (try inputShape.count(), try outputShape.count())
    guard !samples.isEmpty, samples.count % inputCount == 0 else {
      throw NNKitError(
        .shape,
        "there are \(samples.count) numbers; expected a multiple of \(inputCount), the size of a sample \(inputShape)")
    }
    let batch = samples.count / inputCount
    var samples = samples
    var results = Array(repeating: Float(0), count: batch * outputCount)
    let inputSizes = ([batch] + inputShape.sizes).map { Int64($0) }
    let outputSizes = ([batch] + outputShape.sizes).map { Int64($0) }
    try samples.withUnsafeMutableBufferPointer { (samples) throws(NNKitError) in
      try results.withUnsafeMutableBufferPointer { (results) throws(NNKitError) in
        try inputSizes.withUnsafeBufferPointer { (inputSizes) throws(NNKitError) in
          try outputSizes.withUnsafeBufferPointer { (outputSizes) throws(NNKitError) in
            guard let source = samples.baseAddress, let target = results.baseAddress,
              let inputShape = inputSizes.baseAddress, let outputShape = outputSizes.baseAddress
            else { return }
            let input = TensorView(
              data: source, type: .float32, rank: inputSizes.count, shape: inputShape, strides: nil)
            let output = TensorView(
              data: target, type: .float32, rank: outputSizes.count, shape: outputShape, strides: nil)
            try run(
              inputCount: 1, { (_) throws(NNKitError) in input }, outputCount: 1, { (_) throws(NNKitError) in output })
          }
        }
      }
    }
    return results
  }
}
