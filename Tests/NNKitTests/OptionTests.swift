import NNKit
import Testing

@Suite struct OptionTests {
  private var all: [OptionSpecification] {
    LayerCatalog.definitions.flatMap(\.options) + OptimizerDefinition.all.flatMap(\.options) + Trainer.options
      + FitOptions.specifications + Session.options + Model.options + Runtime.options
  }

  /// What is read as a number stays one in the precision in which it is used.
  @Test func numbersOfEveryOptionAreThoseOfSinglePrecision() throws {
    let texts = [
      "0", "-0", "1e-320", "1e-46", "1e-45", "1e-38", "1e-12", "0.5", "0.99999999", "0.9999999999999999", "1", "100",
      "1e10", "3.4028234e38", "3.4028236e38", "1e39", "-1e39", "1e308", "1e309", "inf", "-inf", "nan",
      "infinity", "0x1p200",
    ]
    var (floats, accepted) = (0, 0)
    for option in all {
      guard case .float(let low, let high, _) = option.kind else { continue }
      floats += 1
      #expect(Float(low).isFinite && Float(high).isFinite, "\(option.name)")
      for text in texts {
        guard
          let options = try? Options("\(option.name)=\(text)", [option], owner: "the test")
        else { continue }
        let value = options.float(option.name)
        accepted += 1
        #expect(Float(value).isFinite && (value == 0 || Float(value) != 0), "\(option.name)=\(text)")
        #expect((low...high).contains(value))
      }
    }
    #expect(floats >= 12 && accepted > 3 * floats)
  }
}
