/// How parameters follow their gradients.
public enum Optimizer: Sendable, Equatable {
  case sgd(learningRate: Double = 0.01, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
  case adam(
    learningRate: Double = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
    weightDecay: Double = 0)

  /// `key=value` text as the trainer's options take it.
  package var options: String {
    switch self {
    case .sgd(let learningRate, let momentum, let nesterov, let weightDecay):
      "optimizer=sgd learning_rate=\(learningRate) momentum=\(momentum) nesterov=\(nesterov) weight_decay=\(weightDecay)"
    case .adam(let learningRate, let beta1, let beta2, let epsilon, let weightDecay):
      "optimizer=adam learning_rate=\(learningRate) beta1=\(beta1) beta2=\(beta2) epsilon=\(epsilon) "
        + "weight_decay=\(weightDecay)"
    }
  }

  /// How many numbers it keeps for each parameter.
  var slotCount: Int {
    switch self {
    case .sgd(_, let momentum, _, _): momentum > 0 ? 1 : 0
    case .adam: 2
    }
  }
}

/// An optimizer as programs choose it.
package struct OptimizerDefinition: Sendable {
  package let name: String
  package let className: String
  package let summary: String
  package let options: [OptionSpecification]
  /// The names of the numbers that it may keep for each parameter, in a state's file.
  let slots: [String]
  package let make: @Sendable (Options) -> Optimizer

  private static func rate(_ value: Double) -> OptionSpecification {
    OptionSpecification(
      "learning_rate", .float(0, OptionSpecification.largestFloat, upperOpen: false), default: .float(value),
      "the size of a step")
  }

  private static let weightDecay = OptionSpecification(
    "weight_decay", .float(0, OptionSpecification.largestFloat, upperOpen: false), default: .float(0),
    "this times the parameter is added to its gradient (L2)")

  private static func fraction(_ name: String, _ value: Double, _ summary: String) -> OptionSpecification {
    OptionSpecification(name, .float(0, 1, upperOpen: true), default: .float(value), summary)
  }

  package static let all = [
    OptimizerDefinition(
      name: "sgd", className: "SGD", summary: "stochastic gradient descent, with momentum",
      options: [
        rate(0.01), fraction("momentum", 0, "the share of the last step that is kept"),
        OptionSpecification("nesterov", .bool, default: .bool(false), "whether momentum looks ahead (Nesterov)"),
        weightDecay,
      ],
      slots: ["velocity"],
      make: {
        .sgd(
          learningRate: $0.float("learning_rate"), momentum: $0.float("momentum"), nesterov: $0.bool("nesterov"),
          weightDecay: $0.float("weight_decay"))
      }),
    OptimizerDefinition(
      name: "adam", className: "Adam", summary: "adaptive moment estimation (Kingma and Ba, 2015)",
      options: [
        rate(0.001), fraction("beta1", 0.9, "decay of the mean of the gradient"),
        fraction("beta2", 0.999, "decay of the mean of its square"),
        OptionSpecification(
          "epsilon", .float(1e-30, 1, upperOpen: false), default: .float(1e-7), "added to the divisor"),
        weightDecay,
      ],
      slots: ["first_moment", "second_moment"],
      make: {
        .adam(
          learningRate: $0.float("learning_rate"), beta1: $0.float("beta1"), beta2: $0.float("beta2"),
          epsilon: $0.float("epsilon"), weightDecay: $0.float("weight_decay"))
      }),
  ]
}
