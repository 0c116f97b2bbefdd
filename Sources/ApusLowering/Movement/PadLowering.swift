import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `Pad`: the input copied into place, then what lies around it axis by axis.
package enum PadLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let rank = input.type.rank
        let given = try call.integers(1)
        let axes = try normalizedAxes(call.optionalIntegers(3) ?? Array(0..<rank), rank: rank)
        guard given.count == 2 * axes.count else {
            throw ModelError(.invalidModel, "expected \(2 * axes.count) pads, found \(given.count)")
        }
        var before = [Int](repeating: 0, count: rank)
        for (index, axis) in axes.enumerated() { before[axis] = given[index] }

        var (source, target) = (input.view, output.view)
        var shape = input.type.shape
        for axis in 0..<rank {
            let after = output.type.shape[axis] - input.type.shape[axis] - before[axis]
            shape[axis] += min(before[axis], 0) + min(after, 0)
            source.offset += max(-before[axis], 0) * source.pitches[axis]
            target.offset += max(before[axis], 0) * target.pitches[axis]
        }
        let order = output.layout.order
        let mode = try call.node.attributes.string("mode", default: "constant")
        var launches = mode == "constant" ? try filled(call, output, context) : []
        if !shape.contains(where: { $0 <= 0 }) {
            launches += try copyLaunches(from: source, to: target, shape: shape, order: order, context)
        }
        if mode == "constant" { return LoweredNode(launches: launches) }
        guard zip(shape, input.type.shape).allSatisfy({ $0 == $1 }), !shape.contains(0) else {
            throw ModelError(.unsupported, "pads that crop with mode \(mode)")
        }
        for axis in 0..<rank {
            let around = AxisExtension(
                mode: mode,
                start: before[axis],
                count: shape[axis],
                total: output.type.shape[axis]
            )
            for step in try around.steps() {
                var (from, to) = (output.view, output.view)
                for later in axis + 1..<max(rank, axis + 1) {
                    from.offset += before[later] * from.pitches[later]
                    to.offset += before[later] * to.pitches[later]
                }
                from.offset += step.source * from.pitches[axis]
                to.offset += step.target * to.pitches[axis]
                from.pitches[axis] *= step.direction
                var extents = shape
                extents[axis] = step.count
                launches += try copyLaunches(from: from, to: to, shape: extents, order: order, context)
            }
            shape[axis] = output.type.shape[axis]
        }
        return LoweredNode(launches: launches)
    }

    /// The whole output filled with the constant.
    private static func filled(
        _ call: OperatorCall,
        _ output: Operand,
        _ context: LoweringContext
    ) throws(ModelError) -> [KernelLaunch] {
        var target = output.view
        target.elementType = try KernelScalar.movable(bytes: output.elementBytes)
        let order = output.layout.order
        guard call.inputs.count > 2, let fill = call.inputs[2] else {
            return try fillLaunches(0, in: target, shape: output.type.shape, order: order, context)
        }
        return try copyLaunches(
            from: fill.view(broadcastTo: output.type.shape),
            to: target,
            shape: output.type.shape,
            order: order,
            context
        )
    }
}

/// How the elements around the filled middle of an axis follow from those that are there.
private struct AxisExtension {
    /// A run of elements that one copy makes; the source moves by `direction` for each.
    struct Step {
        var target: Int
        var source: Int
        var direction: Int
        var count: Int
    }

    let mode: String
    /// The first filled element.
    let start: Int
    let count: Int
    let total: Int

    func steps() throws(ModelError) -> [Step] {
        var steps: [Step] = []
        var (low, high) = (start, start + count)
        let last = start + count - 1
        switch mode {
        case _ where mode == "edge" || (mode == "reflect" && count == 1):
            if low > 0 { steps.append(Step(target: 0, source: start, direction: 0, count: low)) }
            if high < total { steps.append(Step(target: high, source: last, direction: 0, count: total - high)) }
        case "reflect":
            let period = 2 * (count - 1)
            while low > 0 || high < total {
                let left = min(low, high - 1 - 2 * start + low)
                if left > 0 {
                    steps.append(Step(target: low - left, source: 2 * start - low + left, direction: -1, count: left))
                    low -= left
                }
                let right = min(total - high, 2 * last - high + 1 - low)
                if right > 0 {
                    steps.append(Step(target: high, source: 2 * last - high, direction: -1, count: right))
                    high += right
                }
                guard left <= 0, right <= 0 else { continue }
                let before = min(low, period)
                if before > 0 {
                    let source = low - before + period
                    steps.append(Step(target: low - before, source: source, direction: 1, count: before))
                    low -= before
                }
                let after = min(total - high, period)
                if after > 0 {
                    steps.append(Step(target: high, source: high - period, direction: 1, count: after))
                    high += after
                }
            }
        case "wrap":
            while low > 0 {
                let left = min(low, count)
                steps.append(Step(target: low - left, source: low - left + count, direction: 1, count: left))
                low -= left
            }
            while high < total {
                let right = min(total - high, count)
                steps.append(Step(target: high, source: high - count, direction: 1, count: right))
                high += right
            }
        default: throw ModelError(.invalidModel, "the mode \"\(mode)\"")
        }
        return steps
    }
}
