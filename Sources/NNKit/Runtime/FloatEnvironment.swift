import CNNKitPlatform

/// Runs `body` with rounding to nearest, no flush to zero and every exception masked, whatever the caller has, which is
/// as it was afterwards: results do not depend on the modes of the program around NNKit.
@inline(__always)
func withDefaultFloatEnvironment<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  let environment = nnkit_platform_float_environment_get()
  // Mostly so: to set it takes as long as the smallest steps do.
  guard !nnkit_platform_float_environment_is_default(environment) else { return try body() }
  nnkit_platform_float_environment_set(nnkit_platform_float_environment_default())
  defer { nnkit_platform_float_environment_set(environment) }
  return try body()
}
