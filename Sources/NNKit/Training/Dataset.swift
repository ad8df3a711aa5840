/// Samples: inputs and, for training, targets.
public final class Dataset: @unchecked Sendable {
  private let inputs: [HostView]
  private let targets: [HostView]
  /// What the dataset owns, where it was made from Swift arrays.
  private let copies: TensorCopies?
  /// The size of the first axis of all arrays.
  public let sampleCount: Int
  /// How many inputs there are.
  public var inputCount: Int { inputs.count }
  /// How many targets there are; 0 for data without.
  public var targetCount: Int { targets.count }

  /// A dataset over the program's own memory, which nothing is copied of: it must be there, and stay as it is during a
  /// call, until the dataset is gone. `inputs[i]`, `[N, ...]`, goes to the model's i-th input, `targets[i]` to its i-th
  /// output.
  ///
  /// Throws: `.invalidArgument` without inputs, `.shape` for scalars or different numbers of samples.
  public convenience init(inputs: [HostView], targets: [HostView] = []) throws(NNKitError) {
    try self.init(inputs, targets, nil)
  }

  /// As `init(inputs:targets:)` of host views, with copies of sizes and strides.
  package convenience init(inputs: [TensorView], targets: [TensorView]) throws(NNKitError) {
    try self.init(inputs.map { HostView($0) }, targets.map { HostView($0) }, nil)
  }

  /// A dataset over copies of Swift arrays. Throws: `.shape` where an array does not have the elements of its shape;
  /// as the other initialiser; `.outOfMemory`.
  public convenience init(inputs: [HostArray], targets: [HostArray] = []) throws(NNKitError) {
    let copies = try TensorCopies(inputs + targets)
    try self.init(
      Array(copies.views.prefix(inputs.count)), Array(copies.views.dropFirst(inputs.count)), copies)
  }

  private init(_ inputs: [HostView], _ targets: [HostView], _ copies: TensorCopies?) throws(NNKitError) {
    // An initialiser owns what it is given, and may let it go where an error begins: sizes are read in its message.
    defer { withExtendedLifetime((inputs, targets)) {} }
    guard let first = inputs.first?.view else {
      throw NNKitError(.invalidArgument, "a dataset needs at least one input array")
    }
    for view in (inputs + targets).map(\.view) {
      guard view.rank >= 1, (0..<view.rank).allSatisfy({ view.shape[$0] >= 0 }) else {
        throw NNKitError(
          .shape,
          "an array of the dataset has shape \(view.shapeDescription); expected 1 to \(Shape.maximumRank) "
            + "sizes, none negative, the first one the number of samples")
      }
      guard view.size(0) == first.size(0) else {
        throw NNKitError(
          .shape,
          "the arrays of a dataset have \(first.size(0)) and \(view.size(0)) samples; expected the same number, which is "
            + "the first axis of each")
      }
    }
    (self.inputs, self.targets, self.copies) = (inputs, targets, copies)
    sampleCount = first.size(0)
  }

  package func input(_ index: Int) -> TensorView { inputs[index].view }
  package func target(_ index: Int) -> TensorView { targets[index].view }
}
