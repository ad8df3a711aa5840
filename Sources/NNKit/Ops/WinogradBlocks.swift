import NNKitKernelTable

/// How the tiles of `size` × `size` pixels of a batch of images are divided into blocks: rows of tiles of one image, or,
/// where images are small, several images. A function of the sizes alone.
struct WinogradBlocks {
  /// Pixels on a side of a tile.
  let size: Int
  /// Of one image.
  let tileRows: Int
  let tileColumns: Int
  /// At most.
  let rowsPerBlock: Int
  let imagesPerBlock: Int
  let tilesPerBlock: Int
  let count: Int
  private let blocksPerImage: Int
  private let batch: Int

  /// `tiles`: wanted in a block.
  init(size: Int, height: Int, width: Int, batch: Int, tiles: Int) {
    self.size = size
    self.batch = batch
    tileRows = ceilDivide(height, size)
    tileColumns = ceilDivide(width, size)
    blocksPerImage = ceilDivide(tileRows, max(1, min(tileRows, tiles / tileColumns)))
    rowsPerBlock = ceilDivide(tileRows, blocksPerImage)
    imagesPerBlock = blocksPerImage > 1 ? 1 : max(1, min(batch, tiles / (tileRows * tileColumns)))
    tilesPerBlock = imagesPerBlock * rowsPerBlock * tileColumns
    count = blocksPerImage * ceilDivide(batch, imagesPerBlock)
  }

  /// Of the whole batch.
  var tiles: Int { batch * tileRows * tileColumns }

  /// The last blocks may be smaller, or empty of rows.
  @inline(__always)
  func block(_ index: Int) -> (image: Int, images: Int, row: Int, rows: Int) {
    let image = index / blocksPerImage * imagesPerBlock
    let row = min(index % blocksPerImage * rowsPerBlock, tileRows)
    return (image, min(imagesPerBlock, batch - image), row, min(rowsPerBlock, tileRows - row))
  }
}

/// From one plane of transformed tiles to the next, where each has `floats` floats: an odd number of cache lines. A power
/// of two would put the elements of all planes that a transform writes into one set of the first cache.
func planeStride(_ floats: Int) -> Int { (ceilDivide(floats, 16) | 1) * 16 }

/// The pixels that the tiles of a block read, some of their channels: as they lie in an image of `height` × `width`
/// pixels, or, where tiles reach beyond it or a normalisation is pending, copied with zeros around them.
struct WinogradLines {
  private let height: Int
  private let width: Int
  private let channels: Int
  /// Of tile `(0, 0)` in the image.
  private let firstY: Int
  private let firstX: Int
  private let size: Int
  /// What a tile reads on a side.
  private let reach: Int
  private let isCopied: Bool
  private let lineWidth: Int
  /// Floats for the copies of a block's lines of one image, for each channel.
  let copiedPixels: Int

  init(
    _ tensor: Tensor, height: Int, width: Int, channels: Int, firstY: Int, firstX: Int, reach: Int,
    blocks: WinogradBlocks
  ) throws(NNKitError) {
    (self.height, self.width, self.channels) = (height, width, channels)
    (self.firstY, self.firstX, self.reach) = (firstY, firstX, reach)
    size = blocks.size
    let linesRead = (blocks.tileRows - 1) * size + reach
    let columnsRead = (blocks.tileColumns - 1) * size + reach
    isCopied =
      tensor.pending != nil || firstY < 0 || firstX < 0 || firstY + linesRead > height
      || firstX + columnsRead > width
    lineWidth = isCopied ? columnsRead : width
    let linesOfBlock = (blocks.rowsPerBlock - 1) * size + reach
    copiedPixels = isCopied ? try checkedProduct([linesOfBlock, lineWidth], of: "a tile") : 0
  }

  /// From one pixel to the next, where `count` channels of an image are loaded.
  @inline(__always)
  func pixelStride(_ count: Int) -> Int { isCopied ? count : channels }

  @inline(__always)
  func lineStride(_ count: Int) -> Int { lineWidth * pixelStride(count) }

  /// The first pixel of tile `(row, 0)` of an image, of `rows` rows of tiles; `count` channels from `first` on. `copy`
  /// has `copiedPixels · count` floats, and holds the pixels already where `isLoaded`.
  @inline(__always)
  func load(
    _ kernels: KernelTable, _ image: UnsafePointer<Float>, _ pending: ChannelNormalization?, first: Int, count: Int,
    row: Int, rows: Int, isLoaded: Bool = false,
    to copy: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let (line, lineCount) = (firstY + size * row, (rows - 1) * size + reach)
    if !isCopied { return image + (line * width + firstX) * channels + first }
    if isLoaded { return UnsafePointer(copy) }
    if count == channels {
      copyPaddedLines(
        kernels, image, pending, height: height, width: width, channels: channels, firstLine: line, firstColumn: firstX,
        lineCount: lineCount, lineWidth: lineWidth, to: copy)
      return UnsafePointer(copy)
    }
    var group = pending
    group?.channels = count
    group?.mean += first
    group?.scale += first
    group?.shift += first
    var target = copy
    for y in line..<line + lineCount {
      for x in firstX..<firstX + lineWidth {
        let source = image + (y * width + x) * channels + first
        if y < 0 || y >= height || x < 0 || x >= width {
          target.update(repeating: 0, count: count)
        } else if let group {
          kernels.batchNormForward(NNKitKernelTable.BatchNorm(normalization: group, x: source, y: target, rows: 1))
        } else {
          target.update(from: source, count: count)
        }
        target += count
      }
    }
    return UnsafePointer(copy)
  }
}
