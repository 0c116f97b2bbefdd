package import ApusGraph
package import ApusTensor

/// One operator call with its inputs: data that tests, benchmarks and certification share.
package struct OperatorCase: Sendable, CustomStringConvertible {
    /// How an input is made.
    package enum Input: Sendable {
        /// Values from a seed: floats uniform in the range, integers uniform in its whole numbers, bools by halves.
        case random(TensorType, ClosedRange<Double>)
        /// A given value that is known when shapes are bound.
        case constant(Tensor)
        /// A given value that arrives at run time.
        case given(Tensor)
        /// A given value of any kind, such as a sequence, that arrives at run time.
        case value(RuntimeValue)
        /// An optional operand that is left out.
        case omitted
    }

    package var name: String
    package var domain: String
    package var operatorType: String
    package var attributes: [String: AttributeValue]
    package var inputs: [Input]
    package var outputCount: Int
    package var epilogue: Epilogue?
    /// The largest relative L2 error that a kernel may show against the reference; 0 asks for equal bits.
    package var tolerance: Double
    package var seed: UInt64

    package init(
        _ operatorType: String,
        _ name: String,
        domain: String = "",
        attributes: [String: AttributeValue] = [:],
        inputs: [Input],
        outputCount: Int = 1,
        epilogue: Epilogue? = nil,
        tolerance: Double = 1e-6,
        seed: UInt64 = 1
    ) {
        self.operatorType = operatorType
        self.name = name
        self.domain = domain
        self.attributes = attributes
        self.inputs = inputs
        self.outputCount = outputCount
        self.epilogue = epilogue
        self.tolerance = tolerance
        self.seed = seed
    }

    package var description: String { "\(operatorType) \(name)" }
}

/// The cases of every operator of the engine.
package enum OperatorSuite {
    package static let cases: [OperatorCase] =
        pointwiseCases + shapeCases + reductionCases + contractionCases + convolutionCases + normalizationCases
        + attentionCases + cacheCases + controlFlowCases + halfCases + quantizationCases
}
