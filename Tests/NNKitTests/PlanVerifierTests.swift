import NNKit
import Testing

/// The verifiers find plans that are wrong.
@Suite struct PlanVerifierTests {
  private func plan(_ purpose: PlanPurpose, batch: Int = 4, _ build: (inout Graph) -> Void) throws -> Plan {
    var graph = Graph()
    build(&graph)
    let model = try Model(graph, seed: 1, runtime: try Runtime(threads: 2))
    return try model.plan(batch: batch, inputShapes: model.inputTypes.map(\.shape), purpose: purpose)
  }

  /// Puts the result of the step `name` into the memory of what it adds, as long as the rest of the plan lives.
  private func error(ofResultOverAddendIn plan: Plan, _ name: String) throws -> NNKitError {
    let step = try #require(plan.steps.first { $0.name == name })
    let (result, addend) = (try #require(step.accesses.result), try #require(step.accesses.elementwise.first))
    // The addend is what the product's tiles read, too.
    #expect(step.accesses.anywhere.contains(addend))
    try PlanVerifier.verify(plan)
    var wrong = plan
    wrong.memory = plan.memory.moving(result, to: plan.memory.offsets[addend])
    return try #require(throws: NNKitError.self) { try PlanVerifier.verify(wrong) }
  }

  @Test func aSumInTheMemoryThatItsProductReadsIsFound() throws {
    let plan = try plan(.inference) { graph in
      let x = graph.input("x", [256])
      graph.output("y", graph.layer(Add(), [x, graph.layer("dense", "units=256", x)]))
    }
    let error = try error(ofResultOverAddendIn: plan, "dense: dense")
    #expect(error.code == .internal)
    #expect(error.message.contains("the step \"dense: dense\" writes buffer"))
    #expect(error.message.contains("which it still needs"))
  }

  @Test func aGradientInTheMemoryThatItsProductReadsIsFound() throws {
    let plan = try plan(.training(MeanSquaredErrorLoss()), batch: 64) { graph in
      let a = graph.layer("dense", "units=64", graph.input("x", [64]))
      let s = graph.layer(Add(), [a, graph.layer("dense", "units=64", a)])
      graph.output("o", graph.layer("dense", "units=3", s))
    }
    let error = try error(ofResultOverAddendIn: plan, "dense_1: dense input gradient")
    #expect(error.message.contains("the step \"dense_1: dense input gradient\" writes buffer"))
  }

  /// Whatever buffer is moved onto another that is alive, somebody reads what he must not.
  @Test func everyOverlapOfLivingBuffersIsFound() throws {
    let plan = try plan(.training(MeanSquaredErrorLoss())) { graph in
      let x = graph.input("x", [12, 12, 8])
      let a = graph.layer("conv2d", "filters=8 kernel=3 padding=same activation=relu", x)
      let b = graph.layer("batchnorm", "", graph.layer("conv2d", "filters=8 kernel=1", a))
      let c = graph.layer("maxpool2d", "size=2", graph.layer(Add(activation: .relu), [a, b]))
      graph.output("y", graph.layer("dense", "units=4", graph.layer("flatten", "", c)))
    }
    var (moved, found) = (0, 0)
    for step in plan.steps {
      guard let result = step.accesses.result else { continue }
      for other in step.accesses.anywhere where plan.memory.offsets[other] != plan.memory.offsets[result] {
        guard plan.isInArena(result), plan.isInArena(other) else { continue }
        var wrong = plan
        wrong.memory = plan.memory.moving(result, to: plan.memory.offsets[other])
        moved += 1
        do { try PlanVerifier.verify(wrong) } catch { found += 1 }
      }
    }
    #expect(moved > 20)
    #expect(found == moved)
  }

  @Test func aForgottenPoolIsFound() throws {
    var graph = Graph()
    let a = graph.layer("conv2d", "filters=4 kernel=3", graph.input("x", [14, 14, 2]))
    let b = graph.layer("maxpool2d", "size=3 stride=1 padding=same", a)
    graph.output("y", graph.layer("maxpool2d", "size=2", b))
    let planned = fuse(graph, forInference: true)
    try FusionVerifier.verify(graph, planned)
    #expect(planned.count == 2)
    // The second pool takes the place of the first.
    var product = planned[0]
    var convolution = try #require(product.operation as? any PoolFusing)
    #expect(convolution.followingPool != nil)
    convolution.followingPool = try #require(planned[1].operation as? PoolingOperation)
    product.operation = convolution
    product.outputs = planned[1].outputs
    let error = try #require(throws: NNKitError.self) { try FusionVerifier.verify(graph, [product]) }
    #expect(error.message.contains("output \"y\""))
  }

  /// Every node of a fused graph that is left out, or takes another input, is found.
  @Test func nodesThatAreLeftOutOrReadSomethingElseAreFound() throws {
    var graph = Graph()
    let x = graph.input("x", [10, 10, 4])
    let a = graph.layer("batchnorm", "activation=relu", graph.layer("conv2d", "filters=4 kernel=3 padding=same", x))
    let b = graph.layer(Add(), [x, graph.layer("conv2d", "filters=4 kernel=1", a)])
    graph.output("y", graph.layer("maxpool2d", "size=2", graph.layer(Add(activation: .relu), [a, b])))
    let planned = fuse(graph, forInference: true)
    for index in planned.indices {
      var nodes = planned
      nodes.remove(at: index)
      #expect(throws: NNKitError.self) { try FusionVerifier.verify(graph, nodes) }
      for position in planned[index].inputs.indices where planned[index].inputs[position] != x {
        nodes = planned
        nodes[index].inputs[position] = x
        #expect(throws: NNKitError.self) { try FusionVerifier.verify(graph, nodes) }
      }
    }
  }

  @Test func theTestsVerifyTheirPlans() { #expect(PlanVerifier.isEnabled) }
}
