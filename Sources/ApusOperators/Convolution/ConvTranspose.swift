package import ApusGraph
package import ApusTensor

/// The transposed convolution: the gradient of a convolution with respect to its input.
///
/// - Shapes: X `[n, c, spatial...]`, W `[c, m / group, kernel...]`, B `[m]`, Y `[n, m, spatial...]`.
/// - Source: ONNX ConvTranspose, opset 22.
package struct ConvTranspose: Operator {
    package let window: WindowAttributes
    package let group: Int

    package init(_ node: Node) throws(ModelError) {
        window = try WindowAttributes(node)
        group = try node.attributes.int("group", default: 1)
        guard group >= 1 else { throw ModelError(.invalidModel, "group is \(group)") }
    }

    /// The window for the full shapes of X and W; input element i and tap k meet output `i * stride - pad + k * dilation`.
    ///
    /// - Throws: `ModelError` if ranks or channels do not fit or an extent is out of range.
    package func geometry(input: [Int], weight: [Int]) throws(ModelError) -> WindowGeometry {
        guard input.count >= 3, weight.count == input.count else {
            throw ModelError(.invalidModel, "the input \(input) and the weight \(weight) do not fit in rank")
        }
        guard input[1] % group == 0, weight[0] == input[1] else {
            throw ModelError(
                .invalidModel,
                "the channels of the input \(input) and of the weight \(weight) do not fit \(group) groups"
            )
        }
        return try window.transposedGeometry(input: [Int](input.dropFirst(2)), kernel: [Int](weight.dropFirst(2)))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.isDataDependent { return [.dataDependent(try inputs.elementType(0))] }
        let x = try inputs.type(0)
        let w = try inputs.type(1)
        try requireReal(x.elementType)
        try requireSameType(w, as: x, input: 1)
        let geometry = try geometry(input: x.shape, weight: w.shape)
        let (channels, overflow) = w.shape[1].multipliedReportingOverflow(by: group)
        guard !overflow else { throw ModelError(.invalidModel, "the count of output channels overflows") }
        try checkBias(inputs, channels: channels, x)
        return [ValueFact(try TensorType(x.elementType, [x.shape[0], channels] + geometry.output).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let w = try inputs.tensor(1)
        let geometry = try geometry(input: x.shape, weight: w.shape)
        let channels = x.shape[1] / group
        let taps = geometry.kernelCount
        let products = WindowProducts(
            geometry: geometry,
            isTransposed: true,
            group: group,
            inputChannels: channels,
            outputChannels: w.shape[1]
        )
        let result = try products.evaluate(x, bias: inputs.optionalTensor(2)) { group, row, target in
            guard let base = w.withUnsafeBytes({ $0.baseAddress }) else { return }
            for channel in 0..<channels {
                let start = ((group * channels + channel) * w.shape[1] + row) * taps
                let slice = UnsafeMutableBufferPointer(rebasing: target[channel * taps..<(channel + 1) * taps])
                w.elementType.readDoubles(base, start: start, into: slice)
            }
        }
        return [.tensor(result)]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        guard inputs.count >= 2, let input = inputs[0], let weight = inputs[1], let output = outputs.first ?? nil else {
            return Cost(operations: 0, bytes: 0)
        }
        let hasBias = inputs.count > 2 && inputs[2] != nil
        return Cost(
            operations: [2, input.elementCount] + weight.shape.dropFirst(),
            plus: hasBias ? output.elementCount : 0,
            moving: inputs + outputs
        )
    }
}
