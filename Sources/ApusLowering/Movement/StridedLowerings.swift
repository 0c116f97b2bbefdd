import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `Transpose`.
package enum TransposeLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let output = try call.output(0)
        var source = try call.input(0).view
        let rank = output.type.rank
        let permutation = try call.node.attributes.ints("perm") ?? (0..<rank).reversed()
        guard permutation.count == rank, permutation.allSatisfy(source.pitches.indices.contains) else {
            throw ModelError(.invalidModel, "perm \(permutation) is no permutation of \(rank) axes")
        }
        source.pitches = permutation.map { source.pitches[$0] }
        return LoweredNode(launches: try copyLaunches(from: source, to: output, context))
    }
}

/// `Slice`.
package enum SliceLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        var source = input.view
        let starts = try call.integers(1)
        let axes = try normalizedAxes(
            call.optionalIntegers(3) ?? Array(starts.indices),
            rank: input.type.rank
        )
        let steps = try call.optionalIntegers(4) ?? starts.map { _ in 1 }
        guard axes.count == starts.count, steps.count == starts.count else {
            throw ModelError(.invalidModel, "starts, axes and steps differ in length")
        }
        for (index, axis) in axes.enumerated() {
            let extent = input.type.shape[axis]
            let last = steps[index] > 0 ? extent : extent - 1
            let position = starts[index] < 0 ? max(starts[index], -extent - 1) + extent : starts[index]
            source.offset += min(max(position, 0), last) * source.pitches[axis]
            source.pitches[axis] *= output.type.shape[axis] > 1 ? steps[index] : 1
        }
        return LoweredNode(launches: try copyLaunches(from: source, to: output, context))
    }
}

/// `Expand`.
package enum ExpandLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let output = try call.output(0)
        let source = try call.input(0).view(broadcastTo: output.type.shape)
        return LoweredNode(launches: try copyLaunches(from: source, to: output, context))
    }
}

/// `Tile`: every output axis walked as repeats of an input axis.
package enum TileLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let shape = input.type.shape
        guard !shape.contains(0) else { throw ModelError(.unsupported, "an empty input") }
        var (source, target) = (input.view, output.view)
        source.pitches = source.pitches.flatMap { [0, $0] }
        target.pitches = shape.indices.flatMap { [target.pitches[$0] * shape[$0], target.pitches[$0]] }
        let walk = shape.indices.flatMap { [output.type.shape[$0] / shape[$0], shape[$0]] }
        let order = output.layout.order.flatMap { [2 * $0, 2 * $0 + 1] }
        return LoweredNode(launches: try copyLaunches(from: source, to: target, shape: walk, order: order, context))
    }
}

/// `Concat`: one copy an input.
package enum ConcatLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let output = try call.output(0)
        let axis = try normalizedAxis(call.node.attributes.requiredInt("axis"), rank: output.type.rank)
        var target = output.view
        var launches: [KernelLaunch] = []
        for index in call.inputs.indices {
            let input = try call.input(index)
            launches += try copyLaunches(
                from: input.view,
                to: target,
                shape: input.type.shape,
                order: output.layout.order,
                context
            )
            target.offset += input.type.shape[axis] * target.pitches[axis]
        }
        return LoweredNode(launches: launches)
    }
}

/// `Split`: one copy an output.
package enum SplitLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: 0), rank: input.type.rank)
        let parts = call.inputs.count > 1 ? try call.optionalIntegers(1) : nil
        let equal = (input.type.shape[axis] + call.outputs.count - 1) / max(1, call.outputs.count)
        var source = input.view
        var launches: [KernelLaunch] = []
        for (index, output) in call.outputs.enumerated() {
            if let output {
                launches += try copyLaunches(from: source, to: output, context)
            }
            let part =
                output?.type.shape[axis] ?? (parts?.indices.contains(index) == true ? parts?[index] : nil) ?? equal
            source.offset += part * source.pitches[axis]
        }
        return LoweredNode(launches: launches)
    }
}

/// `DepthToSpace`: output rows and columns walked as (row, block row, column, block column).
package enum DepthToSpaceLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let block = try call.node.attributes.requiredInt("blocksize")
        guard input.type.rank == 4, output.type.rank == 4, block > 0 else {
            throw ModelError(.invalidModel, "\(input.type) does not have four axes")
        }
        let isColumnRowDepth = try call.node.attributes.string("mode", default: "DCR") == "CRD"
        let channels = output.type.shape[1]
        let (p, q) = (input.layout.pitches, output.layout.pitches)
        let (channel, row, column) =
            isColumnRowDepth ? (block * block, block, 1) : (1, block * channels, channels)
        var (source, target) = (input.view, output.view)
        source.pitches = [p[0], channel * p[1], p[2], row * p[1], p[3], column * p[1]]
        target.pitches = [q[0], q[1], block * q[2], q[2], block * q[3], q[3]]
        let walk = [output.type.shape[0], channels, input.type.shape[2], block, input.type.shape[3], block]
        let parts = [[0], [1], [2, 3], [4, 5]]
        let order = output.layout.order.flatMap { parts[$0] }
        return LoweredNode(launches: try copyLaunches(from: source, to: target, shape: walk, order: order, context))
    }
}

/// `SpaceToDepth`: output channels walked as (block row, block column, channel).
package enum SpaceToDepthLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let block = try call.node.attributes.requiredInt("blocksize")
        guard input.type.rank == 4, output.type.rank == 4, block > 0 else {
            throw ModelError(.invalidModel, "\(input.type) does not have four axes")
        }
        let channels = input.type.shape[1]
        let (p, q) = (input.layout.pitches, output.layout.pitches)
        var (source, target) = (input.view, output.view)
        source.pitches = [p[0], p[2], p[3], p[1], block * p[2], block * p[3]]
        target.pitches = [q[0], block * channels * q[1], channels * q[1], q[1], q[2], q[3]]
        let walk = [input.type.shape[0], block, block, channels, output.type.shape[2], output.type.shape[3]]
        let parts = [[0], [1, 2, 3], [4], [5]]
        let order = output.layout.order.flatMap { parts[$0] }
        return LoweredNode(launches: try copyLaunches(from: source, to: target, shape: walk, order: order, context))
    }
}

/// Copies a strided view over the whole of an output.
func copyLaunches(
    from source: StridedView,
    to output: Operand,
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    try copyLaunches(
        from: source,
        to: output.view,
        shape: output.type.shape,
        order: output.layout.order,
        context
    )
}

extension OperatorCall {
    /// The integers of a required input.
    ///
    /// - Throws: `ModelError` with code `unsupported`, where they are not known before the run.
    func integers(_ index: Int) throws(ModelError) -> [Int] {
        guard let value = try input(index).value else {
            throw ModelError(.unsupported, "input \(index) is not known before the run")
        }
        return try value.integers()
    }

    /// The integers of an input, `nil` where it is left out.
    ///
    /// - Throws: `ModelError` with code `unsupported`, where they are not known before the run.
    func optionalIntegers(_ index: Int) throws(ModelError) -> [Int]? {
        guard inputs.indices.contains(index), inputs[index] != nil else { return nil }
        return try integers(index)
    }
}
