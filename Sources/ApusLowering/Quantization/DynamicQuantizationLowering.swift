import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `DynamicQuantizeLinear`: `quantization/dynamic.cl` finds the extrema, then the parameters and the bytes.
enum DynamicQuantizationLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: [.any], outputs: call.outputs.indices.map { $0 == 0 ? .any : .canonical })
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let y = try call.output(0)
        let device = context.device
        let space = IterationSpace(
            shape: x.type.shape,
            order: y.layout.order,
            pitches: [x.layout.pitches, y.layout.pitches]
        ).padded(toRank: 4)
        guard space.extents.count == 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let isGroup = device.executionModel == .workGroupTile
        let split = WorkSplit(
            rows: space.rowCount,
            innerExtent: space.innerExtent,
            lanes: 16,
            weight: 2,
            device: device
        )
        let group = split.localSize?.first ?? 1
        var work = ScratchLaunches()
        let count = split.globalSize[0] / group
        let partial = work.makeScratch([count, 2])
        func parameter(_ index: Int, _ type: ElementType) -> StridedView {
            guard call.outputs.count > index, let operand = call.outputs[index] else {
                return work.makeScratch([], type)
            }
            return operand.view
        }
        let scale = parameter(1, .float32)
        let zeroPoint = parameter(2, .uint8)
        let width = isGroup ? 4 : max(4, min(16, device.vectorWidth))
        let program = KernelProgram(
            file: "quantization/dynamic.cl",
            defines: ["GROUP": String(group), "VECTOR": String(width)]
        )
        let source = Array(space.extents.dropFirst()) + space.pitches[0]
        let walks = [
            (
                "quantization_extrema", [x.argument(), partial.argument(.write)],
                try intArguments(source)
            ),
            (
                "quantization_bytes",
                [
                    x.argument(), partial.argument(.read), y.argument(.write), scale.argument(.write),
                    zeroPoint.argument(.write),
                ],
                try intArguments(source + space.pitches[1] + [count])
            ),
        ]
        for (kernel, tensors, sizes) in walks {
            work.launches.append(
                KernelLaunch(
                    program: program,
                    kernel: kernel,
                    arguments: tensors + sizes + (try split.arguments()),
                    globalSize: split.globalSize,
                    localSize: split.localSize
                )
            )
        }
        return LoweredNode(launches: work.launches, scratchBytes: work.scratchBytes)
    }
}
