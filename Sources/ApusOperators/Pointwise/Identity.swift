package import ApusGraph
package import ApusTensor

/// ONNX `Identity` (opset 25): any value unchanged.
package struct Identity: Operator {
    package var pointwise: PointwiseExpression? { .input(0) }

    package init(_ node: Node) throws(ModelError) {}

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        guard let fact = inputs.first ?? nil else { throw ModelError(.invalidModel, "the input is missing") }
        return [fact]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [try inputs.required(0)]
    }
}

/// ONNX `Dropout` (opset 22) in inference: the input unchanged, and a mask of true.
package struct Dropout: Operator {
    private let hasMask: Bool

    package var pointwise: PointwiseExpression? { hasMask ? nil : .input(0) }

    package init(_ node: Node) throws(ModelError) {
        hasMask = node.outputs.count > 1
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.has(2) {
            guard let training = inputs.value(2), try training.doubles().first == 0 else {
                throw ModelError(.unsupported, "training mode is not supported")
            }
        }
        if inputs.isDataDependent {
            return [.dataDependent(try inputs.elementType(0))] + (hasMask ? [.dataDependent(.bool)] : [])
        }
        let type = try inputs.type(0)
        return [ValueFact(type)] + (hasMask ? [ValueFact(TensorType(.bool, type.shape))] : [])
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard hasMask else { return [.tensor(input)] }
        let mask = Tensor(TensorType(.bool, input.shape)) { bytes in
            for index in bytes.indices { bytes[index] = 1 }
        }
        return [.tensor(input), .tensor(mask)]
    }
}
