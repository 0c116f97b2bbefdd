package import ApusGraph
package import ApusTensor

/// Normalizes the axes from one on: to mean 0 and variance 1, or to a root mean square of 1; then scales and shifts.
///
/// - Shapes: X `[..., normalized...]`; scale and bias broadcast to X; mean and inverse deviation `[..., 1...]`.
/// - Source: ONNX LayerNormalization, opset 17, and RMSNormalization, opset 23.
package struct LayerNormalization: Operator {
    package let axis: Int
    package let epsilon: Float
    /// Whether the mean is subtracted; RMSNormalization does not.
    package let centers: Bool
    /// The type of the statistics that are outputs 1 and 2.
    package let statisticsType: ElementType
    package let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: -1)
        epsilon = try node.attributes.float("epsilon", default: 1e-5)
        centers = node.operatorType == "LayerNormalization"
        let stash = try node.attributes.int("stash_type", default: 1)
        guard let type = Int32(exactly: stash).flatMap(ElementType.init(rawValue:)), type.isReal else {
            throw ModelError(.invalidModel, "stash_type is \(stash), expected a floating-point type")
        }
        statisticsType = type
        outputCount = max(1, node.outputs.count)
        guard outputCount <= (centers ? 3 : 1) else { throw ModelError(.invalidModel, "\(outputCount) outputs") }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent {
            return [.dataDependent(element)]
                + [ValueFact](repeating: .dataDependent(statisticsType), count: outputCount - 1)
        }
        let x = try inputs.type(0)
        let axis = try normalizedAxis(axis, rank: x.rank)
        for index in 1...2 where index == 1 || inputs.has(index) {
            guard centers || index == 1 else { throw ModelError(.invalidModel, "input \(index) is not expected") }
            let parameter = try inputs.type(index)
            try requireReal(parameter.elementType, input: index)
            guard try broadcastShape([parameter.shape, x.shape]) == x.shape else {
                throw ModelError(.invalidModel, "input \(index) \(parameter.shape) does not broadcast to \(x.shape)")
            }
        }
        let statistics = TensorType(statisticsType, x.shape[..<axis] + x.shape[axis...].map { _ in 1 })
        return [ValueFact(x)] + [ValueFact](repeating: ValueFact(statistics), count: outputCount - 1)
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let axis = try normalizedAxis(axis, rank: x.rank)
        let count = x.shape[..<axis].reduce(1, *)
        let size = x.shape[axis...].reduce(1, *)
        let scale = try expanded(inputs.tensor(1), x.shape)
        let bias = try inputs.optionalTensor(2).map { bias throws(ModelError) in try expanded(bias, x.shape) }
        var values = try x.doubles()
        var means = [Double](repeating: 0, count: count)
        var inverses = means
        values.withUnsafeMutableBufferPointer { values in
            means.withUnsafeMutableBufferPointer { means in
                inverses.withUnsafeMutableBufferPointer { inverses in
                    parallelFor(count, grain: max(1, 16_384 / max(size, 1))) { range in
                        for row in range {
                            let start = row * size
                            let line = UnsafeMutableBufferPointer(rebasing: values[start..<start + size])
                            var (mean, variance) = moments(line)
                            if !centers {
                                variance += mean * mean
                                mean = 0
                            }
                            let inverse = 1 / (variance + Double(epsilon)).squareRoot()
                            means[row] = mean
                            inverses[row] = inverse
                            for index in line.indices {
                                let value = (line[index] - mean) * inverse * scale[start + index]
                                line[index] = value + (bias?[start + index] ?? 0)
                            }
                        }
                    }
                }
            }
        }
        let statistics = TensorType(statisticsType, x.shape[..<axis] + x.shape[axis...].map { _ in 1 })
        var results = [RuntimeValue.tensor(try Tensor(x.type, rounding: values))]
        if outputCount > 1 { results.append(.tensor(try Tensor(statistics, rounding: means))) }
        if outputCount > 2 { results.append(.tensor(try Tensor(statistics, rounding: inverses))) }
        return results
    }

    private func expanded(_ tensor: Tensor, _ shape: [Int]) throws(ModelError) -> [Double] {
        let source = try tensor.doubles()
        if tensor.shape == shape { return source }
        let count = shape.reduce(1, *)
        var result = [Double](repeating: 0, count: count)
        guard count > 0 else { return result }
        StridedViews(shape, [broadcastStrides(tensor.shape, to: shape)]).forEachRun(0, 0, count) {
            offset,
            element,
            stride,
            length in
            for index in 0..<length { result[offset + index] = source[element + index * stride] }
        }
        return result
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [centers ? 8 : 5, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}
