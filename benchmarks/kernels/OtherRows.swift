import NNKitKernelTable

/// Softmax and the losses: 32 rows of 96 and of 1000 classes.
let lossRows: [KernelRow] =
  [96, 1000].flatMap { classes in
    [
      KernelRow("softmaxForward", "32x\(classes)") { table in
        let (x, y) = (try Floats(32 * classes), try Floats(32 * classes))
        return (
          .elements(32 * classes),
          { table.softmaxForward(Softmax(x: x.read, y: y.pointer, rows: 32, columns: classes, logarithm: false)) }
        )
      },
      KernelRow("softmaxBackward", "32x\(classes)") { table in
        let (y, dy, dx) = (try Floats(32 * classes), try Floats(32 * classes), try Floats(32 * classes))
        return (
          .elements(32 * classes),
          {
            table.softmaxBackward(
              SoftmaxGradient(
                y: y.read, dy: dy.read, dx: dx.pointer, rows: 32, columns: classes, logarithm: false))
          }
        )
      },
      KernelRow("softmaxCrossEntropy", "32x\(classes)") { table in
        let (logits, dLogits) = (try Floats(32 * classes), try Floats(32 * classes))
        let labels = Integers((0..<32).map { Int32(7 * $0 % classes) })
        let (losses, correct) = (try Floats(32), Integers(Array(repeating: Int32(0), count: 32)))
        return (
          .elements(32 * classes),
          {
            table.softmaxCrossEntropy(
              SoftmaxCrossEntropy(
                logits: logits.read, labels: labels.read, rows: 32, classes: classes, scale: 1 / 32,
                losses: losses.pointer, correct: correct.pointer, dLogits: dLogits.pointer))
          }
        )
      },
    ]
  }
  + Place.allCases.map { place in
    KernelRow("squaredError", place.name) { table in
      let count = place.bytes / 12
      let (prediction, target, d) = (try Floats(count), try Floats(count), try Floats(count))
      return (.bytes(12 * count), { _ = table.squaredError(prediction.read, target.read, count, 1, d.pointer) })
    }
  }

/// One time step of one sequence.
let recurrentRows: [KernelRow] = [64, 512].flatMap { units in
  [
    KernelRow("lstmCellForward", "\(units) units") { table in
      let (gates, c, h) = (try Floats(4 * units), try Floats(units), try Floats(units))
      let before = try Floats(units)
      return (
        .elements(units),
        {
          table.lstmCellForward(
            LSTMCell(gates: gates.pointer, cPrevious: before.read, c: c.pointer, h: h.pointer, units: units))
        }
      )
    },
    KernelRow("lstmStepForward", "\(units) units") { table in
      let (gates, c, h) = (try Floats(4 * units), try Floats(units), try Floats(units))
      let (before, weights) = (try Floats(units), try Floats(4 * units * units))
      return (
        .operations(2 * 4 * units * units),
        {
          table.lstmStepForward(
            LSTMStep(
              gates: gates.read, hPrevious: before.read, depth: units, weights: weights.read,
              panelStride: units * table.panelColumns, cPrevious: before.read, c: c.pointer, h: h.pointer,
              units: units))
        }
      )
    },
    KernelRow("lstmCellBackward", "\(units) units") { table in
      let (gates, activations, before) = (try Floats(4 * units), try Floats(4 * units), try Floats(units))
      let (c, dh, dc) = (try Floats(units), try Floats(units), try Floats(units))
      return (
        .elements(units),
        {
          // The kernel works in place: without fresh activations its numbers would run away, into denormals too.
          gates.pointer.update(from: activations.pointer, count: 4 * units)
          dc.pointer.update(from: before.pointer, count: units)
          table.lstmCellBackward(
            LSTMCellGradient(
              gates: gates.pointer, cPrevious: before.read, c: c.read, dh: dh.read, dc: dc.pointer, units: units))
        }
      )
    },
  ]
}

/// The fused passes over parameters, gradients and slots.
let optimizerRows: [KernelRow] = Place.allCases.flatMap { place in
  [
    KernelRow("sgd", "momentum, \(place.name)") { table in
      let count = place.bytes / 12
      let (weight, dWeight, velocity) = (try Floats(count), try Floats(count), try Floats(count))
      return (
        .bytes(20 * count),
        {
          table.sgd(
            SGDUpdate(
              weight: weight.pointer, dWeight: dWeight.read, velocity: velocity.pointer, count: count,
              learningRate: 1e-3, momentum: Decay(0.9), weightDecay: 0, gradientScale: 1, nesterov: false))
        }
      )
    },
    KernelRow("adam", place.name) { table in
      let count = place.bytes / 16
      let (weight, dWeight) = (try Floats(count), try Floats(count))
      let (first, second) = (try Floats(count), try Floats(count))
      for i in 0..<count { second.pointer[i] = second.pointer[i].magnitude }
      return (
        .bytes(28 * count),
        {
          table.adam(
            AdamUpdate(
              weight: weight.pointer, dWeight: dWeight.read, firstMoment: first.pointer, secondMoment: second.pointer,
              count: count, stepSize: 1e-3, beta1: Decay(0.9), beta2: Decay(0.999), epsilon: 1e-8, inverseCorrection: 1,
              weightDecay: 0, gradientScale: 1))
        }
      )
    },
  ]
}
