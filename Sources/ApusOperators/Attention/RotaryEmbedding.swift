package import ApusGraph
package import ApusTensor

/// Rotates pairs of features by angles that depend on the position.
///
/// - Shapes: X `[batch, heads, positions, size]` or `[batch, positions, heads * size]`; cosines and sines
///   `[positions, rotated / 2]` read by position_ids `[batch, positions]`, or `[batch, positions, rotated / 2]`.
/// - Source: ONNX RotaryEmbedding, opset 23.
package struct RotaryEmbedding: Operator {
    /// The sizes of a call, and where the elements of X and of the result lie.
    package struct Geometry: Sendable, Hashable {
        package var batch: Int
        package var heads: Int
        package var positions: Int
        package var size: Int
        /// The leading features that are rotated, an even number.
        package var rotated: Int
        package var view: AttentionView
    }

    package let heads: Int
    package let rotated: Int
    /// Whether neighbouring features form a pair; otherwise feature i and feature i + rotated / 2 do.
    package let isInterleaved: Bool

    package init(_ node: Node) throws(ModelError) {
        heads = try node.attributes.int("num_heads", default: 0)
        rotated = try node.attributes.int("rotary_embedding_dim", default: 0)
        isInterleaved = try node.attributes.bool("interleaved", default: false)
    }

    /// - Throws: `ModelError` if the operands do not fit together.
    package func geometry(
        _ x: TensorType,
        cosines: TensorType,
        sines: TensorType,
        positions: TensorType?
    ) throws(ModelError) -> Geometry {
        let shape: [Int]
        switch x.rank {
        case 4: shape = x.shape
        case 3:
            guard heads > 0, x.shape[2] % heads == 0 else {
                throw ModelError(.invalidModel, "X \(x.shape) does not divide into \(heads) heads")
            }
            shape = [x.shape[0], heads, x.shape[1], x.shape[2] / heads]
        default: throw ModelError(.invalidModel, "X \(x.shape) is not of rank 3 or 4")
        }
        let rotated = rotated == 0 ? shape[3] : rotated
        guard rotated >= 0, rotated % 2 == 0, rotated <= shape[3] else {
            throw ModelError(.invalidModel, "\(rotated) of \(shape[3]) features cannot be rotated in pairs")
        }
        let tables = positions == nil ? [shape[0], shape[2], rotated / 2] : [cosines.shape.first ?? 0, rotated / 2]
        guard cosines.shape == tables, sines.shape == tables else {
            throw ModelError(.invalidModel, "cosines \(cosines.shape), sines \(sines.shape), expected \(tables)")
        }
        if let positions, positions.shape != [shape[0], shape[2]] {
            throw ModelError(.invalidModel, "position_ids \(positions.shape), expected \([shape[0], shape[2]])")
        }
        return Geometry(
            batch: shape[0],
            heads: shape[1],
            positions: shape[2],
            size: shape[3],
            rotated: rotated,
            view: AttentionView(isPacked: x.rank == 3, heads: shape[1], positions: shape[2], size: shape[3])
        )
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        let positions = try inputs.optionalType(3)
        for index in 1...2 { try requireSameType(inputs.type(index), as: x, input: index) }
        if let positions, positions.elementType != .int64 {
            throw ModelError(.invalidModel, "position_ids have type \(positions.elementType), expected int64")
        }
        _ = try geometry(x, cosines: inputs.type(1), sines: inputs.type(2), positions: positions)
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let cosineTensor = try inputs.tensor(1)
        let sineTensor = try inputs.tensor(2)
        let positionTensor = try inputs.optionalTensor(3)
        let geometry = try geometry(
            x.type,
            cosines: cosineTensor.type,
            sines: sineTensor.type,
            positions: positionTensor?.type
        )
        let cosines = try cosineTensor.doubles()
        let sines = try sineTensor.doubles()
        let half = geometry.rotated / 2
        let rows = half == 0 ? 0 : cosines.count / half
        let places = try positionTensor?.integers() ?? Array(0..<geometry.batch * geometry.positions)
        for place in places where place < 0 || place >= rows {
            guard half > 0 else { break }
            throw ModelError(.invalidInput, "position \(place) is outside 0..<\(rows)")
        }
        let source = try x.doubles()
        var result = source
        let pitches = geometry.view.pitches
        for batch in 0..<geometry.batch {
            for head in 0..<geometry.heads {
                for position in 0..<geometry.positions {
                    let start = batch * pitches[0] + head * pitches[1] + position * pitches[2]
                    let angles = places[batch * geometry.positions + position] * half
                    for pair in 0..<half {
                        let first = start + (isInterleaved ? 2 * pair : pair)
                        let second = first + (isInterleaved ? 1 : half)
                        let (c, s) = (cosines[angles + pair], sines[angles + pair])
                        result[first] = c * source[first] - s * source[second]
                        result[second] = s * source[first] + c * source[second]
                    }
                }
            }
        }
        return [.tensor(try Tensor(x.type, rounding: result))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(operations: [3, inputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}
