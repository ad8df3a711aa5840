import Foundation
import NNKit

/// The catalog as programs read it.
struct CatalogEntries: Decodable {
  struct Option: Decodable {
    let name: String
    let type: String
    let required: Bool
    let choices: [String]?
  }

  struct Layer: Decodable {
    let kind: String
    let className: String
    let options: [Option]

    enum CodingKeys: String, CodingKey {
      case kind, options
      case className = "class"
    }
  }

  struct Optimizer: Decodable {
    let name: String
    let options: [Option]
  }

  struct Named: Decodable { let name: String }

  let layers: [Layer]
  let losses: [Named]
  let optimizers: [Optimizer]
  let metrics: [Named]
  let functions: [String: [Option]]

  static func read() throws -> CatalogEntries {
    try JSONDecoder().decode(CatalogEntries.self, from: Data(Catalog.json.utf8))
  }
}

/// `key=value key=value`.
func keysAndValues(_ options: String) -> [String: String] {
  var values: [String: String] = [:]
  for word in options.split(separator: " ") {
    let parts = word.split(separator: "=", maxSplits: 1)
    values[String(parts[0])] = String(parts[1])
  }
  return values
}
