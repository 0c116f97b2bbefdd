package import ApusGraph
package import ApusTensor

/// `alpha * A' * B' + beta * C`, with A and B transposed on demand and C broadcast to the product.
///
/// - Shapes: A' `[m, k]`, B' `[k, n]`, C broadcasts to `[m, n]`; sums in Double, integers wrap.
/// - Source: ONNX Gemm, opset 13.
package struct Gemm: Operator {
    package let alpha: Float
    package let beta: Float
    package let transposesA: Bool
    package let transposesB: Bool

    package init(_ node: Node) throws(ModelError) {
        alpha = try node.attributes.float("alpha", default: 1)
        beta = try node.attributes.float("beta", default: 1)
        transposesA = try node.attributes.bool("transA", default: false)
        transposesB = try node.attributes.bool("transB", default: false)
    }

    /// The operands as matrices `[m, k]` and `[k, n]` over the elements of tensors of the given shapes.
    ///
    /// - Throws: `ModelError` if a shape is no matrix or the inner extents differ.
    package func operands(_ a: [Int], _ b: [Int]) throws(ModelError) -> (a: StridedMatrix, b: StridedMatrix) {
        guard a.count == 2, b.count == 2 else {
            throw ModelError(.invalidModel, "expected two matrices, found \(a) and \(b)")
        }
        let left = StridedMatrix(
            rows: a[transposesA ? 1 : 0],
            columns: a[transposesA ? 0 : 1],
            isTransposed: transposesA
        )
        let right = StridedMatrix(
            rows: b[transposesB ? 1 : 0],
            columns: b[transposesB ? 0 : 1],
            isTransposed: transposesB
        )
        guard left.columns == right.rows else {
            throw ModelError(
                .invalidModel,
                "the inner extents \(left.columns) and \(right.rows) of \(a) and \(b) differ"
            )
        }
        return (left, right)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.isDataDependent { return [.dataDependent(try inputs.elementType(0))] }
        let a = try inputs.type(0)
        let b = try inputs.type(1)
        try requireSameType(b, as: a, input: 1)
        guard a.elementType.isRealOrWideInteger else {
            throw ModelError(.unsupported, "a matrix product of \(a.elementType) is not supported")
        }
        let matrices = try operands(a.shape, b.shape)
        let shape = [matrices.a.rows, matrices.b.columns]
        if let c = try inputs.optionalType(2) {
            try requireSameType(c, as: a, input: 2)
            guard c.rank <= 2, try broadcastShape([c.shape, shape]) == shape else {
                throw ModelError(.invalidModel, "C \(c.shape) does not broadcast to \(shape)")
            }
        }
        return [ValueFact(try TensorType(a.elementType, shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let a = try inputs.tensor(0)
        let b = try inputs.tensor(1)
        let c = try inputs.optionalTensor(2)
        let matrices = try operands(a.shape, b.shape)
        let type = TensorType(a.elementType, [matrices.a.rows, matrices.b.columns])
        guard type.elementCount > 0 else { return [.tensor(Tensor(zeros: type))] }
        let strides = c.map { broadcastStrides($0.shape, to: type.shape) } ?? [0, 0]
        let products = MatrixProducts(left: matrices.a, right: matrices.b, leftCount: 1, operands: [(0, 0)])
        let alpha = Double(alpha)
        let beta = Double(beta)
        if type.elementType.isFloatingPoint {
            let addend = try c?.doubles()
            let result = try products.evaluate(a, b, type) { row, column, values in
                for lane in values.indices {
                    values[lane] *= alpha
                    guard let addend else { continue }
                    values[lane] += beta * addend[row * strides[0] + (column + lane) * strides[1]]
                }
            }
            return [.tensor(result)]
        }
        let addend = try c?.integers()
        let element = type.elementType
        func scaled(_ value: Int64, _ factor: Double) -> Int64 {
            factor == 1 ? value : element.integer(element.double(value) * factor)
        }
        let result = try products.evaluate(
            a,
            b,
            type,
            finishInteger: { row, column, value in
                let product = scaled(element.wrapped(value), alpha)
                guard let addend else { return product }
                return product &+ scaled(Int64(addend[row * strides[0] + column * strides[1]]), beta)
            }
        )
        return [.tensor(result)]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let depth = inputs.first.flatMap { $0?.shape[transposesA ? 0 : 1] } ?? 0
        let count = outputs.first.flatMap { $0?.elementCount } ?? 0
        let hasAddend = inputs.indices.contains(2) && inputs[2] != nil
        return Cost(operations: [2, count, depth], plus: hasAddend ? count : 0, moving: inputs + outputs)
    }
}
