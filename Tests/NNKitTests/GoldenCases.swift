import FoundationEssentials
import NNKit
import NNKitKernelTable
import Testing

/// Golden values made with float64 PyTorch by Tests/golden/make_golden.py.
struct GoldenFile {
  private let file: Safetensors.File
  private let entries: [String: Safetensors.Entry]

  init(_ group: String) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
    file = try Safetensors.read(folder.appending(path: "Fixtures/\(group).safetensors").path)
    entries = Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0) })
  }

  func cases() throws -> [GoldenCase] {
    try JSONDecoder().decode([GoldenCase].self, from: Data((file.metadata["cases"] ?? "").utf8))
  }

  func has(_ name: String) -> Bool { entries[name] != nil }

  func shape(_ name: String) throws -> [Int] { try #require(entries[name], "\(name) is not in the file").shape }

  func type(_ name: String) throws -> DataType {
    try #require(entries[name], "\(name) is not in the file").type == "I32" ? .int32 : .float32
  }

  func bytes(_ name: String) throws -> UnsafeRawBufferPointer {
    file.data(try #require(entries[name], "\(name) is not in the file"))
  }

  func floats(_ name: String) throws -> [Float] { Array(try bytes(name).bindMemory(to: Float.self)) }
}

/// One configuration of a golden file.
struct GoldenCase: Decodable, Sendable, CustomTestStringConvertible {
  struct NetworkLayer: Decodable {
    var kind: String
    var options: String
    var inputs: [String]
  }

  struct OptimizedLayer: Decodable {
    var kind: String
    var options: String
    var input: [Int]
  }

  var name: String
  var kind: String
  var options: String
  /// Of layers only: how many there are.
  var inputCount: Int
  var layers: [NetworkLayer]
  var inputNames: [String]
  var loss: String?
  var layer: OptimizedLayer?
  var steps: Int?

  var testDescription: String { "\(name) \(options)" }

  private enum Key: String, CodingKey { case name, kind, options, inputs, layers, loss, layer, steps }
  private struct NamedInput: Decodable { var name: String }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    name = try container.decode(String.self, forKey: .name)
    kind = try container.decode(String.self, forKey: .kind)
    options = try container.decode(String.self, forKey: .options)
    layers = try container.decodeIfPresent([NetworkLayer].self, forKey: .layers) ?? []
    loss = try container.decodeIfPresent(String.self, forKey: .loss)
    layer = try container.decodeIfPresent(OptimizedLayer.self, forKey: .layer)
    steps = try container.decodeIfPresent(Int.self, forKey: .steps)
    if let names = try? container.decode([String].self, forKey: .inputs) {
      inputNames = names
    } else {
      inputNames = (try container.decodeIfPresent([NamedInput].self, forKey: .inputs) ?? []).map(\.name)
    }
    inputCount = inputNames.count
  }
}

/// `max|ours - reference| / max|reference|`.
func relativeError(_ ours: [Float], _ reference: [Float]) -> Double {
  guard ours.count == reference.count else { return .infinity }
  var (difference, scale) = (0.0, 0.0)
  for (a, b) in zip(ours, reference) {
    guard a.isFinite, b.isFinite else { return .infinity }
    difference = max(difference, abs(Double(a) - Double(b)))
    scale = max(scale, abs(Double(b)))
  }
  return difference == 0 ? 0 : difference / scale
}

/// A loss whose gradient is its target: it lets a test choose the gradient of a model's output.
struct SeedLoss: Loss {
  func targetType(_ prediction: ValueType) -> ValueType { prediction }
  func targetRange(_ prediction: ValueType) -> ClosedRange<Int32>? { nil }

  func addSteps(
    _ plan: PlanBuilder, prediction: Tensor, target: Tensor, lengths: SequenceLengths?, gradient: Bool
  ) throws(NNKitError) -> (report: LossReport, dPrediction: Tensor?) {
    let report = try LossReport(plan)
    let sums = report.sums
    let dPrediction = try plan.tensor(prediction.type)
    plan.step("seed", reads: [target, prediction], writes: [dPrediction, sums], work: [prediction.count]) { binding in
      let (source, copy, result) = (binding.floats(target), binding.floats(dPrediction), binding.doubles(sums))
      return { _, _ in
        copy.update(from: source, count: prediction.count)
        result[0] = 0
        result[1] = 0
        result[2] = 1
      }
    }
    return (report, dPrediction)
  }

  func reference(_ prediction: ReferenceTensor, _ target: [Double]) -> ReferenceLoss {
    ReferenceLoss(lossSum: 0, metricSum: 0, count: 1, dPrediction: target)
  }
}

/// A model with a bound training plan, whose inputs, parameters and output gradients a test sets by hand.
struct TrainingHarness {
  let model: Model
  let bound: BoundPlan
  let gradients: AlignedMemory

  /// `shapes` begin with the batch.
  init(_ graph: Graph, shapes: [[Int]], loss: any Loss, threads: Int = 2, recomputation: Double = 1) throws {
    model = try Model(graph, seed: 1, runtime: try Runtime(threads: threads))
    gradients = try AlignedMemory(byteCount: model.arena.memory.byteCount)
    let plan = try Plan(
      graph, parameters: model.parametersByNode, batch: shapes[0][0],
      inputShapes: shapes.map { Shape(Array($0.dropFirst())) },
      purpose: .training(loss), kernels: model.runtime.kernels, threads: threads, inputGradients: true,
      recomputation: recomputation)
    bound = try BoundPlan(plan, parameters: model.arena, gradients: gradients, pool: model.runtime.pool)
  }

  func set(_ tensor: Tensor, _ bytes: UnsafeRawBufferPointer) {
    UnsafeMutableRawPointer(bound.floats(tensor)).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
  }

  func setParameter(_ name: String, _ values: [Float]) throws {
    try model.withParameter(name) { target, _ in
      #expect(target.count == values.count)
      _ = target.update(fromContentsOf: values)
    }
  }

  func read(_ tensor: Tensor) -> [Float] {
    Array(UnsafeBufferPointer(start: bound.floats(tensor), count: tensor.count))
  }

  func gradient(_ parameter: Parameter) -> [Float] {
    let base = gradients.base.assumingMemoryBound(to: Float.self) + parameter.offset
    return Array(UnsafeBufferPointer(start: base, count: parameter.count))
  }
}
