import CNNKitPlatform
import Glibc
import Synchronization

/// A counter that shares its cache lines with nothing else, the line that the processor fetches along included.
struct PaddedCounter: ~Copyable {
  let count = Atomic<Int>(0)
  private let padding = InlineArray<15, Int>(repeating: 0)
}

/// Tiles of a job that nobody has taken yet. With all that whoever takes one needs in a cache line of its own, one
/// transfer between processors brings it.
struct ThreadPoolShare: ~Copyable {
  /// How many tiles are left; the last one is `end - 1`.
  let left = Atomic<Int>(0)
  let end = Atomic<Int>(0)
  let job = Atomic<UnsafePointer<ThreadPoolJob>?>(nil)
  private let padding = InlineArray<13, Int>(repeating: 0)
}

/// What `ThreadPool.run` or `runTeam` was asked for; lies on the stack of its caller.
struct ThreadPoolJob {
  enum Body {
    case tiles((_ tile: Int, _ worker: Int) -> Void)
    /// Each tile is a seat for one member besides the caller.
    case team((ThreadTeam) -> Void)
  }

  let tiles: Int
  let body: Body
  /// Among how many threads the tiles are shared out. Who has finished its share takes from those of others.
  let shares: Int
  /// Whether the caller is inside the gate of forks, and the workers with it.
  let isInsideForkGate = nnkit_platform_is_inside_fork_gate()

  init(tiles: Int, shares: Int, body: Body) {
    self.tiles = tiles
    self.shares = min(tiles, shares)
    self.body = body
  }

  /// The tiles of one share.
  @inline(__always)
  func share(_ index: Int) -> Range<Int> { tiles * index / shares..<tiles * (index + 1) / shares }
}

/// What a worker thread is told. Index 0 is the host's own thread and has none of these.
struct ThreadPoolWorker {
  let state: UnsafeMutablePointer<ThreadPoolState>
  let index: Int
}

/// What the host's threads, the workers and the fork handlers share. Lives in raw memory at a fixed address,
/// so that the handlers touch no object. Every field that changes is atomic, even where a claim orders its
/// accesses: to write any other one would be, to Swift, an exclusive access to the whole.
///
/// A job is published by storing how many tiles its shares have left. Whoever decrements one of those numbers owns one
/// tile, and a job with an unfinished tile cannot end: so the share's other fields are read only between a claim and the
/// matching `finish`, and a worker that comes late (or from an earlier job) either gets a tile of the present job or
/// none.
struct ThreadPoolState: ~Copyable {
  /// Room for one share for each thread.
  let shares: UnsafeMutablePointer<ThreadPoolShare>
  let unfinishedTiles = PaddedCounter()
  /// 1 while one host thread's job, or `stop`, has the pool for itself.
  let claims = PaddedCounter()
  /// Workers that block on `workersWake`.
  let sleepingWorkers = PaddedCounter()
  /// Host threads that block on `hostsWake`: for the end of their job, or for the pool.
  let waitingHosts = Atomic<Int>(0)
  /// Calls of `stop` under way: while there are any, jobs run inline.
  let stopRequests = Atomic<Int>(0)
  /// 1 tells the workers to end.
  let isStopping = Atomic<Int>(0)

  /// How many members the present team has; 0 until that is settled.
  let teamSize = PaddedCounter()
  /// Of each member of the present team: how often it has come to a meeting. Room for `teamCapacity` members.
  let teamMeetings: UnsafeMutablePointer<PaddedCounter>
  let teamCapacity: Int

  /// Guards going to sleep, nothing else. A fork does not wait for it: the child makes it anew.
  let mutex: UnsafeMutablePointer<pthread_mutex_t>
  let workersWake: UnsafeMutablePointer<pthread_cond_t>
  let hostsWake: UnsafeMutablePointer<pthread_cond_t>

  /// Room for `workerCapacity` workers, of which the first `workerCount` run. Belongs to who has claimed the pool.
  let workers: UnsafeMutablePointer<ThreadPoolWorker>
  let threads: UnsafeMutablePointer<pthread_t>
  let workerCapacity: Int
  let workerCount = Atomic<Int>(0)
  /// Whether the workers were started, even if the system gave fewer.
  let didStart = Atomic<Bool>(false)

  /// How long a thread spins before it blocks.
  let spinNanoseconds: Int
  /// The next pool in the list that a fork's child walks.
  let next = Atomic<UnsafeMutablePointer<ThreadPoolState>?>(nil)

  init(workerCapacity: Int, teamCapacity: Int, spinNanoseconds: Int) {
    self.teamCapacity = teamCapacity
    teamMeetings = UnsafeMutableRawPointer.allocate(
      byteCount: teamCapacity * MemoryLayout<PaddedCounter>.stride, alignment: MemoryLayout<PaddedCounter>.stride
    ).bindMemory(to: PaddedCounter.self, capacity: teamCapacity)
    for member in 0..<teamCapacity { (teamMeetings + member).initialize(to: PaddedCounter()) }
    shares = UnsafeMutableRawPointer.allocate(
      byteCount: (workerCapacity + 1) * MemoryLayout<ThreadPoolShare>.stride,
      alignment: MemoryLayout<ThreadPoolShare>.stride
    ).bindMemory(to: ThreadPoolShare.self, capacity: workerCapacity + 1)
    for share in 0...workerCapacity { (shares + share).initialize(to: ThreadPoolShare()) }
    mutex = .allocate(capacity: 1)
    workersWake = .allocate(capacity: 1)
    hostsWake = .allocate(capacity: 1)
    workers = .allocate(capacity: workerCapacity)
    threads = .allocate(capacity: workerCapacity)
    self.workerCapacity = workerCapacity
    self.spinNanoseconds = spinNanoseconds
    initializeLocks()
  }

  deinit {
    UnsafeMutableRawPointer(teamMeetings).deallocate()
    UnsafeMutableRawPointer(shares).deallocate()
    mutex.deallocate()
    workersWake.deallocate()
    hostsWake.deallocate()
    workers.deallocate()
    threads.deallocate()
  }

  private func initializeLocks() {
    mutex.initialize(to: pthread_mutex_t())
    workersWake.initialize(to: pthread_cond_t())
    hostsWake.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(workersWake, nil)
    pthread_cond_init(hostsWake, nil)
  }

  /// In the child of a fork: no thread but the caller's is there, and whatever the others did is void.
  func resetAfterFork() {
    initializeLocks()
    for share in 0...workerCapacity { shares[share].left.store(0, ordering: .relaxed) }
    unfinishedTiles.count.store(0, ordering: .relaxed)
    claims.count.store(0, ordering: .relaxed)
    sleepingWorkers.count.store(0, ordering: .relaxed)
    waitingHosts.store(0, ordering: .relaxed)
    stopRequests.store(0, ordering: .relaxed)
    isStopping.store(0, ordering: .relaxed)
    workerCount.store(0, ordering: .relaxed)
    didStart.store(false, ordering: .relaxed)
  }
}

// MARK: Claiming

extension ThreadPoolState {
  /// Takes the pool for one job, or says that another has it.
  func claim() -> Bool {
    claims.count.compareExchange(expected: 0, desired: 1, ordering: .sequentiallyConsistent).exchanged
  }

  /// Gives the pool back, and wakes a `stop` that waits for it.
  func release() {
    claims.count.store(0, ordering: .sequentiallyConsistent)
    wakeHosts()
  }

  /// Computes tiles of the present job until none is left.
  func work(worker: Int) {
    guard let (job, first) = claimTile(worker) else { return }
    let isInsideForkGate = job.pointee.isInsideForkGate
    if isInsideForkGate { nnkit_platform_fork_gate_join() }
    var finished = 1
    switch job.pointee.body {
    case .tiles(let body):
      body(first, worker)
      // The job is there until its tiles are reported below.
      while let (_, tile) = claimTile(worker) {
        body(tile, worker)
        finished += 1
      }
    case .team(let body): body(joinTeam(member: first + 1))
    }
    if isInsideForkGate { nnkit_platform_fork_gate_part() }
    finish(tiles: finished)
  }

  /// Takes one tile of the present job: of the worker's own share, or of the next share that has any.
  private func claimTile(_ worker: Int) -> (job: UnsafePointer<ThreadPoolJob>, tile: Int)? {
    var index = worker
    repeat {
      var left = shares[index].left.load(ordering: .relaxed)
      while left > 0 {
        let (isClaimed, current) = shares[index].left.weakCompareExchange(
          expected: left, desired: left - 1, ordering: .acquiringAndReleasing)
        if isClaimed, let job = shares[index].job.load(ordering: .relaxed) {
          return (job, shares[index].end.load(ordering: .relaxed) - left)
        }
        left = current
      }
      index = index == workerCapacity ? 0 : index + 1
    } while index != worker
    return nil
  }

  private func finish(tiles: Int) {
    let left = unfinishedTiles.count.subtract(tiles, ordering: .sequentiallyConsistent).newValue
    if left == 0 { wakeHosts() }
  }
}

// MARK: Spinning, sleeping and waking
//
// A sleeper announces itself in its counter and then looks at what it waits for; a waker changes that and then
// looks at the counter. Both in sequentially consistent order, so one of the two sees the other. The mutex
// closes the gap between the sleeper's look and its sleep.

extension ThreadPoolState {
  /// Publishes `job` and wakes as many workers as its tiles can occupy.
  func publish(_ job: UnsafePointer<ThreadPoolJob>) {
    offer(job)
    // The caller takes one tile itself.
    wakeWorkers(job.pointee.tiles - 1)
  }

  /// Publishes `job` to the workers that are awake.
  func offer(_ job: UnsafePointer<ThreadPoolJob>) {
    unfinishedTiles.count.store(job.pointee.tiles, ordering: .relaxed)
    // The caller's own share comes last: the others have further to go.
    for index in (0..<job.pointee.shares).reversed() {
      let tiles = job.pointee.share(index)
      shares[index].job.store(job, ordering: .relaxed)
      shares[index].end.store(tiles.upperBound, ordering: .relaxed)
      shares[index].left.store(tiles.count, ordering: .releasing)
    }
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }

  func wakeWorkers(_ count: Int) {
    let sleeping = sleepingWorkers.count.load(ordering: .sequentiallyConsistent)
    guard sleeping > 0 else { return }
    passThroughMutex()
    if count >= sleeping {
      pthread_cond_broadcast(workersWake)
    } else {
      for _ in 0..<count { pthread_cond_signal(workersWake) }
    }
  }

  /// Returns when all tiles of the present job are finished.
  func waitForCompletion() {
    if spin(until: { unfinishedTiles.count.load(ordering: .acquiring) <= 0 }) { return }
    waitAsHost { unfinishedTiles.count.load(ordering: .sequentiallyConsistent) <= 0 }
  }

  /// Returns when the pool is the caller's.
  func claimWaiting() {
    waitAsHost { claim() }
  }

  /// Tells the workers to end.
  func requestStop() {
    isStopping.store(1, ordering: .sequentiallyConsistent)
    passThroughMutex()
    pthread_cond_broadcast(workersWake)
  }

  /// Returns when there may be something to do: a tile to claim, or to end.
  func waitForWork() {
    if spin(until: { hasWork }) { return }
    nnkit_platform_lock_beside_gate(mutex)
    sleepingWorkers.count.add(1, ordering: .sequentiallyConsistent)
    // One wait, no loop: who wakes too late for its job spins for the next, which is likely to be near.
    if !hasWork { pthread_cond_wait(workersWake, mutex) }
    sleepingWorkers.count.subtract(1, ordering: .sequentiallyConsistent)
    nnkit_platform_unlock_beside_gate(mutex)
  }

  private var hasWork: Bool {
    (0...workerCapacity).contains { shares[$0].left.load(ordering: .sequentiallyConsistent) > 0 }
      || isStopping.load(ordering: .sequentiallyConsistent) != 0
  }

  private func waitAsHost(until isDone: () -> Bool) {
    nnkit_platform_lock_beside_gate(mutex)
    waitingHosts.add(1, ordering: .sequentiallyConsistent)
    while !isDone() { pthread_cond_wait(hostsWake, mutex) }
    waitingHosts.subtract(1, ordering: .sequentiallyConsistent)
    nnkit_platform_unlock_beside_gate(mutex)
  }

  private func wakeHosts() {
    guard waitingHosts.load(ordering: .sequentiallyConsistent) > 0 else { return }
    passThroughMutex()
    pthread_cond_broadcast(hostsWake)
  }

  /// Returns when whoever was about to sleep sleeps.
  private func passThroughMutex() {
    nnkit_platform_lock_beside_gate(mutex)
    nnkit_platform_unlock_beside_gate(mutex)
  }

  /// Whether `isDone` came true within `spinNanoseconds`.
  private func spin(until isDone: () -> Bool) -> Bool {
    if isDone() { return true }
    let start = monotonicNanoseconds()
    repeat {
      // A pause takes 10 to 140 cycles, by processor: the clock decides, and is asked now and then.
      for _ in 0..<32 {
        nnkit_platform_pause()
        if isDone() { return true }
      }
    } while monotonicNanoseconds() - start < spinNanoseconds
    return false
  }
}

func monotonicNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
