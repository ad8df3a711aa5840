/// An array with its shape, the first axis being the sample; rows lie side by side.
public enum HostArray: Sendable {
  case float32([Float], shape: [Int])
  case int32([Int32], shape: [Int])
}

/// Samples: inputs and, for training, targets.
public final class Dataset: @unchecked Sendable {
  private struct StoredArray {
    let data: UnsafeMutableRawPointer
    let type: ArrayType
    let shape: UnsafeMutablePointer<Int64>
    let strides: UnsafeMutablePointer<Int64>?
    let rank: Int

    var view: TensorView { TensorView(data: data, type: type, rank: rank, shape: shape, strides: strides) }
  }

  private var arrays: [StoredArray] = []
  /// Copies that the dataset owns, where it was made from Swift arrays.
  private var copies: [AlignedMemory] = []
  package let inputCount: Int
  package let targetCount: Int
  package let sampleCount: Int

  /// A dataset over views whose memory the caller keeps until the dataset is gone.
  /// Throws: `.invalidArgument` without inputs, `.shape` for scalars, negative sizes or different numbers of samples.
  package init(inputs: [TensorView], targets: [TensorView]) throws(NNKitError) {
    guard let first = inputs.first else {
      throw NNKitError(.invalidArgument, "a dataset needs at least one input array")
    }
    inputCount = inputs.count
    targetCount = targets.count
    for view in inputs + targets {
      guard view.rank >= 1, view.rank <= Shape.maximumRank, (0..<view.rank).allSatisfy({ view.shape[$0] >= 0 }) else {
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
    sampleCount = first.size(0)
    arrays = (inputs + targets).map { view in
      let shape = UnsafeMutablePointer<Int64>.allocate(capacity: view.rank)
      shape.initialize(from: view.shape, count: view.rank)
      let strides = view.strides.map { source in
        let strides = UnsafeMutablePointer<Int64>.allocate(capacity: view.rank)
        strides.initialize(from: source, count: view.rank)
        return strides
      }
      return StoredArray(data: view.data, type: view.type, shape: shape, strides: strides, rank: view.rank)
    }
  }

  /// A dataset over copies of Swift arrays. Throws: `.shape` where an array does not have the elements of its shape;
  /// as the other initialiser; `.outOfMemory`.
  public convenience init(inputs: [HostArray], targets: [HostArray]) throws(NNKitError) {
    var copies: [AlignedMemory] = []
    var views: [TensorView] = []
    var shapes: [UnsafeMutablePointer<Int64>] = []
    defer { for shape in shapes { shape.deallocate() } }
    for array in inputs + targets {
      let (count, sizes, type): (Int, [Int], ArrayType) =
        switch array {
        case .float32(let values, let shape): (values.count, shape, .float32)
        case .int32(let values, let shape): (values.count, shape, .int32)
        }
      guard sizes.allSatisfy({ $0 >= 0 }), try checkedProduct(sizes, of: "the shape \(sizes)") == count else {
        throw NNKitError(.shape, "an array has \(count) elements, which do not make the shape \(sizes)")
      }
      let memory = try AlignedMemory(byteCount: count * 4)
      switch array {
      case .float32(let values, _): values.withUnsafeBytes { memory.base.copyOptional($0) }
      case .int32(let values, _): values.withUnsafeBytes { memory.base.copyOptional($0) }
      }
      let shape = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, sizes.count))
      for (axis, size) in sizes.enumerated() { shape[axis] = Int64(size) }
      shapes.append(shape)
      copies.append(memory)
      views.append(TensorView(data: memory.base, type: type, rank: sizes.count, shape: shape, strides: nil))
    }
    try self.init(inputs: Array(views.prefix(inputs.count)), targets: Array(views.dropFirst(inputs.count)))
    self.copies = copies
  }

  deinit {
    for array in arrays {
      array.shape.deallocate()
      array.strides?.deallocate()
    }
  }

  package func input(_ index: Int) -> TensorView { arrays[index].view }
  package func target(_ index: Int) -> TensorView { arrays[inputCount + index].view }
}

extension UnsafeMutableRawPointer {
  /// Copies all of `bytes`, which may be none.
  fileprivate func copyOptional(_ bytes: UnsafeRawBufferPointer) {
    if let base = bytes.baseAddress { copyMemory(from: base, byteCount: bytes.count) }
  }
}
