import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `ConstantOfShape`: a fill with the bits of the value. The shape is known when the node is lowered.
package enum ConstantOfShapeLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .any }, outputs: call.outputs.map { _ in .canonical })
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let output = try call.output(0)
        guard let value = (call.anchor as? ConstantOfShape)?.value else {
            throw ModelError(.unsupported, "no kernel makes a constant of another operator")
        }
        var target = output.view
        target.elementType = try KernelScalar.movable(bytes: output.elementBytes)
        let bits = value.withUnsafeBytes { bytes in
            bytes.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
        }
        var number = Double(exactly: bits)
        if number == nil, output.elementBytes == 8 {
            target.elementType = .int64
            number = Double(exactly: Int64(bitPattern: bits))
        }
        guard let number else {
            throw ModelError(.unsupported, "the bits of the value are no number that a formula holds exactly")
        }
        return LoweredNode(
            launches: try fillLaunches(
                number,
                in: target,
                shape: output.type.shape,
                order: output.layout.order,
                context
            )
        )
    }
}
