import ApusGraph
import ApusOperators
import ApusTensor

/// A call with its expected first output, computed by ONNX Runtime or ONNX's reference evaluator.
struct ReferenceVector: Sendable, CustomStringConvertible {
    var operatorType: String
    var name: String
    var attributes: [String: AttributeValue] = [:]
    /// The shapes of float32 inputs whose values `pattern` makes; `nil` where one is left out.
    var inputs: [[Int]?]
    /// An int64 vector after the inputs.
    var axes: [Int64]?
    var shape: [Int]
    var expected: [Float]

    var description: String { "\(operatorType) \(name)" }

    /// Multiples of 1/8 between -11/8 and 11/8 that do not repeat along an axis.
    static func pattern(_ shape: [Int], _ index: Int) -> [Float] {
        (0..<shape.reduce(1, *)).map { Float(($0 * (2 * index + 5) + 3 * index) % 23 - 11) / 8 }
    }

    func evaluate() throws -> [Tensor] {
        var tensors = try inputs.enumerated().map { index, shape in
            try shape.map { try Tensor(shape: $0, Self.pattern($0, index)) }
        }
        if let axes { tensors.append(Tensor(vector: axes)) }
        return try evaluateOperator(operatorType, attributes, tensors)
    }
}

/// Infers and evaluates one operator call.
func evaluateOperator(
    _ operatorType: String,
    _ attributes: [String: AttributeValue] = [:],
    _ inputs: [Tensor?],
    outputCount: Int = 1
) throws -> [Tensor] {
    let values = inputs.map { $0.map { RuntimeValue.tensor($0) } }
    let op = try makeOperator(operatorType, attributes, inputs.count, outputCount)
    let facts = try op.infer(values.map { $0.map { ValueFact($0) } })
    let results = try op.evaluate(values, EvaluationContext(outputCount: outputCount)).map { try $0.tensor() }
    guard facts.map({ $0.type }) == results.map({ Optional($0.type) }) else {
        throw ModelError(.invalidModel, "inferred \(facts), evaluated \(results.map(\.type))")
    }
    return results
}

/// Makes and infers one operator call on float32 inputs of the given shapes.
func inferOperator(
    _ operatorType: String,
    _ attributes: [String: AttributeValue],
    _ shapes: [[Int]?],
    axes: [Int64]? = nil,
    outputCount: Int = 1
) throws -> [ValueFact] {
    var facts = shapes.map { $0.map { ValueFact(TensorType(.float32, $0)) } }
    if let axes { facts.append(ValueFact(.tensor(Tensor(vector: axes)))) }
    return try makeOperator(operatorType, attributes, facts.count, outputCount).infer(facts)
}

private func makeOperator(
    _ operatorType: String,
    _ attributes: [String: AttributeValue],
    _ inputCount: Int,
    _ outputCount: Int
) throws -> any Operator {
    let node = Node(
        name: "test",
        operatorType: operatorType,
        inputs: (0..<inputCount).map { ValueID($0) },
        outputs: (0..<outputCount).map { ValueID(inputCount + $0) },
        attributes: Attributes(attributes)
    )
    return try OperatorTable.standard.makeOperator(node)
}

/// The relative L2 distance of a tensor to the expected values.
func relativeError(_ tensor: Tensor, _ expected: [Float]) throws -> Double {
    let values = try tensor.doubles()
    guard values.count == expected.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (value, expected) in zip(values, expected) {
        if value == Double(expected) || (value.isNaN && expected.isNaN) { continue }
        difference += (value - Double(expected)) * (value - Double(expected))
        norm += Double(expected) * Double(expected)
    }
    return difference == 0 ? 0 : (difference / norm).squareRoot()
}
