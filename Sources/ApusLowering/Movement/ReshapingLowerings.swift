import ApusDevice
import ApusGraph
package import ApusTensor

/// Operators that give the same elements in the same order another shape: no launch on canonical layouts.
package enum ReshapingLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.inputs.indices.map { $0 == 0 ? .canonical : .any },
            outputs: call.outputs.map { _ in .canonical }
        )
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        guard input.layout.isCanonical(input.type.shape), output.layout.isCanonical(output.type.shape) else {
            throw ModelError(.unsupported, "a new shape needs canonical layouts")
        }
        return LoweredNode(launches: [], aliasedInput: 0)
    }
}

/// Operators that give their first input on: no launch on equal layouts, else a copy.
package enum IdentityLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        if call.epilogue != nil { return try PointwiseLowering.lower(call, context) }
        let input = try call.input(0)
        let output = try call.output(0)
        var launches: [KernelLaunch] = []
        if call.outputs.count > 1, let mask = call.outputs[1] {
            launches = try fillLaunches(
                1,
                in: mask.view,
                shape: mask.type.shape,
                order: mask.layout.order,
                context
            )
        }
        if input.layout == output.layout, launches.isEmpty { return LoweredNode(launches: [], aliasedInput: 0) }
        return LoweredNode(launches: launches + (try copyLaunches(from: input, to: output, context)))
    }
}

/// `CastLike`: a cast to the output's element type.
package enum CastLikeLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        return LoweredNode(
            launches: try pointwiseLaunches(
                .cast(output.type.elementType, .input(0)),
                inputs: [input.view],
                output: output.view,
                shape: output.type.shape,
                order: output.layout.order,
                context
            )
        )
    }
}

/// - Throws: `ModelError` with code `unsupported`, where a formula is fused behind the operator.
func refuseEpilogue(_ call: OperatorCall) throws(ModelError) {
    if call.epilogue != nil { throw ModelError(.unsupported, "the operator takes no epilogue") }
}
