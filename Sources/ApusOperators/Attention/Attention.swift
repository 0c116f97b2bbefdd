package import ApusGraph
package import ApusTensor

/// Scaled dot-product attention with heads, masks and a key-value cache.
///
/// - Shapes: Q `[batch, heads, queries, size]` or `[batch, queries, heads * size]`, K and V alike; mask broadcast to
///   `[batch, heads, queries, keys]`; past and present `[batch, heads, positions, size]`.
/// - Source: ONNX Attention, opset 24.
package struct Attention: Operator {
    package let queryHeads: Int?
    package let keyHeads: Int?
    package let scale: Float?
    package let softcap: Float
    package let isCausal: Bool
    /// The state of the scores that output 3 shows, in the order of ONNX's `qk_matmul_output_mode`.
    package let scoresMode: Int
    package let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        let attributes = node.attributes
        queryHeads = try attributes.int("q_num_heads")
        keyHeads = try attributes.int("kv_num_heads")
        scale = try attributes.float("scale")
        softcap = try attributes.float("softcap", default: 0)
        isCausal = try attributes.bool("is_causal", default: false)
        scoresMode = try attributes.int("qk_matmul_output_mode", default: 0)
        outputCount = max(1, node.outputs.count)
        guard outputCount <= 4 else { throw ModelError(.invalidModel, "\(outputCount) outputs") }
        guard (0...3).contains(scoresMode) else {
            throw ModelError(.invalidModel, "qk_matmul_output_mode is \(scoresMode), expected 0 to 3")
        }
    }

    /// Whether Q, K and V hold their heads side by side in the last axis.
    package static func isPacked(_ query: TensorType) -> Bool { query.rank == 3 }

    /// The sizes of a call.
    ///
    /// - Throws: `ModelError` if the operands do not fit together.
    package func problem(
        query: TensorType,
        key: TensorType,
        value: TensorType,
        pastKey: TensorType?,
        pastValue: TensorType?
    ) throws(ModelError) -> AttentionProblem {
        let q = try Self.unpacked(query, heads: queryHeads, "Q")
        let k = try Self.unpacked(key, heads: keyHeads, "K")
        let v = try Self.unpacked(value, heads: keyHeads, "V")
        guard query.rank == key.rank, query.rank == value.rank else {
            throw ModelError(.invalidModel, "Q, K and V have ranks \(query.rank), \(key.rank) and \(value.rank)")
        }
        guard q[0] == k[0], q[0] == v[0], k[1] == v[1], k[2] == v[2], q[3] == k[3] else {
            throw ModelError(.invalidModel, "Q \(q), K \(k) and V \(v) do not fit together")
        }
        guard k[1] > 0, q[1] % k[1] == 0 else {
            throw ModelError(.invalidModel, "\(q[1]) query heads are no multiple of \(k[1]) key heads")
        }
        var past = 0
        if let pastKey, let pastValue {
            guard pastKey.rank == 4, pastValue.rank == 4, pastKey.shape[2] == pastValue.shape[2],
                pastKey.shape == [k[0], k[1], pastKey.shape[2], k[3]],
                pastValue.shape == [v[0], v[1], pastValue.shape[2], v[3]]
            else {
                throw ModelError(.invalidModel, "the past \(pastKey.shape), \(pastValue.shape) does not fit \(k), \(v)")
            }
            past = pastKey.shape[2]
        }
        let (keys, overflow) = past.addingReportingOverflow(k[2])
        guard !overflow else { throw ModelError(.invalidModel, "too many keys") }
        var problem = AttentionProblem(
            batch: q[0],
            queryHeads: q[1],
            keyHeads: k[1],
            queries: q[2],
            keys: keys,
            headSize: q[3],
            valueSize: v[3],
            scale: scale ?? 1 / Float(max(q[3], 1)).squareRoot()
        )
        problem.softcap = softcap
        problem.isCausal = isCausal
        problem.pastKeys = past
        return problem
    }

    private static func outputShape(_ problem: AttentionProblem, _ isPacked: Bool) throws(ModelError) -> [Int] {
        try isPacked
            ? [problem.batch, problem.queries, checkedProduct([problem.queryHeads, problem.valueSize])]
            : [problem.batch, problem.queryHeads, problem.queries, problem.valueSize]
    }

    /// The shape as `[batch, heads, positions, size]`.
    private static func unpacked(_ type: TensorType, heads: Int?, _ name: String) throws(ModelError) -> [Int] {
        if type.rank == 4 { return type.shape }
        guard type.rank == 3, let heads, heads > 0, type.shape[2] % heads == 0 else {
            throw ModelError(
                .invalidModel,
                "\(name) \(type.shape) does not divide into \(heads.map(String.init) ?? "unknown") heads"
            )
        }
        return [type.shape[0], heads, type.shape[1], type.shape[2] / heads]
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent {
            let elements = [element, element, try inputs.elementType(2), element]
            return elements.prefix(outputCount).map { ValueFact.dataDependent($0) }
        }
        let query = try inputs.type(0)
        let key = try inputs.type(1)
        let value = try inputs.type(2)
        let pastKey = try inputs.optionalType(4)
        let pastValue = try inputs.optionalType(5)
        try requireSameType(key, as: query, input: 1)
        try requireReal(value.elementType, input: 2)
        guard (pastKey == nil) == (pastValue == nil) else {
            throw ModelError(.invalidModel, "past_key and past_value are given one without the other")
        }
        if let pastKey { try requireSameType(pastKey, as: key, input: 4) }
        if let pastValue, pastValue.elementType != value.elementType {
            throw ModelError(
                .invalidModel,
                "past_value has type \(pastValue.elementType), expected \(value.elementType)"
            )
        }
        let problem = try problem(query: query, key: key, value: value, pastKey: pastKey, pastValue: pastValue)
        if let mask = try inputs.optionalType(3) {
            guard mask.elementType == .bool || mask.elementType.isReal else {
                throw ModelError(.invalidModel, "the mask has type \(mask.elementType)")
            }
            try AttentionMask.check(mask.shape, problem)
        }
        if let valid = try inputs.optionalType(6) {
            guard valid.elementType == .int64, valid.shape == [problem.batch] else {
                throw ModelError(.invalidModel, "nonpad_kv_seqlen is \(valid), expected int64[\(problem.batch)]")
            }
        }
        let types = [
            TensorType(element, try Self.outputShape(problem, Self.isPacked(query))),
            TensorType(element, [problem.batch, problem.keyHeads, problem.keys, problem.headSize]),
            TensorType(value.elementType, [problem.batch, problem.keyHeads, problem.keys, problem.valueSize]),
            TensorType(element, problem.scoresShape),
        ]
        return try types.prefix(outputCount).map { type throws(ModelError) in ValueFact(try type.validated()) }
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let query = try inputs.tensor(0)
        let key = try inputs.tensor(1)
        let value = try inputs.tensor(2)
        let pastKey = try inputs.optionalTensor(4)
        let pastValue = try inputs.optionalTensor(5)
        let problem = try problem(
            query: query.type,
            key: key.type,
            value: value.type,
            pastKey: pastKey?.type,
            pastValue: pastValue?.type
        )
        let isPacked = Self.isPacked(query.type)
        let presentKey = try present(key, pastKey, problem, problem.headSize, isPacked)
        let presentValue = try present(value, pastValue, problem, problem.valueSize, isPacked)
        func view(_ heads: Int, _ positions: Int, _ size: Int, _ isPacked: Bool) -> AttentionView {
            AttentionView(isPacked: isPacked, heads: heads, positions: positions, size: size)
        }
        var evaluation = AttentionEvaluation(
            problem: problem,
            query: try query.doubles(),
            queryView: view(problem.queryHeads, problem.queries, problem.headSize, isPacked),
            key: presentKey,
            keyView: view(problem.keyHeads, problem.keys, problem.headSize, false),
            value: presentValue,
            valueView: view(problem.keyHeads, problem.keys, problem.valueSize, false)
        )
        evaluation.mask = try inputs.optionalTensor(3).map { mask throws(ModelError) in
            try AttentionMask(mask, problem)
        }
        evaluation.validKeys = try inputs.optionalTensor(6)?.integers().map { max(0, min($0, problem.keys)) }
        let outputType = TensorType(query.elementType, try Self.outputShape(problem, isPacked))
        var output = [Double](repeating: 0, count: outputType.elementCount)
        let wantsScores = outputCount > 3
        let scoresType = TensorType(query.elementType, problem.scoresShape)
        if wantsScores { try context.limits.check(TensorType(.float64, problem.scoresShape)) }
        var scores = [Double](repeating: 0, count: wantsScores ? scoresType.elementCount : 0)
        evaluation.evaluate(
            into: &output,
            view(problem.queryHeads, problem.queries, problem.valueSize, isPacked),
            recording: wantsScores ? AttentionEvaluation.Recorded(rawValue: scoresMode) : nil,
            scores: &scores
        )
        var results = [RuntimeValue.tensor(try Tensor(outputType, rounding: output))]
        let heads = [problem.batch, problem.keyHeads, problem.keys]
        let keyType = TensorType(key.elementType, heads + [problem.headSize])
        let valueType = TensorType(value.elementType, heads + [problem.valueSize])
        if outputCount > 1 { results.append(.tensor(try Tensor(keyType, rounding: presentKey))) }
        if outputCount > 2 { results.append(.tensor(try Tensor(valueType, rounding: presentValue))) }
        if wantsScores { results.append(.tensor(try Tensor(scoresType, rounding: scores))) }
        return results
    }

    /// The past followed by what arrives, as `[batch, heads, keys, size]`.
    private func present(
        _ tensor: Tensor,
        _ past: Tensor?,
        _ problem: AttentionProblem,
        _ size: Int,
        _ isPacked: Bool
    ) throws(ModelError) -> [Double] {
        let arriving = try tensor.doubles()
        if past == nil && !isPacked { return arriving }
        let before = try past?.doubles() ?? []
        let positions = problem.keys - problem.pastKeys
        let view = AttentionView(isPacked: isPacked, heads: problem.keyHeads, positions: positions, size: size)
        var result: [Double] = []
        result.reserveCapacity(problem.batch * problem.keyHeads * problem.keys * size)
        for batch in 0..<problem.batch {
            for head in 0..<problem.keyHeads {
                let item = batch * problem.keyHeads + head
                let pastCount = problem.pastKeys * size
                result += before[item * pastCount..<(item + 1) * pastCount]
                for position in 0..<positions {
                    let start = batch * view.pitches[0] + head * view.pitches[1] + position * view.pitches[2]
                    result += arriving[start..<start + size]
                }
            }
        }
        return result
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        func type(_ index: Int) -> TensorType? { inputs.indices.contains(index) ? inputs[index] : nil }
        guard let query = type(0), let key = type(1), let value = type(2),
            let problem = try? problem(
                query: query,
                key: key,
                value: value,
                pastKey: type(4),
                pastValue: type(5)
            )
        else { return Cost(operations: 0, bytes: 0) }
        return problem.cost(inputs, outputs)
    }
}
