package import ApusGraph
package import ApusTensor

/// An operator followed by a pointwise epilogue: the anchor is evaluated, then the formula.
package struct FusedOperator: Operator {
    package let anchor: any Operator
    package let epilogue: Epilogue

    package init(anchor: any Operator, epilogue: Epilogue) {
        self.anchor = anchor
        self.epilogue = epilogue
    }

    /// - Throws: always; a fused operator is made by the operator table from its anchor.
    package init(_ node: Node) throws(ModelError) {
        throw ModelError(.invalidModel, "a fused operator has no node of its own")
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        var facts = try anchor.infer(inputs.dropLast(epilogue.inputCount))
        guard let fact = facts.first else { return facts }
        let result = try inferPointwiseFact(epilogue.expression, [fact] + inputs.suffix(epilogue.inputCount))
        if let type = fact.type, let widened = result.type, widened.shape != type.shape {
            throw ModelError(.invalidModel, "the epilogue widens \(type.shape) to \(widened.shape)")
        }
        facts[0] = result
        return facts
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var results = try anchor.evaluate(inputs.dropLast(epilogue.inputCount), context)
        let operands =
            try [results[0].tensor()]
            + inputs.suffix(epilogue.inputCount).map { value in
                guard let value else { throw ModelError(.invalidModel, "an operand of the epilogue is missing") }
                return try value.tensor()
            }
        results[0] = .tensor(try evaluatePointwise(epilogue.expression, operands))
        return results
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        var cost = anchor.cost(inputs: inputs.dropLast(epilogue.inputCount), outputs: outputs)
        cost.operations += epilogue.expression.operationCount * (outputs.first.flatMap { $0 }?.elementCount ?? 0)
        cost.bytes += inputs.suffix(epilogue.inputCount).reduce(0) { $0 + ($1?.byteCount ?? 0) }
        return cost
    }
}
