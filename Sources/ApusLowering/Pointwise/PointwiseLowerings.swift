import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// The lowerings of the pointwise operators by ONNX name.
package let pointwiseLowerings: [(String, any OperatorLowering.Type)] =
    pointwiseOperators.map { ($0.0, PointwiseLowering.self) } + [("apus.Pointwise", PointwiseLowering.self)]

/// Lowers every operator with a formula to one generated kernel, its epilogue included.
package enum PointwiseLowering: OperatorLowering {
    package static func lower(
        _ call: OperatorCall,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        guard let anchor = call.anchor.pointwise else {
            throw ModelError(.unsupported, "the operator has no formula for these attributes")
        }
        let output = try call.output(0)
        let formula = composed(anchor, call)
        let used = formula.usedInputs
        var operands: [Operand] = []
        for index in used { operands.append(try call.input(index)) }
        let shape = output.type.shape
        let launches = try pointwiseLaunches(
            formula.substituting { .input(used.firstIndex(of: $0) ?? 0) },
            inputs: operands.map { $0.view(broadcastTo: shape) },
            output: output.view,
            shape: shape,
            order: output.layout.order,
            context
        )
        let inPlace = zip(used, operands).filter { _, operand in
            operand.type.shape == shape && operand.elementBytes == output.elementBytes
        }
        return LoweredNode(launches: launches, inPlaceInputs: inPlace.map(\.0))
    }

    /// The formula followed by the node's epilogue, over the node's inputs.
    static func composed(_ formula: PointwiseExpression, _ call: OperatorCall) -> PointwiseExpression {
        guard let epilogue = call.epilogue else { return formula }
        let first = call.anchorInputs.count
        return epilogue.expression.substituting { $0 == 0 ? formula : .input(first + $0 - 1) }
    }
}
