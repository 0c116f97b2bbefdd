import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `apus.ConvDepthwise` in one launch, the first result in float32: `depthwise/fused.cl`.
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
        var (kernelWidth, inputs) = (first.geometry.kernel[1], first.groupInputs)
        if input.pitches[3] == inputs { (kernelWidth, inputs) = (1, inputs * kernelWidth) }
        let (pack, steps) = ConvLowering.packWeights(
            first,
            panelWidth: columns,
            mergedColumns: inputs / first.groupInputs,
            context.device
        )
        var scratchBytes = [panels * steps * columns * 4, panels * columns * depthwise.taps * 4]
        func packChannels(_ source: Operand, taps: Int, scratch: Int) throws(ModelError) -> KernelLaunch {
            let storage = try ElementStorage(source.type.elementType)
            return KernelLaunch(
                program: KernelProgram(file: "depthwise/pack.cl", defines: storage.defines(context.device)),
                kernel: "depthwise_pack",
                arguments: [
                    source.argument(), .tensor(.scratch(scratch), offset: 0, elementBytes: 4, access: .write),
                    .int(output.channels), .int(taps),
                ],
                globalSize: [panels * columns, taps],
                localSize: nil
            )
        }
        var launches = [pack, try packChannels(depthwise.weights, taps: depthwise.taps, scratch: 1)]

        let epilogue = try EpilogueSource(
            call,
            bias: depthwise.bias,
            isPadded: output.isPadded(to: tile.register.vectorWidth)
        )
        var program = KernelProgram(
            file: kernelFile,
            defines: tile.register.defines(context.device, first.storage),
            generated: epilogue.generated
        )
        let window = depthwise.geometry
        program.defines.merge([
            "WINDOW_ROWS": String(tile.windowRows), "KERNEL_H": String(window.kernel[0]),
            "KERNEL_W": String(window.kernel[1]), "STRIDE_W": String(window.strides[1]),
        ]) { $1 }
        program.defines.merge(epilogue.defines) { $1 }
        program.defines.merge(first.storage.defines(context.device)) { $1 }
        if let formula = problem.formula {
            let macro = try EpilogueSource.macro("FIRST_FORMULA", formula)
            program.generated += macro.text
            if macro.isLong { program.defines["FIRST_LOOP"] = "1" }
        }

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
        if let bias = problem.firstBias {
            program.defines["FIRST_BIAS"] = "1"
            launches.append(try packChannels(bias, taps: 1, scratch: 2))
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
}

/// Two convolutions with their geometry resolved, of which the second is a depthwise one of the first result.
struct ConvDepthwiseProblem {
    let operation: ConvDepthwise
    /// Its output is never stored.
    let first: ConvolutionProblem
    let depthwise: ConvolutionProblem
    /// One element a channel, of a type of its own, added to the first result before the formula.
    let firstBias: Operand?
    /// What is applied to the sum.
    let formula: PointwiseExpression?

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
        depthwise = try convolution(operation.depthwise, [middle] + operands[3..<min(5, operands.count)], output)
        guard context.device.executionModel == .workItemTile, first.storage == depthwise.storage
        else { throw ModelError(.unsupported, "no kernel for work-groups, or for two storages") }
        if operation.formulaHasOperand {
            guard first.bias == nil, operands.count > 5, let operand = operands[5],
                let formula = operation.formula?.ofSumWithOperand,
                operand.type.shape.drop(while: { $0 == 1 }) == [first.groupOutputs, 1, 1]
            else { throw ModelError(.unsupported, "the first formula has an operand that is no bias") }
            (firstBias, self.formula) = (operand, formula)
        } else {
            (firstBias, formula) = (first.bias, operation.formula)
        }
        let window = depthwise.geometry
        guard type.rank == 4, first.conv.group == 1, depthwise.isDepthwise,
            (first.geometry.dilations + window.dilations).allSatisfy({ $0 == 1 }),
            (window.kernel + window.strides).allSatisfy({ $0 <= 7 }),
            zip(window.padsBegin, window.kernel).allSatisfy({ $0 <= $1 })
        else { throw ModelError(.unsupported, "no kernel for convolutions of this geometry in one launch") }
    }
}

extension PointwiseExpression {
    /// The formula as one of the sum of operands 0 and 1; `nil` where either is used outside of that sum.
    fileprivate var ofSumWithOperand: PointwiseExpression? {
        let sum = 2
        let result = replacingSum(by: .input(sum))
        return result.usedInputs == [sum] ? result.substituting { _ in .input(0) } : nil
    }

    private func replacingSum(by sum: PointwiseExpression) -> PointwiseExpression {
        func isOperand(_ expression: PointwiseExpression, _ index: Int) -> Bool {
            expression == .input(index) || expression == .cast(.float32, .input(index))
        }
        switch self {
        case .input, .constant: return self
        case .unary(let function, let a): return .unary(function, a.replacingSum(by: sum))
        case .cast(let type, let a): return .cast(type, a.replacingSum(by: sum))
        case .binary(.add, let a, let b)
        where isOperand(a, 0) && isOperand(b, 1) || isOperand(a, 1) && isOperand(b, 0):
            return sum
        case .binary(let function, let a, let b):
            return .binary(function, a.replacingSum(by: sum), b.replacingSum(by: sum))
        case .select(let a, let b, let c):
            return .select(a.replacingSum(by: sum), b.replacingSum(by: sum), c.replacingSum(by: sum))
        }
    }
}
