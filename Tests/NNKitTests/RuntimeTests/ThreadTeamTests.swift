import CNNKitPlatform
import Glibc
import NNKit
import Testing

@Suite struct ThreadTeamTests {
  @Test(arguments: [1, 2, 3, 4, 8])
  func everyMemberRunsOnceAndSeesWhatTheOthersWroteBeforeAMeeting(threads: Int) {
    let pool = ThreadPool(threads: threads, teamLimit: threads)
    let rounds = 10
    let places = UnsafeMutablePointer<Int>.allocate(capacity: threads * rounds)
    defer { places.deallocate() }
    let (runs, wrong) = (Counters(threads), Counters(1))
    for run in 1...300 {
      let sizes = Counters(threads + 1)
      for index in 0..<threads * rounds { places[index] = 0 }
      pool.runTeam(members: threads, .forLater) { team in
        runs.add(team.member)
        sizes.add(team.size)
        for round in 0..<rounds {
          places[round * threads + team.member] = run
          team.meet()
          for member in 0..<team.size where places[round * threads + member] != run { wrong.add(0) }
        }
      }
      let size = sizes.values.firstIndex { $0 > 0 } ?? 0
      #expect(size >= 1 && sizes.values.reduce(0, +) == size && sizes[size] == size, "\(sizes.values)")
    }
    #expect(runs[0] == 300)
    #expect(wrong[0] == 0)
  }

  @Test func workersJoin() {
    let pool = ThreadPool(threads: 2, teamLimit: 2)
    let sizes = Counters(3)
    // Where the tests beside it leave no processor free, many teams form before a worker comes in time.
    for _ in 0..<20_000 where sizes[2] == 0 {
      usleep(500)
      pool.runTeam(members: 2, .forSleepers) { team in if team.member == 0 { sizes.add(team.size) } }
    }
    #expect(sizes[2] > 0)
  }

  @Test func theCallerIsAloneInsideABodyAndWhereOneMemberIsEnough() {
    let pool = ThreadPool(threads: 3, teamLimit: 3)
    let others = Counters(1)
    pool.run(tiles: 6) { _, _ in
      pool.runTeam(members: 3, .forLater) { team in
        team.meet()
        if team.size != 1 || team.member != 0 { others.add(0) }
      }
    }
    pool.runTeam(members: 1, .forLater) { team in if team.size != 1 { others.add(0) } }
    pool.runTeam(members: 3, .forLater) { team in
      if team.member != 0 { return }
      pool.runTeam(members: 3, .forLater) { inner in if inner.size != 1 { others.add(0) } }
    }
    #expect(others[0] == 0)
  }

  @Test func partsCoverEverythingOnce() {
    let pool = ThreadPool(threads: 3, teamLimit: 3)
    for count in [0, 1, 2, 3, 7, 64] {
      for _ in 0..<50 {
        let seen = Counters(count + 1)
        pool.runTeam(members: 3, .forLater) { team in for index in team.part(of: count) { seen.add(index) } }
        #expect(seen.values.dropLast().allSatisfy { $0 == 1 })
      }
    }
  }

  @Test func manyHostThreadsAndStopsShareOnePoolWithTilesAndTeams() {
    let pool = ThreadPool(threads: 4, teamLimit: 4)
    let hosts = 12
    let (runs, tiles) = (Counters(hosts), Counters(hosts))
    let threads = (0..<hosts).map { host in
      HostThread {
        for _ in 0..<60 {
          pool.runTeam(members: 4, .forLater) { team in
            for _ in 0..<5 { team.meet() }
            if team.member == 0 { runs.add(host) }
          }
          pool.run(tiles: 5) { _, _ in tiles.add(host) }
        }
      }
    }
    for _ in 0..<10 { pool.stop() }
    for thread in threads { thread.join() }
    #expect(runs.values.allSatisfy { $0 == 60 })
    #expect(tiles.values.allSatisfy { $0 == 300 })
  }

  @Test func membersUseTheDefaultFloatingPointEnvironmentAndTheCallersIsRestored() {
    var strange = nnkit_platform_float_environment_default()
    strange.mxcsr |= 0x8040
    let pool = ThreadPool(threads: 3, teamLimit: 3)
    let deviations = Counters(1)
    let before = nnkit_platform_float_environment_get()
    nnkit_platform_float_environment_set(strange)
    for members in [1, 3] {
      pool.runTeam(members: members, .forLater) { _ in
        if nnkit_platform_float_environment_get().mxcsr & ~0x3f != 0x1f80 { deviations.add(0) }
      }
    }
    let after = nnkit_platform_float_environment_get()
    nnkit_platform_float_environment_set(before)
    #expect(deviations[0] == 0)
    #expect(after.mxcsr == strange.mxcsr)
  }
}
