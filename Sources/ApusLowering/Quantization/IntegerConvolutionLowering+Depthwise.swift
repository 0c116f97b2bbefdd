import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

extension IntegerConvolutionLowering {
    /// `integer/depthwise.cl`: a work-item computes a run of pixels by one vector of channels.
    static func lowerDepthwise(
        _ problem: ConvolutionProblem,
        _ operands: IntegerOperands,
        _ windows: IntegerWindows,
        _ epilogue: EpilogueSource,
        _ work: inout ScratchLaunches,
        _ context: LoweringContext
    ) throws(ModelError) {
        let width = context.device.vectorWidth
        let output = problem.output
        let channels = problem.conv.group
        let vectors = ceilingDivision(channels, width)
        let kernel = windows.kernel
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
        let weights = work.makeScratch([vectors * width * problem.taps])
        let parameters = work.makeScratch([vectors * width * 4], .int32)
        work.launches.append(
            KernelLaunch(
                program: KernelProgram(file: "integer/depthwise_pack.cl", defines: operands.packDefines),
                kernel: "integer_depthwise_pack",
                arguments: [operands.weights.argument(), weights.argument(.write), parameters.argument(.write)]
                    + (try intArguments([channels, problem.taps, width, operands.knownZeroPoint ?? 0]))
                    + operands.packArguments,
                globalSize: [vectors * width],
                localSize: nil
            )
        )
        var defines = ["MR": String(tileRows), "VECTOR": String(width)]
        defines["INPUT"] = operands.isInputSigned ? "char" : "uchar"
        defines.merge(
            try IntegerOperands.outputDefines(windows.output.elementType, isScaled: operands.multiplier != nil)
        ) { $1 }
        defines.merge(operands.given.defines) { $1 }
        defines.merge(epilogue.defines) { $1 }
        if kernel[1] <= 7, kernel[2] <= 7 {
            defines["KERNEL_H"] = String(kernel[1])
            defines["KERNEL_W"] = String(kernel[2])
            defines["STRIDE_W"] = String(windows.strides[2])
            defines["DILATION_W"] = String(windows.dilations[2])
        }
        let sizes = windows.output.pitches + output.extents + [channels] + kernel + windows.strides + windows.dilations
        work.launches.append(
            KernelLaunch(
                program: KernelProgram(file: "integer/depthwise.cl", defines: defines, generated: epilogue.generated),
                kernel: "integer_depthwise",
                arguments: [windows.firstPixel.argument(.read)] + (try intArguments(windows.input.pitches))
                    + [weights.argument(.read), parameters.argument(.read), windows.output.argument(.write)]
                    + (try intArguments(sizes + [rowBlock])) + operands.given.arguments + epilogue.arguments,
                globalSize: [vectors, tiles, planes * ceilingDivision(output.extents[1], rowBlock)],
                localSize: [1, 1, 1]
            )
        )
    }
}
