import NNKit
import RandomGraphs
import Testing

/// How boxes of elements are dealt out to the kernel that copies them.
@Suite struct CopyScheduleTests {
  private func visited(_ axes: [CopyAxis]) -> [Int: [Int]] {
    let schedule = CopySchedule(axes)
    var sources: [Int: [Int]] = [:]
    for tile in 0..<schedule.tiles {
      schedule.forEachMatrix(tile) { source, target, rows, columns in
        for i in 0..<rows {
          for j in 0..<columns {
            sources[target + i * schedule.row.target + j * schedule.column.target, default: []].append(
              source + i * schedule.row.source + j * schedule.column.source)
          }
        }
      }
    }
    return sources
  }

  @Test func everyElementIsCopiedOnceFromItsPlace() {
    var random = RandomSource(seed: 5)
    for _ in 0..<300 {
      let rank = Int.random(in: 1...5, using: &random)
      let sizes = (0..<rank).map { _ in Int.random(in: 1...(rank > 3 ? 7 : rank > 1 ? 40 : 20000), using: &random) }
      let order = Array(0..<rank).shuffled(using: &random)
      var (source, target) = (Array(repeating: 1, count: rank), Array(repeating: 1, count: rank))
      // Dense in the order of the target, permuted in the source, each now and then with room between rows.
      let gaps = (Int.random(in: 0...2, using: &random), Int.random(in: 0...2, using: &random))
      for axis in (0..<rank - 1).reversed() {
        target[axis] = target[axis + 1] * sizes[axis + 1] + gaps.0
        source[order[axis]] = source[order[axis + 1]] * sizes[order[axis + 1]] + gaps.1
      }
      let axes = (0..<rank).map { CopyAxis(size: sizes[$0], source: source[$0], target: target[$0]) }
      let copied = visited(axes)
      #expect(copied.count == sizes.reduce(1, *))
      var index = Array(repeating: 0, count: rank)
      for _ in 0..<sizes.reduce(1, *) {
        let place = zip(index, target).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(copied[place] == [zip(index, source).reduce(0) { $0 + $1.0 * $1.1 }])
        for axis in (0..<rank).reversed() {
          index[axis] += 1
          if index[axis] < sizes[axis] { break }
          index[axis] = 0
        }
      }
    }
  }

  @Test func neighbouringAxesThatAreOneInBothPlacesAreTakenAsOne() {
    let schedule = CopySchedule([
      CopyAxis(size: 3, source: 240, target: 120), CopyAxis(size: 4, source: 30, target: 30),
      CopyAxis(size: 5, source: 6, target: 6), CopyAxis(size: 1, source: 6, target: 6),
      CopyAxis(size: 6, source: 1, target: 1),
    ])
    #expect(schedule.outer.isEmpty)
    #expect(schedule.column == CopyAxis(size: 120, source: 1, target: 1))
    #expect(schedule.row == CopyAxis(size: 3, source: 240, target: 120))
  }

  @Test func largeBoxesAreDealtOutEvenly() {
    let transposed = CopySchedule([
      CopyAxis(size: 1000, source: 1, target: 700), CopyAxis(size: 700, source: 1000, target: 1),
    ])
    #expect(transposed.tiles >= 40)
    let one = CopySchedule([CopyAxis(size: 1 << 30, source: 1, target: 1)])
    #expect(one.tiles > 1)
  }
}
