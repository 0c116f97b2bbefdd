import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `apus.QuantizedConv`, `ConvInteger` and `QLinearConv`: convolutions of channels-last bytes with int32 sums.
enum IntegerConvolutionLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        var input = LayoutRequest.channelsLast(haloBefore: [], haloAfter: [])
        var haloValues: [Int: Int] = [:]
        if let problem = try? problem(call), let operands = try? IntegerOperands(call),
            let value = operands.knownZeroPoint, kernel(problem, operands, call, context) != .workGroups
        {
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

    /// The kernels that compute a convolution.
    private enum Kernel {
        case depthwise, workItems, workGroups
    }

    private static func kernel(
        _ problem: ConvolutionProblem,
        _ operands: IntegerOperands,
        _ call: OperatorCall,
        _ context: LoweringContext
    ) -> Kernel {
        let isKnownZero = operands.weightZeroPoint.map { $0.value != nil } ?? true
        if problem.isDepthwise, isKnownZero, problem.taps <= 256,
            !context.tuning.refuses(call.node.displayType, "integer/depthwise.cl")
        {
            return .depthwise
        }
        return context.integerModel(call) == .workItemTile ? .workItems : .workGroups
    }

    private static func problem(_ call: OperatorCall) throws(ModelError) -> ConvolutionProblem {
        let conv: Conv
        var product = call
        switch call.anchor {
        case let quantized as QuantizedConv: conv = quantized.conv
        case let integer as ConvInteger: conv = integer.conv
        case let linear as QLinearConv:
            conv = linear.conv
            product.inputs = [try call.input(0), try call.input(3)]
        default: throw ModelError(.invalidModel, "the operator is no integer convolution")
        }
        return try ConvolutionProblem(conv, product, bias: nil, storage: .float32)
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try problem(call)
        let operands = try IntegerOperands(call)
        var work = ScratchLaunches()
        var windows = IntegerWindows(problem)
        let kernel = kernel(problem, operands, call, context)
        if kernel != .workGroups, operands.knownZeroPoint == nil, let zeroPoint = operands.zeroPoint {
            try windows.pad(problem, with: zeroPoint, &work, context)
        }
        let output = problem.output.operand
        if call.anchor is QLinearConv { windows.output = work.makeScratch(like: windows.output, output.layout) }
        let isPadded =
            kernel == .depthwise || (kernel == .workItems && problem.conv.group == 1)
            ? problem.output.isPadded(to: context.device.vectorWidth) : false
        let epilogue = try EpilogueSource(call, operands, isPadded: isPadded, context)
        switch kernel {
        case .depthwise: try lowerDepthwise(problem, operands, windows, epilogue, &work, context)
        case .workItems: try lowerDirect(call, problem, operands, windows, epilogue, &work, context)
        case .workGroups:
            let integer = IntegerProblem(problem, operands)
            let tile = windows.workGroupTile(integer, context)
            let packed = try integer.pack(panelWidth: tile.columns, &work)
            work.launches.append(try windows.workGroupLaunch(integer, packed, tile, epilogue))
        }
        if call.anchor is QLinearConv {
            var sums = windows.output
            sums.pitches = output.layout.pitches
            work.launches += try requantizationLaunches(
                sums,
                try quantizationParameters(call),
                output.view,
                shape: output.type.shape,
                order: output.layout.order,
                context
            )
        }
        return LoweredNode(
            launches: work.launches,
            scratchBytes: work.scratchBytes,
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    /// The scales and the zero point of `QLinearConv`: those of the weights for all or for each output channel.
    private static func quantizationParameters(
        _ call: OperatorCall
    ) throws(ModelError) -> [(operand: Operand, shape: [Int])] {
        let weightScale = try call.input(4)
        let spatial = try call.output(0).type.shape.dropFirst(2).map { _ in 1 }
        return [
            (try call.input(1), []), (weightScale, [weightScale.type.elementCount] + spatial),
            (try call.input(6), []), (try call.input(7), []),
        ]
    }

    private static func lowerDirect(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ operands: IntegerOperands,
        _ given: IntegerWindows,
        _ epilogue: EpilogueSource,
        _ work: inout ScratchLaunches,
        _ context: LoweringContext
    ) throws(ModelError) {
        let (input, output) = (problem.input, problem.output)
        var windows = given
        var integer = IntegerProblem(problem, operands)
        var lines = output.batch * output.extents[0] * output.extents[1]
        let isPointwise =
            problem.taps == 1 && problem.strides3.allSatisfy { $0 == 1 }
            && problem.geometry.padsBegin.allSatisfy { $0 == 0 } && problem.haloAfter.allSatisfy { $0 == 0 }
        if isPointwise, input.isSingleRow, output.isSingleRow, EpilogueSource.addressesSingleRow(call) {
            windows.outputExtents = [1, 1, output.batch * output.extents.reduce(1, *)]
            lines = 1
        } else if problem.conv.group == 1, problem.dilations3[2] == 1,
            windows.input.pitches[3] == problem.groupInputs
        {
            integer.merged = windows.kernel[2]
            windows.kernel[2] = 1
        }
        let row = windows.outputExtents[2]
        let tile = integer.tile(rows: lines == 1 ? row / max(output.batch, 1) : row, context)
        let packed = try integer.pack(panelWidth: tile.columns, &work)
        work.launches.append(
            try windows.workItemLaunch(
                integer,
                packed,
                tile,
                panelAxis: problem.cacheAxis(tile, lines: lines, packedBytes: packed.weightBytes),
                lines: lines,
                epilogue,
                context
            )
        )
    }
}

extension IntegerProblem {
    /// The products of a convolution.
    fileprivate init(_ problem: ConvolutionProblem, _ operands: IntegerOperands) {
        let outputPitch = problem.groupInputs * problem.taps
        self.init(
            operands: operands,
            groups: problem.conv.group,
            groupInputs: problem.groupInputs,
            groupOutputs: problem.groupOutputs,
            taps: problem.taps,
            pitches: [problem.groupOutputs * outputPitch, outputPitch, problem.taps, 1]
        )
    }
}

extension IntegerWindows {
    /// The windows of a convolution.
    fileprivate init(_ problem: ConvolutionProblem) {
        func view(_ side: SpatialOperand) -> StridedView {
            var view = side.operand.view
            view.pitches = side.pitches
            return view
        }
        self.init(
            input: view(problem.input),
            inputExtents: problem.input.extents,
            output: view(problem.output),
            outputExtents: problem.output.extents,
            batch: problem.output.batch,
            kernel: problem.kernel3,
            strides: problem.strides3,
            dilations: problem.dilations3,
            pads: SpatialOperand.filled(problem.geometry.padsBegin, with: 0)
        )
    }

    /// Puts a halo round the input that holds a zero point which is only known at run time.
    fileprivate mutating func pad(
        _ problem: ConvolutionProblem,
        with zeroPoint: Operand,
        _ work: inout ScratchLaunches,
        _ context: LoweringContext
    ) throws(ModelError) {
        let before = problem.geometry.padsBegin
        let after = problem.haloAfter
        guard (before + after).contains(where: { $0 > 0 }) else { return }
        let source = problem.input.operand
        let spatial = source.type.shape.dropFirst(2).enumerated().map { before[$0] + $1 + after[$0] }
        let shape = [problem.input.batch] + spatial + [ceilingDivision(problem.input.channels, 16) * 16]
        let whole = work.makeScratch(shape, source.type.elementType)
        var filling = zeroPoint.view
        filling.pitches = shape.map { _ in 0 }
        work.launches += try pointwiseLaunches(
            .input(0),
            inputs: [filling],
            output: whole,
            shape: shape,
            order: Array(shape.indices),
            raw: true,
            context
        )
        var inner = whole
        let pitches = Array(whole.pitches[1..<shape.count - 1])
        inner.offset = zip(before, pitches).reduce(0) { $0 + $1.0 * $1.1 }
        inner.pitches = [whole.pitches[0], 1] + pitches
        work.launches += try copyLaunches(
            from: source.view,
            to: inner,
            shape: source.type.shape,
            order: source.layout.order,
            context
        )
        input = inner
        input.pitches = [whole.pitches[0]] + SpatialOperand.filled(pitches, with: 0)
    }
}

extension ScratchLaunches {
    /// Scratch memory for int32 that is addressed as a view into a value of a layout.
    fileprivate mutating func makeScratch(like view: StridedView, _ layout: Layout) -> StridedView {
        var result = makeScratch([layout.allocatedElements], .int32)
        result.offset = view.offset
        result.pitches = view.pitches
        return result
    }
}
