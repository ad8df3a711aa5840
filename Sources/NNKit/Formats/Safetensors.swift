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
    package let entries: [Entry]
    package let metadata: [String: String]
    package let dataOffset: Int
    package let dataCount: Int
    package let contents: AlignedMemory

    /// The bytes of a tensor.
    package func data(_ entry: Entry) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: contents.base + dataOffset + entry.bytes.lowerBound, count: entry.bytes.count)
    }
  }

  private static let maximumHeaderBytes = 100_000_000
  private static let bytesPerElement = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1, "BOOL": 1,
  ]

  /// Reads and checks a file. Throws: `.io`, `.format`, `.outOfMemory`.
  package static func read(_ path: String) throws(NNKitError) -> File {
    let contents = try readFile(path)
    do throws(NNKitError) {
      return try parse(contents.memory, count: contents.count)
    } catch {
      throw error.at("\(quoted(path))")
    }
  }

  /// Throws: `.format`; the message says what was found and what was expected.
  package static func parse(_ contents: AlignedMemory, count: Int) throws(NNKitError) -> File {
    func fail(_ message: String) -> NNKitError { NNKitError(.format, "not a valid safetensors file: " + message) }
    guard count >= 8 else { throw fail("it has \(count) bytes; expected at least 8") }
    let headerLength = UInt64(littleEndian: contents.base.loadUnaligned(as: UInt64.self))
    guard headerLength <= UInt64(min(maximumHeaderBytes, count - 8)) else {
      throw fail("its header is said to have \(headerLength) bytes; the file has \(count)")
    }
    let dataOffset = 8 + Int(headerLength)
    let bytes = UnsafeRawBufferPointer(start: contents.base + 8, count: Int(headerLength))
    let outline = JSONOutline(bytes)
    guard outline.depth <= JSONOutline.maximumDepth else { throw fail("its header is nested \(outline.depth) deep") }
    let header: [String: HeaderValue]
    do {
      header = try JSONDecoder().decode(
        [String: HeaderValue].self, from: Data(bytes: contents.base + 8, count: Int(headerLength)))
    } catch {
      throw fail("its header is not the JSON that was expected")
    }
    guard outline.entries == header.count else { throw fail("two entries of its header have one name") }
    let dataCount = count - dataOffset
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
    return File(
      entries: entries, metadata: metadata, dataOffset: dataOffset, dataCount: dataCount, contents: contents)
  }

  /// The header of a file, its length in front, padded with spaces so that the data begins on eight bytes.
  package static func header(_ entries: [Entry], metadata: [String: String]) throws(NNKitError) -> [UInt8] {
    var values: [String: HeaderValue] = [:]
    if !metadata.isEmpty { values["__metadata__"] = .metadata(metadata) }
    for entry in entries {
      values[entry.name] = .tensor(
        type: entry.type, shape: entry.shape, offsets: [entry.bytes.lowerBound, entry.bytes.upperBound])
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

/// The whole of a regular file. It is read, not mapped: a file that shrinks meanwhile must not end the process.
private func readFile(_ path: String) throws(NNKitError) -> (memory: AlignedMemory, count: Int) {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw systemError("cannot open \(quoted(path))") }
  defer { close(file) }
  var status = stat()
  guard fstat(file, &status) == 0 else { throw systemError("cannot read \(quoted(path))") }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw NNKitError(.io, "\(quoted(path)) is not a regular file")
  }
  let size = Int(status.st_size)
  let memory = try AlignedMemory(byteCount: size)
  var count = 0
  while count < size {
    let got = read(file, memory.base + count, size - count)
    if got < 0 {
      if errno == EINTR { continue }
      throw systemError("cannot read \(quoted(path))")
    }
    if got == 0 { break }
    count += got
  }
  return (memory, count)
}

/// An `.io` error with what the system says.
package func systemError(_ what: String) -> NNKitError {
  let number = errno
  return NNKitError(.io, "\(what): \(String(cString: strerror(number)))")
}
