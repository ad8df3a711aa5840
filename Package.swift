// swift-tools-version: 6.2
import PackageDescription

/// One kernel source, three modules: each is compiled with its own instruction set. `-Ounchecked`, because every
/// size and index is checked before a kernel is called. A module is emitted as one object: with one for each file,
/// private functions become weak symbols, which the linker shares between the modules. (A number of threads, whatever it
/// is, has a module's index in as many parts as it has files, as SwiftPM asks for in a debug build.) Without errno, a
/// square root is one instruction.
func kernelSettings(march: String, define: String?) -> [SwiftSetting] {
  var flags = [
    "-Ounchecked", "-wmo", "-num-threads", "1", "-Xfrontend", "-enable-single-module-llvm-emission", "-Xcc",
    "-fno-math-errno",
  ]
  if !march.isEmpty { flags += ["-Xcc", "-march=\(march)"] }
  return [.unsafeFlags(flags)] + (define.map { [.define($0)] } ?? [])
}

/// Allocations of the shared library that fail are served from a reserve, and its locks keep a fork waiting: see
/// CNNKitBoundary/Reserve.c and Forks.c.
let wrappedFlags = [
  "malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "free", "malloc_usable_size", "strdup", "_Znwm",
  "_ZnwmSt11align_val_t", "_ZdlPv", "_ZdlPvm", "_ZdlPvmSt11align_val_t",
  "pthread_mutex_lock", "pthread_mutex_unlock", "__cxa_guard_acquire", "__cxa_guard_release",
  "_ZN5swift14threading_impl9once_slowERNS0_6once_tEPFvPvES3_",
].flatMap { ["-Xlinker", "--wrap=\($0)"] }

/// The shared library carries the Swift runtime, exports `nnk_*` alone, and stays loaded once it is: `dlclose` with
/// live worker threads would end the host.
let libraryFlags =
  // FoundationEssentials (JSON) is two libraries more when it is linked statically.
  ["-static-stdlib", "-use-ld=lld", "-l_FoundationCollections", "-l_FoundationCShims"]
  // Older C libraries keep functions in these: see CNNKitBoundary/OldSystems.c.
  + ["--no-as-needed", "-l:libpthread.so.0", "-l:libdl.so.2"].flatMap { ["-Xlinker", $0] }
  + [
    "--version-script=\(Context.packageDirectory)/Sources/NNKitCAPI/exports.map", "--gc-sections", "-s", "-z",
    "nodelete", "-z", "defs", "-z", "now", "-z", "relro", "-soname=libnnkit.so.0",
  ].flatMap { ["-Xlinker", $0] } + wrappedFlags

let package = Package(
  name: "NNKit",
  products: [
    .library(name: "NNKit", targets: ["NNKit"]),
    .library(name: "nnkit", type: .dynamic, targets: ["NNKitCAPI"]),
  ],
  targets: [
    // The C header, and what Swift cannot spell: cpuid, pause, the floating-point environment.
    .systemLibrary(name: "CNNKit", path: "include"),
    .target(name: "CNNKitPlatform"),
    .target(name: "CNNKitHostSignals"),
    .target(name: "CNNKitBoundary", dependencies: ["CNNKitPlatform"]),

    // Kernels: pointers in, pointers out. The AVX modules hold symbolic links to NNKitKernels' sources.
    .target(name: "NNKitKernelTable"),
    .target(name: "CNNKitInstructions"),
    .target(
      name: "NNKitKernels", dependencies: ["NNKitKernelTable", "CNNKitInstructions"],
      swiftSettings: kernelSettings(march: "", define: nil)),
    .target(
      name: "NNKitKernelsAVX2", dependencies: ["NNKitKernelTable", "CNNKitInstructions"],
      swiftSettings: kernelSettings(march: "x86-64-v3", define: "NNKIT_AVX2")),
    .target(
      name: "NNKitKernelsAVX512", dependencies: ["NNKitKernelTable", "CNNKitInstructions"],
      swiftSettings: kernelSettings(march: "x86-64-v4", define: "NNKIT_AVX512")),

    // The engine, and its C interface.
    .target(
      name: "NNKit",
      dependencies: [
        "CNNKit", "CNNKitPlatform", "CNNKitInstructions", "NNKitKernelTable", "NNKitKernels", "NNKitKernelsAVX2",
        "NNKitKernelsAVX512",
      ],
      exclude: ["Ops/Shape/README.md"],
      linkerSettings: [.linkedLibrary("m")]),
    .target(
      name: "NNKitCAPI", dependencies: ["NNKit", "CNNKit", "CNNKitHostSignals", "CNNKitBoundary"],
      exclude: ["exports.map"],
      linkerSettings: [.unsafeFlags(libraryFlags)]),

    // These see what other packages see.
    .executableTarget(name: "shapes-example", dependencies: ["NNKit"], path: "examples/swift", packageAccess: false),
    .executableTarget(name: "scenario", dependencies: ["NNKit"], path: "Tests/scenario/swift", packageAccess: false),
    .testTarget(name: "NNKitUsersTests", dependencies: ["NNKit"], packageAccess: false),

    // What the machine can do at best, and every kernel against it.
    .target(name: "CMachineLimits", path: "benchmarks/machine", exclude: ["peak.c"]),
    .executableTarget(
      name: "kernel-benchmark", dependencies: ["NNKit", "NNKitKernelTable", "CMachineLimits"],
      path: "benchmarks/kernels"),

    // Random graphs, compared with the reference.
    .target(name: "RandomGraphs", dependencies: ["NNKit", "NNKitKernelTable"], path: "Tests/graphs/RandomGraphs"),
    .executableTarget(
      name: "random-graphs", dependencies: ["RandomGraphs", "NNKit"], path: "Tests/graphs/tool"),

    .testTarget(
      name: "NNKitKernelsTests",
      dependencies: ["NNKitKernelTable", "NNKit"]),
    .testTarget(
      name: "NNKitTests", dependencies: ["NNKit", "NNKitKernelTable", "CNNKitPlatform", "RandomGraphs"],
      exclude: ["Fixtures"]),
  ]
)
