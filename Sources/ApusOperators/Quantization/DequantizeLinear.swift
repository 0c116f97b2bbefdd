package import ApusGraph
package import ApusTensor

/// What quantized values stand for: `(x - x_zero_point) * x_scale`.
///
/// The difference and the product are computed in float32 and rounded to the type of y: `output_dtype`, or that of the
/// scale.
/// - Shapes: x any, x_scale and x_zero_point by `QuantizationGranularity`; y as x.
/// - Source: ONNX DequantizeLinear, opset 25.
package struct DequantizeLinear: Operator {
    package let granularity: QuantizationGranularity
    private let outputType: ElementType?

    package init(_ node: Node) throws(ModelError) {
        granularity = try QuantizationGranularity(node)
        let output = try node.attributes.int("output_dtype", default: 0)
        outputType = output == 0 ? nil : try elementType(code: output)
        if let outputType { try requireReal(outputType) }
    }

    /// The element type of y.
    package func target(scale: ElementType) -> ElementType { outputType ?? scale }

    /// The formula over x, the scale and the zero point.
    package func formula(
        input: ElementType,
        scale: ElementType,
        zeroPoint: ElementType?
    ) -> PointwiseExpression {
        let type: ElementType = scale == .float64 ? .float64 : .float32
        let isFloat = input.isFloatingPoint
        var value = PointwiseExpression.cast(type, .input(0))
        if zeroPoint != nil, !isFloat {
            let isWide = input.bitWidth > 16
            value = isWide ? .cast(type, .input(0) - .input(2)) : value - .cast(type, .input(2))
        }
        let product = value * (scale == type ? .input(1) : .cast(type, .input(1)))
        let target = target(scale: scale)
        return target == type ? .cast(type, product) : .cast(target, .cast(type, product))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let input = try inputs.elementType(0)
        guard input.isQuantizedInteger || input == .int32 || input.isQuantizedFloat else {
            throw ModelError(.unsupported, "dequantization of \(input) is not supported")
        }
        let scaleType = try inputs.elementType(1)
        try requireReal(scaleType, input: 1)
        if inputs.has(2) {
            let type = try inputs.elementType(2)
            guard type == input else {
                throw ModelError(.invalidModel, "the zero point is \(type), expected \(input) as the input")
            }
        }
        let target = target(scale: scaleType)
        if inputs.isDataDependent { return [.dataDependent(target)] }
        let x = try inputs.type(0)
        let scale = try inputs.type(1)
        try granularity.check(scale: scale.shape, input: x.shape)
        if let zeroPoint = try inputs.optionalType(2), zeroPoint.elementCount != scale.elementCount {
            throw ModelError(.invalidModel, "the zero point \(zeroPoint.shape) does not fit the scale \(scale.shape)")
        }
        return [ValueFact(try TensorType(target, x.shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let given = try inputs.tensor(1)
        var operands: [RuntimeValue?] = [.tensor(x), .tensor(try granularity.broadcast(given, input: x.shape))]
        let zeroPoint = try inputs.optionalTensor(2)
        if let zeroPoint {
            operands.append(.tensor(try granularity.broadcast(zeroPoint.reshaped(given.shape), input: x.shape)))
        }
        let formula = formula(
            input: x.elementType,
            scale: given.elementType,
            zeroPoint: zeroPoint?.elementType
        )
        return [.tensor(try evaluatePointwise(formula, operands: operands))]
    }
}
