package import ApusGraph
package import ApusTensor

/// ONNX `Transpose` (opset 25): axes in another order, reversed by default.
package struct Transpose: MovementOperator {
    private let permutation: [Int]?

    package init(_ node: Node) throws(ModelError) {
        permutation = try node.attributes.ints("perm")
    }

    /// The input axis of each output axis.
    package func order(rank: Int) throws(ModelError) -> [Int] {
        guard let permutation else { return Array((0..<rank).reversed()) }
        guard permutation.sorted() == Array(0..<rank) else {
            throw ModelError(.invalidModel, "perm \(permutation) is no permutation of \(rank) axes")
        }
        return permutation
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        return [ValueFact(TensorType(type.elementType, try order(rank: type.rank).map { type.shape[$0] }))]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let order = try order(rank: input.rank)
        let strides = contiguousStrides(input.shape)
        let result = ElementMovement.strided(input, order.map { input.shape[$0] }, strides: order.map { strides[$0] })
        return [.tensor(result)]
    }
}

/// ONNX `DepthToSpace` (opset 13): blocks of channels become blocks of pixels.
package struct DepthToSpace: MovementOperator {
    private let block: Int
    private let isColumnRowDepth: Bool

    package init(_ node: Node) throws(ModelError) {
        block = try node.attributes.requiredInt("blocksize")
        let mode = try node.attributes.string("mode", default: "DCR")
        guard block > 0, mode == "DCR" || mode == "CRD" else {
            throw ModelError(.invalidModel, "blocksize \(block), mode \"\(mode)\"")
        }
        isColumnRowDepth = mode == "CRD"
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        let shape = type.shape
        let (square, overflow) = block.multipliedReportingOverflow(by: block)
        guard shape.count == 4, !overflow, shape[1] % square == 0 else {
            throw ModelError(.invalidModel, "\(type) has not four axes and a multiple of \(block)² channels")
        }
        let height = try checkedProduct([shape[2], block])
        let width = try checkedProduct([shape[3], block])
        return [ValueFact(try TensorType(type.elementType, [shape[0], shape[1] / square, height, width]).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let (n, c, h, w) = (input.shape[0], input.shape[1] / (block * block), input.shape[2], input.shape[3])
        let plane = h * w
        let (channel, row, column) =
            isColumnRowDepth
            ? (block * block * plane, block * plane, plane) : (plane, block * c * plane, c * plane)
        let moved = ElementMovement.strided(
            input,
            [n, c, h, block, w, block],
            strides: [input.shape[1] * plane, channel, w, row, 1, column]
        )
        return [.tensor(try moved.reshaped([n, c, h * block, w * block]))]
    }
}

/// ONNX `SpaceToDepth` (opset 13): blocks of pixels become channels.
package struct SpaceToDepth: MovementOperator {
    private let block: Int

    package init(_ node: Node) throws(ModelError) {
        block = try node.attributes.requiredInt("blocksize")
        guard block > 0 else { throw ModelError(.invalidModel, "blocksize \(block)") }
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        let shape = type.shape
        guard shape.count == 4, shape[2] % block == 0, shape[3] % block == 0 else {
            throw ModelError(.invalidModel, "\(type) has not four axes and a multiple of \(block) rows and columns")
        }
        let depth = try checkedProduct([shape[1], block, block])
        let result = TensorType(type.elementType, [shape[0], depth, shape[2] / block, shape[3] / block])
        return [ValueFact(try result.validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let (n, c, h, w) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3])
        let moved = ElementMovement.strided(
            input,
            [n, block, block, c, h / block, w / block],
            strides: [c * h * w, w, 1, h * w, block * w, block]
        )
        return [.tensor(try moved.reshaped([n, c * block * block, h / block, w / block]))]
    }
}

/// ONNX `Expand` (opset 13): broadcasts to the common shape of the input and the given one.
package struct Expand: MovementOperator {
    package init(_ node: Node) throws(ModelError) {}

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        _ = try inputs.type(1)
        guard let shape = try inputs.knownIntegers(1) else { return [.dataDependent(type.elementType)] }
        try TensorType(type.elementType, shape).validated()
        return [ValueFact(try TensorType(type.elementType, broadcastShape([type.shape, shape])).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let shape = try broadcastShape([input.shape, inputs.tensor(1).integers()])
        let strides = broadcastStrides(input.shape, to: shape)
        return [.tensor(ElementMovement.strided(input, shape, strides: strides))]
    }
}

/// ONNX `Tile` (opset 13): repeats the input along every axis.
package struct Tile: MovementOperator {
    package init(_ node: Node) throws(ModelError) {}

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        guard try inputs.type(1).shape == [type.rank] else {
            throw ModelError(.invalidModel, "repeats must have \(type.rank) elements")
        }
        guard let repeats = try inputs.knownIntegers(1) else { return [.dataDependent(type.elementType)] }
        var shape: [Int] = []
        for (extent, count) in zip(type.shape, repeats) { shape.append(try checkedProduct([extent, count])) }
        guard repeats.allSatisfy({ $0 >= 0 }) else { throw ModelError(.invalidModel, "repeats \(repeats)") }
        return [ValueFact(try TensorType(type.elementType, shape).validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let repeats = try inputs.tensor(1).integers()
        let strides = contiguousStrides(input.shape)
        let moved = ElementMovement.strided(
            input,
            zip(repeats, input.shape).flatMap { [$0, $1] },
            strides: strides.flatMap { [0, $0] }
        )
        return [.tensor(try moved.reshaped(zip(repeats, input.shape).map { $0 * $1 }))]
    }
}

/// ONNX `Trilu` (opset 14): keeps the upper or lower triangle of the last two axes, zeros elsewhere.
package struct Trilu: MovementOperator {
    private let isUpper: Bool

    package init(_ node: Node) throws(ModelError) {
        isUpper = try node.attributes.bool("upper", default: true)
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        guard type.rank >= 2 else { throw ModelError(.invalidModel, "\(type) has fewer than two axes") }
        if let k = try inputs.optionalType(1), k.elementCount != 1 {
            throw ModelError(.invalidModel, "k has the shape \(k.shape), expected a scalar")
        }
        return [ValueFact(type)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let k = try inputs.optionalTensor(1)?.integers().first ?? 0
        let (rows, columns) = (input.shape[input.rank - 2], input.shape[input.rank - 1])
        let diagonal = min(max(k, -rows), columns)
        let result = ElementMovement.gathered(input, input.shape) { position in
            let column = position % columns
            let row = position / columns % rows
            let isKept = isUpper ? column - row >= diagonal : column - row <= diagonal
            return isKept ? position : -1
        }
        return [.tensor(result)]
    }
}

/// ONNX `ReverseSequence` (opset 10): reverses the first elements of each sequence of a batch.
package struct ReverseSequence: MovementOperator {
    private let batchAxis: Int
    private let timeAxis: Int

    package init(_ node: Node) throws(ModelError) {
        batchAxis = try node.attributes.int("batch_axis", default: 1)
        timeAxis = try node.attributes.int("time_axis", default: 0)
        guard Set([batchAxis, timeAxis]) == [0, 1] else {
            throw ModelError(.invalidModel, "batch_axis \(batchAxis) and time_axis \(timeAxis) are not 0 and 1")
        }
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        guard type.rank >= 2, try inputs.type(1).shape == [type.shape[batchAxis]] else {
            throw ModelError(.invalidModel, "\(type) needs two axes and a sequence length for each batch")
        }
        return [ValueFact(type)]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let lengths = try inputs.tensor(1).integers()
        for length in lengths where length < 0 || length > input.shape[timeAxis] {
            throw ModelError(.invalidInput, "the sequence length \(length) is outside 0...\(input.shape[timeAxis])")
        }
        let strides = contiguousStrides(input.shape)
        let shape = input.shape
        let result = ElementMovement.gathered(input, shape) { position in
            let batch = position / strides[batchAxis] % shape[batchAxis]
            let time = position / strides[timeAxis] % shape[timeAxis]
            guard time < lengths[batch] else { return position }
            return position + (lengths[batch] - 1 - 2 * time) * strides[timeAxis]
        }
        return [.tensor(result)]
    }
}
