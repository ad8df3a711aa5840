/// The padding of a window, as an option gives it.
package enum Padding: Sendable, Equatable {
  case valid
  case same
  case sides(top: Int, bottom: Int, left: Int, right: Int)

  init(_ options: Options) {
    switch options.string("padding") {
    case "valid": self = .valid
    case "same": self = .same
    default:
      let numbers = options.list("padding")
      switch numbers.count {
      case 1: self = .sides(top: numbers[0], bottom: numbers[0], left: numbers[0], right: numbers[0])
      case 2: self = .sides(top: numbers[0], bottom: numbers[0], left: numbers[1], right: numbers[1])
      default: self = .sides(top: numbers[0], bottom: numbers[1], left: numbers[2], right: numbers[3])
      }
    }
  }
}

/// One axis of a window that slides over an input: sizes, and how many places of padding come before and after.
package struct WindowAxis: Sendable, Equatable {
  package let input: Int
  package let window: Int
  package let stride: Int
  package let dilation: Int
  package let before: Int
  package let after: Int
  package let output: Int

  /// The number of places that the window spans, with its gaps.
  static func span(_ window: Int, _ dilation: Int) -> Int { (window - 1) * dilation + 1 }

  /// The places of the window that lie in the input for some output.
  var reachablePlaces: Range<Int> {
    NNKit.reachablePlaces(
      source: input, pixels: output, stride: stride, first: -before, placeStep: dilation, places: window)
  }

  /// The same outputs with these places of the window alone.
  func only(_ places: Range<Int>) -> WindowAxis {
    WindowAxis(
      input: input, window: places.count, stride: stride, dilation: dilation,
      before: before - places.lowerBound * dilation, after: after - (window - places.upperBound) * dilation,
      output: output)
  }
}

/// Those of `places` places, `k` at source pixel `i · stride + first + k · placeStep` for grid pixel `i`, that lie between
/// the first and the last one that is in the source for some pixel; one place where none is.
func reachablePlaces(
  source: Int, pixels: Int, stride: Int, first: Int, placeStep: Int, places: Int
) -> Range<Int> {
  let last = first + (pixels - 1) * stride
  let begin = min(places - 1, last >= 0 ? 0 : ceilDivide(-last, placeStep))
  let end = first >= source ? 0 : (source - 1 - first) / placeStep + 1
  return begin..<max(begin + 1, min(places, end))
}

/// A window that slides over the two axes of an image.
package struct Window2D: Sendable, Equatable {
  package let size: (height: Int, width: Int)
  package let stride: (height: Int, width: Int)
  package let dilation: (height: Int, width: Int)
  package let padding: Padding

  init(size: [Int], stride: [Int], dilation: [Int], padding: Padding) {
    self.size = (size[0], size[1])
    self.stride = (stride[0], stride[1])
    self.dilation = (dilation[0], dilation[1])
    self.padding = padding
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.size == b.size && a.stride == b.stride && a.dilation == b.dilation && a.padding == b.padding
  }

  /// The axes over an input of `height` and `width`.
  ///
  /// `same` is TensorFlow's: `⌈input / stride⌉` outputs, the odd place of padding behind.
  /// Throws: `.shape` where the window does not fit into the padded input, or, with `pooling`, where it could lie
  /// in the padding alone.
  func axes(height: Int, width: Int, pooling: Bool) throws(NNKitError) -> (vertical: WindowAxis, horizontal: WindowAxis)
  {
    var sides: (top: Int, bottom: Int, left: Int, right: Int)? = (0, 0, 0, 0)
    switch padding {
    case .valid: break
    case .same: sides = nil
    case .sides(let top, let bottom, let left, let right): sides = (top, bottom, left, right)
    }
    return (
      try axis(
        "height", height, size.height, stride.height, dilation.height, sides.map { ($0.top, $0.bottom) }, pooling),
      try axis("width", width, size.width, stride.width, dilation.width, sides.map { ($0.left, $0.right) }, pooling)
    )
  }

  private func axis(
    _ name: String, _ input: Int, _ window: Int, _ stride: Int, _ dilation: Int, _ padding: (Int, Int)?, _ pooling: Bool
  ) throws(NNKitError) -> WindowAxis {
    let span = WindowAxis.span(window, dilation)
    if let (before, after) = padding {
      guard input + before + after >= span else {
        throw NNKitError(
          .shape,
          "the window spans \(span) places of the \(name), but the input with its padding has only "
            + "\(input + before + after); use a smaller window or more padding. Images are [H, W, C]")
      }
      guard !pooling || max(before, after) < span else {
        throw NNKitError(
          .shape,
          "padding of \(max(before, after)) places is not smaller than the window's \(span) (\(name)): a window "
            + "could hold no input at all")
      }
      return WindowAxis(
        input: input, window: window, stride: stride, dilation: dilation, before: before, after: after,
        output: (input + before + after - span) / stride + 1)
    }
    let output = ceilDivide(input, stride)
    let total = max((output - 1) * stride + span - input, 0)
    return WindowAxis(
      input: input, window: window, stride: stride, dilation: dilation, before: total / 2, after: total - total / 2,
      output: output)
  }
}
