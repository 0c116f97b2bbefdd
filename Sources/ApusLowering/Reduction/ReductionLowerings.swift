import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// The lowerings of the reduction operators by ONNX name.
package let reductionLowerings: [(String, any OperatorLowering.Type)] =
    reductionKinds.keys.sorted().map { ($0, ReduceLowering.self) } + [
        ("ArgMax", ArgumentReductionLowering.self),
        ("ArgMin", ArgumentReductionLowering.self),
        ("Softmax", SoftmaxLowering.self),
        ("LogSoftmax", SoftmaxLowering.self),
    ]

private let reductionKinds: [String: ReductionKind] = [
    "ReduceSum": .sum,
    "ReduceMean": .mean,
    "ReduceMax": .maximum,
    "ReduceMin": .minimum,
    "ReduceProd": .product,
    "ReduceL1": .l1,
    "ReduceL2": .l2,
    "ReduceSumSquare": .sumSquare,
    "ReduceLogSum": .logSum,
    "ReduceLogSumExp": .logSumExp,
]

/// The reductions over any axes.
package enum ReduceLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        guard let kind = reductionKinds[call.node.operatorType] else {
            throw ModelError(.unsupported, "no kernel for the reduction")
        }
        let input = try call.input(0)
        let output = try call.output(0)
        let rank = input.type.rank
        var axes: [Int]?
        if call.inputs.count > 1, call.inputs[1] != nil { axes = try call.integers(1) }
        if axes == nil { axes = try call.node.attributes.ints("axes") }
        let reduced: Set<Int>
        if let axes, !axes.isEmpty {
            reduced = Set(try normalizedAxes(axes, rank: rank))
        } else if try call.node.attributes.bool("noop_with_empty_axes", default: false) {
            throw ModelError(.unsupported, "a reduction of no axes")
        } else {
            reduced = Set(0..<rank)
        }
        var launches = ScratchLaunches()
        try launches.reduce(
            kind,
            input.view,
            into: try keptView(output, rank: rank, reduced: reduced),
            shape: input.type.shape,
            axes: reduced,
            order: input.layout.order,
            context
        )
        return LoweredNode(launches: launches.launches, scratchBytes: launches.scratchBytes)
    }
}

/// The output of a reduction with its pitches by axis of the input, merged axes kept or not.
func keptView(_ output: Operand, rank: Int, reduced: Set<Int>) throws(ModelError) -> StridedView {
    var view = output.view
    if output.type.rank == rank { return view }
    guard output.type.rank == rank - reduced.count else {
        throw ModelError(.invalidModel, "the output has \(output.type.rank) axes, expected \(rank - reduced.count)")
    }
    var rest = view.pitches.makeIterator()
    view.pitches = (0..<rank).map { reduced.contains($0) ? 0 : rest.next() ?? 0 }
    return view
}

/// `ArgMax` and `ArgMin` along one axis.
package enum ArgumentReductionLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let rank = input.type.rank
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: 0), rank: rank)
        let view = try keptView(output, rank: rank, reduced: [axis])
        let kept = IterationSpace(
            shape: input.type.shape,
            order: input.layout.order.filter { $0 != axis },
            pitches: [input.layout.pitches, view.pitches]
        )
        guard kept.extents.count <= 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let scalar = try KernelScalar(input.type.elementType)
        let storage = try? ElementStorage(input.type.elementType)
        guard storage != nil || scalar.storage == scalar.compute || scalar.isNarrowInteger,
            output.type.elementType == .int64
        else {
            throw ModelError(.unsupported, "no kernel for \(input.type.elementType)")
        }
        if scalar.compute == "double", !context.device.supportsDouble {
            throw ModelError(.unsupported, "the device has no float64")
        }
        let fill = 4 - kept.extents.count
        let extents = [Int](repeating: 1, count: fill) + kept.extents
        let zeros = [Int](repeating: 0, count: fill)
        let count = input.type.shape[axis]
        let split = WorkSplit(
            rows: kept.elementCount,
            innerExtent: 1,
            lanes: 1,
            weight: 2 * count,
            granularity: 1,
            device: context.device
        )
        var defines = storage?.defines(context.device) ?? [:]
        if defines.isEmpty { defines["ELEMENT"] = scalar.storage }
        if scalar.isFloat { defines["IS_FLOAT"] = "1" }
        if scalar.compute == "double" { defines["IS_DOUBLE"] = "1" }
        if call.node.operatorType == "ArgMin" { defines["MINIMUM"] = "1" }
        if try call.node.attributes.bool("select_last_index", default: false) { defines["LAST"] = "1" }
        return LoweredNode(launches: [
            KernelLaunch(
                program: KernelProgram(file: "reduction/argument.cl", defines: defines),
                kernel: "reduction_argument",
                arguments: [input.argument(), output.argument(.write)]
                    + (try intArguments(
                        extents.dropFirst() + zeros + kept.pitches[0] + zeros + kept.pitches[1]
                            + [count, input.layout.pitches[axis]]
                    )) + [.int(split.units), .int(split.unitsPerItem)],
                globalSize: split.globalSize,
                localSize: split.localSize
            )
        ])
    }
}
