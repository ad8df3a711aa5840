import FoundationEssentials
import NNKit
import NNKitKernelTable
import Testing

/// Random convolutions, planned and run, against plain loops in double: odd sizes, one pixel, windows far wider than the
/// image, every padding, from one group to as many as channels.
///
/// `NNKIT_GEOMETRIES` says how many (5000 for a long run), `NNKIT_SEED` where they begin.
@Suite struct ConvolutionGeometryTests {
  /// One axis of a convolution.
  struct Axis {
    var size: Int
    var kernel: Int
    var stride: Int
    var dilation: Int
    var before: Int
    var after: Int

    var span: Int { (kernel - 1) * dilation + 1 }
    var output: Int { (size + before + after - span) / stride + 1 }

    /// The place of the window that output pixel `output` has at input pixel `k · dilation` behind its first one.
    func input(_ output: Int, _ place: Int) -> Int? {
      let pixel = output * stride + place * dilation - before
      return 0..<size ~= pixel ? pixel : nil
    }
  }

  struct Geometry {
    var batch: Int
    var vertical: Axis
    var horizontal: Axis
    var groups: Int
    var groupChannels: Int
    var groupFilters: Int
    var options: String

    var channels: Int { groups * groupChannels }
    var filters: Int { groups * groupFilters }
    var input: [Int] { [batch, vertical.size, horizontal.size, channels] }
    /// Multiply-adds of the plain loops.
    var work: Int {
      batch * vertical.output * horizontal.output * vertical.kernel * horizontal.kernel * groupChannels * filters
    }
    var description: String { "\(options) on \(input)" }
  }

  private static func axis(_ generator: inout GeometryGenerator, _ padding: Int) -> Axis {
    var axis = Axis(
      size: generator.pick([1, generator.upTo(4), generator.upTo(20), generator.upTo(20), generator.upTo(70)]),
      kernel: generator.pick([1, generator.upTo(3), generator.upTo(7), generator.upTo(15)]),
      stride: generator.pick([1, 1, generator.upTo(4), generator.upTo(50)]),
      dilation: generator.pick([
        1, 1, generator.upTo(3), generator.upTo(9), generator.upTo(1000), generator.upTo(1 << 20),
      ]), before: 0, after: 0)
    switch padding {
    case 0:
      // Without padding the window is inside.
      axis.kernel = min(axis.kernel, axis.size)
      axis.dilation = axis.kernel == 1 ? axis.dilation : min(axis.dilation, (axis.size - 1) / (axis.kernel - 1))
    case 1:
      let output = (axis.size + axis.stride - 1) / axis.stride
      let total = max((output - 1) * axis.stride + axis.span - axis.size, 0)
      (axis.before, axis.after) = (total / 2, total - total / 2)
    default:
      let least = max(0, axis.span - axis.size)
      axis.before = generator.upTo(least + 9) - 1
      axis.after = max(0, least - axis.before) + generator.upTo(5) - 1
    }
    return axis
  }

  static func geometry(seed: Int) -> Geometry {
    var generator = GeometryGenerator(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
    while true {
      let padding = generator.upTo(3) - 1
      let (vertical, horizontal) = (axis(&generator, padding), axis(&generator, padding))
      let groups: (count: Int, channels: Int, filters: Int) = generator.pick([
        (generator.upTo(40), 1, 1), (generator.upTo(40), 1, generator.upTo(3)), (generator.upTo(700), 1, 1),
        (generator.upTo(9), generator.upTo(7), generator.upTo(7)),
        (generator.upTo(4), 7 + generator.upTo(10), 7 + generator.upTo(10)),
        (1, generator.upTo(20), generator.upTo(40)),
      ])
      var geometry = Geometry(
        batch: generator.upTo(3), vertical: vertical, horizontal: horizontal, groups: groups.count,
        groupChannels: groups.channels, groupFilters: groups.filters, options: "")
      let text =
        ["valid", "same"].dropFirst(padding).first
        ?? "\(vertical.before),\(vertical.after),\(horizontal.before),\(horizontal.after)"
      geometry.options =
        "filters=\(geometry.filters) kernel=\(vertical.kernel),\(horizontal.kernel) "
        + "stride=\(vertical.stride),\(horizontal.stride) dilation=\(vertical.dilation),\(horizontal.dilation) "
        + "groups=\(geometry.groups) padding=\(text)"
      if geometry.work <= 400_000 { return geometry }
    }
  }

  /// What a plan computes, or the plain loops.
  private struct Results {
    var output: [Double]
    var dInput: [Double]
    var dKernel: [Double]
    var dBias: [Double]
  }

  private func plainLoops(
    _ geometry: Geometry, _ x: [Float], _ kernel: [Float], _ bias: [Float], _ dy: [Float]
  ) -> Results {
    let (vertical, horizontal) = (geometry.vertical, geometry.horizontal)
    let (channels, filters, groupChannels) = (geometry.channels, geometry.filters, geometry.groupChannels)
    var results = Results(
      output: Array(repeating: 0, count: dy.count), dInput: Array(repeating: 0, count: x.count),
      dKernel: Array(repeating: 0, count: kernel.count), dBias: Array(repeating: 0, count: filters))
    for pixel in 0..<geometry.batch * vertical.output * horizontal.output {
      let (row, j) = pixel.quotientAndRemainder(dividingBy: horizontal.output)
      let (image, i) = row.quotientAndRemainder(dividingBy: vertical.output)
      for f in 0..<filters {
        results.output[pixel * filters + f] += Double(bias[f])
        results.dBias[f] += Double(dy[pixel * filters + f])
      }
      for m in 0..<vertical.kernel {
        guard let y = vertical.input(i, m) else { continue }
        for n in 0..<horizontal.kernel {
          guard let column = horizontal.input(j, n) else { continue }
          let source = ((image * vertical.size + y) * horizontal.size + column) * channels
          for c in 0..<groupChannels {
            let weights = ((m * horizontal.kernel + n) * groupChannels + c) * filters
            for f in 0..<filters {
              let (input, output) = (source + f / geometry.groupFilters * groupChannels + c, pixel * filters + f)
              results.output[output] += Double(x[input]) * Double(kernel[weights + f])
              results.dInput[input] += Double(dy[output]) * Double(kernel[weights + f])
              results.dKernel[weights + f] += Double(x[input]) * Double(dy[output])
            }
          }
        }
      }
    }
    return results
  }

  /// The longest time that a plan took, in seconds.
  private func check(seed: Int, runtime: Runtime) throws -> Double {
    let geometry = Self.geometry(seed: seed)
    var generator = GeometryGenerator(state: UInt64(seed))
    var graph = Graph()
    let x = graph.input("x", Shape(Array(geometry.input.dropFirst())))
    graph.output("y", graph.layer("conv2d", "name=c \(geometry.options)", x))
    if let error = graph.firstError { throw error }
    let model = try Model(graph, seed: 1, runtime: runtime)
    let outputCount =
      geometry.batch * geometry.vertical.output * geometry.horizontal.output * geometry.filters
    let (input, seeds) = (
      generator.values(geometry.input.reduce(1, *)), generator.values(outputCount)
    )
    let (kernel, bias) = (
      generator.values(model.parameters[0].count), generator.values(model.parameters[1].count)
    )
    for (name, values) in [("c/kernel", kernel), ("c/bias", bias)] {
      try model.withParameter(name) { target, _ in _ = target.update(fromContentsOf: values) }
    }
    let expected = plainLoops(geometry, input, kernel, bias, seeds)
    var slowest = 0.0
    let gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    for purpose in [PlanPurpose.inference, .training(SeedLoss())] {
      var plan: Plan?
      let seconds = try ContinuousClock().measure {
        plan = try Plan(
          graph, parameters: model.parametersByNode, batch: geometry.batch, inputShapes: [graph.types[0].shape],
          purpose: purpose, kernels: runtime.kernels, threads: 2, inputGradients: purpose.isTraining)
      }
      slowest = max(slowest, seconds / .seconds(1))
      let bound = try BoundPlan(
        try #require(plan), parameters: model.arena, gradients: gradients, pool: runtime.pool)
      bound.floats(bound.plan.inputs[0]).update(from: input, count: input.count)
      if purpose.isTraining { bound.floats(bound.plan.targets[0]).update(from: seeds, count: seeds.count) }
      bound.run()
      func read(_ tensor: Tensor) -> [Float] {
        Array(UnsafeBufferPointer(start: bound.floats(tensor), count: tensor.count))
      }
      expectClose(read(bound.plan.outputs[0]), expected.output, "\(seed): output of \(geometry.description)")
      guard purpose.isTraining else { continue }
      expectClose(
        read(try #require(bound.plan.dInputs[0])), expected.dInput, "\(seed): dInput of \(geometry.description)")
      for (parameter, values) in zip(model.parameters, [expected.dKernel, expected.dBias]) {
        let start = gradients.base.assumingMemoryBound(to: Float.self) + parameter.offset
        expectClose(
          Array(UnsafeBufferPointer(start: start, count: parameter.count)), values,
          "\(seed): d\(parameter.name) of \(geometry.description)")
      }
    }
    return slowest
  }

  /// Sums of up to some thousand products of numbers below one, of which the largest decide: 1e-5 of the largest.
  private func expectClose(_ ours: [Float], _ expected: [Double], _ what: String) {
    let scale = expected.reduce(1e-3) { max($0, abs($1)) }
    let areClose = zip(ours, expected).allSatisfy { abs(Double($0) - $1) <= 1e-5 * scale }
    #expect(ours.count == expected.count && areClose, "\(what)")
  }

  @Test func randomConvolutionsArePlannedQuicklyAndAreThoseOfPlainLoops() throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["NNKIT_GEOMETRIES"].flatMap { Int($0) } ?? 2000
    let first = environment["NNKIT_SEED"].flatMap { Int($0) } ?? 1
    let runtime = try Runtime(threads: 2)
    var slowest = (seconds: 0.0, seed: 0)
    for seed in first..<first + count {
      let seconds = try check(seed: seed, runtime: runtime)
      if seconds > slowest.seconds { slowest = (seconds, seed) }
    }
    print(
      "\(count) convolutions planned and run; the slowest planning took \((slowest.seconds * 1e5).rounded() / 100) ms: "
        + Self.geometry(seed: slowest.seed).description)
    #expect(slowest.seconds < 1)
  }

  /// What once went through every pixel, or every divisor of the height, before anybody asked for the memory.
  @Test(arguments: [
    ("conv2d", "filters=512 kernel=7 groups=512", [7, 7, 512]),
    ("conv2d", "filters=8 kernel=2,5 padding=same dilation=2,3 groups=2", [17, 1, 30]),
    ("conv2d", "filters=4 kernel=3,1 groups=4", [2_147_483_647, 1, 4]),
    ("conv2d", "filters=4 kernel=1,3 groups=4", [1, 2_147_483_647, 4]),
    ("conv2d", "filters=4 kernel=3,1 groups=4 stride=2,1 padding=same", [2_147_483_647, 1, 4]),
    ("conv2d", "filters=4 kernel=2 groups=4 dilation=16777216 padding=same", [100_003, 7, 4]),
    ("conv2d", "filters=16 kernel=3,1 groups=2", [2_147_483_647, 1, 16]),
    ("conv2d", "filters=4 kernel=3,1", [2_147_483_647, 1, 4]),
    ("conv2d", "filters=4 kernel=1,3", [1, 2_147_483_647, 4]),
    ("conv2d", "filters=16 kernel=3", [33_554_393, 31, 16]),
    ("conv2d", "filters=4 kernel=2 dilation=16777216 padding=same", [3, 100_003, 4]),
    ("maxpool2d", "size=3,1 stride=1", [2_147_483_647, 1, 4]),
    ("avgpool2d", "size=16777216 stride=1 padding=same", [101, 103, 4]),
    ("globalavgpool2d", "", [2_147_483_647, 1, 4]),
  ])
  func planningTakesNoTimeHoweverLargeTheImage(kind: String, options: String, shape: [Int]) throws {
    var graph = Graph()
    let x = graph.input("x", Shape(shape))
    graph.output("y", graph.layer(kind, options, x))
    if let error = graph.firstError { throw error }
    let runtime = try Runtime(threads: 2)
    let model = try Model(graph, seed: 1, runtime: runtime)
    for purpose in [PlanPurpose.inference, .training(SeedLoss())] {
      let seconds = ContinuousClock().measure {
        // Whether there is a plan or the size is refused: at once.
        _ = try? Plan(
          graph, parameters: model.parametersByNode, batch: 2, inputShapes: [Shape(shape)], purpose: purpose,
          kernels: runtime.kernels, threads: 2, inputGradients: purpose.isTraining)
      }
      #expect(seconds < .seconds(1))
    }
  }
}

/// A small generator of test cases. Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014).
private struct GeometryGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func upTo(_ limit: Int) -> Int { Int.random(in: 1...limit, using: &self) }

  mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: 0..<elements.count, using: &self)]
  }

  mutating func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &self) } }
}
