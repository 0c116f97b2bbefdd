package import ApusGraph
package import ApusTensor

/// `apus.LayerNormalization` and `apus.RMSNormalization`: rows normalized and cast to another type, as the compiler makes
/// them of the ONNX operator and a Cast behind it.
///
/// The attributes are those of the ONNX operator and `to`, the type of output 0.
/// - Shapes: the operands of the ONNX operator; its result as the type `to`, and once more, if wanted, as it is.
package struct CastNormalization: Operator {
    package let normalization: LayerNormalization
    package let target: ElementType
    package let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        outputCount = max(1, node.outputs.count)
        guard outputCount <= 2 else { throw ModelError(.invalidModel, "\(outputCount) outputs") }
        let to = try node.attributes.requiredInt("to")
        guard let type = Int32(exactly: to).flatMap(ElementType.init(rawValue:)), type.isReal else {
            throw ModelError(.invalidModel, "to is \(to), expected a floating-point type")
        }
        target = type
        var plain = node
        plain.outputs = Array(node.outputs.prefix(1))
        normalization = try LayerNormalization(plain)
    }

    /// The node that stands for a normalization with one result, and a cast of it.
    ///
    /// - Parameter copy: the uncast result, if something reads it.
    package static func node(_ normalization: Node, to type: ElementType, _ output: ValueID, copy: ValueID?) -> Node {
        var result = normalization
        result.domain = "apus"
        result.attributes["to"] = .int(Int64(type.rawValue))
        result.outputs = [output] + (copy.map { [$0] } ?? [])
        return result
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let fact = try normalization.infer(inputs)[0]
        let cast: ValueFact = fact.type.map { ValueFact(TensorType(target, $0.shape)) } ?? .dataDependent(target)
        return outputCount > 1 ? [cast, fact] : [cast]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let result = try normalization.evaluate(inputs, context)[0]
        let cast = RuntimeValue.tensor(try evaluatePointwise(.cast(target, .input(0)), [result.tensor()]))
        return outputCount > 1 ? [cast, result] : [cast]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        normalization.cost(inputs: inputs, outputs: outputs)
    }
}
