package import ApusGraph
package import ApusTensor

/// The internal operator `apus.QuantizedConv`: the scaled sums of a convolution of bytes, in float32.
///
/// `y = float(sum) * multiplier`, each rounded once, with the int32 sum of `(x - x_zero_point) * (w - w_zero_point)` and
/// of the bias. What quantizes the result again is the node's epilogue.
/// - Shapes: x `[n, c, spatial...]`, w `[m, c / group, kernel...]`, multiplier float32 `[1]` or `[m]`, bias int32 `[m]`,
///   x_zero_point `[1]`, w_zero_point `[1]` or `[m]`, x_scale float32 `[1]`, by which multipliers are multiplied where it
///   arrives during the run; y float32 `[n, m, spatial...]`.
package struct QuantizedConv: Operator {
    package let conv: Conv

    package init(_ node: Node) throws(ModelError) {
        conv = try Conv(node)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 1])
        if inputs.isDataDependent { return [.dataDependent(.float32)] }
        let sums = try IntegerConvolution(conv).infer(inputs, input: 0, weight: 1)
        let channels = sums.shape[1]
        try checkMultiplier(inputs, 2, counts: [1, channels])
        if inputs.has(6) { try checkMultiplier(inputs, 6, counts: [1]) }
        try checkQuantizedBias(inputs, 3, channels: channels)
        try checkZeroPoint(inputs, 4, operand: 0, counts: [1])
        try checkZeroPoint(inputs, 5, operand: 1, counts: [1, channels])
        return [ValueFact(TensorType(.float32, sums.shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let sums = try IntegerConvolution(conv).evaluate(
            inputs.tensor(0),
            zeroPoint: inputs.optionalTensor(4),
            weight: inputs.tensor(1),
            weightZeroPoint: inputs.optionalTensor(5),
            bias: inputs.optionalTensor(3),
            context
        )
        return [.tensor(try scaledSums(sums, by: factors(inputs), axis: 1).reshaped(sums.shape))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        conv.cost(inputs: Array(inputs.prefix(2)), outputs: outputs)
    }
}

/// The internal operator `apus.QuantizedMatMul`: the scaled sums of a matrix product of bytes, in float32.
///
/// - Shapes: a `[..., m, k]`, b `[..., k, n]`, batches as MatMul takes them, or `[n, k]` with the attribute `transB`;
///   multiplier float32 `[1]` or `[n]`, bias int32 `[n]`, a_zero_point `[1]`, b_zero_point `[1]` or `[n]`, a_scale
///   float32 `[1]`; y float32 `[..., m, n]`, as `QuantizedConv` computes it.
package struct QuantizedMatMul: Operator {
    package let transposesB: Bool

    package init(_ node: Node) throws(ModelError) {
        transposesB = try node.attributes.bool("transB", default: false)
    }

    /// The shape of the product.
    ///
    /// - Throws: `ModelError` if the right operand is a vector, or the extents do not fit.
    private func shape(_ a: [Int], _ b: [Int]) throws(ModelError) -> [Int] {
        guard transposesB ? b.count == 2 : b.count >= 2 else {
            throw ModelError(.invalidModel, "the matrices \(a) and \(b) do not fit")
        }
        return try MatMul.dimensions(a, transposesB ? b.reversed() : b).output
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0, 1])
        if inputs.isDataDependent { return [.dataDependent(.float32)] }
        let shape = try shape(inputs.type(0).shape, inputs.type(1).shape)
        let columns = shape[shape.count - 1]
        try checkMultiplier(inputs, 2, counts: [1, columns])
        if inputs.has(6) { try checkMultiplier(inputs, 6, counts: [1]) }
        try checkQuantizedBias(inputs, 3, channels: columns)
        try checkZeroPoint(inputs, 4, operand: 0, counts: [1])
        try checkZeroPoint(inputs, 5, operand: 1, counts: [1, columns])
        return [ValueFact(try TensorType(.float32, shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let a = try inputs.tensor(0)
        let b = try inputs.tensor(1)
        let shape = try shape(a.shape, b.shape)
        let left = try shifted(a, by: inputs.optionalTensor(4), axis: 0)
        let right = try shifted(b, by: inputs.optionalTensor(5), axis: transposesB ? 0 : b.rank - 1)
        let exact: Tensor
        if transposesB {
            let depth = max(b.shape[1], 1)
            let gemm = try Gemm(
                Node(operatorType: "Gemm", inputs: [], outputs: [], attributes: Attributes(["transB": .int(1)]))
            )
            let rows = try left.reshaped([left.elementCount / depth, b.shape[1]])
            exact = try gemm.evaluate([.tensor(rows), .tensor(right)], context)[0].tensor().reshaped(shape)
        } else {
            let product = try MatMul(Node(operatorType: "MatMul", inputs: [], outputs: []))
            exact = try product.evaluate([.tensor(left), .tensor(right)], context)[0].tensor()
        }
        let axis = shape.count - 1
        let sums = try wrappedSums(exact, bias: inputs.optionalTensor(3), axis: axis)
        return [.tensor(try scaledSums(sums, by: factors(inputs), axis: axis).reshaped(shape))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        IntegerProduct.cost(inputs: inputs, left: 0, outputs: outputs)
    }
}

/// The internal operator `apus.QuantizedGlobalAveragePool`: the scaled sums of the channels of bytes, in float32.
///
/// `y = float(sum) * (multiplier / count)`, each rounded once, with the int32 sum of `x - x_zero_point` over the `count`
/// elements of a channel.
/// - Shapes: x `[n, c, spatial...]`, multiplier float32 `[1]`, x_zero_point `[1]`; y float32 `[n, c, 1...]`.
package struct QuantizedGlobalAveragePool: Operator {
    package init(_ node: Node) throws(ModelError) {}

    /// What the sums are multiplied by.
    ///
    /// - Throws: `ModelError` if the multiplier is empty.
    package static func factor(_ multiplier: Tensor, count: Int) throws(ModelError) -> Float {
        guard let value = try multiplier.floats().first else {
            throw ModelError(.invalidModel, "the multiplier is empty")
        }
        return value / Float(max(count, 1))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        try requireBytes(inputs, [0])
        if inputs.isDataDependent { return [.dataDependent(.float32)] }
        let x = try inputs.type(0).shape
        guard x.count >= 3 else { throw ModelError(.invalidModel, "the input \(x) has no spatial axis") }
        try checkMultiplier(inputs, 1, counts: [1])
        try checkZeroPoint(inputs, 2, operand: 0, counts: [1])
        return [ValueFact(TensorType(.float32, Array(x.prefix(2)) + x.dropFirst(2).map { _ in 1 }))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let values = try shifted(x, by: inputs.optionalTensor(2), axis: 1).doubles()
        let count = x.shape.dropFirst(2).reduce(1, *)
        let channels = x.shape[0] * x.shape[1]
        let sums = try Tensor(
            TensorType(.float64, [x.shape[0], x.shape[1]]),
            rounding: (0..<channels).map { values[$0 * count..<($0 + 1) * count].reduce(0, +) }
        )
        let factor = try Self.factor(inputs.tensor(1), count: count)
        let scaled = try scaledSums(
            wrappedSums(sums, bias: nil, axis: 1),
            by: Tensor(vector: [factor]),
            axis: 1
        )
        return [.tensor(try scaled.reshaped(Array(x.shape.prefix(2)) + x.shape.dropFirst(2).map { _ in 1 }))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}

/// What sums are multiplied by: the multiplier, times the scale of an input that is quantized during the run.
private func factors(_ inputs: [RuntimeValue?]) throws -> Tensor {
    let multiplier = try inputs.tensor(2)
    guard let scale = try inputs.optionalTensor(6) else { return multiplier }
    let product = (PointwiseExpression.input(0) * .input(1)).roundedToFloat32
    return try evaluatePointwise(product, [multiplier, scale.reshaped([])])
}

private func checkMultiplier(_ inputs: [ValueFact?], _ index: Int, counts: Set<Int>) throws(ModelError) {
    let type = try inputs.type(index)
    guard type.elementType == .float32, counts.contains(type.elementCount) else {
        throw ModelError(.invalidModel, "the multiplier is \(type), expected float32 with \(counts.sorted()) elements")
    }
}

private func checkQuantizedBias(_ inputs: [ValueFact?], _ index: Int, channels: Int) throws(ModelError) {
    guard let bias = try inputs.optionalType(index), bias != TensorType(.int32, [channels]) else { return }
    throw ModelError(.invalidModel, "the bias is \(bias), expected int32[\(channels)]")
}
