package import ApusGraph
package import ApusTensor
import Glibc

/// `x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta`.
///
/// Channel c sees the channels from `c - (size - 1) / 2` rounded down to `c + (size - 1) / 2` rounded up.
/// - Shapes: X and Y `[n, c, ...]`.
/// - Source: ONNX LRN, opset 13.
package struct LocalResponseNormalization: Operator {
    package let alpha: Float
    package let beta: Float
    package let bias: Float
    /// The number of channels in a sum.
    package let size: Int

    package init(_ node: Node) throws(ModelError) {
        alpha = try node.attributes.float("alpha", default: 0.0001)
        beta = try node.attributes.float("beta", default: 0.75)
        bias = try node.attributes.float("bias", default: 1)
        size = try node.attributes.requiredInt("size")
        guard size >= 1, size <= Int(Int32.max) else { throw ModelError(.invalidModel, "size is \(size)") }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        guard x.rank >= 2 else { throw ModelError(.invalidModel, "the input \(x.shape) has no channel axis") }
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let view = AxisView(x.shape, axis: 1)
        let source = try x.doubles()
        var values = source
        let before = (size - 1) / 2
        let after = size - 1 - before
        let factor = Double(alpha) / Double(size)
        values.withUnsafeMutableBufferPointer { values in
            view.forEachLine { _, start in
                for channel in 0..<view.extent {
                    var sum = 0.0
                    for neighbour in max(0, channel - before)...min(view.extent - 1, channel + after) {
                        let value = source[start + neighbour * view.inner]
                        sum += value * value
                    }
                    values[start + channel * view.inner] /= pow(Double(bias) + factor * sum, Double(beta))
                }
            }
        }
        return [.tensor(try Tensor(x.type, rounding: values))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        guard let x = inputs.first ?? nil, x.rank >= 2 else { return Cost(operations: 0, bytes: 0) }
        return Cost(operations: [2 * min(size, x.shape[1]) + 4, x.elementCount], moving: inputs + outputs)
    }
}
