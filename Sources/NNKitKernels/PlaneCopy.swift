import NNKitKernelTable

/// Some channels of a row of pixels as planes: see `PlaneCopy`.
func copyPlanes(_ copy: PlaneCopy) {
  if copy.planes == 1 && copy.spread == 1 {
    copyChannels(copy)
  } else if copy.spread % NarrowVector.scalarCount == 0 && copy.first % copy.spread == 0 {
    spreadChannels(copy)
  } else {
    spreadAnyChannels(copy)
  }
}

private func copyChannels(_ copy: PlaneCopy) {
  let channels = copy.channels
  var source = copy.source + copy.first
  var target = copy.target
  var pixels = copy.pixels
  if channels == 4 &* vectorWidth {
    while pixels > 0 {
      let v0 = loadVector(source)
      let v1 = loadVector(source + vectorWidth)
      let v2 = loadVector(source + 2 &* vectorWidth)
      let v3 = loadVector(source + 3 &* vectorWidth)
      storeVector(v0, target)
      storeVector(v1, target + vectorWidth)
      storeVector(v2, target + 2 &* vectorWidth)
      storeVector(v3, target + 3 &* vectorWidth)
      source += copy.sourceStep
      target += channels
      pixels &-= 1
    }
    return
  }
  while pixels > 0 {
    if channels >= vectorWidth {
      var c = 0
      while c < channels {
        // The last vector reaches back over channels that are done, so that it is whole.
        if c > channels &- vectorWidth { c = channels &- vectorWidth }
        storeVector(loadVector(source + c), target + c)
        c &+= vectorWidth
      }
    } else {
      storePartialVector(loadPartialVector(source, channels), target, channels)
    }
    source += copy.sourceStep
    target += channels
    pixels &-= 1
  }
}

/// Four channels at a time have one source.
private func spreadChannels(_ copy: PlaneCopy) {
  var source = copy.source + copy.first / copy.spread &* copy.planes
  var target = copy.target
  var pixels = copy.pixels
  while pixels > 0 {
    var plane = 0
    while plane < copy.planes {
      var value = source + plane
      var c = 0
      while c < copy.channels {
        let end = c &+ copy.spread < copy.channels ? c &+ copy.spread : copy.channels
        let vector = NarrowVector(repeating: value.pointee)
        while c &+ NarrowVector.scalarCount <= end {
          storeNarrow(vector, target + c)
          c &+= NarrowVector.scalarCount
        }
        while c < end {
          target[c] = value.pointee
          c &+= 1
        }
        value += copy.planes
      }
      target += copy.channels
      plane &+= 1
    }
    source += copy.sourceStep
    pixels &-= 1
  }
}

private func spreadAnyChannels(_ copy: PlaneCopy) {
  let firstGroup = copy.first / copy.spread
  let firstMember = copy.first &- firstGroup &* copy.spread
  var source = copy.source + firstGroup &* copy.planes
  var target = copy.target
  var pixels = copy.pixels
  while pixels > 0 {
    var plane = 0
    while plane < copy.planes {
      var value = source + plane
      var member = firstMember
      var c = 0
      while c < copy.channels {
        target[c] = value.pointee
        c &+= 1
        member &+= 1
        if member == copy.spread {
          member = 0
          value += copy.planes
        }
      }
      target += copy.channels
      plane &+= 1
    }
    source += copy.sourceStep
    pixels &-= 1
  }
}
