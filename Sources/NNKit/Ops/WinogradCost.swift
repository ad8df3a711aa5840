import NNKitKernelTable

/// What a 3 × 3 convolution with stride 1 costs by Winograd's algorithm and directly, in multiply-adds. A function of
/// the sizes alone.
///
/// Directly: 9 products for each pixel and pair of channels. By tiles: a product for each plane, tile and pair of
/// channels, and the transforms, whose every element costs about as much as five products. Weights are read once for all
/// pixels or tiles; each costs as much as 16 products where it comes from memory, 8 where a core's cache keeps it from run
/// to run. Where weights are fetched ahead, memory works beside the products, and a layer takes the longer of the two.
/// Measured on Zen 4 and, with weights fetched ahead, on Zen 2; the choice between the ways changes little where these
/// numbers are off by half.
package struct WinogradCost {
  let channels: Int
  let filters: Int
  let height: Int
  let width: Int
  let batch: Int
  let fetchesAhead: Bool

  /// With fewer channels vectors are not full.
  private static let fewestChannels = 16
  /// Smaller maps are mostly border.
  private static let smallestMap = 4

  /// What a weight costs, in products, where it comes from memory and where a cache keeps it.
  private static let (weight, cachedWeight) = (16.0, 8.0)

  /// `height` and `width`: of the output. `fetchesAhead`: see `KernelTable`.
  package init(channels: Int, filters: Int, height: Int, width: Int, batch: Int, fetchesAhead: Bool) {
    (self.channels, self.filters) = (channels, filters)
    (self.height, self.width, self.batch) = (height, width, batch)
    self.fetchesAhead = fetchesAhead
  }

  private var allows: Bool {
    min(channels, filters) >= Self.fewestChannels && min(height, width) >= Self.smallestMap
  }

  private var pairs: Double { Double(channels) * Double(filters) }

  private func transformedTiles(_ size: Int) -> Double {
    let tiles = Double(batch) * Double(ceilDivide(height, size)) * Double(ceilDivide(width, size))
    return Double(Winograd.planes(size)) * tiles * (pairs + 5 * Double(channels + filters))
  }

  private var directProducts: Double { 9 * pairs * Double(batch) * Double(height) * Double(width) }

  /// Whether this many weights for each pair of channels take less than half of a second-level cache.
  private func staysInCache(_ planes: Int) -> Bool { 4 * Double(planes) * pairs <= Double(512 << 10) }

  /// Whether the transformed weights do.
  package func keepsWeightsInCache(_ size: Int) -> Bool { staysInCache(Winograd.planes(size)) }

  /// Of `products` and the weights of `planes`.
  private func cost(of products: Double, _ planes: Int) -> Double {
    let weights = Double(planes) * pairs
    let cached = products + Self.cachedWeight * weights
    if staysInCache(planes) { return cached }
    return fetchesAhead ? max(cached, Self.weight * weights) : products + Self.weight * weights
  }

  /// The size of tiles with which a convolution is fastest; nil: the direct way is.
  package var tileSize: Int? {
    guard allows else { return nil }
    let costs = [2, 4].map { cost(of: transformedTiles($0), Winograd.planes($0)) }
    guard min(costs[0], costs[1]) < cost(of: directProducts, 9) else { return nil }
    return costs[0] < costs[1] ? 2 : 4
  }

  /// Whether the weight gradient is faster by tiles of 4 × 4. Its last transform costs about as much as four products
  /// for each sum.
  package var transformsWeightGradient: Bool {
    allows && transformedTiles(4) + 4 * Double(Winograd.planes(4)) * pairs < directProducts
  }
}
