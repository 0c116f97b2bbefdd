package import ApusGraph
package import ApusTensor

/// A convolution of integers with sums in int32, which wrap.
///
/// - Shapes: x `[n, c, spatial...]`, w `[m, c / group, kernel...]`, x_zero_point scalar, w_zero_point scalar or `[m]`;
///   y int32 `[n, m, spatial...]`. Padding stands for the number 0, that is x_zero_point.
/// - Source: ONNX ConvInteger, opset 10.
package struct ConvInteger: Operator {
    package let conv: Conv

    package init(_ node: Node) throws(ModelError) {
        conv = try Conv(node)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 1])
        if inputs.isDataDependent { return [.dataDependent(.int32)] }
        let type = try IntegerConvolution(conv).infer(inputs, input: 0, weight: 1)
        try checkZeroPoint(inputs, 2, operand: 0, counts: [1])
        try checkZeroPoint(inputs, 3, operand: 1, counts: [1, type.shape[1]])
        return [ValueFact(type)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let sums = try IntegerConvolution(conv).evaluate(
            inputs.tensor(0),
            zeroPoint: inputs.optionalTensor(2),
            weight: inputs.tensor(1),
            weightZeroPoint: inputs.optionalTensor(3),
            bias: nil,
            context
        )
        return [.tensor(sums)]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        conv.cost(inputs: Array(inputs.prefix(2)), outputs: outputs)
    }
}

/// The sums of a convolution of bytes.
struct IntegerConvolution {
    let conv: Conv

    init(_ conv: Conv) { self.conv = conv }

    /// The type of the sums: int32.
    func infer(_ inputs: [ValueFact?], input: Int, weight: Int) throws(ModelError) -> TensorType {
        let x = try inputs.type(input).shape
        let w = try inputs.type(weight).shape
        let geometry = try conv.geometry(input: x, weight: w)
        return try TensorType(.int32, [x[0], w[0]] + geometry.output).validated()
    }

    func evaluate(
        _ x: Tensor,
        zeroPoint: Tensor?,
        weight: Tensor,
        weightZeroPoint: Tensor?,
        bias: Tensor?,
        _ context: EvaluationContext
    ) throws -> Tensor {
        let operands: [RuntimeValue?] = [
            .tensor(try shifted(x, by: zeroPoint, axis: 1)), .tensor(try shifted(weight, by: weightZeroPoint, axis: 0)),
        ]
        return try wrappedSums(conv.evaluate(operands, context)[0].tensor(), bias: bias, axis: 1)
    }
}
