package import ApusGraph
package import ApusTensor

/// Normalizes groups of channels of each sample to mean 0 and variance 1, then scales and shifts each channel.
///
/// - Shapes: X `[n, c, ...]`; scale and bias `[c]`; `c` divisible by the groups.
/// - Source: ONNX GroupNormalization, opset 21, and InstanceNormalization, opset 22, whose groups are single channels.
package struct GroupNormalization: Operator {
    package let epsilon: Float
    /// `nil` where every channel is a group.
    package let groupCount: Int?

    package init(_ node: Node) throws(ModelError) {
        epsilon = try node.attributes.float("epsilon", default: 1e-5)
        groupCount = node.operatorType == "GroupNormalization" ? try node.attributes.requiredInt("num_groups") : nil
        guard groupCount.map({ $0 >= 1 }) ?? true else {
            throw ModelError(.invalidModel, "num_groups is \(groupCount ?? 0)")
        }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        guard x.rank >= 2 else { throw ModelError(.invalidModel, "the input \(x.shape) has no channel axis") }
        guard x.shape[1] % (groupCount ?? 1) == 0 else {
            throw ModelError(.invalidModel, "\(x.shape[1]) channels do not divide into \(groupCount ?? 1) groups")
        }
        for index in 1...2 { try requireChannels(inputs.type(index), x.shape[1], input: index) }
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let channels = x.shape[1]
        guard x.elementCount > 0 else { return [.tensor(x)] }
        let scale = try inputs.tensor(1).doubles()
        let bias = try inputs.tensor(2).doubles()
        let groups = groupCount ?? channels
        let plane = x.shape.dropFirst(2).reduce(1, *)
        let size = channels / groups * plane
        var values = try x.doubles()
        values.withUnsafeMutableBufferPointer { values in
            parallelFor(x.shape[0] * groups, grain: max(1, 16_384 / size)) { range in
                for group in range {
                    let line = UnsafeMutableBufferPointer(rebasing: values[group * size..<(group + 1) * size])
                    let (mean, variance) = moments(line)
                    let factor = 1 / (variance + Double(epsilon)).squareRoot()
                    for index in line.indices {
                        let channel = group % groups * (channels / groups) + index / plane
                        line[index] = (line[index] - mean) * factor * scale[channel] + bias[channel]
                    }
                }
            }
        }
        return [.tensor(try Tensor(x.type, rounding: values))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [8, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}

/// The mean and the population variance of the elements, in two passes.
func moments(_ values: UnsafeMutableBufferPointer<Double>) -> (mean: Double, variance: Double) {
    var sum = 0.0
    for value in values { sum += value }
    let mean = sum / Double(values.count)
    var squares = 0.0
    for value in values { squares += (value - mean) * (value - mean) }
    return (mean, squares / Double(values.count))
}
