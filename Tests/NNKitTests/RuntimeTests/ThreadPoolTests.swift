import CNNKitPlatform
import Glibc
import NNKit
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
  @Test(arguments: 1...8, [false, true])
  func everyTileRunsExactlyOnce(threads: Int, sharesOut: Bool) {
    let pool = ThreadPool(threads: threads)
    for tiles in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 97, 256, 999, 1000] {
      let counts = Counters(max(tiles, 1))
      let workersInRange = Counters(1)
      pool.run(tiles: tiles, sharesOut: sharesOut) { tile, worker in
        counts.add(tile)
        if (0..<threads).contains(worker) { workersInRange.add(0) }
      }
      #expect(counts.values.allSatisfy { $0 == (tiles == 0 ? 0 : 1) }, "\(tiles) tiles")
      #expect(workersInRange[0] == tiles)
    }
  }

  @Test func aHelperTakesTilesWhileTheCallerIsBusy() {
    let pool = ThreadPool(threads: 2)
    let workers = Counters(2)
    // Whoever has one of the two tiles waits until the other is taken too, so each thread gets one.
    pool.run(tiles: 2) { _, worker in
      workers.add(worker)
      while workers[0] + workers[1] < 2 { usleep(100) }
    }
    #expect(workers.values == [1, 1])
  }

  @Test func eachThreadBeginsWithItsOwnShare() {
    let pool = ThreadPool(threads: 2)
    let begun = Counters(2)
    let mine = Counters(2)
    pool.run(tiles: 8, sharesOut: true) { tile, worker in
      if begun.add(worker) == 1 {
        if tile == 4 * worker { mine.add(worker) }
        // Until both have begun, nobody takes a second tile.
        while begun[1 - worker] == 0 { usleep(100) }
      }
    }
    #expect(mine.values == [1, 1])
  }

  @Test func noWorkerIndexRunsTwoTilesAtOnce() {
    let pool = ThreadPool(threads: 4)
    let inside = Counters(4)
    let clashes = Counters(1)
    for _ in 0..<50 {
      pool.run(tiles: 40) { _, worker in
        if inside.add(worker) != 1 { clashes.add(0) }
        for _ in 0..<50 { nnkit_platform_pause() }
        inside.subtract(worker)
      }
    }
    #expect(clashes[0] == 0)
  }

  @Test func aRunInsideABodyIsDoneByItsCaller() {
    let pool = ThreadPool(threads: 4)
    let counts = Counters(8 * 16)
    let strangers = Counters(1)
    pool.run(tiles: 8) { outer, _ in
      let thread = pthread_self()
      pool.run(tiles: 16) { inner, worker in
        counts.add(outer * 16 + inner)
        if worker != 0 || pthread_equal(thread, pthread_self()) == 0 { strangers.add(0) }
      }
    }
    #expect(counts.values.allSatisfy { $0 == 1 })
    #expect(strangers[0] == 0)
  }

  @Test func manyHostThreadsShareOnePool() {
    let pool = ThreadPool(threads: 3)
    let hosts = 12
    let counts = Counters(hosts * 20)
    let threads = (0..<hosts).map { host in
      HostThread {
        for _ in 0..<50 { pool.run(tiles: 20) { tile, _ in counts.add(host * 20 + tile) } }
      }
    }
    for thread in threads { thread.join() }
    #expect(counts.values.allSatisfy { $0 == 50 })
  }

  @Test func thePoolWorksAgainAfterStop() {
    let pool = ThreadPool(threads: 3)
    let counts = Counters(100)
    pool.stop()
    for _ in 0..<10 {
      pool.run(tiles: 100) { tile, _ in counts.add(tile) }
      pool.stop()
      pool.stop()
    }
    #expect(counts.values.allSatisfy { $0 == 10 })
  }

  @Test func stopMayComeWhileOthersRun() {
    let pool = ThreadPool(threads: 3)
    let counts = Counters(30)
    let host = HostThread { for _ in 0..<200 { pool.run(tiles: 30) { tile, _ in counts.add(tile) } } }
    for _ in 0..<20 { pool.stop() }
    host.join()
    #expect(counts.values.allSatisfy { $0 == 200 })
  }

  @Test func aBodyIsFreeToBeDestroyedWhenRunReturns() {
    final class Canary {}
    let pool = ThreadPool(threads: 4)
    for _ in 0..<200 {
      weak var canary: Canary?
      do {
        let strong = Canary()
        canary = strong
        pool.run(tiles: 16) { _, _ in withExtendedLifetime(strong) {} }
      }
      #expect(canary == nil)
    }
  }

  @Test func workersUseTheDefaultFloatingPointEnvironmentAndTheCallersIsRestored() {
    var strange = nnkit_platform_float_environment_default()
    strange.mxcsr |= 0x8040 | 0x6000  // flush to zero, denormals as zero, round towards zero
    strange.x87_control |= 0x0c00  // round towards zero
    let control = strange.x87_control
    withUnsafeMutableBytes(of: &strange.x87) { bytes in
      bytes.storeBytes(of: control, as: UInt16.self)
      bytes.storeBytes(of: 0xffff, toByteOffset: 8, as: UInt16.self)  // all registers are empty
    }
    for threads in [1, 3] {
      let pool = ThreadPool(threads: threads)
      let deviations = Counters(1)
      let before = nnkit_platform_float_environment_get()
      nnkit_platform_float_environment_set(strange)
      for tiles in [1, 2, 50] {
        pool.run(tiles: tiles) { _, _ in
          let environment = nnkit_platform_float_environment_get()
          let expected = nnkit_platform_float_environment_default()
          // The low six bits are sticky flags, raised by arithmetic.
          if environment.mxcsr & ~0x3f != expected.mxcsr || environment.x87_control != expected.x87_control {
            deviations.add(0)
          }
          usleep(100)
        }
      }
      let after = nnkit_platform_float_environment_get()
      nnkit_platform_float_environment_set(before)
      #expect(deviations[0] == 0)
      #expect(after.mxcsr == strange.mxcsr)
      #expect(after.x87_control == strange.x87_control)
    }
  }

  @Test func workersBlockEverySignalAndBearNames() {
    let pool = ThreadPool(threads: 3)
    let open = Counters(3)
    let misnamed = Counters(1)
    let seen = Counters(3)
    let maskBefore = blockedSignals()
    pool.run(tiles: 3) { _, worker in
      if worker > 0 {
        // 32 and 33 are the C library's own, SIGKILL and SIGSTOP cannot be blocked.
        let expected = Set(1...31).subtracting([Int(SIGKILL), Int(SIGSTOP)])
        if !blockedSignals().isSuperset(of: expected) { open.add(worker) }
        if threadName() != "nnkit-\(worker)" { misnamed.add(0) }
      }
      seen.add(worker)
      while seen.values.reduce(0, +) < 3 { usleep(100) }
    }
    #expect(seen.values == [1, 1, 1])
    #expect(open.values == [0, 0, 0])
    #expect(misnamed[0] == 0)
    #expect(blockedSignals() == maskBefore)
  }
}

/// Counters that any thread may change.
final class Counters: Sendable {
  private let storage: [Counter]

  private final class Counter: Sendable { let value = Atomic<Int>(0) }

  init(_ count: Int) { storage = (0..<count).map { _ in Counter() } }

  var values: [Int] { storage.map { $0.value.load(ordering: .acquiring) } }
  subscript(index: Int) -> Int { storage[index].value.load(ordering: .acquiring) }

  @discardableResult
  func add(_ index: Int) -> Int { storage[index].value.add(1, ordering: .acquiringAndReleasing).newValue }
  func subtract(_ index: Int) { storage[index].value.subtract(1, ordering: .acquiringAndReleasing) }
}

/// A thread of the host.
final class HostThread {
  private var thread = pthread_t()

  private final class Box {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  init(_ body: @escaping () -> Void) {
    let box = Unmanaged.passRetained(Box(body)).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, box)
    precondition(status == 0, "the test needs a thread and cannot have one")
  }

  func join() { pthread_join(thread, nil) }
}

/// The signals that the calling thread blocks.
private func blockedSignals() -> Set<Int> {
  var mask = sigset_t()
  pthread_sigmask(SIG_BLOCK, nil, &mask)
  return Set((1...64).filter { sigismember(&mask, Int32($0)) == 1 })
}

private func threadName() -> String {
  var name = [CChar](repeating: 0, count: 16)
  nnkit_platform_get_thread_name(&name)
  return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
