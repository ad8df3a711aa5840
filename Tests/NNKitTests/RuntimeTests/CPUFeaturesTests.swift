import CNNKitPlatform
import NNKit
import NNKitKernelTable
import Testing

@Suite struct CPUFeaturesTests {
  @Test func theSupportedLevelsAscendFromBaseline() {
    let levels = CPUFeatures.supportedLevels
    #expect(levels.first == .baseline)
    #expect(levels == Array(InstructionSetLevel.allCases.prefix(levels.count)))
  }

  @Test func theDetectedLevelsAreThoseThatTheCompilersLibraryDetects() {
    #expect(CPUFeatures.supportedLevels.contains(.avx2) == nnkit_platform_compiler_supports_v3())
    #expect(CPUFeatures.supportedLevels.contains(.avx512) == nnkit_platform_compiler_supports_v4())
  }

  @Test func theHighestLevelIsTheDefault() throws {
    #expect(try CPUFeatures.chosenLevel(environment: nil) == CPUFeatures.supportedLevels.last)
    #expect(try CPUFeatures.chosenLevel(environment: "") == CPUFeatures.supportedLevels.last)
    #expect(try CPUFeatures.chosenLevel(environment: nil, supported: [.baseline, .avx2]) == .avx2)
  }

  @Test func aSupportedNameForcesItsLevel() throws {
    for level in InstructionSetLevel.allCases {
      #expect(try CPUFeatures.chosenLevel(environment: level.name, supported: InstructionSetLevel.allCases) == level)
    }
  }

  @Test(arguments: ["avx", "AVX2", "avx2 ", "1", "baseline,avx2"])
  func anUnknownNameIsAnErrorThatListsTheLevels(name: String) {
    let error = #expect(throws: NNKitError.self) {
      try CPUFeatures.chosenLevel(environment: name, supported: [.baseline, .avx2])
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("NNKIT_ISA=\(name) ") == true)
    #expect(error?.message.contains("baseline, avx2") == true)
  }

  @Test func aLevelThatTheProcessorLacksIsUnsupported() {
    let error = #expect(throws: NNKitError.self) {
      try CPUFeatures.chosenLevel(environment: "avx512", supported: [.baseline])
    }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("it supports: baseline.") == true)
  }
}
