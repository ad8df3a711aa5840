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
  /// Its input is named "input" and its output "output". `shape` is that of one sample, without the batch; a size of
  /// `Shape.open` is a time dimension left open.
  ///
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
