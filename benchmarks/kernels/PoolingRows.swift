import NNKitKernelTable

/// Pooling of one image: side by side as in LeNet, overlapping as in ResNet-18.
let poolingRows: [KernelRow] =
  [
    (PoolGeometry.square(width: 28, channels: 32, window: 2, stride: 2, pad: 0), "2x2 of 28x28x32"),
    (PoolGeometry.square(width: 112, channels: 64, window: 3, stride: 2, pad: 1), "3x3 stride 2 of 112x112x64"),
  ].flatMap { geometry, name in
    [
      forward("maxPool2DForward", geometry, name) { table, pool, argmax in table.maxPool2DForward(pool, argmax) },
      forward("averagePool2DForward", geometry, name) { table, pool, _ in table.averagePool2DForward(pool) },
      backward("maxPool2DBackward", geometry, name) { table, gradient, argmax in
        table.maxPool2DBackward(gradient, argmax)
      },
      backward("averagePool2DBackward", geometry, name) { table, gradient, _ in table.averagePool2DBackward(gradient) },
    ]
  } + globalRows

/// The whole of an image to one pixel, as before a residual network's last layer.
private let globalRows = [
  KernelRow("globalAveragePoolForward", "7x7x512") { table in
    let (input, output) = (try Floats(49 * 512), try Floats(512))
    return (
      .bytes(4 * 50 * 512),
      {
        table.globalAveragePoolForward(
          GlobalAveragePool(input: input.read, output: output.pointer, pixels: 49, channels: 512))
      }
    )
  },
  KernelRow("globalAveragePoolBackward", "7x7x512") { table in
    let (dOutput, dInput) = (try Floats(512), try Floats(49 * 512))
    return (
      .bytes(4 * 50 * 512),
      {
        table.globalAveragePoolBackward(
          GlobalAveragePoolGradient(dOutput: dOutput.read, dInput: dInput.pointer, pixels: 49, channels: 512))
      }
    )
  },
]

extension PoolGeometry {
  fileprivate static func square(width: Int, channels: Int, window: Int, stride: Int, pad: Int) -> PoolGeometry {
    let output = (width + 2 * pad - window) / stride + 1
    return PoolGeometry(
      inputHeight: width, inputWidth: width, channels: channels, outputHeight: output, outputWidth: output,
      windowHeight: window, windowWidth: window, strideHeight: stride, strideWidth: stride, padTop: pad, padLeft: pad,
      countsPadding: false)
  }

  fileprivate var inputCount: Int { inputHeight * inputWidth * channels }
  fileprivate var outputCount: Int { outputHeight * outputWidth * channels }
}

private func forward(
  _ kernel: String, _ geometry: PoolGeometry, _ name: String,
  _ call: @escaping @Sendable (KernelTable, Pool2D, UnsafeMutableRawPointer) -> Void
) -> KernelRow {
  KernelRow(kernel, name) { table in
    let (input, output) = (try Floats(geometry.inputCount), try Floats(geometry.outputCount))
    let argmax = Integers(Array(repeating: Int32(0), count: geometry.outputCount))
    let pool = Pool2D(
      geometry: geometry, input: input.read, output: output.pointer, rowStart: 0, rowEnd: geometry.outputHeight)
    let argmaxBytes = kernel == "maxPool2DForward" ? geometry.placeBytes * geometry.outputCount : 0
    return (
      .bytes(4 * (geometry.inputCount + geometry.outputCount) + argmaxBytes),
      { withExtendedLifetime((input, output)) { call(table, pool, argmax.pointer) } }
    )
  }
}

private func backward(
  _ kernel: String, _ geometry: PoolGeometry, _ name: String,
  _ call: @escaping @Sendable (KernelTable, Pool2DGradient, UnsafeRawPointer) -> Void
) -> KernelRow {
  KernelRow(kernel, name) { table in
    let (input, output) = (try Floats(geometry.inputCount), try Floats(geometry.outputCount))
    let dInput = try Floats(geometry.inputCount)
    // The places that a forward pass really chooses.
    let argmax = Integers(Array(repeating: Int32(0), count: geometry.outputCount))
    table.maxPool2DForward(
      Pool2D(
        geometry: geometry, input: input.read, output: output.pointer, rowStart: 0, rowEnd: geometry.outputHeight),
      argmax.pointer)
    let gradient = Pool2DGradient(geometry: geometry, dOutput: output.read, dInput: dInput.pointer)
    let argmaxBytes = kernel == "maxPool2DBackward" ? geometry.placeBytes * geometry.outputCount : 0
    return (
      .bytes(4 * (geometry.inputCount + geometry.outputCount) + argmaxBytes),
      { withExtendedLifetime((output, dInput)) { call(table, gradient, argmax.read) } }
    )
  }
}
