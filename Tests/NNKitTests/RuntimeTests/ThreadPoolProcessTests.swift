import CNNKitPlatform
import Glibc
import NNKit
import Testing

/// What concerns the whole process runs in a child of its own, undisturbed by the tests beside it. A child is
/// killed after a minute: a hang fails the test and does not hang it.
@Suite(
  .serialized,
  .disabled(if: isEmulated, "QEMU's user emulation aborts when the child of a process with threads starts a thread"))
struct ThreadPoolProcessTests {
  @Test func aChildForkedWhileThePoolRunsCanRunAtOnce() {
    let pool = ThreadPool(threads: 3)
    let isDone = Counters(1)
    let host = HostThread {
      while isDone[0] == 0 { pool.run(tiles: 64) { _, _ in for _ in 0..<20 { nnkit_platform_pause() } } }
    }
    let sums = UnsafeMutablePointer<Int>.allocate(capacity: 100)
    sums.initialize(repeating: 0, count: 100)
    let body: (Int, Int) -> Void = { tile, _ in sums[tile] += tile + 1 }
    pool.run(tiles: 100, body)
    let succeeded = (0..<50).filter { _ in
      inChild {
        for tile in 0..<100 { sums[tile] = 0 }
        for _ in 0..<20 { pool.run(tiles: 100, body) }
        pool.stop()
        pool.run(tiles: 100, body)
        return (0..<100).allSatisfy { sums[$0] == 21 * ($0 + 1) }
      }
    }
    isDone.add(0)
    host.join()
    sums.deallocate()
    #expect(succeeded.count == 50)
  }

  @Test func aChildForkedWhileATeamMeetsCanRunTeamsAtOnce() {
    let pool = ThreadPool(threads: 3, teamLimit: 3)
    let isDone = Counters(1)
    let host = HostThread {
      while isDone[0] == 0 { pool.runTeam(members: 3, .forLater) { team in for _ in 0..<20 { team.meet() } } }
    }
    let sums = UnsafeMutablePointer<Int>.allocate(capacity: 100)
    let body: (ThreadTeam) -> Void = { team in
      for index in team.part(of: 100) { sums[index] += 1 }
      team.meet()
    }
    let succeeded = (0..<50).filter { _ in
      inChild {
        sums.initialize(repeating: 0, count: 100)
        for _ in 0..<20 { pool.runTeam(members: 3, .forLater, body) }
        pool.stop()
        pool.runTeam(members: 3, .forLater, body)
        return (0..<100).allSatisfy { sums[$0] == 21 }
      }
    }
    isDone.add(0)
    host.join()
    sums.deallocate()
    #expect(succeeded.count == 50)
  }

  @Test func aChildStartsItsOwnWorkers() {
    let pool = ThreadPool(threads: 3)
    let body: (Int, Int) -> Void = { _, _ in usleep(1000) }
    pool.run(tiles: 30, body)
    #expect(
      inChild {
        let before = threadsOfProcess()
        pool.run(tiles: 30, body)
        return before == 1 && threadsOfProcess() == 3
      })
  }

  @Test func aChildOfAChildCanRunToo() {
    let pool = ThreadPool(threads: 2)
    let body: (Int, Int) -> Void = { _, _ in }
    pool.run(tiles: 8, body)
    #expect(
      inChild {
        pool.run(tiles: 8, body)
        return inChild {
          pool.run(tiles: 8, body)
          return true
        }
      })
  }

  @Test func aPoolMadeInAChildWorksBesideItsParents() {
    let first = ThreadPool(threads: 2)
    let gone = ThreadPool(threads: 2)
    let body: (Int, Int) -> Void = { _, _ in }
    gone.run(tiles: 8, body)
    first.run(tiles: 8, body)
    #expect(
      inChild {
        let second = ThreadPool(threads: 2)
        second.run(tiles: 8, body)
        first.run(tiles: 8, body)
        second.stop()
        return threadsOfProcess() == 2
      })
    withExtendedLifetime(gone) {}
  }

  @Test func onePoolThreadStartsNone() {
    let pool = ThreadPool(threads: 1)
    #expect(
      inChild {
        pool.run(tiles: 100) { _, _ in }
        return threadsOfProcess() == 1
      })
  }

  @Test func onePieceOfWorkStartsNoThread() {
    let pool = ThreadPool(threads: 4)
    #expect(
      inChild {
        pool.run(tiles: 1) { _, _ in }
        return threadsOfProcess() == 1
      })
  }

  @Test func aPoolThatIsGoneLeavesNoThread() {
    #expect(
      inChild {
        do {
          let pool = ThreadPool(threads: 4)
          pool.run(tiles: 100) { _, _ in }
          guard threadsOfProcess() == 4 else { return false }
        }
        return threadsOfProcess() == 1
      })
  }

  @Test func anIdlePoolUsesNoProcessorTime() {
    let pool = ThreadPool(threads: 4)
    #expect(
      inChild {
        pool.run(tiles: 100) { _, _ in }
        usleep(100_000)
        let before = processorNanoseconds()
        usleep(500_000)
        // 2 % of one processor; a single spinning worker would use 100 %.
        return processorNanoseconds() - before < 10_000_000
      })
  }

  @Test func refusedThreadsMeanFewerThreads() {
    let pool = ThreadPool(threads: 256)
    #expect(
      inChild {
        // Room for some stacks and not for 255.
        guard let used = addressSpaceBytes() else { return false }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        limit.rlim_cur = rlim_t(used + (8 << 20))
        guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return false }
        let sums = Sums()
        pool.run(tiles: 500) { tile, _ in sums.values[tile] += 1 }
        return sums.allAreOne && threadsOfProcess() < 256
      })
  }

  @Test func aProcessExitsWithItsWorkersAlive() {
    let pool = ThreadPool(threads: 4)
    let status = childStatus {
      pool.run(tiles: 100) { _, _ in }
      // Not `_exit`: what is registered to run at exit runs with the workers alive.
      exit(7)
    }
    #expect(status == 7 << 8)
  }
}

/// Whether QEMU interprets this program.
let isEmulated: Bool = {
  let signature = nnkit_platform_cpuid(0x4000_0000, 0)
  return withUnsafeBytes(of: (signature.ebx, signature.ecx, signature.edx)) { $0.elementsEqual("TCGTCGTCGTCG".utf8) }
}()

private final class Sums {
  let values = UnsafeMutablePointer<Int>.allocate(capacity: 500)
  init() { values.initialize(repeating: 0, count: 500) }
  deinit { values.deallocate() }
  var allAreOne: Bool { (0..<500).allSatisfy { values[$0] == 1 } }
}

/// Whether `body`, run in a forked child, returned true within a minute.
func inChild(_ body: () -> Bool) -> Bool {
  childStatus { body() } == 0
}

/// The status, as of `waitpid`, of a forked child that ran `body` and left with 0 for true and 1 for false.
private func childStatus(_ body: () -> Bool) -> Int32 {
  let child = nnkit_platform_fork()
  if child == 0 {
    var alarmSignal = sigset_t()
    sigemptyset(&alarmSignal)
    sigaddset(&alarmSignal, SIGALRM)
    signal(SIGALRM, SIG_DFL)
    sigprocmask(SIG_UNBLOCK, &alarmSignal, nil)
    alarm(60)
    _exit(body() ? 0 : 1)
  }
  var status: Int32 = -1
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  return status
}

/// How many threads the calling process has.
private func threadsOfProcess() -> Int {
  guard let folder = opendir("/proc/self/task") else { return -1 }
  defer { closedir(folder) }
  var count = 0
  while let entry = readdir(folder) {
    if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
  }
  return count
}

/// Processor time that all threads of the process have used.
private func processorNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The size of the process's address space, in bytes.
private func addressSpaceBytes() -> Int? {
  let file = open("/proc/self/statm", O_RDONLY)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var text = [UInt8](repeating: 0, count: 128)
  let length = read(file, &text, text.count)
  guard length > 0 else { return nil }
  return Int(String(decoding: text.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)).map { $0 * 4096 }
}
