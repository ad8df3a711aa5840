import NNKit
import NNKitKernelTable

/// Functions of one element, random numbers and reductions.
let elementwiseRows: [KernelRow] = activationRows + walkingRows + randomRows

private let activationRows =
  ActivationKind.allCases.filter { $0 != .linear }.flatMap { kind in
    // What relu does is a comparison; the others are arithmetic.
    kind == .relu
      ? Place.allCases.flatMap { [activationForward(kind, $0), activationBackward(kind, $0)] }
      : [activationForward(kind, .cache), activationBackward(kind, .cache)]
  }

private func activationForward(_ kind: ActivationKind, _ place: Place) -> KernelRow {
  KernelRow("activationForward", "\(kind.name), \(place.name)") { table in
    let count = place.bytes / 8
    let (x, y) = (try Floats(count), try Floats(count))
    return (
      kind == .relu ? .bytes(8 * count) : .elements(count), { table.activationForward(kind, x.read, y.pointer, count) }
    )
  }
}

private func activationBackward(_ kind: ActivationKind, _ place: Place) -> KernelRow {
  KernelRow("activationBackward", "\(kind.name), \(place.name)") { table in
    let count = place.bytes / 12
    let (saved, dy, dx) = (try Floats(count), try Floats(count), try Floats(count))
    return (
      kind == .relu ? .bytes(12 * count) : .elements(count),
      { table.activationBackward(kind, saved.read, dy.read, dx.pointer, count) }
    )
  }
}

private let walkingRows = Place.allCases.flatMap { place in
  [
    KernelRow("accumulate", place.name) { table in
      let count = place.bytes / 8
      let (x, sum) = (try Floats(count), try Floats(count))
      return (.bytes(12 * count), { table.accumulate(x.read, sum.pointer, count) })
    },
    KernelRow("add", "relu, \(place.name)") { table in
      let count = place.bytes / 12
      let (x, y, sum) = (try Floats(count), try Floats(count), try Floats(count))
      return (
        .bytes(12 * count),
        { table.add(Addition(x: x.read, y: y.read, sum: sum.pointer, count: count, relu: true)) }
      )
    },
    KernelRow("multiply", place.name) { table in
      let count = place.bytes / 12
      let (x, y, z) = (try Floats(count), try Floats(count), try Floats(count))
      return (
        .bytes(12 * count), { table.multiply(ElementPair(x: x.read, y: y.read, z: z.pointer, count: count)) }
      )
    },
    KernelRow("copyMatrix", "rows of 48 of 96 columns, \(place.name)") { table in
      let rows = place.bytes / (12 * 48)
      let (x, y) = (try Floats(rows * 48), try Floats(rows * 96))
      return (
        .bytes(8 * rows * 48),
        {
          table.copyMatrix(
            MatrixCopy(
              source: x.read, sourceRow: 48, sourceColumn: 1, target: y.pointer, targetRow: 96, targetColumn: 1,
              rows: rows, columns: 48))
        }
      )
    },
    KernelRow("copyMatrix", "transposed, 64 columns, \(place.name)") { table in
      let rows = place.bytes / 512
      let (x, y) = (try Floats(rows * 64), try Floats(rows * 64))
      return (
        .bytes(512 * rows),
        {
          table.copyMatrix(
            MatrixCopy(
              source: x.read, sourceRow: 1, sourceColumn: rows, target: y.pointer, targetRow: 64, targetColumn: 1,
              rows: rows, columns: 64))
        }
      )
    },
    KernelRow("columnSum", "64 columns, \(place.name)") { table in
      let rows = place.bytes / 256
      let (x, out) = (try Floats(rows * 64), try Floats(64))
      return (.bytes(256 * rows), { table.columnSum(x.read, rows, 64, 64, out.pointer, false) })
    },
    KernelRow("sumOfSquares", place.name) { table in
      let count = place.bytes / 4
      let x = try Floats(count)
      return (.bytes(4 * count), { _ = table.sumOfSquares(x.read, count) })
    },
  ]
}

private let randomRows = [
  KernelRow("dropout", "L1") { table in
    let count = 2048
    let (x, y) = (try Floats(count), try Floats(count))
    return (
      .elements(count),
      {
        table.dropout(
          Dropout(
            x: x.read, y: y.pointer, count: count, key: 1, stream: 2, start: 0, threshold: 1 << 31, scale: 2))
      }
    )
  },
  KernelRow("randomBits", "L1") { table in
    let count = 4096
    let out = Integers(Array(repeating: UInt32(0), count: count))
    return (.elements(count), { table.randomBits(1, 2, 0, out.pointer, count) })
  },
]
