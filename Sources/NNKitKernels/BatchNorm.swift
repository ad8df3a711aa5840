import NNKitKernelTable

/// `y = (x - mean) · scale + shift`, its ReLU, plus an addend: see `BatchNorm`.
func batchNormForward(_ norm: BatchNorm) {
  let n = norm.normalization
  let whole = n.channels / vectorWidth &* vectorWidth
  // Row by row, as the numbers lie: the channels' factors stay in the first-level cache.
  var r = 0
  while r < norm.rows && whole > 0 {
    let row = r &* n.channels
    var c = 0
    while c < whole {
      let d = loadVector(norm.x + (row &+ c)) - loadVector(n.mean + c)
      var z = multiplyAdd(d, loadVector(n.scale + c), loadVector(n.shift + c))
      if n.relu { z = atLeast(0, z) }
      if let addend = norm.addend {
        z += loadVector(addend + (row &+ c))
        if norm.relu { z = atLeast(0, z) }
      }
      storeVector(z, norm.y + (row &+ c))
      c &+= vectorWidth
    }
    r &+= 1
  }
  if whole == n.channels { return }
  let lanes = n.channels &- whole
  let (mean, scale, shift) = (
    loadLanes(n.mean + whole, lanes), loadLanes(n.scale + whole, lanes), loadLanes(n.shift + whole, lanes)
  )
  r = 0
  while r < norm.rows {
    let place = r &* n.channels &+ whole
    var z = multiplyAdd(loadLanes(norm.x + place, lanes) - mean, scale, shift)
    if n.relu { z = atLeast(0, z) }
    if let addend = norm.addend {
      z += loadLanes(addend + place, lanes)
      if norm.relu { z = atLeast(0, z) }
    }
    storeLanes(z, norm.y + place, lanes)
    r &+= 1
  }
}

/// `dx = scale · dz + slope · (x - mean) + offset`: see `BatchNormGradient`.
func batchNormBackward(_ gradient: BatchNormGradient) {
  let n = gradient.normalization
  let whole = n.channels / vectorWidth &* vectorWidth
  var r = 0
  while r < gradient.rows && whole > 0 {
    let row = r &* n.channels
    var c = 0
    while c < whole {
      let d = loadVector(gradient.x + (row &+ c)) - loadVector(n.mean + c)
      let scale = loadVector(n.scale + c)
      var dz = loadVector(gradient.dy + (row &+ c))
      if n.relu {
        dz = dz.blended(with: Vector(), where: multiplyAdd(d, scale, loadVector(n.shift + c)) .<= Vector())
      }
      let rest = multiplyAdd(loadVector(gradient.slope + c), d, loadVector(gradient.offset + c))
      storeVector(multiplyAdd(scale, dz, rest), gradient.dx + (row &+ c))
      c &+= vectorWidth
    }
    r &+= 1
  }
  if whole == n.channels { return }
  let lanes = n.channels &- whole
  let (mean, scale, shift) = (
    loadLanes(n.mean + whole, lanes), loadLanes(n.scale + whole, lanes), loadLanes(n.shift + whole, lanes)
  )
  let (slope, offset) = (loadLanes(gradient.slope + whole, lanes), loadLanes(gradient.offset + whole, lanes))
  r = 0
  while r < gradient.rows {
    let place = r &* n.channels &+ whole
    let d = loadLanes(gradient.x + place, lanes) - mean
    var dz = loadLanes(gradient.dy + place, lanes)
    if n.relu { dz = dz.blended(with: Vector(), where: multiplyAdd(d, scale, shift) .<= Vector()) }
    storeLanes(multiplyAdd(scale, dz, multiplyAdd(slope, d, offset)), gradient.dx + place, lanes)
    r &+= 1
  }
}
