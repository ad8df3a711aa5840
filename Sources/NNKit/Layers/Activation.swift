import NNKitKernelTable

/// An elementwise function as a layer of its own.
public struct Activation: Layer {
  public static let kind = "activation"
  public let options: String
  public let name: String?

  /// `function` of each element, in any shape.
  public init(_ function: ActivationFunction, name: String? = nil) {
    options = "function=\(function.rawValue)"
    self.name = name
  }

  package static let definition = LayerDefinition(
    kind: kind, className: "Activation", summary: "an elementwise function",
    options: [CommonOption.activation("function", default: nil)],
    make: { (options, _) throws(NNKitError) -> any Operation in
      ActivationOperation(kind: ActivationKind(options, "function"))
    })
}

/// Softmax over the last axis.
public struct Softmax: Layer {
  public static let kind = "softmax"
  public let options = ""
  public let name: String?

  /// The last axis must be of known size.
  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "Softmax", summary: "softmax over the last axis", options: [],
    make: { (_, _) throws(NNKitError) -> any Operation in SoftmaxOperation(logarithm: false) })
}

/// The logarithm of softmax over the last axis.
public struct LogSoftmax: Layer {
  public static let kind = "log_softmax"
  public let options = ""
  public let name: String?

  /// The last axis must be of known size.
  public init(name: String? = nil) { self.name = name }

  package static let definition = LayerDefinition(
    kind: kind, className: "LogSoftmax", summary: "the logarithm of softmax over the last axis", options: [],
    make: { (_, _) throws(NNKitError) -> any Operation in SoftmaxOperation(logarithm: true) })
}
