import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// The lowerings of the pooling operators by ONNX name.
package let poolingLowerings: [(String, any OperatorLowering.Type)] = [
    "MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool",
].map { ($0, PoolingLowering.self) }

/// Pools of channels-last data: vectors of channels, windows with bounds; global ones are reductions.
///
/// In float32 whatever the tensors hold, but for the maxima of bytes.
package enum PoolingLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.anchorInputs.map { _ in .channelsLast } + EpilogueSource.layoutRequests(call),
            outputs: call.outputs.map { _ in .channelsLast }
        )
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        guard let pooling = call.anchor as? Pooling else {
            throw ModelError(.unsupported, "no kernel for the pooling operator")
        }
        let input = try call.input(0)
        let output = try call.output(0)
        guard call.outputs.compactMap({ $0 }).count == 1 else {
            throw ModelError(.unsupported, "no pooling kernel with indices")
        }
        let elementType = input.type.elementType
        let isBytes = elementType.isByte && pooling.kind == .maximum && call.epilogue == nil
        let storage = isBytes ? [:] : try call.storage().defines(context.device)
        if pooling.isGlobal, !isBytes { return try lowerGlobal(call, pooling, input, output, context) }
        let rank = input.type.rank
        guard (3...5).contains(rank), input.layout.pitches[1] == 1, output.layout.pitches[1] == 1 else {
            throw ModelError(.unsupported, "no pooling kernel for \(input.type) in this layout")
        }
        let geometry = try pooling.geometry(input: input.type.shape).extended(to: 3)
        let epilogue = try EpilogueSource(call)
        let channels = input.type.shape[1]
        let device = context.device
        let isGroup = device.executionModel == .workGroupTile
        let width = isGroup ? 4 : max(4, min(16, device.vectorWidth))
        var defines = epilogue.defines.merging(storage) { $1 }
        defines["VECTOR"] = String(width)
        if isBytes {
            defines["ELEMENT"] = elementType == .int8 ? "char" : "uchar"
            defines["LOWEST"] = elementType == .int8 ? "(-128)" : "0"
        }
        switch pooling.kind {
        case .maximum: defines["MAXIMUM"] = "1"
        case .average(let countsPadding): defines["AVERAGE"] = countsPadding ? "2" : "1"
        case .norm(let p): defines["NORM"] = String(min(p, 3))
        }
        var power = 2
        if case .norm(let p) = pooling.kind { power = p }
        let lines = input.type.shape[0] * geometry.output[0] * geometry.output[1]
        let columns = geometry.output[2]
        let groups = (channels + width - 1) / width
        var pixels = 1
        var chunk = width
        if !isGroup {
            let items = WorkSplit.items(total: lines * columns * channels, weight: geometry.kernelCount, device: device)
            let cuts = max(1, (items + lines - 1) / lines)
            pixels = (columns + min(cuts, columns) - 1) / min(cuts, columns)
            let depths = min(groups, max(1, (cuts + columns - 1) / columns))
            chunk = (groups + depths - 1) / depths * width
        }
        let pitches = spatialPitches(input) + spatialPitches(output)
        var sizes = pitches + [channels] + geometry.input + geometry.output + geometry.kernel
        sizes += geometry.strides + geometry.dilations + geometry.padsBegin + geometry.padsEnd + [chunk, pixels]
        let across = (columns + pixels - 1) / pixels
        let depths = (channels + chunk - 1) / chunk
        let local = isGroup ? [min(64, roundedUpToPowerOfTwo(depths)), 1, 1] : [1, 1, 1]
        return LoweredNode(
            launches: [
                KernelLaunch(
                    program: KernelProgram(
                        file: "pooling/window.cl",
                        defines: defines,
                        generated: epilogue.generated
                    ),
                    kernel: "pooling_window",
                    arguments: [input.argument(), output.argument(.write)] + (try intArguments(sizes))
                        + [.float(Float(power))] + epilogue.arguments,
                    globalSize: [(depths + local[0] - 1) / local[0] * local[0], across, lines],
                    localSize: local
                )
            ],
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    private static func roundedUpToPowerOfTwo(_ value: Int) -> Int {
        var result = 1
        while result < value && result < 64 { result *= 2 }
        return result
    }

    /// The distances along n, d, h and w; 0 where the operand has no such axis.
    private static func spatialPitches(_ operand: Operand) -> [Int] {
        let spatial = Array(operand.layout.pitches.dropFirst(2))
        return [operand.layout.pitches[0]] + [Int](repeating: 0, count: 3 - spatial.count) + spatial
    }

    private static func lowerGlobal(
        _ call: OperatorCall,
        _ pooling: Pooling,
        _ input: Operand,
        _ output: Operand,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let kind: ReductionKind
        switch pooling.kind {
        case .maximum: kind = .maximum
        case .average: kind = .mean
        case .norm(1): kind = .l1
        case .norm(2): kind = .l2
        case .norm: throw ModelError(.unsupported, "no kernel for norms beyond 2")
        }
        let shape = input.type.shape
        var result = ScratchLaunches()
        guard call.epilogue != nil else {
            try result.reduce(
                kind,
                input.view,
                into: output.view,
                shape: shape,
                axes: Set(2..<shape.count),
                order: input.layout.order,
                context
            )
            return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
        }
        let pooled = try result.statistic(
            kind,
            of: input.view,
            shape: shape,
            axes: Set(2..<shape.count),
            order: input.layout.order,
            context
        )
        result.launches += try epilogued(
            PointwiseExpression.input(0).stored(input.type.elementType),
            [pooled],
            call,
            output,
            context
        )
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }
}
