import ApusGraph
import ApusOperators
import ApusTensor

/// Runs one operator on values, after its shape rule.
func evaluate(
    _ operatorType: String,
    _ inputs: [RuntimeValue?],
    _ attributes: [String: AttributeValue] = [:],
    outputs: Int = 1,
    limits: EvaluationLimits = EvaluationLimits()
) throws -> [RuntimeValue] {
    var graph = Graph()
    var values: [RuntimeValue] = []
    let operands = inputs.enumerated().map { index, value -> ValueID? in
        guard let value else { return nil }
        values.append(value)
        return graph.addInput("input_\(index)", type: nil)
    }
    graph.outputs = graph.addNode(
        operatorType,
        name: "node",
        inputs: operands,
        attributes: attributes,
        outputNames: (0..<outputs).map { "output_\($0)" }
    )
    return try GraphInterpreter(graph, limits: limits).run(values)
}

/// Runs one operator on tensors and returns its first output.
func evaluate(
    _ operatorType: String,
    _ inputs: [Tensor?],
    _ attributes: [String: AttributeValue] = [:]
) throws -> Tensor {
    try evaluate(operatorType, inputs.map { $0.map { .tensor($0) } }, attributes, outputs: 1)[0].tensor()
}

func text(_ value: String) -> AttributeValue { .string(Array(value.utf8)) }

/// A tensor of bools.
func bools(_ values: [Bool]) throws -> Tensor {
    try Tensor(TensorType(.bool, [values.count]), wrapping: values.map { $0 ? 1 : 0 })
}
