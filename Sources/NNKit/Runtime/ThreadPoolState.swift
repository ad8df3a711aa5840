import CNNKitPlatform
import Glibc
import Synchronization

/// A counter that shares its cache lines with nothing else, the line that the processor fetches along included.
struct PaddedCounter: ~Copyable {
  let count = Atomic<Int>(0)
  private let padding = InlineArray<15, Int>(repeating: 0)
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
/// A job is published by storing `unclaimedTiles`. Whoever decrements that counter owns one tile, and a job
/// with an unfinished tile cannot end: so `job` is read only between a claim and the matching `finish`, and a
/// worker that comes late (or from an earlier job) either gets a tile of the present job or none.
struct ThreadPoolState: ~Copyable {
  let unclaimedTiles = PaddedCounter()
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

  let job = Atomic<UnsafePointer<ThreadPoolJob>?>(nil)
  /// How many tiles of each share nobody has taken. Whoever has claimed a tile finds it in one of them.
  let sharesLeft: UnsafeMutablePointer<PaddedCounter>

  /// How many members the present team has; 0 until that is settled.
  let teamSize = PaddedCounter()
  /// Of each member of the present team: how often it has come to a meeting. Room for `teamCapacity` members.
  let teamMeetings: UnsafeMutablePointer<PaddedCounter>
  let teamCapacity: Int

  /// Guards going to sleep, nothing else.
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
  /// The next pool in the list that the fork handlers walk.
  let next = Atomic<UnsafeMutablePointer<ThreadPoolState>?>(nil)

  init(workerCapacity: Int, teamCapacity: Int, spinNanoseconds: Int) {
    self.teamCapacity = teamCapacity
    teamMeetings = UnsafeMutableRawPointer.allocate(
      byteCount: teamCapacity * MemoryLayout<PaddedCounter>.stride, alignment: MemoryLayout<PaddedCounter>.stride
    ).bindMemory(to: PaddedCounter.self, capacity: teamCapacity)
    for member in 0..<teamCapacity { (teamMeetings + member).initialize(to: PaddedCounter()) }
    sharesLeft = UnsafeMutableRawPointer.allocate(
      byteCount: (workerCapacity + 1) * MemoryLayout<PaddedCounter>.stride,
      alignment: MemoryLayout<PaddedCounter>.stride
    ).bindMemory(to: PaddedCounter.self, capacity: workerCapacity + 1)
    for share in 0...workerCapacity { (sharesLeft + share).initialize(to: PaddedCounter()) }
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
    UnsafeMutableRawPointer(sharesLeft).deallocate()
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
    unclaimedTiles.count.store(0, ordering: .relaxed)
    unfinishedTiles.count.store(0, ordering: .relaxed)
    claims.count.store(0, ordering: .relaxed)
    sleepingWorkers.count.store(0, ordering: .relaxed)
    waitingHosts.store(0, ordering: .relaxed)
    stopRequests.store(0, ordering: .relaxed)
    isStopping.store(0, ordering: .relaxed)
    job.store(nil, ordering: .relaxed)
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

  /// Takes one tile of the present job: the number of tiles that were left, 0 if there was none.
  func claimTile() -> Int {
    var left = unclaimedTiles.count.load(ordering: .relaxed)
    while left > 0 {
      let (isClaimed, current) = unclaimedTiles.count.weakCompareExchange(
        expected: left, desired: left - 1, ordering: .acquiringAndReleasing)
      if isClaimed { return left }
      left = current
    }
    return 0
  }

  /// Computes tiles of the present job until none is left.
  func work(worker: Int) {
    var finished = 0
    while true {
      let left = claimTile()
      if left == 0 { break }
      // A claim means that the job is there until its tiles are reported below.
      if let job = job.load(ordering: .relaxed) {
        switch job.pointee.body {
        case .tiles(let body): body(takeTile(of: job, worker: worker), worker)
        case .team(let body): body(joinTeam(member: job.pointee.tiles - left + 1))
        }
      }
      finished += 1
    }
    if finished > 0 { finish(tiles: finished) }
  }

  /// The tile that belongs to a claim: one of the worker's own share, or of the next share that has any. There are as
  /// many tiles in the shares as there are claims without one.
  private func takeTile(of job: UnsafePointer<ThreadPoolJob>, worker: Int) -> Int {
    var index = worker % job.pointee.shares
    while true {
      var left = sharesLeft[index].count.load(ordering: .relaxed)
      while left > 0 {
        let (isTaken, current) = sharesLeft[index].count.weakCompareExchange(
          expected: left, desired: left - 1, ordering: .relaxed)
        if isTaken { return job.pointee.share(index).upperBound - left }
        left = current
      }
      index = index + 1 == job.pointee.shares ? 0 : index + 1
    }
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
  /// Publishes `newJob` and wakes as many workers as its tiles can occupy.
  func publish(_ newJob: UnsafePointer<ThreadPoolJob>) {
    // All claims of the last job have found their tiles: nobody looks at the shares.
    for index in 0..<newJob.pointee.shares {
      sharesLeft[index].count.store(newJob.pointee.share(index).count, ordering: .relaxed)
    }
    offer(newJob)
    // The caller takes one tile itself.
    wakeWorkers(newJob.pointee.tiles - 1)
  }

  /// Publishes `newJob` to the workers that are awake.
  func offer(_ newJob: UnsafePointer<ThreadPoolJob>) {
    let tiles = newJob.pointee.tiles
    job.store(newJob, ordering: .relaxed)
    unfinishedTiles.count.store(tiles, ordering: .relaxed)
    unclaimedTiles.count.store(tiles, ordering: .sequentiallyConsistent)
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
    pthread_mutex_lock(mutex)
    sleepingWorkers.count.add(1, ordering: .sequentiallyConsistent)
    // One wait, no loop: who wakes too late for its job spins for the next, which is likely to be near.
    if !hasWork { pthread_cond_wait(workersWake, mutex) }
    sleepingWorkers.count.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  private var hasWork: Bool {
    unclaimedTiles.count.load(ordering: .sequentiallyConsistent) > 0
      || isStopping.load(ordering: .sequentiallyConsistent) != 0
  }

  private func waitAsHost(until isDone: () -> Bool) {
    pthread_mutex_lock(mutex)
    waitingHosts.add(1, ordering: .sequentiallyConsistent)
    while !isDone() { pthread_cond_wait(hostsWake, mutex) }
    waitingHosts.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  private func wakeHosts() {
    guard waitingHosts.load(ordering: .sequentiallyConsistent) > 0 else { return }
    passThroughMutex()
    pthread_cond_broadcast(hostsWake)
  }

  /// Returns when whoever was about to sleep sleeps.
  private func passThroughMutex() {
    pthread_mutex_lock(mutex)
    pthread_mutex_unlock(mutex)
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
