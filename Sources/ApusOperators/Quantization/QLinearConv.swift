package import ApusGraph
package import ApusTensor

/// A convolution of quantized values with a quantized result.
///
/// `y = clamp(rint(float(sum) * multiplier) + y_zero_point)` with ties to even, the int32 sum of `(x - x_zero_point) *
/// (w - w_zero_point)` and of the bias, and the multiplier `x_scale * w_scale / y_scale` in float32.
/// - Shapes: x `[n, c, spatial...]`, w `[m, c / group, kernel...]`, w_scale and w_zero_point scalar or `[m]`, B int32
///   `[m]`, the other scales and zero points scalar; y `[n, m, spatial...]`.
/// - Source: ONNX QLinearConv, opset 10.
package struct QLinearConv: Operator {
    package let conv: Conv

    package init(_ node: Node) throws(ModelError) {
        conv = try Conv(node)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 3, 7])
        let target = try inputs.elementType(7)
        if inputs.isDataDependent { return [.dataDependent(target)] }
        let sums = try IntegerConvolution(conv).infer(inputs, input: 0, weight: 3)
        let channels = sums.shape[1]
        try checkScale(inputs, 1, counts: [1])
        try checkZeroPoint(inputs, 2, operand: 0, counts: [1])
        try checkScale(inputs, 4, counts: [1, channels])
        try checkZeroPoint(inputs, 5, operand: 3, counts: [1, channels])
        try checkScale(inputs, 6, counts: [1])
        try checkZeroPoint(inputs, 7, operand: 7, counts: [1])
        if let bias = try inputs.optionalType(8), bias != TensorType(.int32, [channels]) {
            throw ModelError(.invalidModel, "the bias is \(bias), expected int32[\(channels)]")
        }
        return [ValueFact(TensorType(target, sums.shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let sums = try IntegerConvolution(conv).evaluate(
            inputs.tensor(0),
            zeroPoint: inputs.optionalTensor(2),
            weight: inputs.tensor(3),
            weightZeroPoint: inputs.optionalTensor(5),
            bias: inputs.optionalTensor(8),
            context
        )
        let multiplier = try requantizationMultiplier(inputs.tensor(1), inputs.tensor(4), output: inputs.tensor(6))
        let scaled = try scaledSums(sums, by: multiplier, axis: 1).reshaped(sums.shape)
        return [.tensor(try requantized(scaled, zeroPoint: inputs.tensor(7)))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        guard inputs.count > 3 else { return Cost(operations: 0, bytes: 0) }
        return conv.cost(inputs: [inputs[0], inputs[3]], outputs: outputs)
    }
}

/// `clamp(rint(value) + zero_point)` in the zero point's type.
func requantized(_ value: Tensor, zeroPoint: Tensor) throws -> Tensor {
    guard let shift = try zeroPoint.integers().first else {
        throw ModelError(.invalidModel, "the zero point of the result is empty")
    }
    let formula = PointwiseExpression.input(0).quantized(zeroPoint: Double(shift), to: zeroPoint.elementType)
    return try evaluatePointwise(formula, [value])
}
