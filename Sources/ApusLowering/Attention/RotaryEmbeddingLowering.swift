import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `RotaryEmbedding` of float32: the angles of each position are gathered, then one formula for each half of the pairs.
package enum RotaryEmbeddingLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: call.outputs.map { _ in .canonical })
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        guard let rotary = call.anchor as? RotaryEmbedding else {
            throw ModelError(.invalidModel, "the operator is no rotary embedding")
        }
        let x = try call.input(0)
        let output = try call.output(0)
        guard x.type.elementType == .float32 else {
            throw ModelError(.unsupported, "no kernel for \(x.type.elementType)")
        }
        let positions = call.inputs.count > 3 ? call.inputs[3] : nil
        let tables = [try call.input(1), try call.input(2)]
        let geometry = try rotary.geometry(
            x.type,
            cosines: tables[0].type,
            sines: tables[1].type,
            positions: positions?.type
        )
        let half = geometry.rotated / 2
        let shape = [geometry.batch, geometry.positions, geometry.heads, half]
        let pitches = geometry.view.pitches
        let walk = [pitches[0], pitches[2], pitches[1]]
        var result = ScratchLaunches()
        var angles: [StridedView] = []
        for table in tables {
            var view = table.view
            if let positions {
                view = result.makeScratch([geometry.batch * geometry.positions, half])
                try result.launches.append(gatherRows(table, positions, into: view, context))
            }
            view.pitches = [geometry.positions * half, half, 0, 1]
            angles.append(view)
        }
        func part(_ operand: Operand, _ isSecond: Bool) -> StridedView {
            var view = operand.view
            view.pitches = walk + [rotary.isInterleaved ? 2 : 1]
            if isSecond { view.offset += rotary.isInterleaved ? 1 : half }
            return view
        }
        let (first, second) = (PointwiseExpression.input(0), PointwiseExpression.input(1))
        let (cosine, sine) = (PointwiseExpression.input(2), PointwiseExpression.input(3))
        for isSecond in [false, true] where half > 0 {
            result.launches += try pointwiseLaunches(
                isSecond ? sine * first + cosine * second : cosine * first - sine * second,
                inputs: [part(x, false), part(x, true)] + angles,
                output: part(output, isSecond),
                shape: shape,
                order: [0, 1, 2, 3],
                context
            )
        }
        let rest = geometry.size - geometry.rotated
        if rest > 0 {
            var (source, target) = (x.view, output.view)
            source.pitches = walk + [1]
            target.pitches = walk + [1]
            source.offset += geometry.rotated
            target.offset += geometry.rotated
            result.launches += try copyLaunches(
                from: source,
                to: target,
                shape: [geometry.batch, geometry.positions, geometry.heads, rest],
                order: [0, 1, 2, 3],
                context
            )
        }
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}
