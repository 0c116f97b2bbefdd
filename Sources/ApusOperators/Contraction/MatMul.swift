package import ApusGraph
package import ApusTensor

/// The matrix product of numpy: batch axes broadcast, vectors count as rows on the left and as columns on the right.
///
/// - Shapes: `[..., m, k]` times `[..., k, n]` gives `[..., m, n]`; sums in Double, integers wrap.
/// - Source: ONNX MatMul, opset 13.
package struct MatMul: Operator {
    /// The extents of a call.
    package struct Dimensions: Sendable, Hashable {
        /// The broadcast batch axes.
        package var batch: [Int]
        package var rows: Int
        package var depth: Int
        package var columns: Int
        /// For each batch axis the matrices of the left operand between two neighbours, 0 where it repeats.
        package var leftBatchStrides: [Int]
        /// The same for the right operand.
        package var rightBatchStrides: [Int]
        package var output: [Int]
    }

    package init(_ node: Node) throws(ModelError) {}

    /// The extents for the full shapes of both operands.
    ///
    /// - Throws: `ModelError` if an operand is a scalar, the inner extents differ or the batches do not broadcast.
    package static func dimensions(_ a: [Int], _ b: [Int]) throws(ModelError) -> Dimensions {
        guard let aLast = a.last, let bLast = b.last else {
            throw ModelError(.invalidModel, "a matrix product takes no scalars, found \(a) and \(b)")
        }
        let depth = b.count == 1 ? bLast : b[b.count - 2]
        guard aLast == depth else {
            throw ModelError(.invalidModel, "the inner extents of \(a) and \(b) differ")
        }
        let aBatch = [Int](a.dropLast(2))
        let bBatch = [Int](b.dropLast(2))
        let batch = try broadcastShape([aBatch, bBatch])
        var output = batch
        if a.count > 1 { output.append(a[a.count - 2]) }
        if b.count > 1 { output.append(bLast) }
        return Dimensions(
            batch: batch,
            rows: a.count > 1 ? a[a.count - 2] : 1,
            depth: depth,
            columns: b.count > 1 ? bLast : 1,
            leftBatchStrides: broadcastStrides(aBatch, to: batch),
            rightBatchStrides: broadcastStrides(bBatch, to: batch),
            output: output
        )
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.isDataDependent { return [.dataDependent(try inputs.elementType(0))] }
        let a = try inputs.type(0)
        let b = try inputs.type(1)
        try requireSameType(b, as: a, input: 1)
        guard a.elementType.isRealOrWideInteger else {
            throw ModelError(.unsupported, "a matrix product of \(a.elementType) is not supported")
        }
        return [ValueFact(try TensorType(a.elementType, Self.dimensions(a.shape, b.shape).output).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let a = try inputs.tensor(0)
        let b = try inputs.tensor(1)
        let dimensions = try Self.dimensions(a.shape, b.shape)
        let type = TensorType(a.elementType, dimensions.output)
        guard type.elementCount > 0 else { return [.tensor(Tensor(zeros: type))] }
        let matrices = a.shape.dropLast(2).reduce(1, *)
        let batchCount = dimensions.batch.reduce(1, *)
        var products = MatrixProducts(
            left: StridedMatrix(rows: dimensions.rows, columns: dimensions.depth),
            right: StridedMatrix(rows: dimensions.depth, columns: dimensions.columns),
            leftCount: matrices,
            operands: [(0, 0)]
        )
        if b.shape.dropLast(2).allSatisfy({ $0 == 1 }) && matrices == batchCount {
            products.left.rows *= matrices
            products.leftCount = 1
        } else {
            products.operands = (0..<batchCount).map { index in
                var rest = index
                var left = 0
                var right = 0
                for axis in dimensions.batch.indices.reversed() {
                    let coordinate = rest % dimensions.batch[axis]
                    rest /= dimensions.batch[axis]
                    left += coordinate * dimensions.leftBatchStrides[axis]
                    right += coordinate * dimensions.rightBatchStrides[axis]
                }
                return (left, right)
            }
        }
        return [.tensor(try products.evaluate(a, b, type))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let depth = inputs.first.flatMap { $0?.shape.last } ?? 0
        let count = outputs.first.flatMap { $0?.elementCount } ?? 0
        return Cost(operations: [2, count, depth], moving: inputs + outputs)
    }
}
