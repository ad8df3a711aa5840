/// The input transform `V = Bᵀ d B` of Winograd's convolution F(2×2, 3×3) for a row of tiles: tile `t` is the 4 × 4
/// pixels from `source + t · 2 · channels` on, and its 16 results go to
/// `output + plane · planeStride + t · channels`.
/// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.1.
public struct WinogradInput {
  public var source: UnsafePointer<Float>
  /// From one line of pixels to the next; pixels of a line lie side by side.
  public var lineStride: Int
  public var channels: Int
  public var tiles: Int
  public var output: UnsafeMutablePointer<Float>
  public var planeStride: Int

  public init(
    source: UnsafePointer<Float>, lineStride: Int, channels: Int, tiles: Int, output: UnsafeMutablePointer<Float>,
    planeStride: Int
  ) {
    self.source = source
    self.lineStride = lineStride
    self.channels = channels
    self.tiles = tiles
    self.output = output
    self.planeStride = planeStride
  }
}

/// The output transform `Y = Aᵀ M A` of F(2×2, 3×3) for a row of tiles, then bias and ReLU: tile `t`'s 16 products are
/// at `products + plane · planeStride + t · columns`, and its 2 × 2 pixels go to
/// `output + y · rowStep + (2 t + x) · columns`. Only pixels inside `height` × `width` are written.
public struct WinogradOutput {
  public var products: UnsafePointer<Float>
  public var planeStride: Int
  /// Elements of a pixel.
  public var columns: Int
  /// `columns` floats.
  public var bias: UnsafePointer<Float>?
  /// Added to the output, and laid out as it is; may be the output.
  public var addend: UnsafePointer<Float>?
  public var relu: Bool
  public var output: UnsafeMutablePointer<Float>
  public var rowStep: Int
  /// 1 or 2 rows.
  public var height: Int
  /// Pixels in a row: two for each tile, the last of which may be missing.
  public var width: Int

  public init(
    products: UnsafePointer<Float>, planeStride: Int, columns: Int, bias: UnsafePointer<Float>?,
    addend: UnsafePointer<Float>? = nil, relu: Bool, output: UnsafeMutablePointer<Float>, rowStep: Int, height: Int,
    width: Int
  ) {
    self.products = products
    self.planeStride = planeStride
    self.columns = columns
    self.bias = bias
    self.addend = addend
    self.relu = relu
    self.output = output
    self.rowStep = rowStep
    self.height = height
    self.width = width
  }
}

/// The weight transform `U = G g Gᵀ` of F(2×2, 3×3) for one panel: element `(k, n)` of tap `t` is
/// `source[taps[t] + k · depthStride + n · columnStride]`, taps row by row; its 16 results go to
/// `panels + plane · planeStride + k · panelColumns + n`, which is zero for `columns ≤ n < panelColumns`.
public struct WinogradWeights {
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
    source: UnsafePointer<Float>, taps: UnsafePointer<Int>, depthStride: Int, columnStride: Int, depth: Int,
    columns: Int, panels: UnsafeMutablePointer<Float>, planeStride: Int, scratch: UnsafeMutablePointer<Float>
  ) {
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
