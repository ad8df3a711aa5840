import NNKit
import Testing

/// Losses, optimizers and the parameters of functions have what the catalog lists.
@Suite struct TypedTrainerTests {
  private func model() throws -> Model { try Model(input: [4], seed: 1) { Dense(units: 3) } }

  /// All options left out, and all of them set.
  private let optimizers: [(typed: Optimizer, text: String)] = [
    (.sgd(), "optimizer=sgd"),
    (
      .sgd(learningRate: 0.25, momentum: 0.5, nesterov: true, weightDecay: 1e-3),
      "optimizer=sgd learning_rate=0.25 momentum=0.5 nesterov=true weight_decay=1e-3"
    ),
    (.adam(), "optimizer=adam"),
    (
      .adam(learningRate: 0.25, beta1: 0.5, beta2: 0.75, epsilon: 1e-3, weightDecay: 1e-4),
      "optimizer=adam learning_rate=0.25 beta1=0.5 beta2=0.75 epsilon=1e-3 weight_decay=1e-4"
    ),
  ]

  /// Whether the trainers have the same loss, optimizer, metric and settings: a state says them all.
  private func areEqual(_ typed: Trainer, _ untyped: Trainer) throws -> Bool { try typed.state() == untyped.state() }

  @Test func theTypedOptimizerSaysWhatTheTextSays() throws {
    for (typed, text) in optimizers {
      #expect(
        try areEqual(
          Trainer(model(), loss: nil, optimizer: typed), Trainer(model(), options: "loss=none \(text)")), "\(text)")
    }
  }

  @Test func everyOptionOfAnOptimizerHasAParameter() throws {
    for entry in try CatalogEntries.read().optimizers {
      let plain = try Trainer(model(), options: "loss=none optimizer=\(entry.name)")
      let rows = optimizers.filter { keysAndValues($0.text)["optimizer"] == entry.name }
      #expect(rows.contains { keysAndValues($0.text).count == 1 }, "no plain \(entry.name) in the table")
      for option in entry.options {
        let isCovered = try rows.contains { row in
          try Trainer(model(), loss: nil, optimizer: row.typed).get(option.name) != plain.get(option.name)
        }
        #expect(isCovered, "no typed \(entry.name) has another \(option.name) than the default")
      }
    }
  }

  @Test func lossesAndMetricsAreThoseOfTheCatalog() throws {
    let catalog = try CatalogEntries.read()
    #expect(catalog.losses.map(\.name) == LossKind.allCases.map(\.rawValue))
    #expect(catalog.metrics.map(\.name) == Metric.allCases.map(\.rawValue))
    for loss in LossKind.allCases {
      #expect(
        try areEqual(
          Trainer(model(), loss: loss, clipNorm: 0.5),
          Trainer(model(), options: "loss=\(loss.rawValue) clip_norm=0.5")))
    }
    #expect(
      try areEqual(
        Trainer(model(), loss: .softmaxCrossEntropy, metric: .accuracy),
        Trainer(model(), options: "loss=softmax_cross_entropy metric=accuracy")))
  }

  /// Of each function that takes options: the parameter that Swift has for each. A new one is to be added here, and to
  /// the tests of what it does.
  @Test func everyOptionOfAFunctionHasAParameter() throws {
    let parameters: [String: [String: String]] = [
      "nnk_runtime_create": ["threads": "threads"],
      "nnk_model_create": ["seed": "seed"],
      "nnk_trainer_create": ["loss": "loss", "optimizer": "optimizer", "metric": "metric", "clip_norm": "clipNorm"],
      "nnk_trainer_fit": [
        "epochs": "epochs", "batch_size": "batchSize", "shuffle": "shuffle", "validation_split": "validationSplit",
        "report": "report",
      ],
      "nnk_trainer_evaluate": ["batch_size": "batchSize"],
      "nnk_trainer_evaluate_reporting": ["batch_size": "batchSize"],
      "nnk_session_create": ["max_batch": "maximumBatch", "max_time": "maximumTime", "max_bytes": "maximumBytes"],
      // A limit of the memory does not change how much is needed.
      "nnk_session_bytes": ["max_batch": "maximumBatch", "max_time": "maximumTime", "max_bytes": ""],
    ]
    #expect(
      try CatalogEntries.read().functions.mapValues { Set($0.map(\.name)) } == parameters.mapValues { Set($0.keys) })
    // The parameters by these names.
    let runtime = try Runtime(threads: 1)
    let model = try Model(input: [4], seed: 1, runtime: runtime) { Dense(units: 3) }
    _ = try Trainer(model, loss: .softmaxCrossEntropy, optimizer: .sgd(), metric: .accuracy, clipNorm: 1)
    _ = FitOptions(epochs: 1, batchSize: 1, shuffle: true, validationSplit: 0.5, report: .batch)
    _ = try Session(model, maximumBatch: 2, maximumTime: 0, maximumBytes: 1 << 30)
    #expect(try Session.bytes(model, maximumBatch: 2, maximumTime: 0) > 0)
  }

  @Test func fitReportsAsOftenAsTheCatalogSays() throws {
    let functions = try CatalogEntries.read().functions
    let option = try #require(functions["nnk_trainer_fit"]?.first { $0.name == "report" })
    #expect(option.choices == FitOptions.Report.allCases.map(\.rawValue))
  }
}
