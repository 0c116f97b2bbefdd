import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `DynamicQuantizeLinear`: `quantization/dynamic.cl` finds the parameters, a generated pointwise kernel quantizes.
enum DynamicQuantizationLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: [.any], outputs: call.outputs.indices.map { $0 == 0 ? .any : .canonical })
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let y = try call.output(0)
        let device = context.device
        let shape = x.type.shape
        let space = IterationSpace(shape: shape, order: x.layout.order, pitches: [x.layout.pitches]).padded(toRank: 4)
        guard space.extents.count == 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let isGroup = device.executionModel == .workGroupTile
        let split = WorkSplit(
            rows: space.rowCount,
            innerExtent: space.innerExtent,
            lanes: 16,
            weight: 1,
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
        var scale = parameter(1, .float32)
        var zeroPoint = parameter(2, .uint8)
        let program = KernelProgram(
            file: "quantization/dynamic.cl",
            defines: [
                "GROUP": String(group), "VECTOR": isGroup ? "4" : String(max(4, min(16, device.vectorWidth))),
            ]
        )
        work.launches.append(
            KernelLaunch(
                program: program,
                kernel: "quantization_extrema",
                arguments: [x.argument(), partial.argument(.write)]
                    + (try intArguments(space.extents.dropFirst() + space.pitches[0])) + (try split.arguments()),
                globalSize: split.globalSize,
                localSize: split.localSize
            )
        )
        work.launches.append(
            KernelLaunch(
                program: program,
                kernel: "quantization_parameters",
                arguments: [partial.argument(.read), scale.argument(.write), zeroPoint.argument(.write)]
                    + (try intArguments([count])),
                globalSize: [group],
                localSize: [group]
            )
        )
        scale.pitches = shape.map { _ in 0 }
        zeroPoint.pitches = scale.pitches
        work.launches += try pointwiseLaunches(
            DynamicQuantizeLinear.formula,
            inputs: [x.view, scale, zeroPoint],
            output: y.view,
            shape: shape,
            order: y.layout.order,
            context
        )
        return LoweredNode(launches: work.launches, scratchBytes: work.scratchBytes)
    }
}
