package import ApusGraph
package import ApusTensor

/// Where the elements of an attention operand lie in their tensor.
///
/// The element of batch item b, head h, position s and feature d lies at
/// `offset + b * pitches[0] + h * pitches[1] + s * pitches[2] + d * pitches[3]`, in elements.
package struct AttentionView: Sendable, Hashable {
    package var offset: Int
    package var pitches: [Int]

    package init(offset: Int = 0, pitches: [Int]) {
        self.offset = offset
        self.pitches = pitches
    }

    /// `[batch, heads, positions, size]`, or `[batch, positions, heads * size]` where it is packed.
    ///
    /// The pitches of an empty operand may be of any value.
    package init(isPacked: Bool, heads: Int, positions: Int, size: Int) {
        let item = heads &* positions &* size
        self.init(pitches: isPacked ? [item, size, heads &* size, 1] : [item, positions &* size, size, 1])
    }

    /// The view as a list of integers, for an attribute.
    package var attribute: AttributeValue { .ints(([offset] + pitches).map { Int64($0) }) }

    /// Reads what `attribute` made.
    ///
    /// - Throws: `ModelError` if it is no list of five integers, none negative.
    package init(_ attributes: Attributes, _ name: String) throws(ModelError) {
        guard let numbers = try attributes.ints(name), numbers.count == 5, numbers.allSatisfy({ $0 >= 0 }) else {
            throw ModelError(.invalidModel, "attribute \"\(name)\" is no view of five integers")
        }
        self.init(offset: numbers[0], pitches: Array(numbers[1...]))
    }

    /// The largest element number that the extents reach; `nil` where it exceeds an integer.
    func lastElement(_ extents: [Int]) -> Int? {
        var last = offset
        for (extent, pitch) in zip(extents, pitches) {
            let (distance, overflow) = max(extent - 1, 0).multipliedReportingOverflow(by: pitch)
            let (sum, overflows) = last.addingReportingOverflow(distance)
            if overflow || overflows { return nil }
            last = sum
        }
        return last
    }
}

/// Scaled dot-product attention over heads: the sizes, and what happens to the scores.
package struct AttentionProblem: Sendable, Hashable {
    package var batch: Int
    package var queryHeads: Int
    /// Heads of key and value; each serves `queryHeads / keyHeads` neighbouring query heads.
    package var keyHeads: Int
    package var queries: Int
    /// Positions of key and value, those of the past included.
    package var keys: Int
    package var headSize: Int
    package var valueSize: Int
    package var scale: Float
    /// Scores become `softcap * tanh(score / softcap)`; 0 leaves them.
    package var softcap: Float = 0
    /// Whether query i attends no key beyond `pastKeys + i`.
    package var isCausal = false
    package var pastKeys = 0

    package init(
        batch: Int,
        queryHeads: Int,
        keyHeads: Int,
        queries: Int,
        keys: Int,
        headSize: Int,
        valueSize: Int,
        scale: Float
    ) {
        self.batch = batch
        self.queryHeads = queryHeads
        self.keyHeads = keyHeads
        self.queries = queries
        self.keys = keys
        self.headSize = headSize
        self.valueSize = valueSize
        self.scale = scale
    }

    package var scoresShape: [Int] { [batch, queryHeads, queries, keys] }

    /// Two products of all scores with the features, and five operations a score for the softmax.
    package func cost(_ inputs: [TensorType?], _ outputs: [TensorType?]) -> Cost {
        Cost(
            operations: [batch, queryHeads, queries, keys, 2 * headSize + 2 * valueSize + 5],
            moving: inputs + outputs
        )
    }
}

/// What is added to the scores: a mask that broadcasts to `[batch, heads, queries, keys]`; keys beyond its last column
/// are masked out.
struct AttentionMask: Sendable {
    /// 0 and minus infinity for a mask of bools.
    let values: [Double]
    let strides: [Int]
    let columns: Int

    /// - Throws: `ModelError` if the mask does not broadcast to the scores.
    init(_ tensor: Tensor, _ problem: AttentionProblem) throws(ModelError) {
        try Self.check(tensor.shape, problem)
        values =
            tensor.elementType == .bool
            ? try tensor.integers().map { $0 == 0 ? -Double.infinity : 0 } : try tensor.doubles()
        let columns = tensor.shape.last ?? 1
        self.columns = columns == 1 ? problem.keys : columns
        strides = broadcastStrides(tensor.shape, to: Array(problem.scoresShape.dropLast()) + [columns])
    }

    static func check(_ shape: [Int], _ problem: AttentionProblem) throws(ModelError) {
        let columns = shape.last ?? 1
        let target = Array(problem.scoresShape.dropLast()) + [columns]
        guard columns <= problem.keys, shape.count <= 4, try broadcastShape([shape, target]) == target else {
            throw ModelError(.invalidModel, "the mask \(shape) does not broadcast to \(problem.scoresShape)")
        }
    }
}
