package import ApusGraph
package import ApusTensor

/// The internal operator `apus.Pointwise`: a formula over its operands, which broadcast.
package struct PointwiseNode: Operator {
    package let expression: PointwiseExpression

    package var pointwise: PointwiseExpression? { expression }

    package init(_ node: Node) throws(ModelError) {
        guard case .expression(let expression)? = node.attributes["expression"] else {
            throw ModelError(.invalidModel, "the attribute \"expression\" is missing")
        }
        self.expression = expression
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        [try inferPointwiseFact(expression, inputs)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.tensor(try evaluatePointwise(expression, operands: inputs))]
    }
}
