import NNKitKernelTable

/// `panel[k][n] = source[k · depthStride + n · columnStride]`, zero beyond `columns`: see `PanelPacking`.
func packPanel(_ packing: PanelPacking) {
  if packing.packsRows && panelRows < panelColumns {
    copyRowPanel(packing)
  } else if packing.columnStride == 1 {
    copyPanelRows(packing)
  } else if packing.depthStride == 1 {
    transposePanel(packing)
  } else {
    gatherPanel(packing, fromDepth: 0, toDepth: packing.depth, fromColumn: 0)
    clearPanelColumns(packing)
  }
}

/// The source's rows are the panel's rows.
@inline(__always)
private func copyPanelRows(_ packing: PanelPacking) {
  let columns = packing.columns
  var source = packing.source
  var panel = packing.panel
  var k = 0
  if columns == panelColumns {
    while k < packing.depth {
      storeVector(loadVector(source), panel)
      storeVector(loadVector(source + vectorWidth), panel + vectorWidth)
      source += packing.depthStride
      panel += panelColumns
      k &+= 1
    }
  } else if columns >= vectorWidth {
    while k < packing.depth {
      storeVector(loadVector(source), panel)
      storeVector(loadPartialVector(source + vectorWidth, columns &- vectorWidth), panel + vectorWidth)
      source += packing.depthStride
      panel += panelColumns
      k &+= 1
    }
  } else {
    while k < packing.depth {
      storeVector(loadPartialVector(source, columns), panel)
      storeVector(Vector(), panel + vectorWidth)
      source += packing.depthStride
      panel += panelColumns
      k &+= 1
    }
  }
}

#if NNKIT_AVX512
  private typealias HalfVector = SIMD8<Float>
#elseif NNKIT_AVX2
  private typealias HalfVector = SIMD4<Float>
#else
  private typealias HalfVector = SIMD2<Float>
#endif

@_transparent
private func storeHalfVector(_ vector: HalfVector, _ target: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(target).storeBytes(of: vector, as: HalfVector.self)
}

/// The source's rows are the panel's rows, which are one vector and a half.
@inline(__always)
private func copyRowPanel(_ packing: PanelPacking) {
  let columns = packing.columns
  var source = packing.source
  var panel = packing.panel
  var k = 0
  if columns == panelRows {
    while k < packing.depth {
      storeVector(loadVector(source), panel)
      storeHalfVector(UnsafeRawPointer(source + vectorWidth).loadUnaligned(as: HalfVector.self), panel + vectorWidth)
      source += packing.depthStride
      panel += panelRows
      k &+= 1
    }
  } else if columns >= vectorWidth {
    while k < packing.depth {
      storeVector(loadVector(source), panel)
      storeHalfVector(loadPartialVector(source + vectorWidth, columns &- vectorWidth).lowHalf, panel + vectorWidth)
      source += packing.depthStride
      panel += panelRows
      k &+= 1
    }
  } else {
    while k < packing.depth {
      storeVector(loadPartialVector(source, columns), panel)
      storeHalfVector(Vector().lowHalf, panel + vectorWidth)
      source += packing.depthStride
      panel += panelRows
      k &+= 1
    }
  }
}

/// The source's rows are the panel's columns: 4 × 4 blocks are transposed in registers. Four source rows are read
/// side by side, through as much depth as keeps the panel in the first cache.
@inline(__always)
private func transposePanel(_ packing: PanelPacking) {
  let depthOfChunk = 64
  let blockColumns = packing.columns & ~3
  var start = 0
  while start < packing.depth {
    let end = packing.depth &- start < depthOfChunk ? packing.depth : start &+ depthOfChunk
    let blockEnd = start &+ ((end &- start) & ~3)
    var n = 0
    while n < blockColumns {
      var source = UnsafeRawPointer(packing.source + (n &* packing.columnStride &+ start))
      let rowBytes = packing.columnStride &* 4
      var target = UnsafeMutableRawPointer(packing.panel + (start &* panelColumns &+ n))
      let targetBytes = panelColumns &* 4
      var k = start
      while k < blockEnd {
        let r0 = source.loadUnaligned(as: SIMD4<Float>.self)
        let r1 = source.loadUnaligned(fromByteOffset: rowBytes, as: SIMD4<Float>.self)
        let r2 = source.loadUnaligned(fromByteOffset: 2 &* rowBytes, as: SIMD4<Float>.self)
        let r3 = source.loadUnaligned(fromByteOffset: 3 &* rowBytes, as: SIMD4<Float>.self)
        storeTransposed(r0, r1, r2, r3, target, stride: targetBytes)
        source += 16
        target += 4 &* targetBytes
        k &+= 4
      }
      while k < end {
        let row = packing.source + (n &* packing.columnStride &+ k)
        let panel = packing.panel + (k &* panelColumns &+ n)
        panel[0] = row[0]
        panel[1] = row[packing.columnStride]
        panel[2] = row[2 &* packing.columnStride]
        panel[3] = row[3 &* packing.columnStride]
        k &+= 1
      }
      n &+= 4
    }
    gatherPanel(packing, fromDepth: start, toDepth: end, fromColumn: blockColumns)
    start = end
  }
  clearPanelColumns(packing)
}

/// Packs element by element, for `fromDepth ≤ k < toDepth` and `fromColumn ≤ n < columns`.
@inline(__always)
private func gatherPanel(_ packing: PanelPacking, fromDepth: Int, toDepth: Int, fromColumn: Int) {
  var n = fromColumn
  while n < packing.columns {
    var source = packing.source + (n &* packing.columnStride &+ fromDepth &* packing.depthStride)
    var panel = packing.panel + (fromDepth &* panelColumns &+ n)
    var k = fromDepth
    while k < toDepth {
      panel.pointee = source.pointee
      source += packing.depthStride
      panel += panelColumns
      k &+= 1
    }
    n &+= 1
  }
}

/// Zeroes the panel's columns from `columns` on.
@inline(__always)
private func clearPanelColumns(_ packing: PanelPacking) {
  if packing.columns == panelColumns { return }
  var panel = packing.panel
  var k = 0
  while k < packing.depth {
    var n = packing.columns
    while n < panelColumns {
      panel[n] = 0
      n &+= 1
    }
    panel += panelColumns
    k &+= 1
  }
}
