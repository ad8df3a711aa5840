import NNKit
import Testing

/// A typed layer, and the options' text that says the same.
struct TypedLayer: Sendable {
  let layer: any Layer
  let options: String
  let inputs: [ValueType]

  init(_ layer: any Layer, _ options: String, _ inputs: ValueType...) {
    (self.layer, self.options, self.inputs) = (layer, options, inputs)
  }

  var kind: String { type(of: layer).kind }
  var words: [String: String] { keysAndValues(options) }

  /// What a graph makes of the typed form, or of other options of the kind.
  func attributes(untyped options: String? = nil) throws -> (name: String, options: String) {
    var graph = Graph()
    let values = inputs.enumerated().map { graph.input("x\($0)", $1.shape, $1.dataType) }
    let outputs = (options.map { graph.layer(kind, $0, values) } ?? graph.outputs(of: layer, values)) ?? []
    for (index, output) in outputs.enumerated() { graph.output("y\(index)", output) }
    let layer = try #require(try Model(graph).info.layers.first)
    return (layer.name, layer.options)
  }
}

private let image = ValueType(.float32, [12, 10, 4])
private let sequence = ValueType(.float32, [6, 5])
private let vector = ValueType(.float32, [5])

/// Of each kind: all options left out that may be, and all of them set, in every way that Swift has.
private let layers: [TypedLayer] = [
  TypedLayer(Conv2D(filters: 8, kernel: 3), "filters=8 kernel=3", image),
  TypedLayer(
    Conv2D(
      filters: 8, kernel: (3, 2), stride: (2, 1), padding: .sides(top: 1, bottom: 2, left: 3, right: 4),
      dilation: (1, 2), groups: 2, bias: false, activation: .relu, kernelInitializer: .heNormal,
      biasInitializer: .ones, winograd: false, name: "c"),
    "filters=8 kernel=3,2 stride=2,1 padding=1,2,3,4 dilation=1,2 groups=2 bias=false activation=relu "
      + "kernel_initializer=he_normal bias_initializer=ones winograd=false name=c", image),
  TypedLayer(
    Conv2D(
      filters: 8, kernel: 3, stride: 2, padding: .same, dilation: 2, groups: 4, bias: false, activation: .hardSwish,
      kernelInitializer: .orthogonal, biasInitializer: .heUniform, winograd: false, name: "d"),
    "filters=8 kernel=3 stride=2 padding=same dilation=2 groups=4 bias=false activation=hard_swish "
      + "kernel_initializer=orthogonal bias_initializer=he_uniform winograd=false name=d", image),
  TypedLayer(MaxPool2D(), "", image),
  TypedLayer(
    MaxPool2D(size: (2, 3), stride: (1, 2), padding: .symmetric(vertical: 1, horizontal: 0), name: "m"),
    "size=2,3 stride=1,2 padding=1,1,0,0 name=m", image),
  TypedLayer(MaxPool2D(size: 3, stride: 1, padding: .all(1)), "size=3 stride=1 padding=1,1,1,1", image),
  TypedLayer(AvgPool2D(), "", image),
  TypedLayer(
    AvgPool2D(size: (2, 3), stride: (1, 2), padding: .same, countPadding: true, name: "a"),
    "size=2,3 stride=1,2 padding=same count_padding=true name=a", image),
  TypedLayer(
    AvgPool2D(size: 3, stride: 1, padding: .same, countPadding: true),
    "size=3 stride=1 padding=same count_padding=true", image),
  TypedLayer(GlobalAvgPool2D(), "", image),
  TypedLayer(GlobalAvgPool2D(name: "g"), "name=g", image),
  TypedLayer(Flatten(), "", image),
  TypedLayer(Flatten(name: "f"), "name=f", image),
  TypedLayer(Dense(units: 3), "units=3", vector),
  TypedLayer(
    Dense(
      units: 3, bias: false, activation: .leakyRelu, kernelInitializer: .heUniform, biasInitializer: .glorotNormal,
      name: "d"),
    "units=3 bias=false activation=leaky_relu kernel_initializer=he_uniform bias_initializer=glorot_normal name=d",
    vector),
  TypedLayer(BatchNorm(), "", image),
  TypedLayer(
    BatchNorm(momentum: 0.75, epsilon: 1e-3, activation: .silu, name: "b"),
    "momentum=0.75 epsilon=1e-3 activation=silu name=b", image),
  TypedLayer(Add(), "", vector, vector),
  TypedLayer(Add(activation: .elu, name: "s"), "activation=elu name=s", vector, vector),
  TypedLayer(Activation(.hardSigmoid), "function=hard_sigmoid", vector),
  TypedLayer(Activation(.gelu, name: "a"), "function=gelu name=a", vector),
  TypedLayer(Softmax(), "", vector),
  TypedLayer(Softmax(name: "s"), "name=s", vector),
  TypedLayer(LogSoftmax(), "", vector),
  TypedLayer(LogSoftmax(name: "l"), "name=l", vector),
  TypedLayer(Dropout(), "", vector),
  TypedLayer(Dropout(rate: 0.25, name: "d"), "rate=0.25 name=d", vector),
  TypedLayer(Embedding(vocabulary: 9, units: 3), "vocabulary=9 units=3", ValueType(.int32, [4])),
  TypedLayer(Embedding(vocabulary: 8, units: 2, name: "e"), "vocabulary=8 units=2 name=e", ValueType(.int32, [4])),
  TypedLayer(LSTM(units: 3), "units=3", sequence),
  TypedLayer(
    LSTM(
      units: 3, returnSequences: true, bias: false, forgetBias: 0.5, kernelInitializer: .glorotNormal,
      recurrentInitializer: .heNormal, winograd: false, name: "l"),
    "units=3 return_sequences=true bias=false forget_bias=0.5 kernel_initializer=glorot_normal "
      + "recurrent_initializer=he_normal winograd=false name=l", sequence),
  TypedLayer(GRU(units: 3), "units=3", sequence),
  TypedLayer(
    GRU(
      units: 3, returnSequences: true, resetAfter: true, bias: false, kernelInitializer: .heUniform,
      recurrentInitializer: .glorotUniform, winograd: false, name: "g"),
    "units=3 return_sequences=true reset_after=true bias=false kernel_initializer=he_uniform "
      + "recurrent_initializer=glorot_uniform winograd=false name=g", sequence),
  TypedLayer(Concat(), "", sequence, sequence),
  TypedLayer(Concat(axis: 0, name: "c"), "axis=0 name=c", sequence, sequence),
  TypedLayer(Split(sizes: [2, 3]), "sizes=2,3", sequence),
  TypedLayer(Split(sizes: [2, 4], axis: 0, name: "s"), "sizes=2,4 axis=0 name=s", sequence),
  TypedLayer(Slice(), "", sequence),
  TypedLayer(Slice(start: 1, stop: -1, axis: 0, name: "s"), "start=1 stop=-1 axis=0 name=s", sequence),
  TypedLayer(Permute(axes: [1, 0]), "axes=1,0", sequence),
  TypedLayer(Permute(axes: [-1, 0], name: "p"), "axes=-1,0 name=p", sequence),
  TypedLayer(Reshape(shape: [-1]), "shape=-1", sequence),
  TypedLayer(Reshape(shape: [3, 10], name: "r"), "shape=3,10 name=r", sequence),
  TypedLayer(Repeat(count: 2), "count=2", vector),
  TypedLayer(Repeat(count: 2, name: "r"), "count=2 name=r", vector),
  TypedLayer(Multiply(), "", sequence, vector),
  TypedLayer(Multiply(name: "m"), "name=m", sequence, vector),
  TypedLayer(Subtract(), "", sequence, vector),
  TypedLayer(Subtract(name: "s"), "name=s", sequence, vector),
]

/// The typed layers have what the catalog lists.
@Suite struct TypedLayerTests {
  @Test func theTypedFormSaysWhatTheTextSays() throws {
    for row in layers {
      let (typed, untyped) = (try row.attributes(), try row.attributes(untyped: row.options))
      #expect(typed == untyped, "\(row.kind) \(row.options)")
    }
  }

  @Test func everyOptionOfTheCatalogHasOne() throws {
    let entries = try CatalogEntries.read().layers
    #expect(Set(layers.map(\.kind)) == Set(entries.map(\.kind)))
    for entry in entries {
      let rows = layers.filter { $0.kind == entry.kind }
      let required = Set(entry.options.filter(\.required).map(\.name))
      // What is left out is the catalog's default, in Swift too.
      let plain = try #require(rows.first { Set($0.words.keys) == required }, "no plain \(entry.kind) in the table")
      #expect("\(type(of: plain.layer))" == entry.className)
      let defaults = try plain.attributes()
      for option in entry.options where !option.required {
        let isCovered = try rows.contains { row in
          let set = try row.attributes()
          guard option.name != "name" else { return set.name != defaults.name }
          return keysAndValues(set.options)[option.name] != keysAndValues(defaults.options)[option.name]
        }
        #expect(isCovered, "no typed \(entry.kind) has another \(option.name) than the default")
      }
    }
  }

  @Test func everyChoiceOfTheCatalogHasACase() throws {
    let choices = Set(try CatalogEntries.read().layers.flatMap(\.options).filter { $0.type == "enum" }.map(\.choices))
    #expect(
      choices == [ActivationFunction.allCases.map(\.rawValue), Initializer.allCases.map(\.rawValue)])
  }

  @Test func aNameIsOneWord() throws {
    for name in ["two words", "x bias=false", "", "a/b", "a=b"] {
      let error = #expect(throws: NNKitError.self) { try Model(input: [4]) { Dense(units: 3, name: name) } }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains("\"\(name)\" is not a valid name for the layer") == true)
    }
  }
}
