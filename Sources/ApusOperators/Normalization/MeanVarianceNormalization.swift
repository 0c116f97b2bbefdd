package import ApusGraph
package import ApusTensor

/// `(x - mean) / (deviation + 1e-9)` with the population statistics over the given axes.
///
/// - Source: ONNX MeanVarianceNormalization, opset 13.
package struct MeanVarianceNormalization: Operator {
    package let axes: [Int]

    package init(_ node: Node) throws(ModelError) {
        axes = try node.attributes.ints("axes") ?? [0, 2, 3]
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        _ = try normalizedAxes(axes, rank: x.rank)
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let fold = AxisFold(x.shape, axes: try normalizedAxes(axes, rank: x.rank))
        let count = Double(fold.reducedCount)
        let values = try x.doubles()
        let means = fold(values, 0.0) { $0 + $1 }.map { $0 / count }
        let centered = fold.map(values, means) { $0 - $1 }
        let deviations = fold(centered, 0.0) { $0 + $1 * $1 }.map { ($0 / count).squareRoot() }
        let result = fold.map(centered, deviations) { $0 / ($1 + 1e-9) }
        return [.tensor(try Tensor(x.type, rounding: result))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [6, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}
