import CNNKitPlatform
import Glibc
import NNKit
import Testing

@Suite(
  .serialized,
  .disabled(if: isEmulated, "QEMU's user emulation aborts when the child of a process with threads starts a thread"))
struct ParameterLockTests {
  private let arena: ParameterArena

  init() throws { arena = try ParameterArena(count: 4096, trainableCount: 4096) }

  private var isOneState: Bool { (0..<arena.count).allSatisfy { arena.floats[$0] == arena.floats[0] } }

  /// Readers and writers that come back at once, and what `body` does meanwhile.
  private func underLoad(_ body: () -> Void) -> (reads: Int, writes: Int, mixtures: Int) {
    let counters = Counters(4)
    let readers = (0..<3).map { _ in
      HostThread {
        while counters[3] == 0 {
          if !arena.lock.read({ isOneState }) { counters.add(2) }
          counters.add(0)
        }
      }
    }
    let writers = (0..<2).map { _ in
      HostThread {
        while counters[3] == 0 {
          arena.lock.write { for i in 0..<arena.count { arena.floats[i] += 1 } }
          counters.add(1)
        }
      }
    }
    body()
    counters.add(3)
    for thread in readers + writers { thread.join() }
    return (counters[0], counters[1], counters[2])
  }

  @Test func readersSeeOneStateAndNeitherSideIsKeptOut() {
    let seen = underLoad { usleep(500_000) }
    #expect(seen.mixtures == 0)
    #expect(seen.reads > 100 && seen.writes > 100)
    #expect(arena.floats[0] == Float(seen.writes))
  }

  @Test func aChildFindsOneStateAndNobodyInside() {
    var good = 0
    let seen = underLoad {
      for _ in 0..<50 {
        usleep(1000)
        good +=
          inChild {
            let before = arena.floats[0]
            guard isOneState else { return false }
            arena.lock.write { for i in 0..<arena.count { arena.floats[i] += 1 } }
            return arena.lock.read { isOneState && arena.floats[0] == before + 1 }
          } ? 1 : 0
      }
    }
    #expect(good == 50)
    #expect(seen.mixtures == 0 && arena.floats[0] == Float(seen.writes))
  }

  @Test func aForkMeetsLocksThatComeAndGo() throws {
    let counters = Counters(1)
    let host = HostThread {
      while counters[0] == 0 { _ = try? ParameterArena(count: 16, trainableCount: 16) }
    }
    let good = (0..<500).filter { _ in
      inChild {
        guard let arena = try? ParameterArena(count: 16, trainableCount: 16) else { return false }
        return arena.lock.write { true }
      }
    }
    counters.add(0)
    host.join()
    #expect(good.count == 500)
  }

  @Test func whoIsInsideTheGateMayForkAndOthersForkMeanwhile() {
    let counters = Counters(2)
    let others = (0..<2).map { _ in
      HostThread {
        while counters[0] == 0 { if !inChild({ arena.lock.read { isOneState } }) { counters.add(1) } }
      }
    }
    var good = 0
    for _ in 0..<100 {
      arena.lock.write {
        nnkit_platform_fork_gate_enter()
        good += inChild { arena.lock.write { isOneState } && arena.lock.read { isOneState } } ? 1 : 0
        nnkit_platform_fork_gate_leave()
        for i in 0..<arena.count { arena.floats[i] += 1 }
      }
    }
    counters.add(0)
    for thread in others { thread.join() }
    #expect(good == 100 && counters[1] == 0)
    #expect(arena.lock.read { isOneState } && arena.floats[0] == 100)
  }

  /// Workers may have to wait for a lock while they compute an update, for which a fork waits.
  @Test func workersOfAWriterMayEnterTheGateWhileAForkWaits() {
    let pool = ThreadPool(threads: 4)
    let counters = Counters(2)
    let host = HostThread {
      while counters[0] == 0 { if !inChild({ arena.lock.read { isOneState } }) { counters.add(1) } }
    }
    for _ in 0..<200 {
      arena.lock.write {
        pool.run(tiles: 8) { tile, _ in
          usleep(100)
          nnkit_platform_fork_gate_enter()
          let share = arena.count / 8
          for i in tile * share..<(tile + 1) * share { arena.floats[i] += 1 }
          nnkit_platform_fork_gate_leave()
        }
      }
    }
    counters.add(0)
    host.join()
    #expect(counters[1] == 0 && arena.floats[0] == 200)
  }
}
