import NNKit

/// The kinds of things that handles stand for.
enum HandleKind: UInt8 {
  case runtime = 1
  case graph
  case model
  case dataset
  case trainer
  case session
  case stream

  /// The function that makes one.
  var creator: String { self == .dataset ? "nnk_dataset_create_from_arrays" : "nnk_\(name)_create" }

  var name: String {
    switch self {
    case .runtime: "runtime"
    case .graph: "graph"
    case .model: "model"
    case .dataset: "dataset"
    case .trainer: "trainer"
    case .session: "session"
    case .stream: "stream"
    }
  }
}

/// What a handle can stand for.
protocol HandleObject: AnyObject {
  static var handleKind: HandleKind { get }
}

/// A graph is a value in Swift; C programs need one with an identity.
final class GraphBox: HandleObject {
  static let handleKind = HandleKind.graph
  private var graph = Graph()

  /// Graphs are small and quick to change: calls from several threads take turns.
  func withGraph<Result>(_ body: (inout Graph) -> Result) -> Result {
    GlobalLock.withLock { body(&graph) }
  }
}

extension Runtime: HandleObject { static var handleKind: HandleKind { .runtime } }
extension Model: HandleObject { static var handleKind: HandleKind { .model } }
extension Dataset: HandleObject { static var handleKind: HandleKind { .dataset } }
extension Trainer: HandleObject { static var handleKind: HandleKind { .trainer } }
extension Session: HandleObject { static var handleKind: HandleKind { .session } }
extension RecurrentStream: HandleObject { static var handleKind: HandleKind { .stream } }

/// The table behind the handles. A handle is a token of 64 bits, never an address: from the top, 8 bits `0x4E`
/// (so that no pointer of this platform looks like one), 8 bits for the kind, 24 bits for the slot's generation and 24
/// bits for the slot. A slot that is given back gets a new generation, so that old tokens stay invalid; after its last
/// generation it is never used again.
enum HandleTable {
  private struct Slot {
    var object: AnyObject?
    var kind: UInt8 = 0
    var generation: UInt32 = 1
  }

  nonisolated(unsafe) private static var slots: [Slot] = []
  nonisolated(unsafe) private static var free: [Int] = []
  private static let mark: UInt64 = 0x4E
  private static let maximumSlots = 1 << 24
  private static let lastGeneration: UInt32 = 0xFF_FFFF

  /// Throws: `.outOfMemory` where 2²⁴ objects are alive, or where memory could not be had on the way to this one.
  static func add<Object: HandleObject>(_ object: Object) throws(NNKitError) -> OpaquePointer? {
    try checkMemory()
    return try GlobalLock.withLock { () throws(NNKitError) -> OpaquePointer? in
      let index: Int
      if let reused = free.popLast() {
        index = reused
      } else {
        guard slots.count < maximumSlots else {
          throw NNKitError(.outOfMemory, "there are \(slots.count) objects already; destroy some that are not needed")
        }
        index = slots.count
        slots.append(Slot())
      }
      slots[index].object = object
      slots[index].kind = Object.handleKind.rawValue
      let token =
        mark << 56 | UInt64(Object.handleKind.rawValue) << 48 | UInt64(slots[index].generation) << 24 | UInt64(index)
      return OpaquePointer(bitPattern: UInt(token))
    }
  }

  /// The object behind a handle. Throws: `.invalidArgument` for NULL, `.invalidHandle` for any other handle that is
  /// not that of a living object of this kind.
  static func get<Object: HandleObject>(_ handle: OpaquePointer?, _: Object.Type = Object.self) throws(NNKitError)
    -> Object
  {
    let kind = Object.handleKind
    guard let handle else {
      throw NNKitError(.invalidArgument, "the \(kind.name) is NULL; expected a handle from \(kind.creator)")
    }
    let token = UInt64(UInt(bitPattern: handle))
    let found = GlobalLock.withLock { () -> AnyObject? in
      guard let index = index(of: token, kind) else { return nil }
      return slots[index].object
    }
    guard let found else {
      throw NNKitError(
        .invalidHandle, "the \(kind.name) handle is not valid: it was destroyed, is of another kind or never was one")
    }
    // The slot's kind is the object's type.
    return unsafeDowncast(found, to: Object.self)
  }

  /// Takes a handle out of the table; the object goes when nobody needs it any more. Anything else than a living
  /// handle of this kind is ignored.
  static func remove(_ handle: OpaquePointer?, _ kind: HandleKind) {
    guard let handle else { return }
    let token = UInt64(UInt(bitPattern: handle))
    // Released outside of the lock: an object's end may take time.
    let object = GlobalLock.withLock { () -> AnyObject? in
      guard let index = index(of: token, kind) else { return nil }
      let object = slots[index].object
      slots[index].object = nil
      if slots[index].generation < lastGeneration {
        slots[index].generation += 1
        free.append(index)
      }
      return object
    }
    withExtendedLifetime(object) {}
  }

  private static func index(of token: UInt64, _ kind: HandleKind) -> Int? {
    let index = Int(token & 0xFF_FFFF)
    guard token >> 56 == mark, UInt8(truncatingIfNeeded: token >> 48) == kind.rawValue, index < slots.count,
      slots[index].kind == kind.rawValue, slots[index].generation == UInt32(token >> 24 & 0xFF_FFFF),
      slots[index].object != nil
    else { return nil }
    return index
  }
}
