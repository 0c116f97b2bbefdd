package import ApusGraph
package import ApusTensor

extension RuntimeValue {
    /// The values of a sequence.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if it is none.
    func sequence() throws(ModelError) -> [RuntimeValue] {
        guard case .sequence(let values) = self else {
            throw ModelError(.invalidInput, "expected a sequence, found \(kind)")
        }
        return values
    }
}

/// A position in a sequence that may count from the end.
private func position(_ input: RuntimeValue?, count: Int, default value: Int) throws(ModelError) -> Int {
    guard let input else { return value }
    guard let index = try input.tensor().integers().first, index >= -count, index <= count else {
        throw ModelError(.invalidInput, "the position lies outside a sequence of \(count)")
    }
    return index < 0 ? index + count : index
}

/// ONNX `SequenceConstruct` (opset 11).
package struct SequenceConstruct: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.sequence(inputs.compactMap { $0 })]
    }
}

/// ONNX `SequenceEmpty` (opset 11).
package struct SequenceEmpty: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.sequence([])]
    }
}

/// ONNX `SequenceAt` (opset 11).
package struct SequenceAt: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let values = try inputs.required(0).sequence()
        let index = try position(inputs.required(1), count: values.count, default: 0)
        guard values.indices.contains(index) else {
            throw ModelError(.invalidInput, "the position \(index) lies outside a sequence of \(values.count)")
        }
        return [values[index]]
    }
}

/// ONNX `SequenceInsert` (opset 11): at the end by default.
package struct SequenceInsert: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var values = try inputs.required(0).sequence()
        let given = inputs.count > 2 ? inputs[2] : nil
        let index = try position(given, count: values.count, default: values.count)
        values.insert(try inputs.required(1), at: index)
        return [.sequence(values)]
    }
}

/// ONNX `SequenceErase` (opset 11): the last element by default.
package struct SequenceErase: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var values = try inputs.required(0).sequence()
        let given = inputs.count > 1 ? inputs[1] : nil
        let index = try position(given, count: values.count, default: values.count - 1)
        guard values.indices.contains(index) else {
            throw ModelError(.invalidInput, "the position \(index) lies outside a sequence of \(values.count)")
        }
        values.remove(at: index)
        return [.sequence(values)]
    }
}

/// ONNX `SequenceLength` (opset 11).
package struct SequenceLength: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        [ValueFact(TensorType(.int64, []))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.tensor(Tensor(scalar: Int64(try inputs.required(0).sequence().count)))]
    }
}

/// ONNX `ConcatFromSequence` (opset 11): along an axis, or stacked along a new one.
package struct ConcatFromSequence: Operator {
    private let axis: Int
    private let stacks: Bool

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.requiredInt("axis")
        stacks = try node.attributes.bool("new_axis", default: false)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var tensors = try inputs.required(0).sequence().map { value throws(ModelError) in try value.tensor() }
        guard let first = tensors.first else { throw ModelError(.invalidInput, "the sequence is empty") }
        let axis = try normalizedAxis(axis, rank: first.rank + (stacks ? 1 : 0))
        if stacks {
            tensors = try tensors.map { tensor in
                guard tensor.rank == first.rank else {
                    throw ModelError(.invalidInput, "\(tensor.type) cannot be stacked on \(first.type)")
                }
                var shape = tensor.shape
                shape.insert(1, at: axis)
                return try tensor.reshaped(shape)
            }
        }
        var node = Node(operatorType: "Concat", inputs: tensors.map { _ in nil }, outputs: [nil])
        node.attributes["axis"] = .int(Int64(axis))
        let concat = try Concat(node)
        let values = tensors.map { RuntimeValue?.some(.tensor($0)) }
        for fact in try concat.infer(values.map { $0.map(ValueFact.init) }) {
            if let type = fact.type { try context.limits.check(type) }
        }
        return try concat.evaluate(values, context)
    }
}

/// ONNX `SplitToSequence` (opset 24): into parts of given extents, of one extent, or of single elements.
package struct SplitToSequence: Operator {
    private let axis: Int
    private let keepsAxis: Bool

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 0)
        keepsAxis = try node.attributes.bool("keepdims", default: true)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let axis = try normalizedAxis(axis, rank: input.rank)
        let extent = input.shape[axis]
        let split = try inputs.optionalTensor(1)
        var parts: [Int]
        if let split, split.rank > 0 {
            parts = try split.integers()
            var sum = 0
            for part in parts where part >= 0 { sum = try checkedSum(sum, part) }
            guard sum == extent, parts.allSatisfy({ $0 >= 0 }) else {
                throw ModelError(.invalidInput, "\(extent) elements do not split into \(parts)")
            }
        } else {
            let length = try split?.integers().first ?? 1
            guard length > 0 else { throw ModelError(.invalidInput, "parts of \(length) elements") }
            parts = stride(from: 0, to: extent, by: length).map { min(length, extent - $0) }
        }
        var start = 0
        let values = try parts.map { part in
            defer { start += part }
            let tensor = sliced(input, axis: axis, from: start, count: part)
            guard split == nil && !keepsAxis else { return RuntimeValue.tensor(tensor) }
            var shape = tensor.shape
            shape.remove(at: axis)
            return .tensor(try tensor.reshaped(shape))
        }
        return [.sequence(values)]
    }
}

/// ONNX `Optional` (opset 15).
package struct OptionalConstruct: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] { [.opaque] }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.optional(inputs.first ?? nil)]
    }
}

/// ONNX `OptionalHasElement` (opset 18): a value that is no optional is there.
package struct OptionalHasElement: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        [ValueFact(TensorType(.bool, []))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let isThere =
            switch inputs.first ?? nil {
            case nil, .optional(nil)?: false
            default: true
            }
        return [.tensor(try Tensor(TensorType(.bool, []), wrapping: [isThere ? 1 : 0]))]
    }
}

/// ONNX `OptionalGetElement` (opset 18): a value that is no optional passes.
package struct OptionalGetElement: Operator {
    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard let fact = inputs.first ?? nil else { throw ModelError(.invalidModel, "the input is missing") }
        return [fact]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        guard case .optional(let element) = try inputs.required(0) else { return [try inputs.required(0)] }
        guard let element else { throw ModelError(.invalidInput, "the optional is empty") }
        return [element]
    }
}
