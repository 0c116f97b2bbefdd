package import ApusGraph
package import ApusTensor

/// `apus.ConvDepthwise`: a convolution, a formula and the depthwise convolution of the result, made by a compiler pass.
///
/// The attributes are those of the depthwise convolution; those of the first one stand under `first_`, and its formula,
/// of one operand, under `first_formula`.
/// - Shapes: X `[n, c, spatial...]`, first W `[m, c / group, kernel...]`, first B `[m]`, W `[m, 1, kernel...]`,
///   B `[m]`; Y `[n, m, spatial...]`.
package struct ConvDepthwise: Operator {
    /// The first convolution, without its formula.
    package let first: Conv
    /// What is applied to the first result.
    package let formula: PointwiseExpression?
    package let depthwise: Conv

    private static let prefix = "first_"
    private static let formulaName = "first_formula"

    package init(_ node: Node) throws(ModelError) {
        var firstNode = node
        firstNode.attributes = Attributes()
        for (name, value) in node.attributes.values where name.hasPrefix(Self.prefix) && name != Self.formulaName {
            firstNode.attributes[String(name.dropFirst(Self.prefix.count))] = value
        }
        first = try Conv(firstNode)
        switch node.attributes[Self.formulaName] {
        case nil: formula = nil
        case .expression(let expression): formula = expression
        default: throw ModelError(.invalidModel, "attribute \"\(Self.formulaName)\" is not a formula")
        }
        depthwise = try Conv(node)
    }

    /// The node that stands for two convolutions, of which the second reads the result of the first; `nil` where the
    /// formula of the first has further operands.
    package static func node(_ first: Node, _ depthwise: Node) -> Node? {
        guard first.epilogueInputs.isEmpty else { return nil }
        func operands(_ node: Node) -> [ValueID?] {
            Array((Array(node.anchorInputs) + [nil, nil, nil]).prefix(3))
        }
        var result = depthwise
        result.domain = "apus"
        result.operatorType = "ConvDepthwise"
        result.inputs = operands(first) + operands(depthwise).dropFirst() + depthwise.epilogueInputs
        for (name, value) in first.attributes.values { result.attributes[prefix + name] = value }
        result.attributes[formulaName] = first.epilogue.map { .expression($0.expression) }
        return result
    }

    private var firstOperator: any Operator {
        guard let formula else { return first }
        return FusedOperator(anchor: first, epilogue: Epilogue(expression: formula, inputCount: 0))
    }

    /// The type of the first result.
    ///
    /// - Throws: `ModelError` as `infer` does.
    package func firstType(_ inputs: [TensorType?]) throws(ModelError) -> TensorType? {
        try firstOperator.infer(inputs.prefix(3).map { $0.map { ValueFact($0) } }).first?.type
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard inputs.count >= 4 else { throw ModelError(.invalidModel, "\(inputs.count) inputs, expected 4 or 5") }
        let results = try firstOperator.infer(Array(inputs.prefix(3)))
        return try depthwise.infer(results.map(Optional.some) + Array(inputs.dropFirst(3)))
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let results = try firstOperator.evaluate(Array(inputs.prefix(3)), context)
        return try depthwise.evaluate(results.map(Optional.some) + Array(inputs.dropFirst(3)), context)
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let middle = (try? firstType(inputs)) ?? nil
        var cost = firstOperator.cost(inputs: Array(inputs.prefix(3)), outputs: [middle])
        let second = depthwise.cost(inputs: [middle] + inputs.dropFirst(3), outputs: outputs)
        cost.operations += second.operations
        cost.bytes += second.bytes - 2 * (middle?.byteCount ?? 0)
        return cost
    }
}
