import FoundationEssentials
import Glibc

/// The safetensors format: eight bytes with the length of a JSON header, the header, then the tensors' bytes.
/// Source: https://github.com/huggingface/safetensors, "Format".
package enum Safetensors {
  package struct Entry: Sendable {
    package let name: String
    package let type: String
    package let shape: [Int]
    /// In the data behind the header.
    package let bytes: Range<Int>
  }

  /// A file in memory, checked: every tensor's bytes lie inside the data, none overlap, none are left over.
  package struct File {
    /// In the order of their bytes.
    package let entries: [Entry]
    package let metadata: [String: String]
    /// The bytes of all tensors.
    package let data: UnsafeRawBufferPointer
    /// What holds `data`; nil where the caller does, for as long as the file is used.
    let owner: AlignedMemory?

    /// The bytes of a tensor.
    package func data(_ entry: Entry) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: data[entry.bytes])
    }
  }

  /// A float32 tensor that is to be written.
  struct Tensor {
    let name: String
    let shape: Shape
    let values: UnsafeBufferPointer<Float>

    /// `values` are as many as the shape, which has been checked, says.
    init(_ name: String, _ shape: Shape, _ values: UnsafePointer<Float>) {
      self.name = name
      self.shape = shape
      self.values = UnsafeBufferPointer(start: values, count: shape.sizes.reduce(1, *))
    }
  }

  private static let maximumHeaderBytes = 100_000_000
  private static let bytesPerElement = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1, "BOOL": 1,
  ]

  /// Reads and checks a file. What its header says is checked against the file's size before memory for it is taken.
  /// Throws: `.io`, `.format`, `.outOfMemory`.
  package static func read(_ path: String) throws(NNKitError) -> File {
    let file = try ReadableFile(path)
    defer { file.close() }
    do throws(NNKitError) {
      let start = try file.read(0..<min(8, file.byteCount))
      let dataOffset = try dataOffset(start.bytes, byteCount: file.byteCount)
      let header = try file.read(8..<dataOffset)
      let (entries, metadata) = try parseHeader(header.bytes, dataCount: file.byteCount - dataOffset)
      let data = try file.read(dataOffset..<file.byteCount)
      return File(entries: entries, metadata: metadata, data: data.bytes, owner: data)
    } catch {
      throw error.at("\(quoted(path))")
    }
  }

  /// Checks a file in memory, which the caller holds. Throws: `.format`; the message says what was found and what was
  /// expected.
  package static func parse(_ contents: UnsafeRawBufferPointer) throws(NNKitError) -> File {
    let dataOffset = try dataOffset(contents, byteCount: contents.count)
    let data = UnsafeRawBufferPointer(rebasing: contents[dataOffset...])
    let header = UnsafeRawBufferPointer(rebasing: contents[8..<dataOffset])
    let (entries, metadata) = try parseHeader(header, dataCount: data.count)
    return File(entries: entries, metadata: metadata, data: data, owner: nil)
  }

  /// The same of bytes in an array, which the file has a copy of. Throws: as the other; `.outOfMemory`.
  static func parse(_ contents: [UInt8]) throws(NNKitError) -> File {
    let copy = try AlignedMemory(byteCount: contents.count)
    contents.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(start: copy.base, count: copy.byteCount).copyMemory(from: $0)
    }
    let file = try parse(copy.bytes)
    return File(entries: file.entries, metadata: file.metadata, data: file.data, owner: copy)
  }

  private static func fail(_ message: String) -> NNKitError {
    NNKitError(.format, "not a valid safetensors file: " + message)
  }

  /// Where the data of a file of `byteCount` bytes begins, of which `start` holds the first eight at least.
  private static func dataOffset(_ start: UnsafeRawBufferPointer, byteCount: Int) throws(NNKitError) -> Int {
    guard byteCount >= 8 else { throw fail("it has \(byteCount) bytes; expected at least 8") }
    let headerLength = UInt64(littleEndian: start.loadUnaligned(as: UInt64.self))
    guard headerLength <= UInt64(min(maximumHeaderBytes, byteCount - 8)) else {
      throw fail("its header is said to have \(headerLength) bytes; the file has \(byteCount)")
    }
    return 8 + Int(headerLength)
  }

  private static func parseHeader(
    _ bytes: UnsafeRawBufferPointer, dataCount: Int
  ) throws(NNKitError) -> (entries: [Entry], metadata: [String: String]) {
    let outline = JSONOutline(bytes)
    guard outline.depth <= JSONOutline.maximumDepth else { throw fail("its header is nested \(outline.depth) deep") }
    // Many small objects stand for each entry while it is read.
    try checkMemory(for: 32 * bytes.count)
    let header: [String: HeaderValue]
    do {
      header = try JSONDecoder().decode([String: HeaderValue].self, from: Data(bytes))
    } catch {
      throw fail("its header is not the JSON that was expected")
    }
    guard outline.entries == header.count else { throw fail("two entries of its header have one name") }
    var metadata: [String: String] = [:]
    var entries: [Entry] = []
    for (name, value) in header {
      switch value {
      case .metadata(let values):
        guard name == "__metadata__" else { throw fail("the entry \"\(excerpt(name))\" is not a tensor") }
        metadata = values
      case .tensor(let type, let shape, let offsets):
        guard let elementBytes = bytesPerElement[type] else {
          throw fail("the tensor \"\(excerpt(name))\" has the unknown type \"\(excerpt(type))\"")
        }
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataCount else {
          throw fail(
            "the tensor \"\(excerpt(name))\" lies at \(offsets.prefix(2)); there are \(dataCount) bytes of data")
        }
        guard shape.allSatisfy({ $0 >= 0 }), let elements = try? checkedProduct(shape, of: "a tensor"),
          elements * elementBytes == offsets[1] - offsets[0]
        else {
          throw fail("the tensor \"\(excerpt(name))\" does not have the bytes of its shape")
        }
        entries.append(Entry(name: name, type: type, shape: shape, bytes: offsets[0]..<offsets[1]))
      }
    }
    entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
    var end = 0
    for entry in entries {
      guard entry.bytes.lowerBound == end else {
        throw fail("the tensor \"\(excerpt(entry.name))\" begins at byte \(entry.bytes.lowerBound); expected \(end)")
      }
      end = entry.bytes.upperBound
    }
    guard end == dataCount else { throw fail("there are \(dataCount) bytes of data; the tensors take \(end)") }
    return (entries, metadata)
  }

  /// The header of a file in which `tensors` follow one another, its length in front, padded with spaces so that the
  /// data begins on eight bytes.
  static func header(of tensors: [Tensor], metadata: [String: String]) throws(NNKitError) -> [UInt8] {
    var values: [String: HeaderValue] = ["__metadata__": .metadata(metadata)]
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.values.count * MemoryLayout<Float>.stride
      values[tensor.name] = .tensor(type: "F32", shape: tensor.shape.sizes, offsets: [offset, end])
      offset = end
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let json = try? encoder.encode(values) else {
      throw NNKitError(.internal, "the header of the model file could not be written as JSON")
    }
    let length = json.count.roundedUp(toMultipleOf: 8)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    return prefix + Array(json) + Array(repeating: UInt8(ascii: " "), count: length - json.count)
  }
}

/// One value of the header: a tensor, or the metadata.
private enum HeaderValue: Codable {
  case metadata([String: String])
  case tensor(type: String, shape: [Int], offsets: [Int])

  private enum Key: String, CodingKey {
    case type = "dtype"
    case shape
    case offsets = "data_offsets"
  }

  init(from decoder: any Decoder) throws {
    if let container = try? decoder.container(keyedBy: Key.self), container.contains(.offsets) {
      self = .tensor(
        type: try container.decode(String.self, forKey: .type), shape: try container.decode([Int].self, forKey: .shape),
        offsets: try container.decode([Int].self, forKey: .offsets))
    } else {
      self = .metadata(try [String: String](from: decoder))
    }
  }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .metadata(let values): try values.encode(to: encoder)
    case .tensor(let type, let shape, let offsets):
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(type, forKey: .type)
      try container.encode(shape, forKey: .shape)
      try container.encode(offsets, forKey: .offsets)
    }
  }
}

/// An `.io` error with what the system says.
package func systemError(_ what: String) -> NNKitError {
  let number = errno
  return NNKitError(.io, "\(what): \(String(cString: strerror(number)))")
}
