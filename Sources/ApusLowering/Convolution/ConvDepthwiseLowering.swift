import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `apus.ConvDepthwise` in one launch, in float32: `depthwise/fused.cl`.
package enum ConvDepthwiseLowering: OperatorLowering {
    static let kernelFile = "depthwise/fused.cl"

    /// Whether one launch is expected to take less time than the two convolutions by themselves.
    ///
    /// The answer rests on the channels and one image, never on the batch. `TuningTable.fusesDepthwise`
    /// forces it.
    package static func isFaster(_ call: OperatorCall, _ context: LoweringContext) -> Bool {
        guard !context.tuning.refuses("apus.ConvDepthwise", kernelFile),
            let problem = try? ConvDepthwiseProblem(call, context)
        else { return false }
        let estimate = DepthwiseEstimate(problem, context.device)
        guard let tile = estimate.bestTile else { return false }
        if let forced = context.tuning.fusesDepthwise { return forced }
        return !estimate.suitsWinograd && estimate.cost(tile, batch: 1).cost < estimate.separateCost
    }

    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        var inputs: [LayoutRequest] = call.anchorInputs.map { _ in .canonical }
        if let problem = try? ConvDepthwiseProblem(call, context) {
            inputs[0] = .channelsLast(
                haloBefore: [0, 0] + problem.first.geometry.padsBegin,
                haloAfter: [0, 0] + problem.first.haloAfter
            )
        }
        inputs += EpilogueSource.layoutRequests(call)
        return LayoutRequests(inputs: inputs, outputs: [.channelsLast])
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try ConvDepthwiseProblem(call, context)
        let (first, depthwise) = (problem.first, problem.depthwise)
        let estimate = DepthwiseEstimate(problem, context.device)
        guard let tile = estimate.bestTile else {
            throw ModelError(.unsupported, "the rows of the first result exceed the local memory")
        }
        let (input, output) = (first.input, depthwise.output)
        let columns = tile.register.columns
        let panels = ceilingDivision(output.channels, columns)
        let steps = first.taps * first.groupInputs
        var scratchBytes = [panels * steps * columns * 4, panels * columns * depthwise.taps * 4]
        var launches = [
            ConvLowering.packLaunch(first, [:], elementBytes: 4, panelWidth: columns, items: panels),
            packLaunch(depthwise.weights, taps: depthwise.taps, width: panels * columns, scratch: 1),
        ]

        let epilogue = try EpilogueSource(
            call,
            bias: depthwise.bias,
            isPadded: output.isPadded(to: tile.register.vectorWidth)
        )
        var program = KernelProgram(
            file: kernelFile,
            defines: tile.register.defines(context.device),
            generated: epilogue.generated
        )
        let window = depthwise.geometry
        program.defines.merge([
            "WINDOW_ROWS": String(tile.windowRows), "KERNEL_H": String(window.kernel[0]),
            "KERNEL_W": String(window.kernel[1]), "STRIDE_W": String(window.strides[1]),
        ]) { $1 }
        program.defines.merge(epilogue.defines) { $1 }
        if let formula = problem.operation.formula {
            let macro = try EpilogueSource.macro("FIRST_FORMULA", formula)
            program.generated += macro.text
            if macro.isLong { program.defines["FIRST_LOOP"] = "1" }
        }

        var (kernelWidth, inputs) = (first.geometry.kernel[1], first.groupInputs)
        if input.pitches[3] == inputs { (kernelWidth, inputs) = (1, inputs * kernelWidth) }
        let rowBlock = estimate.cost(tile, batch: output.batch).rowBlock
        var arguments: [KernelArgument] = [input.operand.argument(skipping: first.windowOffset)]
        arguments += ([input.pitches[0]] + input.pitches[2...]).map { .int($0) }
        arguments += (0...1).map { .tensor(.scratch($0), offset: 0, elementBytes: 4, access: .read) }
        arguments.append(output.operand.argument(.write))
        arguments += ([output.pitches[0]] + output.pitches[2...] + output.extents[1...]).map { .int($0) }
        arguments += [output.channels, inputs, first.geometry.kernel[0], kernelWidth].map { .int($0) }
        arguments += (first.geometry.strides + first.geometry.output).map { .int($0) }
        arguments += ([window.strides[0]] + window.padsBegin + [rowBlock]).map { .int($0) }
        arguments += [.local(tile.localBytes(window)), .int(FusedDepthwiseTile.ringWidth(window))]
        if let bias = first.bias {
            program.defines["FIRST_BIAS"] = "1"
            launches.append(packLaunch(bias, taps: 1, width: panels * columns, scratch: 2))
            scratchBytes.append(panels * columns * 4)
            arguments.append(.tensor(.scratch(2), offset: 0, elementBytes: 4, access: .read))
        }
        arguments += epilogue.arguments
        launches.append(
            KernelLaunch(
                program: program,
                kernel: "convolution_depthwise",
                arguments: arguments,
                globalSize: [panels, ceilingDivision(output.extents[1], rowBlock), output.batch],
                localSize: [1, 1, 1]
            )
        )
        return LoweredNode(launches: launches, scratchBytes: scratchBytes, inPlaceInputs: epilogue.inPlaceInputs)
    }

    /// `depthwise/pack.cl`: values a channel, padded with zeros to `width` channels.
    private static func packLaunch(_ source: Operand, taps: Int, width: Int, scratch: Int) -> KernelLaunch {
        KernelLaunch(
            program: KernelProgram(file: "depthwise/pack.cl"),
            kernel: "depthwise_pack",
            arguments: [
                source.argument(), .tensor(.scratch(scratch), offset: 0, elementBytes: 4, access: .write),
                .int(source.type.shape[0]), .int(taps),
            ],
            globalSize: [width, taps],
            localSize: nil
        )
    }
}

/// Two convolutions with their geometry resolved, of which the second is a depthwise one of the first result.
struct ConvDepthwiseProblem {
    let operation: ConvDepthwise
    /// Its output is never stored.
    let first: ConvolutionProblem
    let depthwise: ConvolutionProblem

    /// - Throws: `ModelError` with code `unsupported` and the reason, where the one kernel does not serve the call.
    init(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) {
        guard let operation = call.anchor as? ConvDepthwise, call.anchorInputs.count >= 4,
            let type = try operation.firstType(call.anchorInputs.map { $0?.type })
        else { throw ModelError(.invalidModel, "the operator is not apus.ConvDepthwise") }
        self.operation = operation
        let output = try call.output(0)
        let middle = Operand(id: output.id, type: type, layout: .channelsLast(type.shape))
        let operands = Array(call.anchorInputs)
        func convolution(_ conv: Conv, _ inputs: [Operand?], _ output: Operand) throws(ModelError) -> ConvolutionProblem
        {
            var part = call
            part.node.epilogue = nil
            part.inputs = inputs
            part.outputs = [output]
            return try ConvolutionProblem(conv, part, bias: inputs.count > 2 ? inputs[2] : nil, storage: part.storage())
        }
        first = try convolution(operation.first, Array(operands.prefix(3)), middle)
        depthwise = try convolution(operation.depthwise, [middle] + operands.dropFirst(3), output)
        guard context.device.executionModel == .workItemTile, first.storage == .float32, depthwise.storage == .float32
        else { throw ModelError(.unsupported, "no kernel for work-groups, or for other than float32") }
        let window = depthwise.geometry
        guard type.rank == 4, first.conv.group == 1, depthwise.isDepthwise,
            (first.geometry.dilations + window.dilations).allSatisfy({ $0 == 1 }),
            (window.kernel + window.strides).allSatisfy({ $0 <= 7 }),
            zip(window.padsBegin, window.kernel).allSatisfy({ $0 <= $1 })
        else { throw ModelError(.unsupported, "no kernel for convolutions of this geometry in one launch") }
    }
}
