package import ApusGraph
package import ApusTensor

/// Indices into an axis, with those that count from the end made positive.
///
/// - Throws: `ModelError` with code `invalidInput` if one is outside `-extent..<extent`.
func normalizedIndices(_ indices: Tensor, extent: Int) throws(ModelError) -> [Int] {
    var result = try indices.integers()
    for position in result.indices {
        let index = result[position]
        guard index >= -extent, index < extent else {
            throw ModelError(.invalidInput, "the index \(index) is outside -\(extent)..<\(extent)")
        }
        if index < 0 { result[position] = index + extent }
    }
    return result
}

private func checkIndices(_ type: TensorType) throws(ModelError) {
    guard type.elementType == .int64 || type.elementType == .int32 else {
        throw ModelError(.invalidModel, "indices are \(type.elementType), expected int32 or int64")
    }
}

/// ONNX `Gather` (opset 13): slices of the data along one axis.
package struct Gather: MovementOperator {
    private let axis: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 0)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let data = try inputs.type(0)
        let indices = try inputs.type(1)
        try checkIndices(indices)
        let axis = try normalizedAxis(axis, rank: data.rank)
        let shape = data.shape[..<axis] + indices.shape + data.shape[(axis + 1)...]
        return [ValueFact(try TensorType(data.elementType, Array(shape)).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let data = try inputs.tensor(0)
        let indices = try inputs.tensor(1)
        let axis = try normalizedAxis(axis, rank: data.rank)
        let shape = Array(data.shape[..<axis] + indices.shape + data.shape[(axis + 1)...])
        let places = try normalizedIndices(indices, extent: data.shape[axis])
        if shape.contains(0) { return [.tensor(Tensor(zeros: TensorType(data.elementType, shape)))] }
        let outer = data.shape[..<axis].reduce(1, *)
        let inner = data.shape[(axis + 1)...].reduce(1, *)
        let flat = try data.reshaped([outer, data.shape[axis], inner])
        let result = ElementMovement.mapped(flat, maps: [Array(0..<outer), places, Array(0..<inner)])
        return [.tensor(try result.reshaped(shape))]
    }
}

/// ONNX `GatherElements` (opset 13): one element for each index, from the index's own line along the axis.
package struct GatherElements: MovementOperator {
    private let axis: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 0)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let data = try inputs.type(0)
        let indices = try inputs.type(1)
        try checkIndices(indices)
        try checkLines(data.shape, indices.shape, axis: normalizedAxis(axis, rank: data.rank))
        return [ValueFact(try TensorType(data.elementType, indices.shape).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let data = try inputs.tensor(0)
        let indices = try inputs.tensor(1)
        let places = try elementPlaces(data.shape, indices, axis: normalizedAxis(axis, rank: data.rank))
        return [.tensor(ElementMovement.gathered(data, indices.shape) { places[$0] })]
    }
}

/// Checks that indices fit into the data on every axis but one.
private func checkLines(_ data: [Int], _ indices: [Int], axis: Int) throws(ModelError) {
    guard data.count == indices.count,
        data.indices.allSatisfy({ $0 == axis || indices[$0] <= data[$0] })
    else {
        throw ModelError(.invalidModel, "indices \(indices) do not fit the data \(data) beside axis \(axis)")
    }
}

/// The element of the data that each index of a GatherElements or ScatterElements stands for.
private func elementPlaces(_ shape: [Int], _ indices: Tensor, axis: Int) throws(ModelError) -> [Int] {
    let strides = contiguousStrides(shape)
    var places = try normalizedIndices(indices, extent: shape[axis])
    for position in places.indices {
        var rest = position
        var place = places[position] * strides[axis]
        for dimension in shape.indices.reversed() {
            if dimension != axis { place += rest % indices.shape[dimension] * strides[dimension] }
            rest /= indices.shape[dimension]
        }
        places[position] = place
    }
    return places
}

/// ONNX `GatherND` (opset 13): slices of the data at coordinates of several axes.
package struct GatherND: MovementOperator {
    private let batchRank: Int

    package init(_ node: Node) throws(ModelError) {
        batchRank = try node.attributes.int("batch_dims", default: 0)
    }

    private func check(_ data: TensorType, _ indices: TensorType) throws(ModelError) -> (shape: [Int], depth: Int) {
        try checkIndices(indices)
        guard let depth = indices.shape.last, batchRank >= 0, batchRank < indices.rank, depth >= 1,
            depth <= data.rank - batchRank, data.shape[..<batchRank] == indices.shape[..<batchRank]
        else {
            throw ModelError(.invalidModel, "indices \(indices) do not fit \(data) with batch_dims \(batchRank)")
        }
        return (Array(indices.shape.dropLast() + data.shape[(batchRank + depth)...]), depth)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let data = try inputs.type(0)
        return [ValueFact(try TensorType(data.elementType, check(data, inputs.type(1)).shape).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let data = try inputs.tensor(0)
        let indices = try inputs.tensor(1)
        let (shape, depth) = try check(data.type, indices.type)
        let places = try slicePlaces(data.shape, indices, depth: depth, batchRank: batchRank)
        let inner = data.shape[(batchRank + depth)...].reduce(1, *)
        let result = ElementMovement.make(data, shape) { source, target, size in
            for (position, place) in places.enumerated() {
                (target + position * inner * size).copyMemory(from: source + place * size, byteCount: inner * size)
            }
        }
        return [.tensor(result)]
    }
}

/// The first element of the slice that each row of indices stands for.
private func slicePlaces(
    _ shape: [Int],
    _ indices: Tensor,
    depth: Int,
    batchRank: Int
) throws(ModelError) -> [Int] {
    let strides = contiguousStrides(shape)
    let coordinates = try indices.integers()
    let rows = indices.shape.dropLast().reduce(1, *)
    let rowsPerBatch = max(1, indices.shape[batchRank..<(indices.rank - 1)].reduce(1, *))
    let batchStride = shape[batchRank...].reduce(1, *)
    var places: [Int] = []
    places.reserveCapacity(rows)
    for row in 0..<rows {
        var place = row / rowsPerBatch * batchStride
        for level in 0..<depth {
            let index = coordinates[row * depth + level]
            let extent = shape[batchRank + level]
            guard index >= -extent, index < extent else {
                throw ModelError(.invalidInput, "the index \(index) is outside -\(extent)..<\(extent)")
            }
            place += (index < 0 ? index + extent : index) * strides[batchRank + level]
        }
        places.append(place)
    }
    return places
}

/// What a scatter does where an element is already there.
enum ScatterReduction: String, Sendable {
    case none, add, mul, max, min

    init(_ attributes: Attributes) throws(ModelError) {
        let name = try attributes.string("reduction", default: "none")
        guard let reduction = ScatterReduction(rawValue: name) else {
            throw ModelError(.invalidModel, "the reduction \"\(name)\"")
        }
        self = reduction
    }

    /// A copy of the data in which runs of updates stand at the given places.
    func scatter(_ updates: Tensor, into data: Tensor, at places: [Int], runLength: Int) throws(ModelError) -> Tensor {
        if self == .none {
            if data.elementType.bitWidth % 8 != 0 {
                let codes = try scatter(
                    ElementMovement.unpacked(updates),
                    into: ElementMovement.unpacked(data),
                    at: places,
                    runLength: runLength
                )
                return ElementMovement.packed(codes, data.elementType)
            }
            return ElementMovement.make(data, data.shape) { source, target, size in
                target.copyMemory(from: source, byteCount: data.byteCount)
                updates.withUnsafeBytes { updates in
                    guard let updates = updates.baseAddress, runLength > 0 else { return }
                    let length = runLength * size
                    for (run, place) in places.enumerated() {
                        (target + place * size).copyMemory(from: updates + run * length, byteCount: length)
                    }
                }
            }
        }
        if data.elementType.isFloatingPoint {
            let combine: (Double, Double) -> Double =
                switch self {
                case .none: { $1 }
                case .add: { $0 + $1 }
                case .mul: { $0 * $1 }
                case .max: { $0.isNaN || $1.isNaN ? .nan : Swift.max($0, $1) }
                case .min: { $0.isNaN || $1.isNaN ? .nan : Swift.min($0, $1) }
                }
            var values = try data.doubles()
            Self.combine(&values, try updates.doubles(), places, runLength, combine)
            return try Tensor(data.type, rounding: values)
        }
        let bias = data.elementType == .uint64 ? Int.min : 0
        let combine: (Int, Int) -> Int =
            switch self {
            case .none: { $1 }
            case .add: { $0 &+ $1 }
            case .mul: { $0 &* $1 }
            case .max: { $0 ^ bias < $1 ^ bias ? $1 : $0 }
            case .min: { $1 ^ bias < $0 ^ bias ? $1 : $0 }
            }
        var values = try data.integers()
        Self.combine(&values, try updates.integers(), places, runLength, combine)
        return try Tensor(data.type, wrapping: values)
    }

    private static func combine<Number>(
        _ values: inout [Number],
        _ updates: [Number],
        _ places: [Int],
        _ runLength: Int,
        _ combine: (Number, Number) -> Number
    ) {
        for (run, place) in places.enumerated() {
            for offset in 0..<runLength {
                values[place + offset] = combine(values[place + offset], updates[run * runLength + offset])
            }
        }
    }
}

/// ONNX `ScatterElements` (opset 18).
package struct ScatterElements: MovementOperator {
    private let axis: Int
    private let reduction: ScatterReduction

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 0)
        reduction = try ScatterReduction(node.attributes)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let data = try inputs.type(0)
        let indices = try inputs.type(1)
        try checkIndices(indices)
        try checkLines(data.shape, indices.shape, axis: normalizedAxis(axis, rank: data.rank))
        guard try inputs.type(2) == TensorType(data.elementType, indices.shape) else {
            throw ModelError(.invalidModel, "updates are \(try inputs.type(2)), the indices \(indices)")
        }
        guard reduction == .none || data.elementType.isNumeric else {
            throw ModelError(.unsupported, "a reduction of \(data.elementType)")
        }
        return [ValueFact(data)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let data = try inputs.tensor(0)
        let places = try elementPlaces(data.shape, inputs.tensor(1), axis: normalizedAxis(axis, rank: data.rank))
        return [.tensor(try reduction.scatter(inputs.tensor(2), into: data, at: places, runLength: 1))]
    }
}

/// ONNX `ScatterND` (opset 18).
package struct ScatterND: MovementOperator {
    private let reduction: ScatterReduction

    package init(_ node: Node) throws(ModelError) {
        reduction = try ScatterReduction(node.attributes)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let data = try inputs.type(0)
        let indices = try inputs.type(1)
        try checkIndices(indices)
        guard let depth = indices.shape.last, depth <= data.rank else {
            throw ModelError(.invalidModel, "indices \(indices) do not fit \(data)")
        }
        let expected = TensorType(data.elementType, Array(indices.shape.dropLast() + data.shape[depth...]))
        guard try inputs.type(2) == expected else {
            throw ModelError(.invalidModel, "updates are \(try inputs.type(2)), expected \(expected)")
        }
        guard reduction == .none || data.elementType.isNumeric else {
            throw ModelError(.unsupported, "a reduction of \(data.elementType)")
        }
        return [ValueFact(data)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let data = try inputs.tensor(0)
        let indices = try inputs.tensor(1)
        let depth = indices.shape.last ?? 0
        let places = try slicePlaces(data.shape, indices, depth: depth, batchRank: 0)
        let inner = data.shape[depth...].reduce(1, *)
        return [.tensor(try reduction.scatter(inputs.tensor(2), into: data, at: places, runLength: inner))]
    }
}

/// ONNX `Compress` (opset 11): the slices along an axis, or the elements, whose condition is true.
package struct Compress: MovementOperator {
    private let axis: Int?

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis")
    }

    private func kept(_ shape: [Int], _ condition: Tensor) throws(ModelError) -> (axis: Int, flat: [Int], kept: [Int]) {
        let flat = axis == nil ? [try checkedProduct(shape)] : shape
        let axis = try normalizedAxis(axis ?? 0, rank: flat.count)
        let flags = try condition.integers()
        guard condition.rank == 1 else { throw ModelError(.invalidModel, "the condition is \(condition.type)") }
        let kept = flags.indices.filter { flags[$0] != 0 }
        if let last = kept.last, last >= flat[axis] {
            throw ModelError(.invalidInput, "the condition selects \(last) of \(flat[axis])")
        }
        return (axis, flat, kept)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        var type = try inputs.type(0)
        guard try inputs.type(1).elementType == .bool else {
            throw ModelError(.invalidModel, "the condition is no bool")
        }
        guard let condition = inputs.value(1) else { return [.dataDependent(type.elementType)] }
        let (axis, flat, kept) = try kept(type.shape, condition)
        type.shape = flat
        type.shape[axis] = kept.count
        return [ValueFact(type)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let (axis, flat, kept) = try kept(input.shape, inputs.tensor(1))
        var shape = flat
        shape[axis] = kept.count
        if shape.contains(0) { return [.tensor(Tensor(zeros: TensorType(input.elementType, shape)))] }
        let maps = flat.indices.map { $0 == axis ? kept : Array(0..<flat[$0]) }
        return [.tensor(ElementMovement.mapped(try input.reshaped(flat), maps: maps))]
    }
}
