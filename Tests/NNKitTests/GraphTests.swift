import NNKit
import Testing

@Suite struct GraphTests {
  private func shape(_ kind: String, _ options: String, _ input: Shape, _ type: DataType = .float32) throws -> Shape {
    var graph = Graph()
    let value = graph.layer(kind, options, graph.input("x", input, type))
    if let error = graph.firstError { throw error }
    return try graph.type(of: value).shape
  }

  private func error(_ kind: String, _ options: String, _ input: Shape, _ type: DataType = .float32) -> NNKitError? {
    var graph = Graph()
    graph.layer(kind, options, graph.input("x", input, type))
    return graph.firstError
  }

  @Test func shapesAreInferred() throws {
    #expect(try shape("conv2d", "filters=5 kernel=3", [9, 8, 2]) == [7, 6, 5])
    #expect(try shape("conv2d", "filters=5 kernel=3,2 stride=2 padding=same", [9, 8, 2]) == [5, 4, 5])
    #expect(try shape("conv2d", "filters=1 kernel=3 dilation=2 padding=2,1,0,3", [5, 5, 1]) == [4, 4, 1])
    #expect(try shape("maxpool2d", "", [9, 8, 2]) == [4, 4, 2])
    #expect(try shape("avgpool2d", "size=3 stride=1 padding=1", [9, 8, 2]) == [9, 8, 2])
    #expect(try shape("flatten", "", [9, 8, 2]) == [144])
    #expect(try shape("dense", "units=3", [Shape.open, 8]) == [Shape.open, 3])
    #expect(try shape("embedding", "vocabulary=10 units=4", [Shape.open], .int32) == [Shape.open, 4])
    #expect(try shape("lstm", "units=6", [Shape.open, 8]) == [6])
    #expect(try shape("lstm", "units=6 return_sequences=true", [Shape.open, 8]) == [Shape.open, 6])
  }

  @Test func anUnknownLayerSuggestsTheNearestName() {
    let message = error("conv2", "", [4, 4, 1])?.message ?? ""
    #expect(message.contains("did you mean conv2d?"), "\(message)")
  }

  @Test func anUnknownOptionSuggestsTheNearestName() {
    let message = error("conv2d", "filter=3 kernel=3", [4, 4, 1])?.message ?? ""
    #expect(message.contains("\"filter\"") && message.contains("did you mean filters?"), "\(message)")
  }

  @Test(arguments: [
    "filters=0 kernel=3", "filters=-1 kernel=3", "filters=2147483648 kernel=3", "filters=9223372036854775808 kernel=3",
    "filters=1 kernel=0", "filters=1 kernel=3 stride=0", "filters=1 kernel=3 dilation=-2", "filters=1", "kernel=3",
    "filters=1 kernel=3,3,3", "filters=1 kernel=3 padding=wide", "filters=1 kernel=3 padding=1,2,3",
    "filters=1 kernel=3 bias=maybe", "filters=1 kernel=3 kernel=3", "filters=1 kernel=3 activation=rel", "=", "filters",
    "filters=1 kernel=5", "filters=1 kernel=3 dilation=16777216", "filters=16777216 kernel=16777216 padding=16777216",
  ])
  func badConvolutionOptionsAreErrors(options: String) {
    let error = error("conv2d", options, [4, 4, 1])
    #expect(error != nil)
    #expect(error?.message.contains("conv2d") == true, "\(error?.message ?? "")")
  }

  @Test func sizesThatOverflowAreErrors() {
    #expect(error("flatten", "", [1 << 32, 1 << 32, 4])?.code == .shape)
    #expect(error("dense", "units=16777216", [1 << 32])?.code == .shape)
    #expect(error("maxpool2d", "size=3 padding=3", [8, 8, 1])?.code == .shape)
    #expect(error("flatten", "", [0, 4])?.code == .shape)
    #expect(error("flatten", "", [-2, 4])?.code == .shape)
  }

  @Test func theFirstErrorStaysAndTheModelReportsIt() {
    var graph = Graph()
    let x = graph.input("x", [4])
    let y = graph.layer("dense", "units=oops", x)
    graph.layer("nonsense", "", y)
    graph.output("y", y)
    let first = graph.firstError
    #expect(first?.message.contains("units=oops") == true)
    let thrown = #expect(throws: NNKitError.self) { try Model(graph) }
    #expect(thrown == first)
  }

  @Test func namesAreUniqueAndDefaultNamesCount() throws {
    var graph = Graph()
    var x = graph.input("x", [4])
    for _ in 0..<3 { x = graph.layer("dense", "units=4", x) }
    graph.output("y", x)
    let model = try Model(graph)
    #expect(
      model.parameterNames.filter { $0.hasSuffix("kernel") } == ["dense/kernel", "dense_1/kernel", "dense_2/kernel"])
    graph.layer("dense", "units=4 name=dense_1", x)
    #expect(graph.firstError?.message.contains("dense_1") == true)
  }

  @Test func integersGoToEmbeddingsOnly() {
    #expect(error("dense", "units=3", [4], .int32)?.code == .type)
    #expect(error("embedding", "vocabulary=4 units=3", [4], .float32)?.code == .type)
  }

  @Test func theCatalogListsEveryLayerAndOption() {
    for definition in LayerCatalog.definitions {
      #expect(Catalog.json.contains("\"kind\":\"\(definition.kind)\""))
      for option in definition.options { #expect(Catalog.json.contains("\"name\":\"\(option.name)\"")) }
    }
  }

  /// Hosts cannot give longer arrays.
  @Test func moreInputsOrOutputsThanACallTakesAreRefusedWhereTheyAreAdded() {
    var graph = Graph()
    for index in 0..<4096 { graph.input("x\(index)", [1]) }
    for index in 0..<4096 { graph.output("y\(index)", Value(index: index)) }
    #expect(graph.firstError == nil)
    var more = graph
    more.input("x", [1])
    #expect(more.firstError?.message.contains("4096 inputs already") == true)
    graph.output("y", Value(index: 0))
    #expect(graph.firstError?.message.contains("4096 outputs already") == true)
  }
}
