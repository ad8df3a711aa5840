/// The largest value, or the mean, of each window of an image `[H, W, C]`.
extension PoolingOperation {
  /// Calls `body` for each output element with its index and the indices of the input's elements in its window, in the
  /// order of rows and columns, and the divisor of a mean.
  private func forEachWindow(_ x: ReferenceTensor, _ body: (_ output: Int, _ inputs: [Int], _ divisor: Int) -> Void) {
    let (height, width, channels) = (x.shape[0], x.shape[1], x.shape[2])
    guard let (rows, columns) = try? window.axes(height: height, width: width, pooling: true) else { return }
    var output = 0
    for n in 0..<x.batch {
      for i in 0..<rows.output {
        for j in 0..<columns.output {
          for c in 0..<channels {
            var inside: [Int] = []
            for m in 0..<rows.window {
              for k in 0..<columns.window {
                let (row, column) = (i * rows.stride + m - rows.before, j * columns.stride + k - columns.before)
                if row < 0 || row >= height || column < 0 || column >= width { continue }
                inside.append(((n * height + row) * width + column) * channels + c)
              }
            }
            var divisor = inside.count
            if case .average(countsPadding: true) = kind { divisor = rows.window * columns.window }
            body(output, inside, divisor)
            output += 1
          }
        }
      }
    }
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    let x = node.x
    var y = ReferenceTensor(batch: x.batch, shape: node.outputTypes[0].shape)
    guard isMaximum else {
      forEachWindow(x) { output, inputs, divisor in
        y.values[output] = inputs.reduce(0) { $0 + x.values[$1] } / Double(divisor)
      }
      return ReferenceResult(outputs: [y])
    }
    var choices = PieceChoices(count: y.values.count)
    forEachWindow(x) { output, inputs, _ in
      if let forced = node.choices {
        (choices.chosen[output], choices.other[output]) = (forced.chosen[output], forced.other[output])
        if forced.other[output] >= 0 {
          choices.margin[output] = x.values[Int(forced.chosen[output])] - x.values[Int(forced.other[output])]
        }
      } else {
        // Of equal values the first one.
        let best = inputs.dropFirst().reduce(inputs[0]) { x.values[$1] > x.values[$0] ? $1 : $0 }
        let others = inputs.filter { $0 != best && x.values[$0] != x.values[best] }
        choices.chosen[output] = Int32(best)
        if let second = others.max(by: { x.values[$0] < x.values[$1] }) {
          choices.other[output] = Int32(second)
          choices.margin[output] = x.values[best] - x.values[second]
        }
      }
      y.values[output] = x.values[Int(choices.chosen[output])]
    }
    return ReferenceResult(outputs: [y], choices: choices)
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    var dx = Array(repeating: 0.0, count: node.x.values.count)
    if let choices = result.choices {
      for (output, d) in dOutputs[0].enumerated() { dx[Int(choices.chosen[output])] += d }
    } else {
      forEachWindow(node.x) { output, inputs, divisor in
        for input in inputs { dx[input] += dOutputs[0][output] / Double(divisor) }
      }
    }
    return ReferenceGradient(dInputs: [dx])
  }
}

/// `y[c] = Σ_hw x[h, w, c] / (H · W)`.
extension GlobalAveragePoolingOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    let x = node.x
    var y = ReferenceTensor(batch: x.batch, shape: node.outputTypes[0].shape)
    let (channels, pixels) = (x.columns, x.sampleCount / x.columns)
    for (i, value) in x.values.enumerated() {
      y.values[i / x.sampleCount * channels + i % channels] += value / Double(pixels)
    }
    return ReferenceResult(outputs: [y])
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let x = node.x
    let (channels, pixels) = (x.columns, x.sampleCount / x.columns)
    let dx = x.values.indices.map { dOutputs[0][$0 / x.sampleCount * channels + $0 % channels] / Double(pixels) }
    return ReferenceGradient(dInputs: [dx])
  }
}
