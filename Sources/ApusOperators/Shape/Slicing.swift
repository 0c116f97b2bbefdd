package import ApusGraph
package import ApusTensor

/// ONNX `Concat` (opset 13).
package struct Concat: MovementOperator {
    private let axis: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.requiredInt("axis")
        guard !node.anchorInputs.isEmpty else { throw ModelError(.invalidModel, "no inputs") }
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        var result = try inputs.type(0)
        let axis = try normalizedAxis(axis, rank: result.rank)
        for index in inputs.indices.dropFirst() {
            let type = try inputs.type(index)
            var expected = result
            guard type.rank == result.rank else {
                throw ModelError(.invalidModel, "\(type) does not continue \(result)")
            }
            expected.shape[axis] = type.shape[axis]
            guard type == expected else {
                throw ModelError(.invalidModel, "\(type) does not continue \(result) along axis \(axis)")
            }
            result.shape[axis] = try checkedSum(result.shape[axis], type.shape[axis])
        }
        return [ValueFact(try result.validated())]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        var tensors: [Tensor] = []
        for index in inputs.indices { tensors.append(try inputs.tensor(index)) }
        return [.tensor(try concatenated(tensors, axis: axis))]
    }
}

/// Tensors of one element type after one another along an axis; their other extents must agree.
func concatenated(_ tensors: [Tensor], axis: Int) throws(ModelError) -> Tensor {
    guard let first = tensors.first else { throw ModelError(.invalidModel, "nothing to concatenate") }
    let axis = try normalizedAxis(axis, rank: first.rank)
    if first.elementType.bitWidth % 8 != 0 {
        return ElementMovement.packed(
            try concatenated(tensors.map(ElementMovement.unpacked), axis: axis),
            first.elementType
        )
    }
    var type = first.type
    type.shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
    let outer = type.shape[..<axis].reduce(1, *)
    let inner = type.shape[(axis + 1)...].reduce(1, *) * type.elementType.bitWidth / 8
    let rowLength = type.shape[axis] * inner
    return Tensor(type) { bytes in
        guard let target = bytes.baseAddress, !bytes.isEmpty else { return }
        var column = 0
        for tensor in tensors {
            let length = tensor.shape[axis] * inner
            tensor.withUnsafeBytes { source in
                guard let source = source.baseAddress, length > 0 else { return }
                for row in 0..<outer {
                    (target + row * rowLength + column).copyMemory(from: source + row * length, byteCount: length)
                }
            }
            column += length
        }
    }
}

/// A part of a tensor along one axis.
func sliced(_ input: Tensor, axis: Int, from start: Int, count: Int) -> Tensor {
    let strides = contiguousStrides(input.shape)
    var shape = input.shape
    shape[axis] = count
    return ElementMovement.strided(input, shape, strides: strides, offset: start * strides[axis])
}

/// ONNX `Split` (opset 18).
package struct Split: MovementOperator {
    private let axis: Int
    let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 0)
        outputCount = node.outputs.count
        guard outputCount > 0 else { throw ModelError(.invalidModel, "no outputs") }
        if let count = try node.attributes.int("num_outputs"), count != outputCount {
            throw ModelError(.invalidModel, "num_outputs is \(count), but the node has \(outputCount) outputs")
        }
    }

    /// The extents of the parts; without `split` all are equal but for a smaller last one.
    private func parts(_ extent: Int, _ split: [Int]?) throws(ModelError) -> [Int] {
        guard let split else {
            let part = (extent + outputCount - 1) / outputCount
            let rest = extent - part * (outputCount - 1)
            guard rest >= 0 else {
                throw ModelError(.invalidModel, "\(extent) elements do not split into \(outputCount) parts")
            }
            return [Int](repeating: part, count: outputCount - 1) + [rest]
        }
        var sum = 0
        for part in split {
            guard part >= 0 else { throw ModelError(.invalidModel, "a part of \(part) elements") }
            sum = try checkedSum(sum, part)
        }
        guard sum == extent, split.count == outputCount else {
            throw ModelError(.invalidModel, "\(extent) elements do not split into \(split) for \(outputCount) outputs")
        }
        return split
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        let axis = try normalizedAxis(axis, rank: type.rank)
        let split = try inputs.knownIntegers(1)
        if inputs.has(1) && split == nil {
            return [ValueFact](repeating: .dataDependent(type.elementType), count: outputCount)
        }
        return try parts(type.shape[axis], split).map { part in
            var result = type
            result.shape[axis] = part
            return ValueFact(result)
        }
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let axis = try normalizedAxis(axis, rank: input.rank)
        var start = 0
        return try parts(input.shape[axis], inputs.optionalTensor(1)?.integers()).map { part in
            defer { start += part }
            return .tensor(sliced(input, axis: axis, from: start, count: part))
        }
    }
}

/// ONNX `Slice` (opset 13).
package struct Slice: MovementOperator {
    package init(_ node: Node) throws(ModelError) {}

    /// One axis of a slice; `count` elements `step` apart.
    private struct Part {
        var start = 0
        var step = 1
        var count: Int
    }

    private func parts(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Part]? {
        for index in 1...2 { _ = try inputs.type(index) }
        guard let starts = try inputs.knownIntegers(1), let ends = try inputs.knownIntegers(2) else { return nil }
        let givenAxes = try inputs.knownIntegers(3)
        let givenSteps = try inputs.knownIntegers(4)
        if inputs.has(3) && givenAxes == nil || inputs.has(4) && givenSteps == nil { return nil }
        let axes = try normalizedAxes(givenAxes ?? Array(starts.indices), rank: shape.count)
        let steps = givenSteps ?? starts.map { _ in 1 }
        guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count else {
            throw ModelError(.invalidModel, "starts, ends, axes and steps differ in length")
        }
        var parts = shape.map { Part(count: $0) }
        for (index, axis) in axes.enumerated() {
            let extent = shape[axis]
            let step = steps[index]
            guard step != 0 else { throw ModelError(.invalidModel, "a step of 0") }
            let bounds = step > 0 ? 0...extent : -1...(extent - 1)
            func clamped(_ position: Int) -> Int {
                min(max(position < 0 ? position + extent : position, bounds.lowerBound), bounds.upperBound)
            }
            let start = clamped(starts[index])
            let end = clamped(ends[index])
            let distance = step > 0 ? end - start : start - end
            let count = distance <= 0 ? 0 : (distance - 1) / Int(clamping: step.magnitude) + 1
            parts[axis] = Part(start: count > 0 ? start : 0, step: count > 1 ? step : 1, count: count)
        }
        return parts
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        guard let parts = try parts(type.shape, inputs) else { return [.dataDependent(type.elementType)] }
        return [ValueFact(TensorType(type.elementType, parts.map(\.count)))]
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard let parts = try parts(input.shape, inputs.map { $0.map(ValueFact.init) }) else {
            throw ModelError(.invalidModel, "starts or ends are missing")
        }
        let strides = contiguousStrides(input.shape)
        let result = ElementMovement.strided(
            input,
            parts.map(\.count),
            strides: zip(strides, parts).map { $0 * $1.step },
            offset: zip(strides, parts).reduce(0) { $0 + $1.0 * $1.1.start }
        )
        return [.tensor(result)]
    }
}

/// ONNX `Pad` (opset 25); negative pads crop.
package struct Pad: MovementOperator {
    private enum Mode: String {
        case constant, reflect, edge, wrap
    }

    private let mode: Mode

    package init(_ node: Node) throws(ModelError) {
        let name = try node.attributes.string("mode", default: "constant")
        guard let mode = Mode(rawValue: name) else { throw ModelError(.invalidModel, "the mode \"\(name)\"") }
        self.mode = mode
    }

    /// The extents before and after each axis.
    private func pads(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [(before: Int, after: Int)]? {
        _ = try inputs.type(1)
        guard let pads = try inputs.knownIntegers(1) else { return nil }
        let given = try inputs.knownIntegers(3)
        if inputs.has(3) && given == nil { return nil }
        let axes = try normalizedAxes(given ?? Array(shape.indices), rank: shape.count)
        guard pads.count == 2 * axes.count else {
            throw ModelError(.invalidModel, "expected \(2 * axes.count) pads, found \(pads.count)")
        }
        var result = [(before: Int, after: Int)](repeating: (0, 0), count: shape.count)
        for (index, axis) in axes.enumerated() {
            let (before, after) = (pads[index], pads[axes.count + index])
            guard try checkedSum(shape[axis], before, after) >= 0 else {
                throw ModelError(.invalidModel, "pads \(pads) crop more than the shape \(shape) has")
            }
            if mode != .constant && (before > 0 || after > 0) && shape[axis] == 0 {
                throw ModelError(.invalidModel, "an empty axis has no elements to pad with")
            }
            result[axis] = (before, after)
        }
        return result
    }

    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        if let fill = try inputs.optionalType(2), fill.elementCount != 1 || fill.elementType != type.elementType {
            throw ModelError(.invalidModel, "constant_value is \(fill), expected one \(type.elementType)")
        }
        guard let pads = try pads(type.shape, inputs) else { return [.dataDependent(type.elementType)] }
        let shape = zip(type.shape, pads).map { $0 + $1.before + $1.after }
        return [ValueFact(try TensorType(type.elementType, shape).validated())]
    }

    /// The input coordinate of each output coordinate, -1 for the constant.
    private func map(_ extent: Int, _ before: Int, _ after: Int) -> [Int] {
        (0..<extent + before + after).map { position in
            let coordinate = position - before
            if coordinate >= 0 && coordinate < extent { return coordinate }
            switch mode {
            case .constant: return -1
            case .edge: return min(max(coordinate, 0), extent - 1)
            case .wrap: return (coordinate % extent + extent) % extent
            case .reflect:
                guard extent > 1 else { return 0 }
                let period = 2 * (extent - 1)
                let phase = (coordinate % period + period) % period
                return phase < extent ? phase : period - phase
            }
        }
    }

    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard let pads = try pads(input.shape, inputs.map { $0.map(ValueFact.init) }) else {
            throw ModelError(.invalidModel, "pads are missing")
        }
        let fill = try inputs.optionalTensor(2) ?? Tensor(zeros: TensorType(input.elementType, []))
        if input.rank == 0 { return [.tensor(input)] }
        let shape = zip(input.shape, pads).map { $0 + $1.before + $1.after }
        if shape.contains(0) { return [.tensor(Tensor(zeros: TensorType(input.elementType, shape)))] }
        let maps = zip(input.shape, pads).map { map($0, $1.before, $1.after) }
        return [.tensor(ElementMovement.mapped(input, maps: maps, fill: fill))]
    }
}
