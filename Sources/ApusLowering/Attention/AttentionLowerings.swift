import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// The lowerings of the attention operators by ONNX name.
package let attentionLowerings: [(String, any OperatorLowering.Type)] = [
    ("Attention", AttentionLowering.self),
    ("RotaryEmbedding", RotaryEmbeddingLowering.self),
    ("apus.Attention", PlacedAttentionLowering.self),
]

/// `Attention`: present keys and values are copied together, then one kernel computes scores, softmax and results.
package enum AttentionLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: call.outputs.map { _ in .canonical })
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        guard let attention = call.anchor as? Attention else {
            throw ModelError(.invalidModel, "the operator is no attention")
        }
        func optional(_ index: Int) -> Operand? { call.inputs.indices.contains(index) ? call.inputs[index] : nil }
        func wanted(_ index: Int) -> Operand? { call.outputs.indices.contains(index) ? call.outputs[index] : nil }
        let query = try call.input(0)
        let key = try call.input(1)
        let value = try call.input(2)
        let output = try call.output(0)
        let problem = try attention.problem(
            query: query.type,
            key: key.type,
            value: value.type,
            pastKey: optional(4)?.type,
            pastValue: optional(5)?.type
        )
        guard wanted(3) == nil else { throw ModelError(.unsupported, "no kernel gives the scores as an output") }
        let isPacked = Attention.isPacked(query.type)
        var result = ScratchLaunches()
        func view(_ heads: Int, _ positions: Int, _ size: Int) -> AttentionView {
            AttentionView(isPacked: isPacked, heads: heads, positions: positions, size: size)
        }
        func present(
            _ arriving: Operand,
            _ past: Operand?,
            _ output: Operand?,
            _ size: Int
        ) throws(ModelError) -> AttentionCall.Place {
            let positions = problem.keys - problem.pastKeys
            let own = view(problem.keyHeads, positions, size)
            if past == nil && output == nil { return try AttentionCall.Place(arriving, own, size: size) }
            let shape = [problem.batch, problem.keyHeads, problem.keys, size]
            let target = output?.view ?? result.makeScratch(shape, arriving.type.elementType)
            if let past {
                try result.launches += copyLaunches(
                    from: past.view,
                    to: target,
                    shape: past.type.shape,
                    order: [0, 1, 2, 3],
                    context
                )
            }
            var source = arriving.view
            source.pitches = own.pitches
            var rest = target
            rest.offset += problem.pastKeys * target.pitches[2]
            try result.launches += copyLaunches(
                from: source,
                to: rest,
                shape: [problem.batch, problem.keyHeads, positions, size],
                order: [0, 1, 2, 3],
                context
            )
            return AttentionCall.Place(target, heads: problem.keyHeads, positions: problem.keys, size: size)
        }
        let attentionCall = AttentionCall(
            operatorType: call.node.displayType,
            storage: try ElementStorage([query, key, value, output]),
            problem: problem,
            query: try AttentionCall.Place(
                query,
                view(problem.queryHeads, problem.queries, problem.headSize),
                size: problem.headSize
            ),
            key: try present(key, optional(4), wanted(1), problem.headSize),
            value: try present(value, optional(5), wanted(2), problem.valueSize),
            output: try AttentionCall.Place(
                output,
                view(problem.queryHeads, problem.queries, problem.valueSize),
                size: problem.valueSize
            ),
            mask: optional(3),
            valid: optional(6)
        )
        try attentionCall.launch(&result, context)
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}

/// `apus.Attention`: operands are read where they lie.
package enum PlacedAttentionLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        AttentionLowering.layoutRequests(call, context)
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        guard let node = call.anchor as? AttentionNode else {
            throw ModelError(.invalidModel, "the operator is no attention")
        }
        let problem = node.problem
        var result = ScratchLaunches()
        let attentionCall = AttentionCall(
            operatorType: call.node.displayType,
            storage: try ElementStorage(Array(call.inputs.prefix(3)) + call.outputs),
            problem: problem,
            query: try AttentionCall.Place(call.input(0), node.query, size: problem.headSize),
            key: try AttentionCall.Place(call.input(1), node.key, size: problem.headSize),
            value: try AttentionCall.Place(call.input(2), node.value, size: problem.valueSize),
            output: try AttentionCall.Place(call.output(0), node.result, size: problem.valueSize),
            mask: call.inputs.count > 3 ? call.inputs[3] : nil
        )
        try attentionCall.launch(&result, context)
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}
