package import ApusGraph
package import ApusTensor

/// Quantization to uint8 with a scale and a zero point that the extrema of the input give, 0 included and NaN left out.
///
/// - Shapes: x any float32; y as x, y_scale and y_zero_point scalars.
/// - Source: ONNX DynamicQuantizeLinear, opset 11.
package struct DynamicQuantizeLinear: Operator {
    private let outputCount: Int

    /// The formula of y over x, y_scale and y_zero_point.
    package static let formula = (PointwiseExpression.input(0) / .input(1)).roundedToFloat32
        .quantized(zeroPoint: .cast(.float32, .input(2)), to: .uint8)

    package init(_ node: Node) throws(ModelError) {
        outputCount = node.outputs.count
        guard (1...3).contains(outputCount) else { throw ModelError(.invalidModel, "\(outputCount) outputs") }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let input = try inputs.elementType(0)
        guard input == .float32 else { throw ModelError(.invalidModel, "the input is \(input), expected float32") }
        let parameters = [ValueFact(TensorType(.float32, [])), ValueFact(TensorType(.uint8, []))]
        if inputs.isDataDependent {
            let facts: [ValueFact] = [.dataDependent(.uint8), .dataDependent(.float32), .dataDependent(.uint8)]
            return Array(facts.prefix(outputCount))
        }
        let y = ValueFact(TensorType(.uint8, try inputs.type(0).shape))
        return Array(([y] + parameters).prefix(outputCount))
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let (low, high) = x.withElements(as: Float.self) { elements in
            elements.reduce((Float(0), Float(0))) { (min($0.0, $1), max($0.1, $1)) }
        }
        let scale = high == low ? Float(1) / 255 : (high - low) / 255
        let start = -low / scale
        let zeroPoint = UInt8(start.isNaN ? 0 : min(max(start, 0), 255).rounded(.toNearestOrEven))
        let parameters = [Tensor(scalar: scale), Tensor(scalar: zeroPoint)]
        let y = try evaluatePointwise(Self.formula, [x] + parameters)
        return ([y] + parameters).prefix(outputCount).map { .tensor($0) }
    }
}
