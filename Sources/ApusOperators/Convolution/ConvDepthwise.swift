package import ApusGraph
package import ApusTensor

/// `apus.ConvDepthwise`: a convolution, a formula and the depthwise convolution of the result, made by a compiler pass.
///
/// The attributes are those of the depthwise convolution; those of the first one stand under `first_`, and its formula,
/// under `first_formula`; it may have one operand beside the result.
/// - Shapes: X `[n, c, spatial...]`, first W `[m, c / group, kernel...]`, first B `[m]`, W `[m, 1, kernel...]`,
///   B `[m]`, the first formula's operand, broadcast to the first result; Y `[n, m, spatial...]`.
package struct ConvDepthwise: Operator {
    /// The first convolution, without its formula.
    package let first: Conv
    /// What is applied to the first result; operand 1 is input 5.
    package let formula: PointwiseExpression?
    package let formulaHasOperand: Bool
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
        formulaHasOperand = (formula?.inputCount ?? 0) > 1
        depthwise = try Conv(node)
    }

    /// The node that stands for two convolutions, of which the second reads the result of the first; `nil` where the
    /// formula of the first has several operands.
    package static func node(_ first: Node, _ depthwise: Node) -> Node? {
        let usedInputs = first.epilogue?.expression.usedInputs ?? []
        guard first.epilogueInputs.count <= 1, first.epilogueInputs.isEmpty || usedInputs == [0, 1] else { return nil }
        func operands(_ node: Node) -> [ValueID?] {
            Array((Array(node.anchorInputs) + [nil, nil, nil]).prefix(3))
        }
        var result = depthwise
        result.domain = "apus"
        result.operatorType = "ConvDepthwise"
        result.inputs = operands(first) + operands(depthwise).dropFirst()
        result.inputs += first.epilogueInputs + depthwise.epilogueInputs
        for (name, value) in first.attributes.values { result.attributes[prefix + name] = value }
        result.attributes[formulaName] = first.epilogue.map { .expression($0.expression) }
        return result
    }

    private var firstOperator: any Operator {
        guard let formula else { return first }
        return FusedOperator(
            anchor: first,
            epilogue: Epilogue(expression: formula, inputCount: formulaHasOperand ? 1 : 0)
        )
    }

    private func firstInputs<T>(_ inputs: [T]) -> [T] {
        Array(inputs.prefix(3)) + (formulaHasOperand ? Array(inputs.dropFirst(5).prefix(1)) : [])
    }

    private func depthwiseInputs<T>(_ inputs: [T]) -> [T] { Array(inputs.dropFirst(3).prefix(2)) }

    /// The type of the first result.
    ///
    /// - Throws: `ModelError` as `infer` does.
    package func firstType(_ inputs: [TensorType?]) throws(ModelError) -> TensorType? {
        try firstOperator.infer(firstInputs(inputs).map { $0.map { ValueFact($0) } }).first?.type
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard inputs.count >= (formulaHasOperand ? 6 : 4) else {
            throw ModelError(.invalidModel, "\(inputs.count) inputs, expected \(formulaHasOperand ? "6" : "4 or 5")")
        }
        let results = try firstOperator.infer(firstInputs(inputs))
        return try depthwise.infer(results.map(Optional.some) + depthwiseInputs(inputs))
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let results = try firstOperator.evaluate(firstInputs(inputs), context)
        return try depthwise.evaluate(results.map(Optional.some) + depthwiseInputs(inputs), context)
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let middle = (try? firstType(inputs)) ?? nil
        var cost = firstOperator.cost(inputs: firstInputs(inputs), outputs: [middle])
        let second = depthwise.cost(inputs: [middle] + depthwiseInputs(inputs), outputs: outputs)
        cost.operations += second.operations
        cost.bytes += second.bytes - 2 * (middle?.byteCount ?? 0)
        return cost
    }
}
