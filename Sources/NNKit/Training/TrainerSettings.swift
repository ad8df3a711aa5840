import Synchronization

/// The settings of a trainer that may change while it trains: the options of its optimizer, and the limit of its
/// gradients. Any thread changes them at any time; a step takes them over as it begins to change parameters.
final class TrainerSettings: @unchecked Sendable {
  /// What a step needs to know.
  struct Values {
    var optimizer: Optimizer
    var clipNorm: Double
    /// The optimizer's memory: an array for each of its slots, as large as the trainable parameters. It is never given
    /// back, so that a setting that needs none for a while loses nothing.
    var slots: [AlignedMemory]
  }

  let definition: OptimizerDefinition
  private let slotCount: Int
  /// All of these under the process's lock, which is held for moments and is safe to fork with.
  private var options: Options
  private var current: Values
  private let currentVersion = Atomic<Int>(0)

  static let clipNorm = OptionSpecification(
    "clip_norm", .float(0, OptionSpecification.largestFloat, upperOpen: false), default: .float(0),
    "the largest global norm of the gradients, which are scaled down to it; 0: any")

  /// `slotCount`: how many elements a slot of the optimizer has. Throws: `.outOfMemory`.
  init(_ definition: OptimizerDefinition, _ options: Options, slotCount: Int) throws(NNKitError) {
    self.definition = definition
    self.options = options
    self.slotCount = slotCount
    current = Values(optimizer: definition.make(options), clipNorm: options.float("clip_norm"), slots: [])
    current.slots = try Self.extend([], count: current.optimizer.slotCount, slotCount)
  }

  /// `slots`, and new ones up to `count`, of `elements` each.
  private static func extend(
    _ slots: [AlignedMemory], count: Int, _ elements: Int
  ) throws(NNKitError) -> [AlignedMemory] {
    var slots = slots
    while slots.count < count {
      slots.append(try AlignedMemory(byteCount: elements * MemoryLayout<Float>.stride))
    }
    return slots
  }

  /// Grows with every change; to be read before `values`.
  var version: Int { currentVersion.load(ordering: .acquiring) }

  /// Allocates nothing.
  var values: Values { GlobalLock.withLock { current } }

  private var owner: String { "a trainer with optimizer=\(definition.name)" }
  private var specifications: [OptionSpecification] { definition.options + [Self.clipNorm] }

  /// Reads `key=value ...`; what is not named stays as it is. Throws, and changes nothing: `.invalidArgument` for a key
  /// that is no setting or a value out of range; `.outOfMemory` where a setting needs memory that cannot be had.
  func set(_ text: String) throws(NNKitError) {
    while true {
      let (version, options, slots) = GlobalLock.withLock { (self.version, self.options, current.slots) }
      let new = try read(text, over: options)
      let optimizer = definition.make(new)
      let values = Values(
        optimizer: optimizer, clipNorm: new.float("clip_norm"),
        slots: try Self.extend(slots, count: optimizer.slotCount, slotCount))
      let isDone = GlobalLock.withLock {
        // Another thread may have set something else meanwhile, which must not be lost.
        guard self.version == version else { return false }
        self.options = new
        current = values
        currentVersion.store(version + 1, ordering: .releasing)
        return true
      }
      if isDone { return }
    }
  }

  private func read(_ text: String, over options: Options) throws(NNKitError) -> Options {
    for word in try Options.words(text, owner: owner) {
      let key = word.prefix { $0 != "=" }
      if Trainer.fixedOptions.contains(where: { $0.name == key }) {
        throw NNKitError(
          .invalidArgument, "the \(key) of a trainer is chosen when it is created; create another trainer of the model")
      }
    }
    return try Options(text, specifications.map { $0.with(default: options.value($0.name)) }, owner: owner)
  }

  /// All settings as they were last set, as text that `set` reads, and the optimizer's memory.
  var snapshot: (text: String, slots: [AlignedMemory]) {
    let (options, slots) = GlobalLock.withLock { (self.options, current.slots) }
    let words = specifications.compactMap { option in options.value(option.name).map { "\(option.name)=\($0)" } }
    return (words.joined(separator: " "), slots)
  }

  /// Settings that are ready to be taken over.
  struct Prepared {
    fileprivate let options: Options
    fileprivate let values: Values
    var slots: [AlignedMemory] { values.slots }
  }

  /// What `snapshot` gave, with `slotCount` slots. Throws: as `set`.
  func prepare(_ text: String, slotCount: Int) throws(NNKitError) -> Prepared {
    let (options, slots) = GlobalLock.withLock { (self.options, current.slots) }
    let new = try read(text, over: options)
    var values = Values(optimizer: definition.make(new), clipNorm: new.float("clip_norm"), slots: slots)
    // No more than there were: a slot that is there is kept up to date, whether it is needed or not.
    let count = max(slotCount, values.optimizer.slotCount)
    values.slots = try Self.extend(Array(slots.prefix(count)), count: count, self.slotCount)
    return Prepared(options: new, values: values)
  }

  func take(_ prepared: Prepared) {
    GlobalLock.withLock {
      options = prepared.options
      current = prepared.values
      currentVersion.store(version + 1, ordering: .releasing)
    }
  }

  /// The value of a setting as it was last set; of one that is true or false, 1 or 0. Throws: `.invalidArgument`.
  func get(_ name: String) throws(NNKitError) -> Double {
    let name = Options.specification(name, specifications)?.name ?? name
    switch GlobalLock.withLock({ options.value(name) }) {
    case .float(let value)? where specifications.contains { $0.name == name }: return value
    case .bool(let value)? where specifications.contains { $0.name == name }: return value ? 1 : 0
    default:
      if Trainer.fixedOptions.contains(where: { $0.name == name }) {
        throw NNKitError(.invalidArgument, "the \(name) of a trainer is no number")
      }
      throw Options.unknown(name[...], specifications, owner)
    }
  }
}

extension Trainer {
  /// Changes settings, `"learning_rate=3e-4 weight_decay=1e-4"`: any option of the optimizer, and `clip_norm`. What is
  /// not named stays as it is, and the optimizer keeps its state. The next step uses the new settings. Works at any
  /// time and from any thread, from the report of a fit too.
  ///
  /// A momentum that was 0 until now starts from nothing, as that of a new trainer does.
  ///
  /// Throws, and changes nothing: `.invalidArgument` for a key that is no setting or a value out of range;
  /// `.outOfMemory` where the optimizer needs more memory now that cannot be had.
  public func set(_ settings: String) throws(NNKitError) { try self.settings.set(settings) }

  /// The value of a setting as it was last set: `"learning_rate"`; 1 or 0 for true or false.
  /// Throws: `.invalidArgument` for a name that is no setting.
  public func get(_ setting: String) throws(NNKitError) -> Double { try settings.get(setting) }
}
