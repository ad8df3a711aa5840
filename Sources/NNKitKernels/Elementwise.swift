/// `sum += x`: see `KernelTable.accumulate`.
func accumulateElements(_ x: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i < count {
    let lanes = count &- i
    storeLanes(loadLanes(sum + i, lanes) + loadLanes(x + i, lanes), sum + i, lanes)
    i &+= vectorWidth
  }
}
