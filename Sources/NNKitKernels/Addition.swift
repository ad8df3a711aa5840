import NNKitKernelTable

/// `sum = x + y`, or its ReLU: see `Addition`.
func addElements(_ addition: Addition) {
  var i = 0
  while i < addition.count {
    let lanes = addition.count &- i
    var sum = loadLanes(addition.x + i, lanes) + loadLanes(addition.y + i, lanes)
    if addition.relu { sum = atLeast(0, sum) }
    storeLanes(sum, addition.sum + i, lanes)
    i &+= vectorWidth
  }
}
