import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

extension ConvLowering {
    /// `depthwise/direct.cl`: a work-item computes a run of pixels by one vector of channels.
    static func lowerDepthwise(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let width = context.device.vectorWidth
        let (input, output) = (problem.input, problem.output)
        let channels = problem.conv.group
        let hasPairs =
            problem.storage == .bfloat16 && channels >= 2 * width
            && (input.pitches + [input.layout.offset]).allSatisfy { $0 % 2 == 0 }
        let block = hasPairs ? 2 * width : width
        let blocks = ceilingDivision(channels, block)
        let kernel = problem.kernel3
        let rows = output.extents[2]
        let ranked = (1...min(rows, hasPairs ? 12 : 14)).sorted { a, b in
            let (first, second) = (ceilingDivision(rows, a) * (a + 1), ceilingDivision(rows, b) * (b + 1))
            return (first, b) < (second, a)
        }
        let decision = TuningDecision(
            .depthwise(problem.tuningKey(call)),
            first: .pixels(ranked[0]),
            others: ranked.map { .pixels($0) },
            context.tuning
        )
        var tileRows = ranked[0]
        if case .pixels(let count) = decision.choice { tileRows = count }
        let tiles = ceilingDivision(rows, tileRows)
        let planes = output.batch * output.extents[0]
        let wanted = 16 * context.device.computeUnits
        let rowBlock = max(1, min(output.extents[1], blocks * tiles * planes * output.extents[1] / wanted))
        let packedElements = blocks * block * problem.taps
        var storage = problem.storage.defines(context.device)
        if hasPairs {
            storage["CHANNEL_PAIRS"] = "1"
            storage["VECTOR"] = String(width)
        }
        let pack = KernelLaunch(
            program: KernelProgram(file: "depthwise/pack.cl", defines: storage),
            kernel: "depthwise_pack",
            arguments: [
                problem.weights.argument(),
                .tensor(.scratch(0), offset: 0, elementBytes: 4, access: .write),
                .int(channels), .int(problem.taps),
            ],
            globalSize: [blocks * block, problem.taps],
            localSize: nil
        )
        let epilogue = try EpilogueSource(call, bias: problem.bias, isPadded: output.isPadded(to: width))
        var defines = ["MR": String(tileRows), "VECTOR": String(width)]
        defines.merge(epilogue.defines) { $1 }
        defines.merge(storage) { $1 }
        if kernel[1] <= 7, kernel[2] <= 7 {
            defines["KERNEL_H"] = String(kernel[1])
            defines["KERNEL_W"] = String(kernel[2])
        }
        var arguments: [KernelArgument] = [input.operand.argument(skipping: problem.windowOffset)]
        arguments += input.pitches.map { .int($0) }
        arguments += [.tensor(.scratch(0), offset: 0, elementBytes: 4, access: .read), output.operand.argument(.write)]
        arguments += (output.pitches + output.extents + [channels]).map { .int($0) }
        arguments += (kernel + problem.strides3 + problem.dilations3 + [rowBlock]).map { .int($0) }
        arguments += epilogue.arguments
        let launch = KernelLaunch(
            program: KernelProgram(file: "depthwise/direct.cl", defines: defines, generated: epilogue.generated),
            kernel: "depthwise_direct",
            arguments: arguments,
            globalSize: [blocks, tiles, planes * ceilingDivision(output.extents[1], rowBlock)],
            localSize: [1, 1, 1]
        )
        var lowered = LoweredNode(
            launches: [pack, launch],
            scratchBytes: [packedElements * 4],
            inPlaceInputs: epilogue.inPlaceInputs
        )
        lowered.decision = decision
        return lowered
    }
}
