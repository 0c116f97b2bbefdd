package import ApusGraph
package import ApusTensor

/// ONNX `TensorScatter` (opset 24): a cache with new positions written along one axis.
///
/// - Shapes: cache and result `[batch, ..., capacity, ...]`, update the same but for the axis, write_indices `[batch]`.
package struct TensorScatter: MovementOperator {
    private let axis: Int
    /// Whether positions beyond the end continue at the start.
    private let isCircular: Bool

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: -2)
        let mode = try node.attributes.string("mode", default: "linear")
        guard ["linear", "circular"].contains(mode) else {
            throw ModelError(.invalidModel, "mode is \"\(mode)\", expected linear or circular")
        }
        isCircular = mode == "circular"
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let cache = try inputs.type(0)
        let update = try inputs.type(1)
        let axis = try normalizedAxis(axis, rank: cache.rank)
        var expected = cache
        guard axis > 0, update.rank == cache.rank, update.shape[axis] <= cache.shape[axis] else {
            throw ModelError(.invalidModel, "an update \(update) of \(cache) along axis \(axis)")
        }
        expected.shape[axis] = update.shape[axis]
        guard update == expected else {
            throw ModelError(.invalidModel, "the update is \(update), expected \(expected)")
        }
        if let indices = try inputs.optionalType(2), indices != TensorType(.int64, [cache.shape[0]]) {
            throw ModelError(.invalidModel, "write_indices are \(indices), expected int64[\(cache.shape[0])]")
        }
        return [ValueFact(cache)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let cache = try inputs.tensor(0)
        let update = try inputs.tensor(1)
        let axis = try normalizedAxis(axis, rank: cache.rank)
        let (capacity, count) = (cache.shape[axis], update.shape[axis])
        let starts = try inputs.optionalTensor(2)?.integers() ?? [Int](repeating: 0, count: cache.shape[0])
        for start in starts {
            guard start >= 0, isCircular || start <= capacity - count else {
                throw ModelError(.invalidInput, "\(count) positions from \(start) on exceed the cache of \(capacity)")
            }
        }
        let lines = cache.shape[1..<axis].reduce(1, *)
        let inner = cache.shape[(axis + 1)...].reduce(1, *)
        if update.elementCount == 0 { return [.tensor(cache)] }
        return [
            .tensor(
                ElementMovement.make(cache, cache.shape) { source, target, size in
                    target.copyMemory(from: source, byteCount: cache.elementCount * size)
                    let unpacked = update.elementType.bitWidth % 8 == 0 ? update : ElementMovement.unpacked(update)
                    unpacked.withUnsafeBytes { bytes in
                        guard let base = bytes.baseAddress else { return }
                        for line in 0..<cache.shape[0] * lines {
                            let start = starts[line / lines] % max(capacity, 1)
                            for position in 0..<count {
                                let place = line * capacity + (start + position) % capacity
                                let from = base + (line * count + position) * inner * size
                                (target + place * inner * size).copyMemory(from: from, byteCount: inner * size)
                            }
                        }
                    }
                }
            )
        ]
    }
}
