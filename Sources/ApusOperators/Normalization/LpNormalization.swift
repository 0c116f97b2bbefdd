package import ApusGraph
package import ApusTensor

/// Divides by the sum of magnitudes or the Euclidean norm along one axis; zeros stay zeros.
///
/// - Source: ONNX LpNormalization, opset 22.
package struct LpNormalization: Operator {
    package let axis: Int
    /// 1 or 2.
    package let p: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: -1)
        p = try node.attributes.int("p", default: 2)
        guard (1...2).contains(p) else { throw ModelError(.invalidModel, "p is \(p), expected 1 or 2") }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        _ = try normalizedAxis(axis, rank: x.rank)
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let view = AxisView(x.shape, axis: try normalizedAxis(axis, rank: x.rank))
        var values = try x.doubles()
        values.withUnsafeMutableBufferPointer { values in
            view.forEachLine { _, start in
                var sum = 0.0
                for index in 0..<view.extent {
                    let value = values[start + index * view.inner]
                    sum += p == 1 ? value.magnitude : value * value
                }
                let norm = p == 1 ? sum : sum.squareRoot()
                for index in 0..<view.extent where norm != 0 { values[start + index * view.inner] /= norm }
            }
        }
        return [.tensor(try Tensor(x.type, rounding: values))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [3, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}
