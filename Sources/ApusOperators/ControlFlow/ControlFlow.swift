package import ApusGraph
package import ApusTensor

extension Subgraph {
    /// The formal inputs, without those that stand for captured values.
    var formalInputCount: Int { graph.inputs.count - captures.count }

    /// What the body declares about one of its outputs, for shape rules that cannot run it.
    func declaredFact(_ index: Int) -> ValueFact {
        guard graph.outputs.indices.contains(index), case .tensor(let type, _)? = graph[graph.outputs[index]].type
        else { return .opaque }
        return .dataDependent(type)
    }

    fileprivate func check(inputs: Int, outputs: Int) throws(ModelError) {
        guard formalInputCount == inputs, graph.outputs.count == outputs else {
            throw ModelError(
                .invalidModel,
                "the body has \(formalInputCount) inputs and \(graph.outputs.count) outputs,"
                    + " expected \(inputs) and \(outputs)"
            )
        }
    }
}

/// The truth of a condition.
///
/// - Throws: `ModelError` if it is no bool of one element.
private func truth(_ value: RuntimeValue) throws(ModelError) -> Bool {
    let tensor = try value.tensor()
    guard tensor.elementType == .bool, tensor.elementCount == 1, let flag = try tensor.integers().first else {
        throw ModelError(.invalidInput, "the condition is \(tensor.type), expected one bool")
    }
    return flag != 0
}

/// ONNX `If` (opset 25).
package struct If: Operator {
    private let thenBranch: Subgraph
    private let elseBranch: Subgraph
    private let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        thenBranch = try node.attributes.requiredSubgraph("then_branch")
        elseBranch = try node.attributes.requiredSubgraph("else_branch")
        outputCount = node.outputs.count
        try thenBranch.check(inputs: 0, outputs: outputCount)
        try elseBranch.check(inputs: 0, outputs: outputCount)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard try inputs.elementType(0) == .bool else { throw ModelError(.invalidModel, "the condition is no bool") }
        if let condition = inputs.value(0) {
            let branch = try truth(.tensor(condition)) ? thenBranch : elseBranch
            return (0..<outputCount).map(branch.declaredFact)
        }
        return (0..<outputCount).map { index in
            let facts = [thenBranch.declaredFact(index), elseBranch.declaredFact(index)]
            return facts.first { $0.elementType != nil } ?? .opaque
        }
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        try context.evaluateSubgraph(try truth(inputs.required(0)) ? thenBranch : elseBranch, [])
    }
}

/// Collects the values of one scan output and stacks them along a new axis.
private struct ScanOutput {
    private var tensors: [Tensor] = []

    mutating func append(_ value: RuntimeValue) throws(ModelError) {
        let tensor = try value.tensor()
        if let first = tensors.first, first.type != tensor.type {
            throw ModelError(.invalidInput, "an iteration produced \(tensor.type) after \(first.type)")
        }
        tensors.append(tensor)
    }

    /// - Parameter empty: what the body declares, for no iterations at all.
    func stacked(
        axis: Int = 0,
        isReversed: Bool = false,
        empty: ValueType?,
        _ limits: EvaluationLimits
    ) throws(ModelError) -> RuntimeValue {
        guard let first = tensors.first else {
            guard case .tensor(let elementType, let shape)? = empty else {
                throw ModelError(.unsupported, "a scan output without iterations and without a declared type")
            }
            var extents = (shape ?? []).map { if case .known(let extent) = $0 { extent } else { 0 } }
            extents.insert(0, at: try normalizedAxis(axis, rank: extents.count + 1))
            let type = TensorType(elementType, extents)
            try limits.check(type)
            return .tensor(Tensor(zeros: type))
        }
        let axis = try normalizedAxis(axis, rank: first.rank + 1)
        var shape = first.shape
        shape.insert(1, at: axis)
        var whole = shape
        whole[axis] = tensors.count
        try limits.check(TensorType(first.elementType, whole))
        var parts: [Tensor] = []
        for tensor in isReversed ? tensors.reversed() : tensors { parts.append(try tensor.reshaped(shape)) }
        return .tensor(try concatenated(parts, axis: axis))
    }
}

/// ONNX `Loop` (opset 25): `for` and `while` in one, bounded by `EvaluationLimits.maximumIterations`.
///
/// Without a condition input the body's condition is ignored.
package struct Loop: Operator {
    private let body: Subgraph
    private let carriedCount: Int
    private let scanCount: Int

    package init(_ node: Node) throws(ModelError) {
        body = try node.attributes.requiredSubgraph("body")
        carriedCount = max(node.anchorInputs.count - 2, 0)
        scanCount = node.outputs.count - carriedCount
        guard scanCount >= 0 else {
            throw ModelError(.invalidModel, "\(carriedCount) carried values, but \(node.outputs.count) outputs")
        }
        try body.check(inputs: 2 + carriedCount, outputs: 1 + carriedCount + scanCount)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        (0..<carriedCount + scanCount).map { index in
            let declared = body.declaredFact(1 + index)
            guard declared.elementType == nil, index < carriedCount, inputs.indices.contains(2 + index),
                let type = inputs[2 + index]?.elementType
            else { return declared }
            return .dataDependent(type)
        }
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let bound = try inputs.optionalTensor(0)?.integers().first
        var condition = inputs.count > 1 ? inputs[1] : nil
        var carried = try (0..<carriedCount).map { try inputs.required(2 + $0) }
        var scans = [ScanOutput](repeating: ScanOutput(), count: scanCount)
        var iteration = 0
        while try iteration < bound ?? Int.max && condition.map({ value in try truth(value) }) ?? true {
            try context.limits.checkCancellation()
            guard iteration < context.limits.maximumIterations else {
                throw ModelError(.limitExceeded, "the loop exceeds \(context.limits.maximumIterations) iterations")
            }
            let going = try condition ?? .tensor(Tensor(TensorType(.bool, []), wrapping: [1]))
            let results = try context.evaluateSubgraph(
                body,
                [.tensor(Tensor(scalar: Int64(iteration))), going] + carried
            )
            guard results.count == 1 + carriedCount + scanCount else {
                throw ModelError(.invalidModel, "the body produced \(results.count) values")
            }
            if condition != nil { condition = results[0] }
            carried = Array(results[1..<1 + carriedCount])
            for index in 0..<scanCount { try scans[index].append(results[1 + carriedCount + index]) }
            iteration += 1
        }
        let stacks = try scans.enumerated().map { index, scan in
            let type = body.graph[body.graph.outputs[1 + carriedCount + index]].type
            return try scan.stacked(empty: type, context.limits)
        }
        return carried + stacks
    }
}

/// ONNX `Scan` (opset 25): a body over the slices of its scan inputs, with carried state.
package struct Scan: Operator {
    private let body: Subgraph
    private let stateCount: Int
    private let inputCount: Int
    private let outputCount: Int
    private let inputAxes: [Int]
    private let outputAxes: [Int]
    private let inputDirections: [Int]
    private let outputDirections: [Int]

    package init(_ node: Node) throws(ModelError) {
        body = try node.attributes.requiredSubgraph("body")
        inputCount = try node.attributes.requiredInt("num_scan_inputs")
        let count = node.anchorInputs.count
        guard inputCount >= 1, inputCount <= count, node.outputs.count >= count - inputCount else {
            throw ModelError(.invalidModel, "\(inputCount) scan inputs among \(count) inputs")
        }
        stateCount = count - inputCount
        outputCount = node.outputs.count - stateCount
        try body.check(inputs: count, outputs: node.outputs.count)
        func list(_ name: String, _ count: Int) throws(ModelError) -> [Int] {
            let values = try node.attributes.ints(name) ?? [Int](repeating: 0, count: count)
            guard values.count == count else {
                throw ModelError(.invalidModel, "\(name) has \(values.count) elements, expected \(count)")
            }
            return values
        }
        inputAxes = try list("scan_input_axes", inputCount)
        inputDirections = try list("scan_input_directions", inputCount)
        outputAxes = try list("scan_output_axes", outputCount)
        outputDirections = try list("scan_output_directions", outputCount)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        (0..<stateCount + outputCount).map { index in
            let declared = body.declaredFact(index)
            guard declared.elementType == nil, index < stateCount, let type = inputs[index]?.elementType else {
                return declared
            }
            return .dataDependent(type)
        }
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var state = try (0..<stateCount).map { try inputs.required($0) }
        let sources = try (0..<inputCount).map { try inputs.tensor(stateCount + $0) }
        let axes = try zip(sources, inputAxes).map { try normalizedAxis($1, rank: $0.rank) }
        let lengths = Set(zip(sources, axes).map { $0.shape[$1] })
        guard lengths.count == 1, let length = lengths.first else {
            throw ModelError(.invalidInput, "the scan inputs have different lengths, \(lengths.sorted())")
        }
        guard length <= context.limits.maximumIterations else {
            throw ModelError(.limitExceeded, "the scan exceeds \(context.limits.maximumIterations) iterations")
        }
        var scans = [ScanOutput](repeating: ScanOutput(), count: outputCount)
        for iteration in 0..<length {
            try context.limits.checkCancellation()
            let slices = try sources.indices.map { index in
                let place = inputDirections[index] == 0 ? iteration : length - 1 - iteration
                let slice = sliced(sources[index], axis: axes[index], from: place, count: 1)
                var shape = slice.shape
                shape.remove(at: axes[index])
                return RuntimeValue.tensor(try slice.reshaped(shape))
            }
            let results = try context.evaluateSubgraph(body, state + slices)
            guard results.count == stateCount + outputCount else {
                throw ModelError(.invalidModel, "the body produced \(results.count) values")
            }
            state = Array(results[..<stateCount])
            for index in 0..<outputCount { try scans[index].append(results[stateCount + index]) }
        }
        let stacks = try scans.enumerated().map { index, scan in
            try scan.stacked(
                axis: outputAxes[index],
                isReversed: outputDirections[index] != 0,
                empty: body.graph[body.graph.outputs[stateCount + index]].type,
                context.limits
            )
        }
        return state + stacks
    }
}
