package import ApusGraph
package import ApusTensor

/// Quantization: `saturate(round(x / y_scale) + y_zero_point)`, ties to even.
///
/// NaN becomes 0 of an integer type. The quotient is rounded to `precision`, by default to the common
/// type of x and the scale, float32 where they differ.
/// - Shapes: x any, y_scale and y_zero_point by `QuantizationGranularity`; y as x.
/// - Source: ONNX QuantizeLinear, opset 25.
package struct QuantizeLinear: Operator {
    package let granularity: QuantizationGranularity
    private let outputType: ElementType?
    private let precision: ElementType?
    private let saturates: Bool

    package init(_ node: Node) throws(ModelError) {
        granularity = try QuantizationGranularity(node)
        saturates = try node.attributes.bool("saturate", default: true)
        let output = try node.attributes.int("output_dtype", default: 0)
        outputType = output == 0 ? nil : try elementType(code: output)
        let precision = try node.attributes.int("precision", default: 0)
        self.precision = precision == 0 ? nil : try elementType(code: precision)
        if let type = self.precision { try requireReal(type, input: 1) }
    }

    /// The element type of y.
    ///
    /// - Throws: `ModelError` if it is no type to quantize to, or `output_dtype` and the zero point disagree.
    package func target(zeroPoint: ElementType?) throws(ModelError) -> ElementType {
        let type = zeroPoint ?? outputType ?? .uint8
        guard outputType == nil || outputType == type else {
            throw ModelError(.invalidModel, "the zero point is \(type), output_dtype says otherwise")
        }
        guard type.isQuantizedInteger || type.isQuantizedFloat else {
            throw ModelError(.unsupported, "quantization to \(type) is not supported")
        }
        return type
    }

    /// The formula over x, the scale and, for integer types, the zero point; `nil` where no formula saturates so.
    package func formula(
        input: ElementType,
        scale: ElementType,
        zeroPoint: ElementType?
    ) throws(ModelError) -> PointwiseExpression? {
        let target = try target(zeroPoint: zeroPoint)
        let quotient = quotient(input: input, scale: scale)
        guard target.isQuantizedInteger else { return saturates ? .cast(target, quotient) : nil }
        let widened = quotientType(input: input, scale: scale) == .float64 ? quotient : .cast(.float32, quotient)
        guard zeroPoint != nil else { return widened.quantized(zeroPoint: 0, to: target) }
        let type: ElementType = quotientType(input: input, scale: scale) == .float64 ? .float64 : .float32
        return widened.quantized(zeroPoint: .cast(type, .input(2)), to: target)
    }

    private func quotientType(input: ElementType, scale: ElementType) -> ElementType {
        precision ?? (input == scale ? scale : .float32)
    }

    private func quotient(input: ElementType, scale: ElementType) -> PointwiseExpression {
        let type = quotientType(input: input, scale: scale)
        func converted(_ operand: Int, _ given: ElementType) -> PointwiseExpression {
            given == type ? .input(operand) : .cast(type, .input(operand))
        }
        return .cast(type, converted(0, input) / converted(1, scale))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let input = try inputs.elementType(0)
        guard input.isReal || input == .int32 else {
            throw ModelError(.unsupported, "quantization of \(input) is not supported")
        }
        try requireReal(inputs.elementType(1), input: 1)
        let target = try target(zeroPoint: inputs.has(2) ? inputs.elementType(2) : nil)
        if inputs.isDataDependent { return [.dataDependent(target)] }
        let x = try inputs.type(0)
        let scale = try inputs.type(1)
        try granularity.check(scale: scale.shape, input: x.shape)
        if let zeroPoint = try inputs.optionalType(2), zeroPoint.elementCount != scale.elementCount {
            throw ModelError(.invalidModel, "the zero point \(zeroPoint.shape) does not fit the scale \(scale.shape)")
        }
        return [ValueFact(TensorType(target, x.shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let given = try inputs.tensor(1)
        let scale = try granularity.broadcast(given, input: x.shape)
        let zeroPoint = try inputs.optionalTensor(2)
        let target = try target(zeroPoint: zeroPoint?.elementType)
        var operands: [RuntimeValue?] = [.tensor(x), .tensor(scale)]
        if let zeroPoint {
            operands.append(.tensor(try granularity.broadcast(zeroPoint.reshaped(given.shape), input: x.shape)))
        }
        if let formula = try formula(
            input: x.elementType,
            scale: scale.elementType,
            zeroPoint: zeroPoint?.elementType
        ) {
            return [.tensor(try evaluatePointwise(formula, operands: operands))]
        }
        let quotient = try evaluatePointwise(
            quotient(input: x.elementType, scale: scale.elementType),
            operands: operands
        )
        return [.tensor(try CastConversion(saturates: false).cast(quotient, to: target))]
    }
}
