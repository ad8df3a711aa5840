import NNKitKernelTable

/// `y = f(x K + b)` on the last axis.
extension DenseOperation {
  package func reference(_ node: ReferenceNode) -> ReferenceResult {
    let (x, kernel) = (node.x, node.parameters[0])
    var z = ReferenceTensor(batch: x.batch, shape: node.outputTypes[0].shape)
    z.lengths = x.lengths
    for row in 0..<x.rows {
      for i in 0..<inputs {
        let value = x.values[row * inputs + i]
        for u in 0..<units { z.values[row * units + u] += value * kernel[i * units + u] }
      }
      if hasBias { for u in 0..<units { z.values[row * units + u] += node.parameters[1][u] } }
    }
    return ReferenceResult(activating: z, activation, forced: node.choices)
  }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    let (x, kernel) = (node.x, node.parameters[0])
    let dz = result.dActivation(node, activation, dOutputs[0])
    var dx = Array(repeating: 0.0, count: x.values.count)
    var dKernel = Array(repeating: 0.0, count: kernel.count)
    var dBias = Array(repeating: 0.0, count: units)
    for row in 0..<x.rows {
      for i in 0..<inputs {
        var sum = 0.0
        let value = x.values[row * inputs + i]
        for u in 0..<units {
          let d = dz[row * units + u]
          sum += d * kernel[i * units + u]
          dKernel[i * units + u] += value * d
        }
        dx[row * inputs + i] = sum
      }
      for u in 0..<units { dBias[u] += dz[row * units + u] }
    }
    return ReferenceGradient(dInputs: [dx], dParameters: hasBias ? [dKernel, dBias] : [dKernel])
  }
}

/// A convolution of any number of groups, over `[H, W, C]` with a kernel `[kh, kw, C / groups, filters]`.
private struct PlainConvolution {
  let window: Window2D
  let channels: Int
  let filters: Int
  let groups: Int
  let hasBias: Bool
  let activation: ActivationKind

  /// Calls `body` for each place of each window that lies inside of the image: with the first elements of the input's
  /// pixel, of the output's pixel and of the window's place in the kernel.
  private func forEachPlace(_ x: ReferenceTensor, _ body: (_ input: Int, _ output: Int, _ place: Int) -> Void) {
    let (height, width) = (x.shape[0], x.shape[1])
    // `outputTypes` has accepted the sizes.
    guard let (rows, columns) = try? window.axes(height: height, width: width, pooling: false) else { return }
    for n in 0..<x.batch {
      for i in 0..<rows.output {
        for j in 0..<columns.output {
          for m in 0..<rows.window {
            for k in 0..<columns.window {
              let row = i * rows.stride + m * rows.dilation - rows.before
              let column = j * columns.stride + k * columns.dilation - columns.before
              if row < 0 || row >= height || column < 0 || column >= width { continue }
              body(
                ((n * height + row) * width + column) * channels,
                ((n * rows.output + i) * columns.output + j) * filters,
                (m * columns.window + k) * (channels / groups) * filters)
            }
          }
        }
      }
    }
  }

  func reference(_ node: ReferenceNode) -> ReferenceResult {
    var z = ReferenceTensor(batch: node.x.batch, shape: node.outputTypes[0].shape)
    let (groupChannels, groupFilters) = (channels / groups, filters / groups)
    node.x.values.withUnsafeBufferPointer { x in
      node.parameters[0].withUnsafeBufferPointer { kernel in
        z.values.withUnsafeMutableBufferPointer { z in
          forEachPlace(node.x) { input, output, place in
            for g in 0..<groups {
              for c in 0..<groupChannels {
                let value = x[input + g * groupChannels + c]
                for f in g * groupFilters..<(g + 1) * groupFilters {
                  z[output + f] += value * kernel[place + c * filters + f]
                }
              }
            }
          }
        }
      }
    }
    if hasBias { for i in z.values.indices { z.values[i] += node.parameters[1][i % filters] } }
    return ReferenceResult(activating: z, activation, forced: node.choices)
  }

  func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutput: [Double]) -> ReferenceGradient {
    let dz = result.dActivation(node, activation, dOutput)
    var dx = Array(repeating: 0.0, count: node.x.values.count)
    var dKernel = Array(repeating: 0.0, count: node.parameters[0].count)
    var dBias = Array(repeating: 0.0, count: filters)
    let (groupChannels, groupFilters) = (channels / groups, filters / groups)
    node.x.values.withUnsafeBufferPointer { x in
      node.parameters[0].withUnsafeBufferPointer { kernel in
        dz.withUnsafeBufferPointer { dz in
          dx.withUnsafeMutableBufferPointer { dx in
            dKernel.withUnsafeMutableBufferPointer { dKernel in
              forEachPlace(node.x) { input, output, place in
                for g in 0..<groups {
                  for c in 0..<groupChannels {
                    let (pixel, weights) = (input + g * groupChannels + c, place + c * filters)
                    var sum = 0.0
                    for f in g * groupFilters..<(g + 1) * groupFilters {
                      sum += dz[output + f] * kernel[weights + f]
                      dKernel[weights + f] += x[pixel] * dz[output + f]
                    }
                    dx[pixel] += sum
                  }
                }
              }
            }
          }
        }
      }
    }
    for (i, d) in dz.enumerated() { dBias[i % filters] += d }
    return ReferenceGradient(dInputs: [dx], dParameters: hasBias ? [dKernel, dBias] : [dKernel])
  }
}

extension ConvolutionOperation {
  private var plain: PlainConvolution {
    PlainConvolution(
      window: window, channels: channels, filters: filters, groups: 1, hasBias: hasBias, activation: activation)
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { plain.reference(node) }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    plain.referenceGradient(node, result, dOutputs[0])
  }
}

extension GroupedConvolutionOperation {
  private var plain: PlainConvolution {
    PlainConvolution(
      window: window, channels: channels, filters: filters, groups: groups, hasBias: hasBias, activation: activation)
  }

  package func reference(_ node: ReferenceNode) -> ReferenceResult { plain.reference(node) }

  package func referenceGradient(_ node: ReferenceNode, _ result: ReferenceResult, _ dOutputs: [[Double]])
    -> ReferenceGradient
  {
    plain.referenceGradient(node, result, dOutputs[0])
  }
}
