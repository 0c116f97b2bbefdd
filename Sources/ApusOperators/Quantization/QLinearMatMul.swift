package import ApusGraph
package import ApusTensor

/// The matrix product of quantized values with a quantized result, computed as `QLinearConv` does.
///
/// - Shapes: a `[..., m, k]`, b `[..., k, n]`; scales and zero points of a scalar or one a row, of b scalar or one a
///   column, of y scalar; y `[..., m, n]`.
/// - Source: ONNX QLinearMatMul, opset 21.
package struct QLinearMatMul: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 3, 7])
        let target = try inputs.elementType(7)
        if inputs.isDataDependent { return [.dataDependent(target)] }
        let sums = try IntegerProduct.infer(inputs, left: 0, right: 3)
        for (index, operand) in [(1, 0), (4, 3)] {
            try requireReal(inputs.elementType(index), input: index)
            let matrix = try inputs.type(operand).shape
            try IntegerProduct.checkParameters(
                inputs.type(index).shape,
                of: matrix,
                input: index,
                isLeft: operand == 0
            )
            try IntegerProduct.checkZeroPoint(inputs, index + 1, operand: operand, isLeft: operand == 0)
        }
        try checkScale(inputs, 6, counts: [1])
        try checkZeroPoint(inputs, 7, operand: 7, counts: [1])
        return [ValueFact(TensorType(target, sums.shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let a = try inputs.tensor(0)
        let b = try inputs.tensor(3)
        let exact = try IntegerProduct.evaluate(
            a,
            zeroPoint: inputs.optionalTensor(2),
            b,
            rightZeroPoint: inputs.optionalTensor(5),
            context
        )
        let integers = try wrappedSums(exact, bias: nil, axis: 0)
        let left = try parameters(inputs.tensor(1), isLeft: true)
        let right = try parameters(inputs.tensor(4), isLeft: false)
        let zeroPoint = try inputs.tensor(7)
        let output = try inputs.tensor(6)
        let operands = [
            integers, left, right, try output.reshaped([]), try zeroPoint.reshaped([]),
        ]
        let formula = PointwiseExpression.quantizedProduct(to: zeroPoint.elementType)
        return [.tensor(try evaluatePointwise(formula, operands))]
    }

    /// The scales under a shape that broadcasts to the product.
    private func parameters(_ tensor: Tensor, isLeft: Bool) throws(ModelError) -> Tensor {
        if tensor.elementCount == 1 { return try tensor.reshaped([]) }
        return isLeft && tensor.rank == 1 ? try tensor.reshaped([tensor.elementCount, 1]) : tensor
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        IntegerProduct.cost(inputs: inputs, left: 0, outputs: outputs)
    }
}
