import NNKitKernelTable

/// `table[v] = Σ gradient[row]` over the rows whose index is `v`, in order: what an embedding's gradient is made of. The
/// sum of a row that very many rows belong to goes by blocks, in double precision.
struct IndexSums {
  private let vocabulary: Int
  /// Of the part of a table that a tile has, at most.
  private let columns: Int
  /// How many rows of the table can belong to more rows than are summed in single precision.
  private let mostLong: Int

  private static let longestSum = 1024
  private static let termsPerBlock: Int32 = 256

  init(rows: Int, vocabulary: Int, columns: Int) {
    self.vocabulary = vocabulary
    self.columns = columns
    mostLong = min(vocabulary, rows / (Self.longestSum + 1))
  }

  /// Of each worker: totals, sums of blocks, their numbers of terms, and where each row of the table has its own.
  var scratchFloats: Int { mostLong == 0 ? 0 : mostLong * (3 * columns + 1) + vocabulary }

  /// Writes `count` columns of the table, which has `stride`, from `table` on, those of the gradient from `gradient` on.
  func write(
    _ kernels: KernelTable, _ index: UnsafePointer<Int32>, _ gradient: UnsafePointer<Float>,
    to table: UnsafeMutablePointer<Float>, stride: Int, count: Int, _ sequences: BoundSequences,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<vocabulary { (table + row * stride).update(repeating: 0, count: count) }
    let totals = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Double.self)
    let blocks = scratch + 2 * mostLong * columns
    let terms = UnsafeMutableRawPointer(blocks + mostLong * columns).assumingMemoryBound(to: Int32.self)
    let places = terms + mostLong
    guard mostLong > 0, findLong(index, sequences, places) > 0 else {
      sequences.forEachRow { row in
        kernels.accumulate(gradient + row * stride, table + Int(index[row]) * stride, count)
      }
      return
    }
    totals.update(repeating: 0, count: mostLong * columns)
    blocks.update(repeating: 0, count: mostLong * columns)
    terms.update(repeating: 0, count: mostLong)
    func finishBlock(_ place: Int) {
      let (block, total) = (blocks + place * columns, totals + place * columns)
      for column in 0..<count {
        total[column] += Double(block[column])
        block[column] = 0
      }
      terms[place] = 0
    }
    sequences.forEachRow { row in
      let value = Int(index[row])
      let place = Int(places[value])
      if place < 0 { return kernels.accumulate(gradient + row * stride, table + value * stride, count) }
      kernels.accumulate(gradient + row * stride, blocks + place * columns, count)
      terms[place] += 1
      if terms[place] == Self.termsPerBlock { finishBlock(place) }
    }
    for value in 0..<vocabulary where places[value] >= 0 {
      let place = Int(places[value])
      finishBlock(place)
      for column in 0..<count { table[value * stride + column] = Float(totals[place * columns + column]) }
    }
  }

  /// Gives each row of the table with a long sum a place of its own, the others -1; returns how many have one.
  private func findLong(
    _ index: UnsafePointer<Int32>, _ sequences: BoundSequences, _ places: UnsafeMutablePointer<Int32>
  ) -> Int {
    places.update(repeating: 0, count: vocabulary)
    sequences.forEachRow { row in
      let value = Int(index[row])
      if places[value] <= Self.longestSum { places[value] += 1 }
    }
    var long: Int32 = 0
    for value in 0..<vocabulary {
      let isLong = places[value] > Self.longestSum
      places[value] = isLong ? long : -1
      long += isLong ? 1 : 0
    }
    return Int(long)
  }
}
