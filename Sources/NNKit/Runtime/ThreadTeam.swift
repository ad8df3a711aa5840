import CNNKitPlatform
import Glibc
import Synchronization

/// Threads that run one body at the same time and may wait for one another: see `ThreadPool.runTeam`.
package struct ThreadTeam {
  /// Of the thread that has this value: in `0 ..< size`; the caller is 0.
  package let member: Int
  package let size: Int
  private let meetings: UnsafeMutablePointer<PaddedCounter>?

  /// A team of one.
  package init() {
    member = 0
    size = 1
    meetings = nil
  }

  fileprivate init(member: Int, size: Int, meetings: UnsafeMutablePointer<PaddedCounter>) {
    self.member = member
    self.size = size
    self.meetings = meetings
  }

  /// Returns when every member has called this as often as this one has; what the others wrote before is then seen.
  ///
  /// Every member has a counter of its own and looks at those of the others: one transfer between processors, where a
  /// counter that all share would take two.
  package func meet() {
    guard size > 1, let meetings else { return }
    let mine = meetings[member].count.load(ordering: .relaxed) + 1
    meetings[member].count.store(mine, ordering: .releasing)
    for other in 0..<size where other != member {
      spinForTeam { meetings[other].count.load(ordering: .acquiring) >= mine }
    }
  }

  /// This member's part of `count` things: parts of nearly equal size, in the members' order.
  package func part(of count: Int) -> Range<Int> {
    count * member / size..<count * (member + 1) / size
  }
}

/// How long the caller of a team waits for workers.
package enum TeamPatience {
  /// For those that are awake and can answer at once; the others sleep on.
  case none
  /// The same; but the others are woken, since more teams may follow.
  case forLater
  /// For the others too: there is so much to do that it pays.
  case forSleepers

  /// A worker that spins answers within a small part of the first; one that sleeps, mostly, of the second.
  fileprivate var nanoseconds: Int { self == .forSleepers ? 100_000 : 1_000 }
}

extension ThreadPoolState {
  /// Offers `newJob`'s seats, and returns the caller's place in the team of those who came in time. Whoever has taken
  /// a seat runs the body, so no member waits for one that will not come.
  func assembleTeam(_ newJob: UnsafePointer<ThreadPoolJob>, _ patience: TeamPatience) -> ThreadTeam {
    let seats = newJob.pointee.tiles
    teamSize.count.store(0, ordering: .relaxed)
    for member in 0...seats { teamMeetings[member].count.store(0, ordering: .relaxed) }
    offer(newJob)
    let sleeping = sleepingWorkers.count.load(ordering: .sequentiallyConsistent)
    if patience != .none { wakeWorkers(seats) }
    if patience == .forSleepers || sleeping < workerCount.load(ordering: .relaxed) {
      let start = monotonicNanoseconds()
      repeat {
        nnkit_platform_pause()
      } while shares[0].left.load(ordering: .relaxed) > 0
        && monotonicNanoseconds() - start < patience.nanoseconds
    }
    let empty = shares[0].left.exchange(0, ordering: .acquiringAndReleasing)
    unfinishedTiles.count.subtract(empty, ordering: .relaxed)
    let size = 1 + seats - empty
    teamSize.count.store(size, ordering: .releasing)
    return ThreadTeam(member: 0, size: size, meetings: teamMeetings)
  }

  /// What a worker that has taken a seat does: it waits until nobody else can.
  func joinTeam(member: Int) -> ThreadTeam {
    spinForTeam { teamSize.count.load(ordering: .acquiring) > 0 }
    return ThreadTeam(member: member, size: teamSize.count.load(ordering: .relaxed), meetings: teamMeetings)
  }
}

/// Returns when `isDone` is true, which a running thread will make it soon. Should that thread have lost its processor,
/// this one gives way: first to threads that are ready, then to any.
private func spinForTeam(until isDone: () -> Bool) {
  var turns = 0
  while !isDone() {
    turns += 1
    if turns < 4_000 {
      nnkit_platform_pause()
    } else if turns < 5_000 {
      sched_yield()
    } else {
      usleep(50)
    }
  }
}
