/// An input or output of a kind of layer.
package struct Port: Sendable, Equatable {
  package enum Count: Sendable, Equatable {
    case one
    /// One, or an absent one: see `Graph.absent`.
    case optional
    /// One or more, side by side in a list; of inputs the last one.
    case many
    /// As many as this option has numbers.
    case asMany(String)
  }

  package let name: String
  package let count: Count

  package init(_ name: String, _ count: Count = .one) {
    self.name = name
    self.count = count
  }

  /// "x", "lengths (optional)", "x (one or more)"
  package var text: String {
    switch count {
    case .one: name
    case .optional: "\(name) (optional)"
    case .many: "\(name) (one or more)"
    case .asMany(let option): "\(name), as many as \(option) has numbers"
    }
  }
}

extension Port: ExpressibleByStringLiteral {
  package init(stringLiteral name: String) { self.init(name) }
}
