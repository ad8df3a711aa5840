import NNKit

extension GraphProgram {
  /// The smallest program found that still fails as `self` does: `failure` says how a program fails, if it does.
  package func shrunk(attempts: Int = 600, _ failure: (GraphProgram) -> GraphFailure?) -> GraphProgram {
    guard let check = failure(self)?.check else { return self }
    var (best, left) = (self, attempts)
    var improved = true
    while improved && left > 0 {
      improved = false
      for smaller in best.smallerPrograms() {
        guard left > 0 else { break }
        guard smaller.size < best.size, (try? smaller.graph()) != nil else { continue }
        left -= 1
        if failure(smaller)?.check == check {
          (best, improved) = (smaller, true)
          break
        }
      }
    }
    return best
  }

  /// What shrinking makes smaller.
  private var size: Int {
    let options = layers.flatMap(\.options)
    let numbers = options.flatMap { $0.value.split(separator: ",") }.reduce(0) { $0 + min(4096, Int($1) ?? 1) }
    let sizes = inputs.reduce(0) { $0 + $1.sizes.reduce(2) { $0 + ($1 == Shape.open ? 2 : $1) } }
    return layers.count * 100_000 + outputs.count * 20_000 + options.count * 200 + numbers + sizes + batch + time
      + (loss == "mean_squared_error" ? 0 : 1)
  }

  /// Programs with something less, the largest steps first.
  private func smallerPrograms() -> [GraphProgram] {
    var programs: [GraphProgram] = []
    func add(_ change: (inout GraphProgram) -> Void) {
      var program = self
      change(&program)
      programs.append(program.needed)
    }
    add { _ in }
    for index in outputs.indices where outputs.count > 1 { add { $0.outputs.remove(at: index) } }
    for (index, layer) in layers.enumerated() {
      // What the layer reads, in place of what it makes; as an output, too.
      for output in layer.outputs {
        for input in layer.inputs { add { $0.replace(output, by: input, removing: index) } }
      }
      // A new input in place of what it makes.
      if let type = type(of: layer.outputs[0]) {
        add { program in
          program.layers.remove(at: index)
          program.inputs.append(Input(id: layer.outputs[0], sizes: type.shape.sizes, type: type.dataType))
        }
      }
      for option in layer.options.indices { add { $0.layers[index].options.remove(at: option) } }
      if layer.inputs.count > 1 { add { $0.layers[index].inputs.removeLast() } }
    }
    if batch > 1 { for batch in [1, batch / 2, batch - 1] { add { $0.batch = batch } } }
    if time > 1 { for time in [1, time / 2, time - 1] { add { $0.time = time } } }
    for (index, input) in inputs.enumerated() {
      for (axis, size) in input.sizes.enumerated() {
        if size == Shape.open { add { $0.inputs[index].sizes[axis] = time } }
        for smaller in smallerSizes(size) { add { $0.inputs[index].sizes[axis] = smaller } }
        // The same size of all inputs at once.
        for smaller in smallerSizes(size) {
          add { program in
            for other in program.inputs.indices {
              program.inputs[other].sizes = program.inputs[other].sizes.map { $0 == size ? smaller : $0 }
            }
          }
        }
      }
    }
    for (index, layer) in layers.enumerated() {
      for (place, option) in layer.options.enumerated() {
        let parts = option.value.split(separator: ",").compactMap { Int($0) }
        guard !parts.isEmpty else { continue }
        if parts.count > 1 { add { $0.layers[index].options[place].value = String(parts[0]) } }
        for (part, value) in parts.enumerated() {
          for smaller in smallerSizes(value) {
            var changed = parts
            changed[part] = smaller
            add { $0.layers[index].options[place].value = changed.map { String($0) }.joined(separator: ",") }
          }
        }
        // The same number everywhere: units of one layer are channels of another.
        if parts.count == 1, parts[0] > 1 {
          for smaller in smallerSizes(parts[0]) {
            add { program in
              for other in program.layers.indices {
                for same in program.layers[other].options.indices
                where program.layers[other].options[same].value == option.value {
                  program.layers[other].options[same].value = String(smaller)
                }
              }
              for input in program.inputs.indices {
                program.inputs[input].sizes = program.inputs[input].sizes.map { $0 == parts[0] ? smaller : $0 }
              }
            }
          }
        }
      }
    }
    if loss != "mean_squared_error" { add { $0.loss = "mean_squared_error" } }
    return programs
  }

  private func smallerSizes(_ size: Int) -> [Int] {
    size <= 1 ? [] : Array(Set([1, size / 2, size - size / 4, size - 1])).filter { $0 < size && $0 > 0 }.sorted()
  }

  private func type(of id: ValueID) -> ValueType? {
    guard let (graph, values) = try? graph(), let value = values[id] else { return nil }
    return try? graph.type(of: value)
  }

  private mutating func replace(_ value: ValueID, by other: ValueID, removing layer: Int) {
    layers.remove(at: layer)
    for index in layers.indices { layers[index].inputs = layers[index].inputs.map { $0 == value ? other : $0 } }
    outputs = outputs.map { $0 == value ? other : $0 }
  }
}
