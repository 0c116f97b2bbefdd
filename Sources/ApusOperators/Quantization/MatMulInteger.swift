package import ApusGraph
package import ApusTensor

/// The matrix product of integers with sums in int32, which wrap.
///
/// - Shapes: as MatMul; a_zero_point scalar, `[m]` or `[..., m, 1]`, b_zero_point scalar, `[n]` or `[..., 1, n]`; y int32.
/// - Source: ONNX MatMulInteger, opset 10.
package struct MatMulInteger: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 1])
        if inputs.isDataDependent { return [.dataDependent(.int32)] }
        let type = try IntegerProduct.infer(inputs, left: 0, right: 1)
        try IntegerProduct.checkZeroPoint(inputs, 2, operand: 0, isLeft: true)
        try IntegerProduct.checkZeroPoint(inputs, 3, operand: 1, isLeft: false)
        return [ValueFact(type)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let sums = try IntegerProduct.evaluate(
            inputs.tensor(0),
            zeroPoint: inputs.optionalTensor(2),
            inputs.tensor(1),
            rightZeroPoint: inputs.optionalTensor(3),
            context
        )
        return [.tensor(try wrappedSums(sums, bias: nil, axis: 0))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        IntegerProduct.cost(inputs: inputs, left: 0, outputs: outputs)
    }
}

/// The sums of a matrix product of bytes.
enum IntegerProduct {
    /// The type of the sums: int32.
    static func infer(_ inputs: [ValueFact?], left: Int, right: Int) throws(ModelError) -> TensorType {
        let a = try inputs.type(left).shape
        let b = try inputs.type(right).shape
        return try TensorType(.int32, MatMul.dimensions(a, b).output).validated()
    }

    /// Checks a zero point for the whole operand, or one a row of the left or a column of the right operand.
    static func checkZeroPoint(
        _ inputs: [ValueFact?],
        _ index: Int,
        operand: Int,
        isLeft: Bool
    ) throws(ModelError) {
        guard inputs.has(index) else { return }
        let matrix = try inputs.type(operand)
        let type = try inputs.type(index)
        guard type.elementType == matrix.elementType else {
            throw ModelError(.invalidModel, "input \(index) is no zero point of type \(matrix.elementType)")
        }
        try checkParameters(type.shape, of: matrix.shape, input: index, isLeft: isLeft)
    }

    /// Checks the shape of a scale or a zero point.
    static func checkParameters(
        _ shape: [Int],
        of matrix: [Int],
        input: Int,
        isLeft: Bool
    ) throws(ModelError) {
        if shape.reduce(1, *) == 1 { return }
        var expected = matrix
        if expected.count > 1 || isLeft { expected[expected.count - (isLeft ? 1 : 2)] = 1 }
        let vector = matrix.count > 1 ? [matrix[matrix.count - (isLeft ? 2 : 1)]] : expected
        guard shape == vector || shape == expected else {
            throw ModelError(.invalidModel, "input \(input) has shape \(shape), expected \(vector) or \(expected)")
        }
    }

    /// Exact sums in float64.
    static func evaluate(
        _ a: Tensor,
        zeroPoint: Tensor?,
        _ b: Tensor,
        rightZeroPoint: Tensor?,
        _ context: EvaluationContext
    ) throws -> Tensor {
        let operands: [RuntimeValue?] = [
            .tensor(try shifted(a, by: zeroPoint, axis: max(a.rank - 2, 0))),
            .tensor(try shifted(b, by: rightZeroPoint, axis: b.rank - 1)),
        ]
        return try MatMul(Node(operatorType: "MatMul", inputs: [], outputs: [])).evaluate(operands, context)[0].tensor()
    }

    static func cost(inputs: [TensorType?], left: Int, outputs: [TensorType?]) -> Cost {
        let depth = inputs.indices.contains(left) ? inputs[left]?.shape.last ?? 0 : 0
        let count = outputs.first.flatMap { $0?.elementCount } ?? 0
        return Cost(operations: [2, count, depth], moving: inputs + outputs)
    }
}
