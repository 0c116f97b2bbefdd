import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `apus.ScaledConv` in float32: `convolution/direct.cl` multiplies the weights of each channel by its factor.
package enum ScaledConvLowering: OperatorLowering {
    /// Whether the kernel serves the call and is expected to take less time than a product and a convolution.
    ///
    /// The factors cost one product a vector of weights, the stored product a pass over memory and a launch.
    package static func isFaster(_ call: OperatorCall, _ context: LoweringContext) -> Bool {
        guard let problem = try? problem(call, context) else { return false }
        return problem.groupOutputs <= 512 && problem.geometry.output.reduce(1, *) > 1
    }

    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        var inputs: [LayoutRequest] = call.anchorInputs.map { _ in .canonical }
        inputs[0] = .channelsLast(haloBefore: [], haloAfter: [])
        inputs[3] = .channelsLast
        inputs += EpilogueSource.layoutRequests(call)
        return LayoutRequests(inputs: inputs, outputs: [.channelsLast(haloBefore: [], haloAfter: [])])
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try problem(call, context)
        let scale = try call.input(3)
        var direct = DirectConvolution(call, problem)
        if direct.lines == 1 {
            // An image has factors of its own.
            direct.outputExtents = [1, 1, direct.rows]
            direct.lines = problem.output.batch
        }
        let width = context.device.vectorWidth
        let tiles = WorkItemTile.ranked(rows: direct.rows, columns: problem.groupOutputs, vectorWidth: width)
        // The fourth vector of a tile is multiplied where it lies in memory.
        guard let tile = tiles.first(where: { $0.columns <= 3 * width }) else {
            throw ModelError(.unsupported, "no tile for \(direct.rows) pixels of \(problem.groupOutputs) channels")
        }
        return try ConvLowering.lowerDirect(call, problem, direct, tile, panelAxis: nil, scale: scale, context)
    }

    private static func problem(
        _ call: OperatorCall,
        _ context: LoweringContext
    ) throws(ModelError) -> ConvolutionProblem {
        guard let scaled = call.anchor as? ScaledConv, call.anchorInputs.count == 4,
            context.device.executionModel == .workItemTile,
            !context.tuning.refuses("apus.ScaledConv", "convolution/direct.cl")
        else { throw ModelError(.unsupported, "no kernel for a convolution of a product") }
        let scale = try call.input(3)
        let problem = try ConvolutionProblem(scaled.conv, call, bias: call.inputs[2], storage: call.storage())
        let shape = try call.input(0).type.shape
        guard problem.storage == .float32, problem.taps == 1, problem.conv.group == 1,
            problem.strides3.allSatisfy({ $0 == 1 }), problem.geometry.padsBegin.allSatisfy({ $0 == 0 }),
            problem.haloAfter.allSatisfy({ $0 == 0 }), scale.type.shape.prefix(2) == shape.prefix(2),
            scale.type.shape.dropFirst(2).allSatisfy({ $0 == 1 }), scale.type.rank == shape.count
        else { throw ModelError(.unsupported, "no kernel for a convolution of a product of this geometry") }
        return problem
    }
}
