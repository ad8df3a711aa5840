import CNNKitPlatform
import NNKit
import NNKitKernelTable
import Testing

/// What a Swift program computes does not depend on its rounding and flush-to-zero modes, and they stay.
@Suite struct FloatEnvironmentTests {
  private let inputs = (0..<16 * 6).map { Float($0 % 7) / 8 }
  private let targets = (0..<32).map { Float($0 % 3) / 4 }

  /// Bits of parameters and losses of a small network, from its first parameters on.
  private func train() throws -> [UInt32] {
    let model = try Model(input: [6], seed: 3, runtime: try Runtime(threads: 2)) {
      Dense(units: 33, activation: .tanh)
      BatchNorm()
      Dense(units: 2)
    }
    let first = model.arena.count
    var bits = (0..<first).map { model.arena.floats[$0].bitPattern }
    let data = try Dataset(
      inputs: [.float32(inputs, shape: [16, 6])], targets: [.float32(targets, shape: [16, 2])])
    let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: .adam(learningRate: 0.0123), clipNorm: 0.37)
    try trainer.fit(data, epochs: 3, batchSize: 5) { bits.append(UInt32(truncatingIfNeeded: $0.loss.bitPattern)) }
    bits.append(UInt32(truncatingIfNeeded: try trainer.evaluate(data, batchSize: 7).loss.bitPattern))
    bits += (0..<first).map { model.arena.floats[$0].bitPattern }
    return bits
  }

  /// Upward, downward, toward zero; flush to zero with denormals as zero.
  @Test(arguments: [0x5f80, 0x3f80, 0x7f80, 0x9fc0] as [UInt32])
  func resultsDoNotFollowTheCallersModes(_ mxcsr: UInt32) throws {
    let expected = try train()
    let before = nnkit_platform_float_environment_get()
    defer { nnkit_platform_float_environment_set(before) }
    var modes = nnkit_platform_float_environment_default()
    modes.mxcsr = mxcsr
    nnkit_platform_float_environment_set(modes)
    let result = Result { try train() }
    let after = nnkit_platform_float_environment_get()
    nnkit_platform_float_environment_set(before)
    #expect(after.mxcsr & ~0x3f == mxcsr)
    #expect(try result.get() == expected)
  }
}
