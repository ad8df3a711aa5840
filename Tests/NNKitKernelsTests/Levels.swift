import Glibc
import NNKit
import NNKitKernelTable

/// The instruction-set levels that the tests walk: all that this processor has, or the one that NNKIT_ISA names.
let testedLevels: [InstructionSetLevel] = {
  guard let name = environmentValue("NNKIT_ISA"), !name.isEmpty else { return CPUFeatures.supportedLevels }
  return CPUFeatures.supportedLevels.filter { $0.name == name }
}()

/// The kernels of `level`.
func kernels(_ level: InstructionSetLevel) -> KernelTable { Runtime.kernelTable(level) }

extension KernelTable {
  /// Lanes of a vector of this level.
  var width: Int { panelColumns / 2 }

  /// Element counts at which loops over vectors may go wrong: 0, 1, around one vector, around two, and a prime.
  var counts: [Int] { [0, 1, width - 1, width, width + 1, 2 * width, 2 * width + 3, 101] }
}
