import FoundationEssentials

/// What a trainer's state says beside its tensors, as JSON in the file's metadata.
private struct TrainerDescription: Codable {
  var version: Int
  /// What was chosen when the trainer was created: loss, optimizer, metric.
  var choices: [String: String]
  /// The settings that may change, as text.
  var settings: String
  /// How many numbers the optimizer keeps for each parameter.
  var slots: Int
  /// The bits of the logarithms of the products of Adam's `β`, which may be -infinity.
  var logDecay: [UInt64]
  /// How many epochs and passes the trainers of the model have begun.
  var epochs: Int
  var passes: UInt64
  /// Whether gradients are there that `apply` may still use.
  var hasGradients: Bool
  /// The parameters whose next value waits among the gradients.
  var pending: [String]
  /// The parameters that are frozen; a state without it has none.
  var frozen: [String]?

  static let currentVersion = 1

  /// Throws: `.internal` (never seen: the description holds nothing that JSON cannot).
  func json() throws(NNKitError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      throw NNKitError(.internal, "the trainer's state could not be written as JSON")
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// Throws: `.format`; `.unsupported` for a newer version.
  static func parse(_ json: String) throws(NNKitError) -> TrainerDescription {
    guard let description = try? JSONDecoder().decode(TrainerDescription.self, from: Data(json.utf8)) else {
      throw NNKitError(.format, "the description of the trainer in the state is not the JSON that was expected")
    }
    guard description.version == currentVersion else {
      throw NNKitError(
        .unsupported,
        "the trainer's state has version \(description.version); this library reads version \(currentVersion). Use "
          + "a newer library")
    }
    // So that counting on cannot overflow.
    guard (0..<1 << 62).contains(description.epochs), description.passes < 1 << 62,
      description.logDecay.count == 2, description.logDecay.allSatisfy({ Double(bitPattern: $0) <= 0 })
    else {
      throw NNKitError(.format, "the state's counts of epochs, passes and updates are not possible ones")
    }
    return description
  }
}

extension Trainer {
  /// Gives `write`, piece by piece, all that training goes on from, to the bit: the file of the model, as
  /// `Model.write` gives it, and with it the optimizer's memory, the counters from which the order of samples and
  /// dropout are drawn, the settings, and the gradients if `apply` may still use them. The report of a fit may ask for
  /// it: what is left of the epoch is no part of it.
  ///
  /// Throws: `.busy`; what `write` throws.
  public func writeState(_ write: (UnsafeRawBufferPointer) throws(NNKitError) -> Void) throws(NNKitError) {
    try busy.read("trainer") { () throws(NNKitError) in
      let (text, slots) = settings.snapshot
      let description = TrainerDescription(
        version: TrainerDescription.currentVersion, choices: choices, settings: text, slots: slots.count,
        logDecay: [optimizer.logDecay.first.bitPattern, optimizer.logDecay.second.bitPattern],
        epochs: model.epochs.load(ordering: .relaxed), passes: model.passes.load(ordering: .relaxed),
        hasGradients: hasGradients, pending: pendingNames,
        frozen: frozen.isEmpty ? nil : model.parameters.filter { frozen.contains($0.offset) }.map(\.name))
      let tensors = stateTensors(slots, hasGradients: hasGradients)
      try model.withFile(Model.TrainingPart(json: try description.json(), tensors: tensors)) {
        (parts) throws(NNKitError) in
        for part in parts where !part.isEmpty {
          try busy.callBack { () throws(NNKitError) in try write(part) }
        }
      }
    }
  }

  /// Whether this thread is in a fit of this trainer, which reports to the host.
  package var isCallingBack: Bool { busy.isCallingBack }

  /// The bytes that `writeState` gives.
  public func state() throws(NNKitError) -> [UInt8] {
    var bytes: [UInt8] = []
    try writeState { bytes += $0 }
    return bytes
  }

  /// Makes this trainer and its model go on where the trainer of `state` was: parameters, optimizer, counters.
  ///
  /// Throws: `.format` for bytes that are not a whole state; `.unsupported` for a newer version; `.invalidArgument`
  /// for the state of another model or of a trainer with other settings; `.busy`. Then nothing has changed.
  public func restore(_ state: UnsafeRawBufferPointer) throws(NNKitError) {
    let file = try Safetensors.parse(state)
    guard let json = file.metadata[Model.trainerKey], file.hasChecksum else {
      throw NNKitError(
        .format, "there is no trainer's state in it (\(Model.trainerKey) and \(Model.checksumKey) in its metadata)")
    }
    let graph = try file.graph()
    let description = try TrainerDescription.parse(json)
    guard graph == GraphDescription(model.graph, seed: model.seed) else {
      throw NNKitError(
        .invalidArgument, "the state is that of another model: its graph or its seed differs from this trainer's")
    }
    try requireEqual(description.choices)
    let pendingNames = Set(description.pending)
    let pending = model.parameters.filter { pendingNames.contains($0.name) }
    guard pending.map(\.name) == description.pending, pending.allSatisfy({ !$0.specification.trainable }) else {
      throw NNKitError(.format, "the state's pending values \(description.pending.prefix(4)) are not this model's")
    }
    let frozenNames = Set(description.frozen ?? [])
    let frozenParameters = model.parameters.filter { frozenNames.contains($0.name) }
    guard frozenParameters.count == frozenNames.count else {
      throw NNKitError(.format, "the state's frozen parameters \(frozenNames.sorted().prefix(4)) are not this model's")
    }
    guard (0...settings.definition.slots.count).contains(description.slots) else {
      throw NNKitError(.format, "the state has \(description.slots) numbers of the optimizer for each parameter")
    }
    let prepared = try settings.prepare(description.settings, slotCount: description.slots)
    // Everything is checked before anything changes.
    var entries = file.entriesByName
    var copies: [(from: UnsafeRawBufferPointer, to: UnsafeMutablePointer<Float>)] = []
    let slots = Array(prepared.slots.prefix(description.slots))
    let targets =
      model.parameters.map { model.arena.tensor($0, in: model.arena.memory) }
      + stateTensors(slots, hasGradients: description.hasGradients)
    for target in targets {
      let values = UnsafeMutablePointer(mutating: target.values.baseAddress!)
      copies.append((try file.data(&entries, target.name, target.shape), values))
    }
    if let extra = entries.keys.min() {
      throw NNKitError(.format, "the tensor \"\(excerpt(extra))\" belongs to no parameter of the model")
    }
    try busy.enter("trainer") { () throws(NNKitError) in
      model.arena.lock.write {
        for copy in copies {
          if let base = copy.from.baseAddress {
            UnsafeMutableRawPointer(copy.to).copyMemory(from: base, byteCount: copy.from.count)
          }
        }
        model.arena.markChanged()
      }
      settings.take(prepared)
      optimizer.logDecay = (
        Double(bitPattern: description.logDecay[0]), Double(bitPattern: description.logDecay[1])
      )
      model.epochs.store(description.epochs, ordering: .relaxed)
      model.passes.store(description.passes, ordering: .relaxed)
      setFrozen(Set(frozenParameters.map(\.offset)))
      pendingState = pending.map(\.range)
      hasGradients = description.hasGradients
    }
  }

  /// The same, of the bytes that `state()` gave.
  public func restore(_ state: [UInt8]) throws(NNKitError) {
    try state.withUnsafeBufferPointer { (state) throws(NNKitError) in try restore(UnsafeRawBufferPointer(state)) }
  }

  private var pendingNames: [String] {
    let offsets = Set(pendingState.map(\.lowerBound))
    return model.parameters.filter { offsets.contains($0.offset) }.map(\.name)
  }

  /// The optimizer's memory and, if wanted, the gradients, by the name of the parameter.
  private func stateTensors(_ slots: [AlignedMemory], hasGradients: Bool) -> [Safetensors.Tensor] {
    var tensors: [Safetensors.Tensor] = []
    for (slot, memory) in zip(settings.definition.slots, slots) {
      let values = memory.base.assumingMemoryBound(to: Float.self)
      for parameter in model.parameters where parameter.specification.trainable {
        tensors.append(
          Safetensors.Tensor("\(parameter.name)/\(slot)", parameter.shape, values + parameter.offset))
      }
    }
    guard hasGradients else { return tensors }
    let values = gradients.base.assumingMemoryBound(to: Float.self)
    return tensors
      + model.parameters.map { Safetensors.Tensor("\($0.name)/gradient", $0.shape, values + $0.offset) }
  }

  /// What cannot change.
  private var choices: [String: String] {
    ["loss": loss?.name ?? Self.noLoss, "optimizer": settings.definition.name, "metric": metric ?? "none"]
  }

  /// Throws: `.invalidArgument` where the choices of a state are not those of this trainer.
  private func requireEqual(_ found: [String: String]) throws(NNKitError) {
    for (name, expected) in choices.sorted(by: { $0.key < $1.key }) where found[name] != expected {
      throw NNKitError(
        .invalidArgument,
        "the state is that of a trainer with \(name)=\(excerpt(found[name] ?? "none")); this one has "
          + "\(name)=\(expected). Create a trainer with the options of the state")
    }
  }
}
