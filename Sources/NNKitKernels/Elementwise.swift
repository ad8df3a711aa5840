import NNKitKernelTable

/// `z = x · y`: see `ElementPair`.
func multiplyElements(_ pair: ElementPair) {
  var i = 0
  while i < pair.count {
    let lanes = pair.count &- i
    storeLanes(loadLanes(pair.x + i, lanes) * loadLanes(pair.y + i, lanes), pair.z + i, lanes)
    i &+= vectorWidth
  }
}

/// `z = x - y`: see `ElementPair`.
func subtractElements(_ pair: ElementPair) {
  var i = 0
  while i < pair.count {
    let lanes = pair.count &- i
    storeLanes(loadLanes(pair.x + i, lanes) - loadLanes(pair.y + i, lanes), pair.z + i, lanes)
    i &+= vectorWidth
  }
}

/// `y = -x`: see `KernelTable.negate`.
func negateElements(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i < count {
    let lanes = count &- i
    storeLanes(-loadLanes(x + i, lanes), y + i, lanes)
    i &+= vectorWidth
  }
}

/// `sum += x`: see `KernelTable.accumulate`.
func accumulateElements(_ x: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i < count {
    let lanes = count &- i
    storeLanes(loadLanes(sum + i, lanes) + loadLanes(x + i, lanes), sum + i, lanes)
    i &+= vectorWidth
  }
}
