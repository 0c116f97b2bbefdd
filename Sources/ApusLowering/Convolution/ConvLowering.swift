import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `Conv` of channels-last data, in float32 whatever the tensors hold.
enum ConvLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        var input = LayoutRequest.channelsLast(haloBefore: [], haloAfter: [])
        if let problem = try? ConvolutionProblem(call), executionModel(context) == .workItemTile,
            !usesWinograd(decision(call, problem, context))
        {
            input = .channelsLast(
                haloBefore: [0, 0] + problem.geometry.padsBegin,
                haloAfter: [0, 0] + problem.haloAfter
            )
        }
        var inputs: [LayoutRequest] = [input] + call.anchorInputs.dropFirst().map { _ in .canonical }
        inputs += EpilogueSource.layoutRequests(call)
        return LayoutRequests(inputs: inputs, outputs: [.channelsLast(haloBefore: [], haloAfter: [])])
    }

    private static func executionModel(_ context: LoweringContext) -> ExecutionModel {
        context.executionModel("Conv", workItem: "convolution/direct.cl", workGroup: "convolution/portable.cl")
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try ConvolutionProblem(call)
        switch executionModel(context) {
        case .workItemTile:
            if problem.isDepthwise, !context.tuning.refuses("Conv", "depthwise/direct.cl") {
                return try lowerDepthwise(call, problem, context)
            }
            return try lowerTiled(call, problem, context)
        case .workGroupTile: return try lowerPortable(call, problem, context)
        }
    }
}

/// A convolution with its geometry resolved.
struct ConvolutionProblem {
    let conv: Conv
    let geometry: WindowGeometry
    let input: SpatialOperand
    let weights: Operand
    let bias: Operand?
    let output: SpatialOperand
    let storage: ElementStorage

    init(_ call: OperatorCall) throws(ModelError) {
        guard let conv = call.anchor as? Conv else { throw ModelError(.invalidModel, "the operator is not Conv") }
        let bias = call.anchorInputs.count > 2 ? call.inputs[2] : nil
        try self.init(conv, call, bias: bias, storage: call.storage())
    }

    /// A convolution of the first input by the second.
    ///
    /// - Parameter storage: what the operands hold; kernels of bytes do not ask for it.
    init(_ conv: Conv, _ call: OperatorCall, bias: Operand?, storage: ElementStorage) throws(ModelError) {
        self.conv = conv
        input = try SpatialOperand(call.input(0))
        weights = try call.input(1)
        self.bias = bias
        output = try SpatialOperand(call.output(0))
        self.storage = storage
        geometry = try conv.geometry(input: input.operand.type.shape, weight: weights.type.shape)
    }

    var groupInputs: Int { weights.type.shape[1] }
    var groupOutputs: Int { weights.type.shape[0] / max(conv.group, 1) }
    var taps: Int { geometry.kernel.reduce(1, *) }

    /// One input and one output channel a group.
    var isDepthwise: Bool { conv.group > 1 && groupInputs == 1 && groupOutputs == 1 }

    /// The zeros that windows touch behind the last element, by spatial axis.
    var haloAfter: [Int] {
        geometry.kernel.indices.map { axis in
            let reach =
                (geometry.output[axis] - 1) * geometry.strides[axis]
                + (geometry.kernel[axis] - 1) * geometry.dilations[axis] + 1
            return max(reach - geometry.padsBegin[axis] - input.operand.type.shape[axis + 2], 0)
        }
    }

    /// From the first interior element back to the first that a window touches, in elements.
    var windowOffset: Int {
        -zip(geometry.padsBegin, input.layout.pitches[2...]).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// 2 keeps a panel of weights in cache over all rows, 1 keeps a row of pixels over all panels: the one that moves
    /// fewer bytes past the second-level cache.
    func cacheAxis(_ tile: WorkItemTile, lines: Int, packedBytes: Int) -> Int {
        let cacheBytes = 512 << 10
        let inputBytes = input.operand.type.byteCount
        let panels = ceilingDivision(groupOutputs, tile.columns) * conv.group
        let keepingPanel = packedBytes + (inputBytes > cacheBytes ? panels * inputBytes : inputBytes)
        let keepingRow = inputBytes + (packedBytes > cacheBytes ? lines * packedBytes : packedBytes)
        return keepingRow < keepingPanel ? 1 : 2
    }

    /// Kernel, strides and dilations as the kernels take them: depth, height, width.
    var kernel3: [Int] { SpatialOperand.filled(geometry.kernel, with: 1) }
    var strides3: [Int] { SpatialOperand.filled(geometry.strides, with: 1) }
    var dilations3: [Int] { SpatialOperand.filled(geometry.dilations, with: 1) }
}
