package import ApusGraph
package import ApusTensor
import Glibc

/// Attention by a recurrent state instead of scores.
///
/// - Shapes: query `[batch, steps, queryHeads * size]`, key and value alike with the key heads, state
///   `[batch, keyHeads, size, valueSize]`, decay `[batch, steps, keyHeads]` or `[batch, steps, keyHeads * size]`, beta
///   `[batch, steps, keyHeads]` or `[batch, steps, 1]`.
/// - Source: ONNX LinearAttention, opset 27.
package struct LinearAttention: Operator {
    private struct Geometry {
        var batch: Int
        var steps: Int
        var size: Int
        var valueSize: Int
    }

    package let queryHeads: Int
    package let keyHeads: Int
    package let scale: Float
    package let decays: Bool
    package let corrects: Bool

    package init(_ node: Node) throws(ModelError) {
        queryHeads = try node.attributes.requiredInt("q_num_heads")
        keyHeads = try node.attributes.requiredInt("kv_num_heads")
        scale = try node.attributes.float("scale", default: 0)
        guard queryHeads > 0, keyHeads > 0, queryHeads % keyHeads == 0 else {
            throw ModelError(.invalidModel, "\(queryHeads) query heads are no multiple of \(keyHeads) key heads")
        }
        let rule = try node.attributes.string("update_rule", default: "gated_delta")
        guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else {
            throw ModelError(.invalidModel, "update_rule is \"\(rule)\", expected linear, gated, delta or gated_delta")
        }
        decays = rule.hasPrefix("gated")
        corrects = rule.hasSuffix("delta")
    }

    private func geometry(_ query: [Int], _ key: [Int], _ value: [Int]) throws(ModelError) -> Geometry {
        guard query.count == 3, key.count == 3, value.count == 3, query[2] % queryHeads == 0,
            key[2] % keyHeads == 0, value[2] % keyHeads == 0, query[2] / queryHeads == key[2] / keyHeads,
            query.prefix(2) == key.prefix(2), query.prefix(2) == value.prefix(2)
        else { throw ModelError(.invalidModel, "query \(query), key \(key) and value \(value) do not fit together") }
        return Geometry(
            batch: query[0],
            steps: query[1],
            size: query[2] / queryHeads,
            valueSize: value[2] / keyHeads
        )
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        let stateElement = inputs.has(3) ? try inputs.elementType(3) : element
        if inputs.isDataDependent { return [.dataDependent(element), .dataDependent(stateElement)] }
        let query = try inputs.type(0)
        let g = try geometry(query.shape, inputs.type(1).shape, inputs.type(2).shape)
        for index in 1...5 where inputs.has(index) { try requireReal(inputs.elementType(index), input: index) }
        let state = [g.batch, keyHeads, g.size, g.valueSize]
        if let past = try inputs.optionalType(3), past.shape != state {
            throw ModelError(.invalidModel, "past_state is \(past.shape), expected \(state)")
        }
        let decay = try inputs.optionalType(4)
        let beta = try inputs.optionalType(5)
        guard (decay != nil) == decays, (beta != nil) == corrects else {
            throw ModelError(.invalidModel, "decay and beta do not fit the update rule")
        }
        let steps = [g.batch, g.steps]
        if let decay, decay.shape != steps + [keyHeads], decay.shape != steps + [keyHeads * g.size] {
            throw ModelError(.invalidModel, "decay is \(decay.shape)")
        }
        if let beta, beta.shape != steps + [keyHeads], beta.shape != steps + [1] {
            throw ModelError(.invalidModel, "beta is \(beta.shape)")
        }
        return [
            ValueFact(
                try TensorType(element, steps + [checkedProduct([queryHeads, g.valueSize])]).validated()
            ),
            ValueFact(try TensorType(stateElement, state).validated()),
        ]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let queryTensor = try inputs.tensor(0)
        let keyTensor = try inputs.tensor(1)
        let valueTensor = try inputs.tensor(2)
        let g = try geometry(queryTensor.shape, keyTensor.shape, valueTensor.shape)
        let query = try queryTensor.doubles()
        let key = try keyTensor.doubles()
        let value = try valueTensor.doubles()
        let past = try inputs.optionalTensor(3)
        let stateType = TensorType(
            past?.elementType ?? queryTensor.elementType,
            [g.batch, keyHeads, g.size, g.valueSize]
        )
        var states = try past?.doubles() ?? [Double](repeating: 0, count: stateType.elementCount)
        let decayTensor = try inputs.optionalTensor(4)
        let betaTensor = try inputs.optionalTensor(5)
        let decay = try decayTensor?.doubles()
        let beta = try betaTensor?.doubles()
        let decayWidth = decayTensor?.shape[2] ?? 0
        let betaWidth = betaTensor?.shape[2] ?? 0
        let group = queryHeads / keyHeads
        let factor = scale == 0 ? 1 / Double(max(g.size, 1)).squareRoot() : Double(scale)
        let outputType = TensorType(queryTensor.elementType, [g.batch, g.steps, queryHeads * g.valueSize])
        var output = [Double](repeating: 0, count: outputType.elementCount)
        var update = [Double](repeating: 0, count: g.valueSize)
        for batch in 0..<g.batch {
            for head in 0..<keyHeads {
                let state = (batch * keyHeads + head) * g.size * g.valueSize
                for step in 0..<g.steps {
                    let row = batch * g.steps + step
                    let k = (row * keyHeads + head) * g.size
                    let v = (row * keyHeads + head) * g.valueSize
                    if let decay {
                        for feature in 0..<g.size {
                            let gate = decayWidth == keyHeads ? head : head * g.size + feature
                            let scale = exp(decay[row * decayWidth + gate])
                            for column in 0..<g.valueSize { states[state + feature * g.valueSize + column] *= scale }
                        }
                    }
                    for column in 0..<g.valueSize { update[column] = value[v + column] }
                    if let beta {
                        let rate = beta[row * betaWidth + (betaWidth == 1 ? 0 : head)]
                        for column in 0..<g.valueSize {
                            var found = 0.0
                            for feature in 0..<g.size {
                                found += states[state + feature * g.valueSize + column] * key[k + feature]
                            }
                            update[column] = rate * (update[column] - found)
                        }
                    }
                    for feature in 0..<g.size {
                        for column in 0..<g.valueSize {
                            states[state + feature * g.valueSize + column] += key[k + feature] * update[column]
                        }
                    }
                    for queryHead in head * group..<(head + 1) * group {
                        let q = (row * queryHeads + queryHead) * g.size
                        let target = (row * queryHeads + queryHead) * g.valueSize
                        for column in 0..<g.valueSize {
                            var sum = 0.0
                            for feature in 0..<g.size {
                                sum += query[q + feature] * states[state + feature * g.valueSize + column]
                            }
                            output[target + column] = factor * sum
                        }
                    }
                }
            }
        }
        return [
            .tensor(try Tensor(outputType, rounding: output)), .tensor(try Tensor(stateType, rounding: states)),
        ]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let state = outputs.last.flatMap { $0?.elementCount } ?? 0
        let steps = inputs.first.flatMap { $0?.shape.dropFirst().first } ?? 0
        return Cost(operations: [2, steps, state, 2 + queryHeads / keyHeads], moving: inputs + outputs)
    }
}
