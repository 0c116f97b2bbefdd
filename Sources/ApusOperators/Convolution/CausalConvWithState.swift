package import ApusGraph
package import ApusTensor
import Glibc

/// A depthwise convolution over time that sees the present and the past alone, and hands its last inputs on.
///
/// - Shapes: input and output `[batch, channels, length]`, weight `[channels, 1, kernel]`, bias `[channels]`, past and
///   present state `[batch, channels, kernel - 1]`.
/// - Source: ONNX CausalConvWithState, opset 27.
package struct CausalConvWithState: Operator {
    /// Whether `x * sigmoid(x)` follows.
    package let isActivated: Bool

    package init(_ node: Node) throws(ModelError) {
        let activation = try node.attributes.string("activation", default: "none")
        guard ["none", "silu", "swish"].contains(activation) else {
            throw ModelError(.invalidModel, "activation is \"\(activation)\", expected none, silu or swish")
        }
        isActivated = activation != "none"
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element), .dataDependent(element)] }
        let x = try inputs.type(0)
        let weight = try inputs.type(1)
        guard x.rank == 3, weight.rank == 3, weight.shape[2] > 0, weight.shape == [x.shape[1], 1, weight.shape[2]]
        else { throw ModelError(.invalidModel, "input \(x.shape) and weight \(weight.shape) do not fit together") }
        let state = [x.shape[0], x.shape[1], weight.shape[2] - 1]
        for (index, shape) in [(1, weight.shape), (2, [x.shape[1]]), (3, state)] where inputs.has(index) {
            let type = try inputs.type(index)
            try requireSameType(type, as: x, input: index)
            guard type.shape == shape else {
                throw ModelError(.invalidModel, "input \(index) is \(type.shape), expected \(shape)")
            }
        }
        return [ValueFact(x), ValueFact(try TensorType(element, state).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let tensor = try inputs.tensor(0)
        let weightTensor = try inputs.tensor(1)
        let x = try tensor.doubles()
        let weight = try weightTensor.doubles()
        let bias = try inputs.optionalTensor(2)?.doubles()
        let past = try inputs.optionalTensor(3)?.doubles()
        let (channels, length, kernel) = (tensor.shape[1], tensor.shape[2], weightTensor.shape[2])
        let stateType = TensorType(tensor.elementType, [tensor.shape[0], channels, kernel - 1])
        var output = [Double](repeating: 0, count: x.count)
        var state: [Double] = []
        for line in 0..<tensor.shape[0] * channels {
            let channel = line % channels
            let history =
                past.map { Array($0[line * (kernel - 1)..<(line + 1) * (kernel - 1)]) }
                ?? [Double](repeating: 0, count: kernel - 1)
            let padded = history + x[line * length..<(line + 1) * length]
            for time in 0..<length {
                var sum = bias?[channel] ?? 0
                for tap in 0..<kernel { sum += padded[time + tap] * weight[channel * kernel + tap] }
                output[line * length + time] = isActivated ? sum / (1 + exp(-sum)) : sum
            }
            state += padded.suffix(kernel - 1)
        }
        return [
            .tensor(try Tensor(tensor.type, rounding: output)), .tensor(try Tensor(stateType, rounding: state)),
        ]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let kernel = inputs.count > 1 ? inputs[1]?.shape.last ?? 1 : 1
        return Cost(operations: [2, kernel, outputs.first.flatMap { $0?.elementCount } ?? 0], moving: inputs + outputs)
    }
}
