package import ApusGraph
package import ApusTensor

/// The convolution of machine learning, a correlation, in one to three dimensions, with groups.
///
/// - Shapes: X `[n, c, spatial...]`, W `[m, c / group, kernel...]`, B `[m]`, Y `[n, m, spatial...]`.
/// - Source: ONNX Conv, opset 22.
package struct Conv: Operator {
    package let window: WindowAttributes
    package let group: Int

    package init(_ node: Node) throws(ModelError) {
        window = try WindowAttributes(node)
        group = try node.attributes.int("group", default: 1)
        guard group >= 1 else { throw ModelError(.invalidModel, "group is \(group)") }
    }

    /// The window for the full shapes of X and W.
    ///
    /// - Throws: `ModelError` if ranks or channels do not fit or the window does not fit the input.
    package func geometry(input: [Int], weight: [Int]) throws(ModelError) -> WindowGeometry {
        guard input.count >= 3, weight.count == input.count else {
            throw ModelError(.invalidModel, "the input \(input) and the weight \(weight) do not fit in rank")
        }
        guard input[1] % group == 0, weight[0] % group == 0, weight[1] == input[1] / group else {
            throw ModelError(
                .invalidModel,
                "the channels of the input \(input) and of the weight \(weight) do not fit \(group) groups"
            )
        }
        return try window.geometry(input: [Int](input.dropFirst(2)), kernel: [Int](weight.dropFirst(2)))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if inputs.isDataDependent { return [.dataDependent(try inputs.elementType(0))] }
        let x = try inputs.type(0)
        let w = try inputs.type(1)
        try requireReal(x.elementType)
        try requireSameType(w, as: x, input: 1)
        let geometry = try geometry(input: x.shape, weight: w.shape)
        try checkBias(inputs, channels: w.shape[0], x)
        return [ValueFact(try TensorType(x.elementType, [x.shape[0], w.shape[0]] + geometry.output).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let w = try inputs.tensor(1)
        let geometry = try geometry(input: x.shape, weight: w.shape)
        let channels = w.shape[1]
        let taps = geometry.kernelCount
        let products = WindowProducts(
            geometry: geometry,
            isTransposed: false,
            group: group,
            inputChannels: channels,
            outputChannels: w.shape[0] / group
        )
        let result = try products.evaluate(x, bias: inputs.optionalTensor(2)) { group, row, target in
            guard let base = w.withUnsafeBytes({ $0.baseAddress }) else { return }
            let start = (group * (w.shape[0] / self.group) + row) * channels * taps
            w.elementType.readDoubles(base, start: start, into: target)
        }
        return [.tensor(result)]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        guard inputs.count >= 2, let weight = inputs[1], let output = outputs.first ?? nil else {
            return Cost(operations: 0, bytes: 0)
        }
        let hasBias = inputs.count > 2 && inputs[2] != nil
        return Cost(
            operations: [2, output.elementCount] + weight.shape.dropFirst(),
            plus: hasBias ? output.elementCount : 0,
            moving: inputs + outputs
        )
    }
}

/// Checks the third input of a convolution.
///
/// - Throws: `ModelError` if it is given and no vector of one element a channel.
func checkBias(_ inputs: [ValueFact?], channels: Int, _ x: TensorType) throws(ModelError) {
    guard let bias = try inputs.optionalType(2) else { return }
    try requireSameType(bias, as: x, input: 2)
    guard bias.shape == [channels] else {
        throw ModelError(.invalidModel, "the bias has shape \(bias.shape), expected [\(channels)]")
    }
}
