/// How a parameter's first values are drawn from the seed.
public enum Initializer: String, Sendable, CaseIterable {
  case zeros
  case ones
  case glorotUniform = "glorot_uniform"
  case glorotNormal = "glorot_normal"
  case heUniform = "he_uniform"
  case heNormal = "he_normal"
  case orthogonal

  package static let names = allCases.map(\.rawValue)
}

/// What a layer asks for when it needs a parameter.
package struct ParameterSpecification: Sendable {
  /// Within the layer: "kernel".
  package let name: String
  package let shape: Shape
  package let initializer: Initializer
  /// How many inputs and outputs one element's unit has, for Glorot's and He's rules.
  package let fanIn: Int
  package let fanOut: Int
  /// Adds this to the columns `range` after the initialiser; LSTM's forget gates begin open.
  package var offset: (columns: Range<Int>, value: Float)?
  /// Whether the optimizer changes it. A parameter that is not trainable is state that training steps write: its place
  /// among the gradients holds the next value, which `Trainer.applyGradients` copies.
  package let trainable: Bool

  package init(
    _ name: String, _ shape: Shape, _ initializer: Initializer, fanIn: Int, fanOut: Int,
    offset: (columns: Range<Int>, value: Float)? = nil, trainable: Bool = true
  ) {
    self.name = name
    self.shape = shape
    self.initializer = initializer
    self.fanIn = fanIn
    self.fanOut = fanOut
    self.offset = offset
    self.trainable = trainable
  }
}

/// One parameter of a model and its place in the parameter arena.
package struct Parameter: Sendable {
  /// "<layer>/<parameter>".
  package let name: String
  package let specification: ParameterSpecification
  /// The first element's index in the arena, a multiple of 16.
  package let offset: Int
  package let count: Int

  package var shape: Shape { specification.shape }
  /// Its elements in the arena.
  package var range: Range<Int> { offset..<offset + count }
}
