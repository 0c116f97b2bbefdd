package import ApusGraph
package import ApusTensor

/// `apus.ScaledConv`: a convolution of an input whose channels are multiplied by a factor each, made by a compiler pass.
///
/// The attributes are those of the convolution.
/// - Shapes: X `[n, c, spatial...]`, W `[m, c / group, kernel...]`, B `[m]`, S `[n, c, 1...]`; Y `[n, m, spatial...]`.
package struct ScaledConv: Operator {
    package let conv: Conv

    package init(_ node: Node) throws(ModelError) { conv = try Conv(node) }

    /// The node that stands for a convolution of `input` times `scale`, two values that the given one reads as a product.
    package static func node(_ conv: Node, input: ValueID, scale: ValueID) -> Node {
        var result = conv
        let operands = (Array(conv.anchorInputs) + [nil, nil]).dropFirst().prefix(2)
        result.domain = "apus"
        result.operatorType = "ScaledConv"
        result.inputs = [input] + operands + [scale] + conv.epilogueInputs
        return result
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard inputs.count == 4 else { throw ModelError(.invalidModel, "\(inputs.count) inputs, expected 4") }
        if let input = inputs[0]?.type, let scale = inputs[3]?.type {
            let expected = Array(input.shape.prefix(2)) + [Int](repeating: 1, count: max(0, input.rank - 2))
            guard scale == TensorType(input.elementType, expected) else {
                throw ModelError(.invalidModel, "the factors are \(scale), the input is \(input)")
            }
        }
        return try conv.infer(Array(inputs.prefix(3)))
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let factors = [try inputs.tensor(0), try inputs.tensor(3)]
        let product = try evaluatePointwise(.input(0) * .input(1), factors)
        return try conv.evaluate([.tensor(product)] + inputs[1...2], context)
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        conv.cost(inputs: Array(inputs.prefix(3)), outputs: outputs)
    }
}
