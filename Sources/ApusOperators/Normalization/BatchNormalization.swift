package import ApusGraph
package import ApusTensor

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias` with the given statistics of each channel.
///
/// - Shapes: X `[n, c, ...]`; scale, bias, mean and variance `[c]`.
/// - Source: ONNX BatchNormalization, opset 15, inference.
package struct BatchNormalization: Operator {
    package let epsilon: Float

    package init(_ node: Node) throws(ModelError) {
        epsilon = try node.attributes.float("epsilon", default: 1e-5)
        guard try !node.attributes.bool("training_mode", default: false) else {
            throw ModelError(.unsupported, "training_mode 1 is not supported")
        }
        guard node.outputs.count <= 1 else {
            throw ModelError(.invalidModel, "\(node.outputs.count) outputs, expected one outside training")
        }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        guard x.rank >= 1 else { throw ModelError(.invalidModel, "the input is a scalar") }
        let channels = x.rank == 1 ? 1 : x.shape[1]
        for index in 1...4 { try requireChannels(inputs.type(index), channels, input: index) }
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        var values = try x.doubles()
        let scale = try inputs.tensor(1).doubles()
        let bias = try inputs.tensor(2).doubles()
        let mean = try inputs.tensor(3).doubles()
        let variance = try inputs.tensor(4).doubles()
        let factors = zip(scale, variance).map { $0 / ($1 + Double(epsilon)).squareRoot() }
        let channels = scale.count
        let plane = x.shape.dropFirst(2).reduce(1, *)
        let planes = x.rank == 1 ? x.shape[0] : x.shape[0] * x.shape[1]
        values.withUnsafeMutableBufferPointer { values in
            parallelFor(planes, grain: max(1, 16_384 / max(plane, 1))) { range in
                for index in range {
                    let channel = index % channels
                    for position in index * plane..<(index + 1) * plane {
                        values[position] = (values[position] - mean[channel]) * factors[channel] + bias[channel]
                    }
                }
            }
        }
        return [.tensor(try Tensor(x.type, rounding: values))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [2, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}

/// Checks a parameter that has one real element a channel.
///
/// - Throws: `ModelError` with code `invalidModel`.
func requireChannels(_ type: TensorType, _ channels: Int, input: Int) throws(ModelError) {
    try requireReal(type.elementType, input: input)
    guard type.shape == [channels] else {
        throw ModelError(.invalidModel, "input \(input) has shape \(type.shape), expected [\(channels)]")
    }
}
