import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// The lowerings of the normalization operators by ONNX name.
package let normalizationLowerings: [(String, any OperatorLowering.Type)] = [
    ("BatchNormalization", BatchNormalizationLowering.self),
    ("InstanceNormalization", GroupNormalizationLowering.self),
    ("GroupNormalization", GroupNormalizationLowering.self),
    ("LayerNormalization", LayerNormalizationLowering.self),
    ("RMSNormalization", LayerNormalizationLowering.self),
    ("apus.LayerNormalization", LayerNormalizationLowering.self),
    ("apus.RMSNormalization", LayerNormalizationLowering.self),
    ("MeanVarianceNormalization", MeanVarianceNormalizationLowering.self),
    ("LpNormalization", LpNormalizationLowering.self),
    ("LRN", LocalResponseNormalizationLowering.self),
]

/// `BatchNormalization` in inference: a formula with one operand value a channel.
package enum BatchNormalizationLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let x = try call.input(0)
        let output = try call.output(0)
        let epsilon = try Double(call.node.attributes.float("epsilon", default: 1e-5))
        var operands = [x.view]
        for index in 1...4 { operands.append(try call.input(index).view(ofChannelsIn: x.type.shape)) }
        let types = operands.map(\.elementType)
        func value(_ index: Int) -> PointwiseExpression { .input(index).computed(types[index]) }
        let deviation = PointwiseExpression.unary(.sqrt, value(4) + .constant(epsilon))
        let formula = (value(0) - value(3)) * (value(1) / deviation) + value(2)
        return LoweredNode(
            launches: try epilogued(formula.stored(types[0]), operands, call, output, context),
            inPlaceInputs: [0]
        )
    }
}

/// `InstanceNormalization` and `GroupNormalization`: statistics of each group, then a formula.
package enum GroupNormalizationLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let output = try call.output(0)
        let shape = x.type.shape
        let groups = try call.node.attributes.int("num_groups") ?? shape[1]
        let epsilon = try call.node.attributes.float("epsilon", default: 1e-5)
        guard x.type.rank >= 2, groups > 0, shape[1] % groups == 0 else {
            throw ModelError(.invalidModel, "\(x.type) does not divide into \(groups) groups of channels")
        }
        let walk = [shape[0], groups, shape[1] / groups] + shape.dropFirst(2)
        func split(_ view: StridedView) -> StridedView {
            var view = view
            view.pitches.replaceSubrange(1...1, with: [view.pitches[1] * walk[2], view.pitches[1]])
            return view
        }
        func order(_ operand: Operand) -> [Int] {
            operand.layout.order.flatMap { $0 == 0 ? [0] : $0 == 1 ? [1, 2] : [$0 + 1] }
        }
        var operands = [split(x.view)]
        var result = ScratchLaunches()
        let statistics = try result.statistics(
            of: operands[0],
            shape: walk,
            axes: Set(2..<walk.count),
            order: order(x),
            second: .inverseDeviation,
            epsilon: epsilon,
            context
        )
        operands += statistics
        for index in 1...2 { operands.append(split(try call.input(index).view(ofChannelsIn: shape))) }
        let types = operands.map(\.elementType)
        func value(_ index: Int) -> PointwiseExpression { .input(index).computed(types[index]) }
        let formula = (value(0) - value(1)) * (value(2) * value(3)) + value(4)
        result.launches += try pointwiseLaunches(
            formula.stored(types[0]),
            inputs: operands,
            output: split(output.view),
            shape: walk,
            order: order(output),
            context
        )
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}

/// `MeanVarianceNormalization`: statistics over the given axes, then a formula.
package enum MeanVarianceNormalizationLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let output = try call.output(0)
        let axes = try normalizedAxes(call.node.attributes.ints("axes") ?? [0, 2, 3], rank: x.type.rank)
        var result = ScratchLaunches()
        let operands =
            [x.view]
            + (try result.statistics(
                of: x.view,
                shape: x.type.shape,
                axes: Set(axes),
                order: x.layout.order,
                second: .deviation,
                epsilon: 0,
                context
            ))
        let wide = PointwiseExpression.input(0).computed(x.type.elementType)
        let formula = (wide - .input(1)) / (.input(2) + .constant(1e-9))
        result.launches += try pointwiseLaunches(
            formula.stored(x.type.elementType),
            inputs: operands,
            output: output.view,
            shape: x.type.shape,
            order: output.layout.order,
            context
        )
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}

/// `LpNormalization`: the norms along an axis, then a division; zeros stay zeros.
package enum LpNormalizationLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let output = try call.output(0)
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: -1), rank: x.type.rank)
        let isFirst = try call.node.attributes.int("p", default: 2) == 1
        var result = ScratchLaunches()
        let norm = try result.statistic(
            isFirst ? .l1 : .l2,
            of: x.view,
            shape: x.type.shape,
            axes: [axis],
            order: x.layout.order,
            context
        )
        let wide = PointwiseExpression.input(0).computed(x.type.elementType)
        let formula = PointwiseExpression.select(
            .binary(.equal, .input(1), .constant(0)),
            wide,
            wide / .input(1)
        )
        result.launches += try pointwiseLaunches(
            formula.stored(x.type.elementType),
            inputs: [x.view, norm],
            output: output.view,
            shape: x.type.shape,
            order: output.layout.order,
            context
        )
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}

extension ScratchLaunches {
    /// Appends a statistic of a region; the view of the results repeats along the merged axes.
    mutating func statistic(
        _ kind: ReductionKind,
        of source: StridedView,
        shape: [Int],
        axes: Set<Int>,
        order: [Int],
        epsilon: Float = 0,
        _ context: LoweringContext
    ) throws(ModelError) -> StridedView {
        let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
        var view = makeScratch(kept, source.elementType == .float64 ? .float64 : .float32)
        for axis in axes { view.pitches[axis] = 0 }
        try reduce(
            kind,
            source,
            into: view,
            shape: shape,
            axes: axes,
            order: order,
            epsilon: epsilon,
            context
        )
        return view
    }

    /// Appends the mean of a region and a second statistic.
    mutating func statistics(
        of source: StridedView,
        shape: [Int],
        axes: Set<Int>,
        order: [Int],
        second: ReductionKind,
        epsilon: Float,
        _ context: LoweringContext
    ) throws(ModelError) -> [StridedView] {
        let mean = try statistic(.mean, of: source, shape: shape, axes: axes, order: order, context)
        let deviation = try statistic(
            second,
            of: source,
            shape: shape,
            axes: axes,
            order: order,
            epsilon: epsilon,
            context
        )
        return [mean, deviation]
    }
}

extension Operand {
    /// A vector with one element a channel, repeated along the other axes.
    func view(ofChannelsIn shape: [Int]) -> StridedView {
        var view = view
        let along = layout.pitches.first ?? 0
        let axis = shape.count == 1 ? -1 : 1
        view.pitches = shape.indices.map { $0 == axis ? along : 0 }
        return view
    }
}

extension PointwiseExpression {
    /// The operand as float32 (float64 stays), for arithmetic beside float32 statistics.
    func computed(_ type: ElementType) -> PointwiseExpression {
        type == .float32 || type == .float64 ? self : .cast(.float32, self)
    }

    /// The inverse of `computed` for the result.
    func stored(_ type: ElementType) -> PointwiseExpression {
        type == .float32 || type == .float64 ? self : .cast(type, self)
    }
}

/// The kernel calls of a formula over views, with the node's epilogue behind it.
func epilogued(
    _ formula: PointwiseExpression,
    _ operands: [StridedView],
    _ call: OperatorCall,
    _ output: Operand,
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    var (formula, operands) = (formula, operands)
    if let epilogue = call.epilogue {
        let first = operands.count
        for operand in call.epilogueInputs {
            guard let operand else { throw ModelError(.unsupported, "an operand of the epilogue is left out") }
            operands.append(operand.view(broadcastTo: output.type.shape))
        }
        let anchor = formula
        formula = epilogue.expression.substituting { $0 == 0 ? anchor : .input(first + $0 - 1) }
    }
    return try pointwiseLaunches(
        formula,
        inputs: operands,
        output: output.view,
        shape: output.type.shape,
        order: output.layout.order,
        context
    )
}
