import NNKitKernelTable

extension ActivationKind {
  /// The name that options use: "leaky_relu".
  package var name: String {
    switch self {
    case .linear: "linear"
    case .relu: "relu"
    case .leakyRelu: "leaky_relu"
    case .elu: "elu"
    case .selu: "selu"
    case .gelu: "gelu"
    case .silu: "silu"
    case .sigmoid: "sigmoid"
    case .tanh: "tanh"
    case .softplus: "softplus"
    case .hardSigmoid: "hard_sigmoid"
    case .hardSwish: "hard_swish"
    }
  }

  init(_ options: Options, _ key: String = "activation") {
    let name = options.string(key)
    self = Self.allCases.first { $0.name == name } ?? .linear
  }
}

/// The function that a layer applies to its result.
public enum ActivationFunction: String, Sendable, CaseIterable {
  case linear
  case relu
  case leakyRelu = "leaky_relu"
  case elu
  case selu
  case gelu
  case silu
  case sigmoid
  case tanh
  case softplus
  case hardSigmoid = "hard_sigmoid"
  case hardSwish = "hard_swish"
}

/// The padding of a convolution or pooling layer.
public enum LayerPadding: Sendable, CustomStringConvertible {
  /// None: the window stays inside the input.
  case valid
  /// As much as gives `⌈size / stride⌉` outputs.
  case same
  /// So many pixels.
  case sides(top: Int, bottom: Int, left: Int, right: Int)

  /// `size` at each side.
  public static func all(_ size: Int) -> LayerPadding { .symmetric(vertical: size, horizontal: size) }

  /// `vertical` at top and bottom, `horizontal` at left and right.
  public static func symmetric(vertical: Int, horizontal: Int) -> LayerPadding {
    .sides(top: vertical, bottom: vertical, left: horizontal, right: horizontal)
  }

  /// As options take it: "same", "1,1,0,0".
  public var description: String {
    switch self {
    case .valid: "valid"
    case .same: "same"
    case .sides(let top, let bottom, let left, let right): "\(top),\(bottom),\(left),\(right)"
    }
  }
}

/// Options that several layers share.
enum CommonOption {
  static func activation(_ name: String = "activation", default value: OptionValue? = .string("linear"))
    -> OptionSpecification
  {
    OptionSpecification(
      name, .choice(ActivationKind.allCases.map(\.name)), default: value,
      "the function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, "
        + "x sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that")
  }

  static func units(_ summary: String) -> OptionSpecification {
    OptionSpecification("units", .int(1...maximumSize), summary)
  }

  static let bias = OptionSpecification("bias", .bool, default: .bool(true), "whether a bias is added")

  /// Of recurrent layers' second input.
  static let lengthsSummary =
    "with lengths, int32 [], only the steps before them are data, here and in the layers behind that act step by step"

  static let returnSequences = OptionSpecification(
    "return_sequences", .bool, default: .bool(false), "whether every state is returned or the last one only")

  /// Of recurrent layers.
  static let winograd = OptionSpecification(
    "winograd", .bool, default: .bool(true),
    "whether training may compute large products by Winograd's inner product: faster, rounding errors a few times as large"
  )

  static func initializer(_ name: String, default value: Initializer) -> OptionSpecification {
    OptionSpecification(
      name, .choice(Initializer.names), default: .string(value.rawValue), "how the first values are drawn")
  }

  static let axis = OptionSpecification(
    "axis", .axis, default: .int(-1), "the axis, counted without the batch; negative ones count from the end")

  static func padding(_ summary: String = "zeros around the input") -> OptionSpecification {
    OptionSpecification("padding", .padding, default: .string("valid"), summary)
  }

  static func sizes(_ name: String, default value: OptionValue? = nil, optional: Bool = false, _ summary: String)
    -> OptionSpecification
  {
    OptionSpecification(name, .list(count: 2, 1...maximumSize), default: value, optional: optional, summary)
  }
}

extension Options {
  /// The axis of `CommonOption.axis`, from the front. Throws: `.shape` where the input has no such axis.
  func axis(of input: ValueType) throws(NNKitError) -> Int {
    let (axis, rank) = (int("axis"), input.shape.rank)
    guard (-rank..<rank).contains(axis) else {
      throw NNKitError(
        .shape,
        rank == 0
          ? "axis=\(axis): the input has shape \(input.shape), one number a sample; expected at least one axis"
          : "the input has shape \(input.shape), and no axis \(axis); expected one of \(-rank) to \(rank - 1), counted "
            + "without the batch")
    }
    return axis < 0 ? axis + rank : axis
  }

  func initializer(_ name: String) -> Initializer { Initializer(rawValue: string(name)) ?? .glorotUniform }
}
