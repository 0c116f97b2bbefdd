package import ApusGraph
package import ApusTensor

/// `apus.Attention`: attention over operands that lie in larger tensors, made by a compiler pass.
///
/// Inputs are the tensors that hold query, key and value, and an optional mask as `Attention` takes it. The attributes
/// `query`, `key`, `value` and `result` say where the operands lie (`AttentionView`); `extents` holds batch, query heads,
/// key heads, queries, keys, head size and value size; `shape` is the shape of the output.
package struct AttentionNode: Operator {
    package let problem: AttentionProblem
    package let query: AttentionView
    package let key: AttentionView
    package let value: AttentionView
    package let result: AttentionView
    package let shape: [Int]

    package init(_ node: Node) throws(ModelError) {
        let attributes = node.attributes
        guard let extents = try attributes.ints("extents"), extents.count == 7, extents.allSatisfy({ $0 > 0 }),
            let shape = try attributes.ints("shape"), let scale = try attributes.float("scale"),
            extents[1] % extents[2] == 0, node.outputs.count == 1
        else { throw ModelError(.invalidModel, "the extents, the shape or the scale are missing or wrong") }
        problem = AttentionProblem(
            batch: extents[0],
            queryHeads: extents[1],
            keyHeads: extents[2],
            queries: extents[3],
            keys: extents[4],
            headSize: extents[5],
            valueSize: extents[6],
            scale: scale
        )
        self.shape = shape
        query = try AttentionView(attributes, "query")
        key = try AttentionView(attributes, "key")
        value = try AttentionView(attributes, "value")
        result = try AttentionView(attributes, "result")
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let operands = [
            (query, [problem.batch, problem.queryHeads, problem.queries, problem.headSize]),
            (key, [problem.batch, problem.keyHeads, problem.keys, problem.headSize]),
            (value, [problem.batch, problem.keyHeads, problem.keys, problem.valueSize]),
        ]
        for (index, (view, extents)) in operands.enumerated() {
            let type = try inputs.type(index)
            guard type.elementType == element, let last = view.lastElement(extents), last < type.elementCount else {
                throw ModelError(.invalidModel, "the view \(view) with extents \(extents) leaves \(type)")
            }
        }
        if let mask = try inputs.optionalType(3) {
            guard mask.elementType == .bool || mask.elementType.isReal else {
                throw ModelError(.invalidModel, "the mask has type \(mask.elementType)")
            }
            try AttentionMask.check(mask.shape, problem)
        }
        let type = try TensorType(element, shape).validated()
        let extents = [problem.batch, problem.queryHeads, problem.queries, problem.valueSize]
        guard let last = result.lastElement(extents), last < type.elementCount,
            extents.reduce(1, *) == type.elementCount
        else { throw ModelError(.invalidModel, "the result does not fill \(type)") }
        return [ValueFact(type)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let q = try inputs.tensor(0)
        var evaluation = AttentionEvaluation(
            problem: problem,
            query: try q.doubles(),
            queryView: query,
            key: try inputs.tensor(1).doubles(),
            keyView: key,
            value: try inputs.tensor(2).doubles(),
            valueView: value
        )
        evaluation.mask = try inputs.optionalTensor(3).map { mask throws(ModelError) in
            try AttentionMask(mask, problem)
        }
        let type = TensorType(q.elementType, shape)
        var output = [Double](repeating: 0, count: type.elementCount)
        var scores: [Double] = []
        evaluation.evaluate(into: &output, result, scores: &scores)
        return [.tensor(try Tensor(type, rounding: output))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost { problem.cost(inputs, outputs) }
}
