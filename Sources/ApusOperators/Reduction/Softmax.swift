package import ApusGraph
package import ApusTensor
import Glibc

/// Normalizes along one axis so that the values sum to one, their logarithms, or a one for the first largest element.
///
/// - Source: ONNX Softmax, LogSoftmax and Hardmax, opset 13.
package struct Softmax: Operator {
    package enum Kind: String, Sendable, Hashable {
        case softmax = "Softmax"
        case logSoftmax = "LogSoftmax"
        case hardmax = "Hardmax"
    }

    package let kind: Kind
    package let axis: Int

    package init(_ node: Node) throws(ModelError) {
        guard let kind = Kind(rawValue: node.operatorType) else {
            throw ModelError(.unsupported, "the operator is not supported")
        }
        self.kind = kind
        axis = try node.attributes.int("axis", default: -1)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        try requireReal(element)
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        _ = try normalizedAxis(axis, rank: x.rank)
        return [ValueFact(x)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let view = AxisView(x.shape, axis: try normalizedAxis(axis, rank: x.rank))
        var values = try x.doubles()
        values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress, view.extent > 0 else { return }
            view.forEachLine { _, start in normalize(base + start, view.extent, view.inner) }
        }
        return [.tensor(try Tensor(x.type, rounding: values))]
    }

    private func normalize(_ line: UnsafeMutablePointer<Double>, _ count: Int, _ stride: Int) {
        let end = count * stride
        var largest = line[0]
        var position = 0
        for index in Swift.stride(from: 0, to: end, by: stride) where line[index] > largest || line[index].isNaN {
            largest = line[index]
            position = index
        }
        if kind == .hardmax {
            for index in Swift.stride(from: 0, to: end, by: stride) { line[index] = index == position ? 1 : 0 }
            return
        }
        var sum = 0.0
        for index in Swift.stride(from: 0, to: end, by: stride) {
            line[index] -= largest
            let power = exp(line[index])
            sum += power
            if kind == .softmax { line[index] = power }
        }
        let logarithm = log(sum)
        for index in Swift.stride(from: 0, to: end, by: stride) {
            line[index] = kind == .softmax ? line[index] / sum : line[index] - logarithm
        }
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let perElement = kind == .hardmax ? 1 : 5
        return Cost(
            operations: [perElement, inputs.first.flatMap { $0?.elementCount } ?? 0],
            moving: inputs + outputs
        )
    }
}
