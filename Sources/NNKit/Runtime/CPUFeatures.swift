import CNNKitPlatform
import Glibc
import NNKitKernelTable

/// Which instruction-set levels this processor and operating system run, and which one to use.
package enum CPUFeatures {
  /// The levels that run here, ascending. Always begins with `.baseline`.
  package static let supportedLevels: [InstructionSetLevel] = {
    var levels: [InstructionSetLevel] = [.baseline]
    if nnkit_platform_supports_v3() { levels.append(.avx2) }
    if nnkit_platform_supports_v4() { levels.append(.avx512) }
    return levels
  }()

  /// Whether additions of vectors cost nothing beside multiplications.
  package static let addsBesideMultiplying = nnkit_platform_adds_beside_multiplying()

  /// The level that `NNKIT_ISA` names, or, where it is unset or empty, the highest supported one.
  ///
  /// Throws: `invalidArgument` for a name that is no level, `unsupported` for a level that does not run here.
  package static func chosenLevel(
    environment: String? = environmentValue("NNKIT_ISA"), supported: [InstructionSetLevel] = supportedLevels
  ) throws(NNKitError) -> InstructionSetLevel {
    guard let name = environment, !name.isEmpty else { return supported.last ?? .baseline }
    let supportedNames = supported.map(\.name).joined(separator: ", ")
    guard let level = InstructionSetLevel.allCases.first(where: { $0.name == name }) else {
      throw NNKitError(
        .invalidArgument,
        "NNKIT_ISA=\(name) names no instruction-set level; this processor supports: \(supportedNames). "
          + "Set one of these, or unset NNKIT_ISA for the fastest")
    }
    guard supported.contains(level) else {
      throw NNKitError(
        .unsupported,
        "NNKIT_ISA=\(name) asks for instructions that this processor or operating system lacks; it supports: "
          + "\(supportedNames). Set one of these, or unset NNKIT_ISA for the fastest")
    }
    return level
  }
}

extension InstructionSetLevel {
  /// The level's name in `NNKIT_ISA` and in reports.
  package var name: String {
    switch self {
    case .baseline: "baseline"
    case .avx2: "avx2"
    case .avx512: "avx512"
    }
  }
}

/// The value of an environment variable, nil where it is not set.
package func environmentValue(_ name: String) -> String? {
  getenv(name).map { String(cString: $0) }
}
