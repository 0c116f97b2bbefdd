import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `Softmax` and `LogSoftmax` along one axis: three passes over every row.
package enum SoftmaxLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        let storage = try call.storage()
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: -1), rank: input.type.rank)
        let kept = IterationSpace(
            shape: input.type.shape,
            order: output.layout.order.filter { $0 != axis },
            pitches: [input.layout.pitches, output.layout.pitches]
        )
        guard kept.extents.count <= 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let count = input.type.shape[axis]
        let steps = [input.layout.pitches[axis], output.layout.pitches[axis]]
        let isRowwise = steps == [1, 1]
        let isColumnwise = !isRowwise && kept.innerStep(0) == .contiguous && kept.innerStep(1) == .contiguous
        let device = context.device
        let isGroup = device.executionModel == .workGroupTile
        let width = isGroup ? 4 : max(4, min(16, device.vectorWidth))
        let fill = 4 - kept.extents.count
        let zeros = [Int](repeating: 0, count: fill)
        let extents = [Int](repeating: 1, count: fill) + kept.extents
        let usesGroup = isGroup && isRowwise && count >= 64
        let split = WorkSplit(
            rows: kept.rowCount,
            innerExtent: kept.innerExtent,
            lanes: isColumnwise ? width : 1,
            weight: 16 * count,
            granularity: isColumnwise ? width : 1,
            device: device
        )
        var defines = storage.defines(context.device)
        defines["VECTOR"] = String(width)
        if isColumnwise { defines["COLUMNS"] = "1" }
        if isRowwise { defines["ROWS"] = "1" }
        if call.node.operatorType == "LogSoftmax" { defines["LOGARITHM"] = "1" }
        if usesGroup { defines["GROUP"] = "128" }
        let sizes = extents + zeros + kept.pitches[0] + zeros + kept.pitches[1] + [count] + steps
        return LoweredNode(
            launches: [
                KernelLaunch(
                    program: KernelProgram(file: "reduction/softmax.cl", defines: defines),
                    kernel: usesGroup ? "reduction_softmax_group" : "reduction_softmax",
                    arguments: [input.argument(), output.argument(.write)] + (try intArguments(sizes))
                        + (usesGroup ? [] : try split.arguments()),
                    globalSize: usesGroup ? [kept.elementCount * 128] : split.globalSize,
                    localSize: usesGroup ? [128] : split.localSize
                )
            ],
            inPlaceInputs: [0]
        )
    }
}
