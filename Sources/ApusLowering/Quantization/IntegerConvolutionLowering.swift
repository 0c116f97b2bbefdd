import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `apus.QuantizedConv` and `ConvInteger`: convolutions of channels-last bytes with int32 sums.
enum IntegerConvolutionLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        var input = LayoutRequest.channelsLast(haloBefore: [], haloAfter: [])
        var haloValues: [Int: Int] = [:]
        if let problem = try? problem(call), let value = try? IntegerOperands(call).knownZeroPoint {
            input = .channelsLast(
                haloBefore: [0, 0] + problem.geometry.padsBegin,
                haloAfter: [0, 0] + problem.haloAfter
            )
            haloValues[0] = value
        }
        var inputs: [LayoutRequest] = [input] + call.anchorInputs.dropFirst().map { _ in .canonical }
        inputs += EpilogueSource.layoutRequests(call)
        var requests = LayoutRequests(inputs: inputs, outputs: [.channelsLast])
        requests.haloValues = haloValues
        return requests
    }

    private static func problem(_ call: OperatorCall) throws(ModelError) -> ConvolutionProblem {
        switch call.anchor {
        case let quantized as QuantizedConv:
            return try ConvolutionProblem(quantized.conv, call, bias: nil, storage: .float32)
        case let integer as ConvInteger: return try ConvolutionProblem(integer.conv, call, bias: nil, storage: .float32)
        default: throw ModelError(.invalidModel, "the operator is no integer convolution")
        }
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try problem(call)
        let operands = try IntegerOperands(call)
        guard operands.knownZeroPoint != nil else {
            throw ModelError(.unsupported, "the zero point of the input is not known before the run")
        }
        let isKnownZero = operands.weightZeroPoint.map { $0.value != nil } ?? true
        if problem.isDepthwise, isKnownZero, problem.taps <= 256 {
            return try lowerDepthwise(call, problem, operands, context)
        }
        return try lowerDirect(call, problem, operands, context)
    }

    private static func lowerDirect(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ operands: IntegerOperands,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let (input, output) = (problem.input, problem.output)
        var integer = IntegerProblem(
            operands: operands,
            groups: problem.conv.group,
            groupInputs: problem.groupInputs,
            groupOutputs: problem.groupOutputs,
            taps: problem.taps,
            merged: 1,
            pitches: [problem.groupInputs * problem.taps, problem.taps, 1]
        )
        var kernel = problem.kernel3
        var extents = output.extents
        var lines = output.batch * extents[0] * extents[1]
        let isPointwise =
            problem.taps == 1 && problem.strides3.allSatisfy { $0 == 1 }
            && problem.geometry.padsBegin.allSatisfy { $0 == 0 } && problem.haloAfter.allSatisfy { $0 == 0 }
        if isPointwise, input.isSingleRow, output.isSingleRow, EpilogueSource.addressesSingleRow(call) {
            extents = [1, 1, output.batch * extents.reduce(1, *)]
            lines = 1
        } else if problem.conv.group == 1, problem.dilations3[2] == 1, input.pitches[3] == problem.groupInputs {
            integer.merged = kernel[2]
            kernel[2] = 1
        }
        let tile = integer.tile(rows: lines == 1 ? extents[2] / max(output.batch, 1) : extents[2], context)
        let packed = integer.pack(tile)
        let isPadded = problem.conv.group == 1 && output.isPadded(to: context.device.vectorWidth)
        let epilogue = try EpilogueSource(call, operands, isPadded: isPadded, context)
        let panelAxis = problem.cacheAxis(tile, lines: lines, packedBytes: packed.scratchBytes[0])
        var arguments: [KernelArgument] = [input.operand.argument(skipping: problem.windowOffset)]
        arguments += input.pitches.map { .int($0) }
        arguments += IntegerProblem.packedArguments + [output.operand.argument(.write)]
        arguments += (output.pitches + extents).map { .int($0) }
        arguments += [integer.groupInputs * integer.merged, integer.groupOutputs].map { .int($0) }
        arguments += (kernel + problem.strides3 + problem.dilations3 + [panelAxis]).map { .int($0) }
        arguments += epilogue.arguments
        var defines = try integer.defines(tile, output: output.operand, context)
        defines.merge(epilogue.defines) { $1 }
        var globalSize = [ceilingDivision(extents[2], tile.rows), lines, lines]
        globalSize[panelAxis] = integer.groups * ceilingDivision(integer.groupOutputs, tile.columns)
        let launch = KernelLaunch(
            program: KernelProgram(file: "integer/convolution.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_convolution",
            arguments: arguments,
            globalSize: globalSize,
            localSize: [1, 1, 1]
        )
        return LoweredNode(
            launches: packed.launches + [launch],
            scratchBytes: packed.scratchBytes,
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    /// `integer/depthwise.cl`: a work-item computes a run of pixels by one vector of channels.
    private static func lowerDepthwise(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ operands: IntegerOperands,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let width = context.device.vectorWidth
        let (input, output) = (problem.input, problem.output)
        let channels = problem.conv.group
        let vectors = ceilingDivision(channels, width)
        let kernel = problem.kernel3
        let rows = output.extents[2]
        let tileRows =
            (1...min(rows, 10)).min { a, b in
                let (first, second) = (ceilingDivision(rows, a) * (a + 1), ceilingDivision(rows, b) * (b + 1))
                return (first, b) < (second, a)
            } ?? 1
        let tiles = ceilingDivision(rows, tileRows)
        let planes = output.batch * output.extents[0]
        let wanted = 16 * context.device.computeUnits
        let rowBlock = max(1, min(output.extents[1], vectors * tiles * planes * output.extents[1] / wanted))
        let pack = KernelLaunch(
            program: KernelProgram(file: "integer/depthwise_pack.cl", defines: operands.packDefines),
            kernel: "integer_depthwise_pack",
            arguments: [
                operands.weights.argument(), .tensor(.scratch(0), offset: 0, elementBytes: 4, access: .write),
                .tensor(.scratch(1), offset: 0, elementBytes: 4, access: .write), .int(channels), .int(problem.taps),
                .int(width), .int(operands.knownZeroPoint ?? 0),
            ] + operands.packArguments,
            globalSize: [vectors * width],
            localSize: nil
        )
        let epilogue = try EpilogueSource(call, operands, isPadded: output.isPadded(to: width), context)
        var defines = ["MR": String(tileRows), "VECTOR": String(width)]
        defines["INPUT"] = operands.isInputSigned ? "char" : "uchar"
        let isScaled = operands.multiplier != nil
        defines.merge(try IntegerOperands.outputDefines(output.operand, isScaled: isScaled)) { $1 }
        defines.merge(epilogue.defines) { $1 }
        if kernel[1] <= 7, kernel[2] <= 7 {
            defines["KERNEL_H"] = String(kernel[1])
            defines["KERNEL_W"] = String(kernel[2])
            defines["STRIDE_W"] = String(problem.strides3[2])
            defines["DILATION_W"] = String(problem.dilations3[2])
        }
        var arguments: [KernelArgument] = [input.operand.argument(skipping: problem.windowOffset)]
        arguments += input.pitches.map { .int($0) }
        arguments += IntegerProblem.packedArguments + [output.operand.argument(.write)]
        arguments += (output.pitches + output.extents + [channels]).map { .int($0) }
        arguments += (kernel + problem.strides3 + problem.dilations3 + [rowBlock]).map { .int($0) }
        let launch = KernelLaunch(
            program: KernelProgram(file: "integer/depthwise.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_depthwise",
            arguments: arguments + epilogue.arguments,
            globalSize: [vectors, tiles, planes * ceilingDivision(output.extents[1], rowBlock)],
            localSize: [1, 1, 1]
        )
        return LoweredNode(
            launches: [pack, launch],
            scratchBytes: [vectors * width * problem.taps * 4, vectors * width * 3 * 4],
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }
}
