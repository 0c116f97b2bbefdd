import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `QuantizeLinear` and `DequantizeLinear` as generated pointwise kernels, with parameters for all, an axis or blocks.
package enum LinearQuantizationLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.inputs.indices.map { $0 == 0 ? .any : .canonical },
            outputs: call.outputs.map { _ in .any }
        )
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let scale = try call.input(1)
        let zeroPoint = call.inputs.count > 2 ? call.inputs[2] : nil
        let output = try call.output(0)
        let formula: PointwiseExpression?
        let granularity: QuantizationGranularity
        switch call.anchor {
        case let quantize as QuantizeLinear:
            granularity = quantize.granularity
            formula = try quantize.formula(
                input: input.type.elementType,
                scale: scale.type.elementType,
                zeroPoint: zeroPoint?.type.elementType
            )
        case let dequantize as DequantizeLinear:
            granularity = dequantize.granularity
            formula = dequantize.formula(
                input: input.type.elementType,
                scale: scale.type.elementType,
                zeroPoint: zeroPoint?.type.elementType
            )
        default: throw ModelError(.invalidModel, "the operator is no linear quantization")
        }
        guard let formula else { throw ModelError(.unsupported, "no kernel quantizes without saturation") }
        let walk = try Walk(granularity, scale: scale.type.shape, shape: input.type.shape, order: output.layout.order)
        let used = formula.usedInputs
        var views = [walk.split(input.view)]
        for parameter in [scale, zeroPoint].compactMap({ $0 }) { views.append(walk.parameters(parameter.view)) }
        return LoweredNode(
            launches: try pointwiseLaunches(
                formula.substituting { .input(used.firstIndex(of: $0) ?? 0) },
                inputs: used.map { views[$0] },
                output: walk.split(output.view),
                shape: walk.shape,
                order: walk.order,
                context
            )
        )
    }

    /// The axes of the input, that of the blocks cut in two.
    private struct Walk {
        var shape: [Int]
        var order: [Int]
        /// Elements of a parameter between neighbours, by axis of the walk.
        private var parameterPitches: [Int]
        private let axis: Int
        private let blockSize: Int

        init(
            _ granularity: QuantizationGranularity,
            scale: [Int],
            shape: [Int],
            order: [Int]
        ) throws(ModelError) {
            self.shape = shape
            self.order = order
            axis = granularity.axis < 0 ? granularity.axis + shape.count : granularity.axis
            if let aligned = granularity.broadcastShape(scale: scale, input: shape) {
                blockSize = 0
                let missing = shape.count - aligned.count
                let pitches = contiguousStrides(aligned)
                parameterPitches = shape.indices.map { axis in
                    axis < missing || aligned[axis - missing] == 1 ? 0 : pitches[axis - missing]
                }
                return
            }
            blockSize = granularity.blockSize
            guard shape[axis] % blockSize == 0 else {
                throw ModelError(.unsupported, "no kernel for blocks of \(blockSize) in an axis of \(shape[axis])")
            }
            parameterPitches = contiguousStrides(scale)
            parameterPitches.insert(0, at: axis + 1)
            self.shape[axis] = shape[axis] / blockSize
            self.shape.insert(blockSize, at: axis + 1)
            self.order = order.flatMap { [axis] position in
                position == axis ? [axis, axis + 1] : [position > axis ? position + 1 : position]
            }
        }

        func parameters(_ view: StridedView) -> StridedView {
            var view = view
            view.pitches = parameterPitches
            return view
        }

        func split(_ view: StridedView) -> StridedView {
            guard blockSize > 0 else { return view }
            var view = view
            let pitch = view.pitches[axis]
            view.pitches[axis] = pitch * blockSize
            view.pitches.insert(pitch, at: axis + 1)
            return view
        }
    }
}
