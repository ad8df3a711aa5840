import NNKit
import NNKitKernelTable
import Testing

/// Outputs and all gradients against float64 PyTorch. The bound is `max|ours - reference| / max|reference| ≤ 1e-5`,
/// 84 epsilons: sums of a few hundred float32 products, and activations within 4 ulp.
@Suite struct GoldenTests {
  static let bound = 1e-5
  static let layerGroups = [
    "convolution", "pooling", "dense", "elementwise", "embedding", "lstm", "residual", "batchnorm", "gru",
    "grouped_convolution", "shapes",
  ]

  @Test(arguments: layerGroups)
  func layersMatchPyTorchForwardAndBackward(group: String) throws {
    let file = try GoldenFile(group)
    let cases = try file.cases()
    #expect(!cases.isEmpty)
    var largest = 0.0
    for golden in cases { largest = max(largest, try checkLayer(golden, file)) }
    print("golden \(group): \(cases.count) configurations, largest error \(largest)")
  }

  @Test func thereAreAtLeastAHundredLayerConfigurations() throws {
    let count = try Self.layerGroups.reduce(0) { try $0 + GoldenFile($1).cases().count }
    #expect(count >= 100)
  }

  /// Returns the largest error of the output and all gradients.
  private func checkLayer(_ golden: GoldenCase, _ file: GoldenFile) throws -> Double {
    var graph = Graph()
    var inputs: [Value] = []
    var shapes: [[Int]] = []
    for index in 0..<golden.inputCount {
      let name = "\(golden.name)/input\(index)"
      shapes.append(try file.shape(name))
      inputs.append(graph.input("x\(index)", Shape(Array(shapes[index].dropFirst())), try file.type(name)))
    }
    let added = graph.layer(golden.kind, "name=layer \(golden.options)", inputs)
    let values = try #require(added, "\(golden.name): \(graph.firstError?.message ?? "")")
    for (index, value) in values.enumerated() { graph.output("y\(index)", value) }
    let hasNumbers = file.has("\(golden.name)/output0")

    let harness = try TrainingHarness(graph, shapes: shapes, loss: SeedLoss())
    let plan = harness.bound.plan
    for parameter in harness.model.parameters {
      try harness.setParameter(parameter.name, try file.floats("\(golden.name)/\(parameter.specification.name)"))
    }
    for (index, input) in plan.inputs.enumerated() {
      harness.set(input, try file.bytes("\(golden.name)/input\(index)"))
    }
    for (index, target) in plan.targets.enumerated() {
      harness.set(target, try file.bytes("\(golden.name)/dOutput\(hasNumbers ? String(index) : "")"))
    }
    harness.bound.run()

    var largest = 0.0
    func check(_ ours: [Float], _ name: String) throws {
      let error = relativeError(ours, try file.floats("\(golden.name)/\(name)"))
      largest = max(largest, error)
      #expect(error <= Self.bound, "\(golden.name) \(golden.options): \(name) is off by \(error)")
    }
    for (index, output) in plan.outputs.enumerated() {
      try check(harness.read(output), "output\(hasNumbers ? String(index) : "")")
    }
    for parameter in harness.model.parameters {
      try check(harness.gradient(parameter), "d_\(parameter.specification.name)")
    }
    for (index, dInput) in plan.dInputs.enumerated() where file.has("\(golden.name)/dInput\(index)") {
      try check(harness.read(try #require(dInput)), "dInput\(index)")
    }
    return largest
  }

  @Test func lossesMatchPyTorchWithTheirGradients() throws {
    let file = try GoldenFile("losses")
    for golden in try file.cases() {
      var graph = Graph()
      let shape = try file.shape("\(golden.name)/prediction")
      let x = graph.input("x", Shape(Array(shape.dropFirst())))
      graph.output("y", x)
      let definition = try #require(LossDefinition.all.first { $0.name == golden.kind })
      let harness = try TrainingHarness(graph, shapes: [shape], loss: definition.loss)
      let plan = harness.bound.plan
      harness.set(plan.inputs[0], try file.bytes("\(golden.name)/prediction"))
      harness.set(plan.targets[0], try file.bytes("\(golden.name)/target"))
      harness.bound.run()
      let sums = harness.bound.doubles(plan.lossReports[0].sums)
      let loss = Float(sums[0] / sums[2])
      #expect(relativeError([loss], try file.floats("\(golden.name)/loss")) <= Self.bound, "\(golden.name)")
      let gradient = harness.read(try #require(plan.dInputs[0]))
      #expect(relativeError(gradient, try file.floats("\(golden.name)/d_prediction")) <= Self.bound, "\(golden.name)")
    }
  }

  /// What is computed with other numbers at inference than in training.
  @Test func inferenceMatchesPyTorch() throws {
    let file = try GoldenFile("batchnorm")
    let cases = try file.cases()
    #expect(!cases.isEmpty)
    for golden in cases {
      let shape = try file.shape("\(golden.name)/input0")
      var graph = Graph()
      let x = graph.input("x", Shape(Array(shape.dropFirst())))
      graph.output("y", graph.layer(golden.kind, "name=layer \(golden.options)", x))
      let model = try Model(graph)
      for parameter in model.parameters {
        let values = try file.floats("\(golden.name)/\(parameter.specification.name)")
        try model.withParameter(parameter.name) { target, _ in _ = target.update(fromContentsOf: values) }
      }
      let session = try Session(model, maximumBatch: shape[0])
      let output = try session.predict(try file.floats("\(golden.name)/input0"))
      let error = relativeError(output, try file.floats("\(golden.name)/inference"))
      #expect(error <= Self.bound, "\(golden.name) \(golden.options): inference is off by \(error)")
    }
  }

  @Test(arguments: ["networks", "residual_networks", "gru_networks", "embedded_networks", "sequence_networks"])
  func wholeNetworksMatchPyTorchWithAllGradients(group: String) throws {
    let file = try GoldenFile(group)
    for golden in try file.cases() {
      var graph = Graph()
      var values: [String: Value] = [:]
      var shapes: [[Int]] = []
      for (index, name) in golden.inputNames.enumerated() {
        shapes.append(try file.shape("\(golden.name)/input\(index)"))
        values[name] = graph.input(
          name, Shape(Array(shapes[index].dropFirst())), try file.type("\(golden.name)/input\(index)"))
      }
      for layer in golden.layers {
        let inputs = try layer.inputs.map { try #require(values[$0]) }
        let name = try #require(layer.options.split(separator: " ").first { $0.hasPrefix("name=") }).dropFirst(5)
        let added = graph.layer(layer.kind, layer.options, inputs)
        values[String(name)] = try #require(added, "\(golden.name): \(graph.firstError?.message ?? "")")[0]
        if layer.options == golden.layers.last?.options { graph.output("y", values[String(name)]!) }
      }
      let loss = try #require(LossDefinition.all.first { $0.name == golden.loss }).loss
      let harness = try TrainingHarness(graph, shapes: shapes, loss: loss)
      let plan = harness.bound.plan
      for parameter in harness.model.parameters {
        try harness.setParameter(parameter.name, try file.floats("\(golden.name)/\(parameter.name)"))
      }
      for (index, input) in plan.inputs.enumerated() {
        harness.set(input, try file.bytes("\(golden.name)/input\(index)"))
      }
      harness.set(plan.targets[0], try file.bytes("\(golden.name)/target"))
      harness.bound.run()
      #expect(
        relativeError(harness.read(plan.outputs[0]), try file.floats("\(golden.name)/output")) <= Self.bound,
        "\(golden.name)")
      for parameter in harness.model.parameters {
        let error = relativeError(harness.gradient(parameter), try file.floats("\(golden.name)/d_\(parameter.name)"))
        #expect(error <= Self.bound, "\(golden.name): the gradient of \(parameter.name) is off by \(error)")
      }
    }
  }

  @Test func optimizersFollowPyTorchStepByStep() throws {
    let file = try GoldenFile("optimizers")
    for golden in try file.cases() {
      let layer = try #require(golden.layer)
      var graph = Graph()
      let x = graph.input("x", Shape(layer.input))
      graph.output("y", graph.layer(layer.kind, "name=layer \(layer.options)", x))
      let model = try Model(graph)
      let trainer = try Trainer(model, options: "loss=mean_squared_error \(golden.options)")
      for parameter in model.parameters {
        let values = try file.floats("\(golden.name)/initial/\(parameter.specification.name)")
        try model.withParameter(parameter.name) { target, _ in _ = target.update(fromContentsOf: values) }
      }
      for step in 0..<(golden.steps ?? 0) {
        for parameter in model.parameters {
          let values = try file.floats("\(golden.name)/gradient\(step)/\(parameter.specification.name)")
          let base = trainer.showGradients().assumingMemoryBound(to: Float.self) + parameter.offset
          for (index, value) in values.enumerated() { base[index] = value }
        }
        try trainer.apply()
        for parameter in model.parameters {
          let ours = try model.withParameter(parameter.name) { values, _ in Array(values) }
          let error = relativeError(
            ours, try file.floats("\(golden.name)/after\(step)/\(parameter.specification.name)"))
          #expect(error <= Self.bound, "\(golden.name) \(golden.options): step \(step) is off by \(error)")
        }
      }
    }
  }
}
