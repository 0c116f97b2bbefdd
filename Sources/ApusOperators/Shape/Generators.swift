package import ApusGraph
package import ApusTensor
import Glibc

/// ONNX `Shape` (opset 25): the extents of the axes `start..<end`, known from the type alone.
package struct ShapeOf: Operator {
    private let start: Int
    private let end: Int?

    package init(_ node: Node) throws(ModelError) {
        start = try node.attributes.int("start", default: 0)
        end = try node.attributes.int("end")
    }

    private func extents(_ shape: [Int]) -> Tensor {
        func position(_ axis: Int) -> Int { min(max(axis < 0 ? axis + shape.count : axis, 0), shape.count) }
        let (first, last) = (position(start), position(end ?? shape.count))
        return Tensor(vector: first < last ? shape[first..<last].map { Int64($0) } : [])
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard let type = inputs.first.flatMap({ $0?.type }) else { return [.dataDependent(.int64)] }
        let value = extents(type.shape)
        return [.tensor(value.type, value)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        if case .strings(let strings) = try inputs.required(0) { return [.tensor(extents(strings.shape))] }
        return [.tensor(extents(try inputs.tensor(0).shape))]
    }
}

/// ONNX `Size` (opset 25): the count of elements, known from the type alone.
package struct SizeOf: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard let type = inputs.first.flatMap({ $0?.type }) else { return [ValueFact(TensorType(.int64, []))] }
        return [.tensor(TensorType(.int64, []), Tensor(scalar: Int64(type.elementCount)))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        if case .strings(let strings) = try inputs.required(0) {
            return [.tensor(Tensor(scalar: Int64(strings.elements.count)))]
        }
        return [.tensor(Tensor(scalar: Int64(try inputs.tensor(0).elementCount)))]
    }
}

/// ONNX `Constant` (opset 25).
package struct Constant: Operator {
    private let value: RuntimeValue

    package init(_ node: Node) throws(ModelError) {
        let known = [
            "value", "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings",
        ]
        let given = known.compactMap { node.attributes[$0] }
        guard given.count == 1, let attribute = given.first else {
            throw ModelError(.unsupported, "expected one of the attributes \(known.joined(separator: ", "))")
        }
        switch attribute {
        case .tensor(let tensor): value = .tensor(tensor)
        case .stringTensor(let strings): value = .strings(strings)
        case .float(let number): value = .tensor(Tensor(scalar: number))
        case .floats(let numbers): value = .tensor(Tensor(vector: numbers))
        case .int(let number): value = .tensor(Tensor(scalar: number))
        case .ints(let numbers): value = .tensor(Tensor(vector: numbers))
        case .string(let bytes): value = .strings(try StringTensor(shape: [], [bytes]))
        case .strings(let strings): value = .strings(try StringTensor(shape: [strings.count], strings))
        default: throw ModelError(.invalidModel, "the value is no tensor")
        }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [ValueFact(value)] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] { [value] }
}

/// ONNX `ConstantOfShape` (opset 25).
package struct ConstantOfShape: Operator {
    /// The one element that fills the result.
    package let value: Tensor

    package init(_ node: Node) throws(ModelError) {
        value = try node.attributes.tensor("value") ?? Tensor(scalar: Float(0))
        guard value.elementCount == 1 else {
            throw ModelError(.invalidModel, "the value is \(value.type), expected one element")
        }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.isDataDependent { return [.dataDependent(value.elementType)] }
        _ = try inputs.type(0)
        guard let shape = try inputs.knownIntegers(0) else { return [.dataDependent(value.elementType)] }
        return [ValueFact(try TensorType(value.elementType, shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let shape = try inputs.tensor(0).integers()
        let scalar = try value.reshaped([])
        return [.tensor(ElementMovement.strided(scalar, shape, strides: shape.map { _ in 0 }))]
    }
}

/// ONNX `Range` (opset 11): `start`, `start + delta`, ... before `limit`.
package struct RangeOperator: Operator {
    package init(_ node: Node) throws(ModelError) {}

    private func count(_ bounds: [Tensor]) throws(ModelError) -> Int {
        guard bounds.allSatisfy({ $0.elementCount == 1 && $0.elementType == bounds[0].elementType }) else {
            throw ModelError(.invalidModel, "the bounds are \(bounds.map(\.type)), expected scalars of one type")
        }
        if bounds[0].elementType.isFloatingPoint {
            let (start, limit, delta) = (
                try bounds[0].doubles()[0], try bounds[1].doubles()[0], try bounds[2].doubles()[0]
            )
            guard delta != 0, let count = Int(exactly: Glibc.ceil((limit - start) / delta)) else {
                throw ModelError(.invalidInput, "a range from \(start) to \(limit) by \(delta)")
            }
            return max(count, 0)
        }
        let (start, limit, delta) = (
            try bounds[0].integers()[0], try bounds[1].integers()[0], try bounds[2].integers()[0]
        )
        guard delta != 0 else { throw ModelError(.invalidInput, "a range with the step 0") }
        guard delta > 0 ? start < limit : start > limit else { return 0 }
        let distance = delta > 0 ? UInt(bitPattern: limit &- start) : UInt(bitPattern: start &- limit)
        guard let count = Int(exactly: (distance - 1) / delta.magnitude) else {
            throw ModelError(.limitExceeded, "a range from \(start) to \(limit)")
        }
        return try checkedSum(count, 1)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(0)
        guard elementType.isFloatingPoint || elementType.isInteger else {
            throw ModelError(.invalidModel, "a range of \(elementType)")
        }
        guard let start = inputs.value(0), let limit = inputs.value(1), let delta = inputs.value(2) else {
            for index in 0...2 { _ = try inputs.elementType(index) }
            return [.dataDependent(elementType)]
        }
        return [ValueFact(try TensorType(elementType, [count([start, limit, delta])]).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let bounds = [try inputs.tensor(0), try inputs.tensor(1), try inputs.tensor(2)]
        let type = TensorType(bounds[0].elementType, [try count(bounds)])
        if type.elementType.isFloatingPoint {
            let (start, delta) = (try bounds[0].doubles()[0], try bounds[2].doubles()[0])
            return [.tensor(try Tensor(type, rounding: (0..<type.elementCount).map { start + Double($0) * delta }))]
        }
        let (start, delta) = (try bounds[0].integers()[0], try bounds[2].integers()[0])
        return [.tensor(try Tensor(type, wrapping: (0..<type.elementCount).map { start &+ $0 &* delta }))]
    }
}

/// ONNX `EyeLike` (opset 22): ones on a diagonal of a matrix of the input's shape.
package struct EyeLike: Operator {
    private let diagonal: Int
    private let target: ElementType?

    package init(_ node: Node) throws(ModelError) {
        diagonal = try node.attributes.int("k", default: 0)
        if let code = try node.attributes.int("dtype") { target = try elementType(code: code) } else { target = nil }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        var elementType = try inputs.elementType(0)
        if let target { elementType = target }
        guard elementType.isNumeric else { throw ModelError(.unsupported, "a unit matrix of \(elementType)") }
        if inputs.isDataDependent { return [.dataDependent(elementType)] }
        let type = try inputs.type(0)
        guard type.rank == 2 else { throw ModelError(.invalidModel, "\(type) is no matrix") }
        return [ValueFact(try TensorType(elementType, type.shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let (rows, columns) = (input.shape[0], input.shape[1])
        var values = [Int](repeating: 0, count: input.elementCount)
        for row in 0..<rows {
            let (column, overflow) = row.addingReportingOverflow(diagonal)
            if !overflow, column >= 0, column < columns { values[row * columns + column] = 1 }
        }
        return [.tensor(try Tensor(TensorType(target ?? input.elementType, input.shape), wrapping: values))]
    }
}

/// ONNX `OneHot` (opset 11): the on value at each index along a new axis, the off value elsewhere.
package struct OneHot: Operator {
    private let axis: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: -1)
    }

    private func depth(_ tensor: Tensor) throws(ModelError) -> Int {
        guard tensor.elementCount == 1, let depth = try tensor.doubles().first,
            let exact = Int(exactly: depth.rounded(.towardZero)), exact >= 0
        else {
            throw ModelError(.invalidInput, "the depth is \(tensor.type), expected one number that is not negative")
        }
        return exact
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(2)
        if inputs.isDataDependent { return [.dataDependent(elementType)] }
        let indices = try inputs.type(0)
        guard indices.elementType.isNumeric, try inputs.type(2).shape == [2] else {
            throw ModelError(.invalidModel, "indices are \(indices), values \(try inputs.type(2))")
        }
        let axis = try normalizedAxis(axis, rank: indices.rank + 1)
        guard let depthValue = inputs.value(1) else {
            _ = try inputs.type(1)
            return [.dataDependent(elementType)]
        }
        var shape = indices.shape
        shape.insert(try depth(depthValue), at: axis)
        return [ValueFact(try TensorType(elementType, shape).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let indices = try inputs.tensor(0)
        let axis = try normalizedAxis(axis, rank: indices.rank + 1)
        let depth = try depth(inputs.tensor(1))
        let hot = try indices.doubles()
        let inner = indices.shape[axis...].reduce(1, *)
        var shape = indices.shape
        shape.insert(depth, at: axis)
        let result = ElementMovement.gathered(try inputs.tensor(2), shape) { position in
            let index = hot[position / (inner * depth) * inner + position % inner]
            let level = position / inner % depth
            return (index < 0 ? index + Double(depth) : index) == Double(level) ? 1 : 0
        }
        return [.tensor(result)]
    }
}

/// ONNX `NonZero` (opset 13): the coordinates of the elements that are not zero, one row an axis.
package struct NonZero: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard try inputs.elementType(0).isNumeric else {
            throw ModelError(.unsupported, "\(try inputs.elementType(0)) is not numeric")
        }
        return [.dataDependent(.int64)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let values = try input.doubles()
        let places = values.indices.filter { values[$0] != 0 }
        let strides = contiguousStrides(input.shape)
        let type = TensorType(.int64, [input.rank, places.count])
        try context.limits.check(type)
        let rows = zip(input.shape, strides).flatMap { extent, stride in places.map { $0 / stride % extent } }
        return [.tensor(try Tensor(type, wrapping: rows))]
    }
}
