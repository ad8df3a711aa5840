/// Winograd's convolution F(m×m, 3×3) computes tiles of m × m output pixels, m = 2 or 4, from tiles of `m + 2` pixels
/// on a side: `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. Its weight gradient is the adjoint, `Gᵀ [(A dY Aᵀ) ⊙ (Bᵀ d B)] G`.
///
/// The rows of `Bᵀ` and `G` and the columns of `Aᵀ` belong to the points 0, ∞, 1, -1 for m = 2, and to 0, ∞, √½, -√½,
/// √2, -√2 for m = 4; plane `(m + 2) i + j` of a transformed tile is its element `(i, j)`. Transforms of pixels are
/// computed two rows of planes at a time, which share their work: `rowPair` is 0 ... m / 2, and plane 0 of such a
/// result is plane `2 (m + 2) · rowPair` of the tile.
///
/// With these four points and m = 4 the largest error of a result is a quarter of that with the usual ±1, ±2.
/// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4; Barabasz et al., Error
/// Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks (2020), on the choice of points.
public enum Winograd {
  public static func planes(_ size: Int) -> Int { (size + 2) * (size + 2) }
}

/// Two rows of planes of the input transform `V = Bᵀ d B` for a row of tiles: tile `t` is the `size + 2` pixels on a
/// side from `source + t · size · pixelStride` on, and its results go to `output + plane · planeStride + t · channels`.
public struct WinogradInput {
  /// 2 or 4.
  public var size: Int
  public var rowPair: Int
  public var source: UnsafePointer<Float>
  public var lineStride: Int
  public var pixelStride: Int
  /// Of a pixel, from `source` on.
  public var channels: Int
  public var tiles: Int
  public var output: UnsafeMutablePointer<Float>
  public var planeStride: Int
  /// Of row pair 0: takes the sum of the squares of each tile at the pairs of points 0 and ∞, over all channels. Every pixel
  /// of a tile has a part in one of these four elements: where one is not finite the sum is not, and it is at least the
  /// square of the largest pixel that has no other beside it.
  public var energies: UnsafeMutablePointer<Float>?

  public init(
    size: Int, rowPair: Int, source: UnsafePointer<Float>, lineStride: Int, pixelStride: Int, channels: Int,
    tiles: Int, output: UnsafeMutablePointer<Float>, planeStride: Int, energies: UnsafeMutablePointer<Float>? = nil
  ) {
    self.size = size
    self.rowPair = rowPair
    self.source = source
    self.lineStride = lineStride
    self.pixelStride = pixelStride
    self.channels = channels
    self.tiles = tiles
    self.output = output
    self.planeStride = planeStride
    self.energies = energies
  }
}

/// The products of all planes: `C[p][r][n] = Σ_k A[p][r][k] · B[p][k][n]` for `p < planes`, `r < rows` and `n < columns`,
/// each in ascending order of `k`.
public struct WinogradProducts {
  public var planes: Int
  /// Any number.
  public var rows: Int
  public var depth: Int
  /// Any number.
  public var columns: Int
  /// Of each plane, `rows` rows of `depth` floats.
  public var a: UnsafePointer<Float>
  public var aPlaneStride: Int
  /// Packed panels: those of a plane, then those of the next, each `panelStride` floats behind the one before.
  public var b: UnsafePointer<Float>
  public var panelStride: Int
  /// Of each plane, `rows` rows; `columns` floats of each are written, rounded up to whole vectors.
  public var c: UnsafeMutablePointer<Float>
  public var cPlaneStride: Int
  public var cRowStride: Int
  /// Whether another panel behind the last one is needed next, and fetched meanwhile.
  public var hasNext: Bool

  public init(
    planes: Int, rows: Int, depth: Int, columns: Int, a: UnsafePointer<Float>, aPlaneStride: Int,
    b: UnsafePointer<Float>, panelStride: Int, c: UnsafeMutablePointer<Float>, cPlaneStride: Int, cRowStride: Int,
    hasNext: Bool
  ) {
    self.planes = planes
    self.rows = rows
    self.depth = depth
    self.columns = columns
    self.a = a
    self.aPlaneStride = aPlaneStride
    self.b = b
    self.panelStride = panelStride
    self.c = c
    self.cPlaneStride = cPlaneStride
    self.cRowStride = cRowStride
    self.hasNext = hasNext
  }
}

/// The output transform `Y = Aᵀ M A` for a row of tiles, then bias, addend and ReLU: tile `t`'s products are at
/// `products + plane · planeStride + t · tileStride`, and its `size` × `size` pixels go to
/// `output + y · rowStep + (size · t + x) · pixelStride`. Only pixels inside `height` × `width` are written.
public struct WinogradOutput {
  /// 2 or 4.
  public var size: Int
  public var products: UnsafePointer<Float>
  public var planeStride: Int
  public var tileStride: Int
  /// Elements of a pixel, from `output` on.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  /// Added to the output, and laid out as it is; may be the output.
  public var addend: UnsafePointer<Float>?
  public var relu: Bool
  public var output: UnsafeMutablePointer<Float>
  public var rowStep: Int
  public var pixelStride: Int
  /// 1 ... size rows.
  public var height: Int
  /// Pixels in a row: `size` for each tile, the last of which may have fewer.
  public var width: Int

  public init(
    size: Int, products: UnsafePointer<Float>, planeStride: Int, tileStride: Int, columns: Int,
    bias: UnsafePointer<Float>?, addend: UnsafePointer<Float>? = nil, relu: Bool,
    output: UnsafeMutablePointer<Float>, rowStep: Int, pixelStride: Int, height: Int, width: Int
  ) {
    self.size = size
    self.products = products
    self.planeStride = planeStride
    self.tileStride = tileStride
    self.columns = columns
    self.bias = bias
    self.addend = addend
    self.relu = relu
    self.output = output
    self.rowStep = rowStep
    self.pixelStride = pixelStride
    self.height = height
    self.width = width
  }
}

/// The weight transform `U = G g Gᵀ` for one panel: element `(k, n)` of tap `t` is
/// `source[taps[t] + k · depthStride + n · columnStride]`, taps row by row; its results go to
/// `panels + plane · planeStride + k · panelColumns + n`, which is zero for `columns ≤ n < panelColumns`.
public struct WinogradWeights {
  /// 2 or 4.
  public var size: Int
  public var source: UnsafePointer<Float>
  /// 9 offsets.
  public var taps: UnsafePointer<Int>
  public var depthStride: Int
  public var columnStride: Int
  public var depth: Int
  /// 1 ... panelColumns.
  public var columns: Int
  public var panels: UnsafeMutablePointer<Float>
  public var planeStride: Int
  /// `9 · depthPerBlock · panelColumns` floats to work in.
  public var scratch: UnsafeMutablePointer<Float>

  public static let depthPerBlock = 8

  public init(
    size: Int, source: UnsafePointer<Float>, taps: UnsafePointer<Int>, depthStride: Int, columnStride: Int,
    depth: Int, columns: Int, panels: UnsafeMutablePointer<Float>, planeStride: Int,
    scratch: UnsafeMutablePointer<Float>
  ) {
    self.size = size
    self.source = source
    self.taps = taps
    self.depthStride = depthStride
    self.columnStride = columnStride
    self.depth = depth
    self.columns = columns
    self.panels = panels
    self.planeStride = planeStride
    self.scratch = scratch
  }
}

/// Two rows of planes of `Z = A dY Aᵀ` of F(4×4, 3×3) for a row of tiles: tile `t` is the 4 × 4 pixels from
/// `source + 4 t · pixelStride` on, and its results go to `output + plane · planeStride + t · tileStride`.
public struct WinogradOutputGradient {
  public var rowPair: Int
  public var source: UnsafePointer<Float>
  public var lineStride: Int
  public var pixelStride: Int
  /// Elements of a pixel, from `source` on.
  public var columns: Int
  public var tiles: Int
  public var output: UnsafeMutablePointer<Float>
  public var planeStride: Int
  public var tileStride: Int

  public init(
    rowPair: Int, source: UnsafePointer<Float>, lineStride: Int, pixelStride: Int, columns: Int, tiles: Int,
    output: UnsafeMutablePointer<Float>, planeStride: Int, tileStride: Int
  ) {
    self.rowPair = rowPair
    self.source = source
    self.lineStride = lineStride
    self.pixelStride = pixelStride
    self.columns = columns
    self.tiles = tiles
    self.output = output
    self.planeStride = planeStride
    self.tileStride = tileStride
  }
}

/// `dK = Gᵀ dU G` of F(4×4, 3×3) for `rows` rows of `columns` elements: row `r` of plane `p` is at
/// `products + p · planeStride + r · columns`, and that of tap `t`, row by row, goes to
/// `output + t · tapStride + r · rowStride`.
public struct WinogradKernelGradient {
  public var products: UnsafePointer<Float>
  public var planeStride: Int
  public var rows: Int
  public var columns: Int
  public var output: UnsafeMutablePointer<Float>
  public var tapStride: Int
  public var rowStride: Int

  public init(
    products: UnsafePointer<Float>, planeStride: Int, rows: Int, columns: Int, output: UnsafeMutablePointer<Float>,
    tapStride: Int, rowStride: Int
  ) {
    self.products = products
    self.planeStride = planeStride
    self.rows = rows
    self.columns = columns
    self.output = output
    self.tapStride = tapStride
    self.rowStride = rowStride
  }
}
