import ApusGraph
import ApusOperators
import ApusTensor

/// A node whose sums integers can compute: where its operands come from.
struct IntegerAnchor {
    var name: String
    var operatorType: String
    var attributes: Attributes
    var input: QuantizationFolding.QuantizedValue
    var inputZeroPoint: ValueID?
    /// Weights of bytes, their scales and zero points; `nil` for a pool.
    var weights: ValueID?
    var weightScales: [Float] = [1]
    var weightZeroPoint: ValueID?
    /// A bias in units of the products.
    var integerBias: ValueID?
    /// A bias that follows the sums as float32, shaped to broadcast.
    var floatBias: Tensor?
    /// Positions of the quantizations that may have become useless.
    var quantizations: [Int]

    /// The multiplier of the sums for a result of the given scale.
    func multiplier(output: Float) throws(ModelError) -> Tensor {
        try requantizationMultiplier(
            Tensor(vector: [input.scale]),
            Tensor(vector: weightScales),
            output: Tensor(vector: [output])
        )
    }

    func inputs(multiplier: ValueID) -> [ValueID?] {
        guard let weights else { return [input.value, multiplier, inputZeroPoint] }
        return [input.value, weights, multiplier, integerBias, inputZeroPoint, weightZeroPoint]
    }
}

extension QuantizationFolding {
    /// The node as sums of integers; `nil` if its operands are not quantized so.
    func integerAnchor(_ node: Node) -> IntegerAnchor? {
        guard node.domain.isEmpty, let input = dequantized(node.inputs.first ?? nil) else { return nil }
        let zeroPoint = editor.nodes[input.position].flatMap { $0.inputs.count > 2 ? $0.inputs[2] : nil }
        var anchor = IntegerAnchor(
            name: node.name,
            operatorType: "",
            attributes: Attributes(),
            input: input,
            inputZeroPoint: input.zeroPoint == 0 ? nil : zeroPoint,
            quantizations: [input.position]
        )
        switch node.operatorType {
        case "Conv":
            anchor.operatorType = "QuantizedConv"
            anchor.attributes = node.attributes
            guard addWeights(node, channelAxis: 0, rank: nil, &anchor), addBias(node, &anchor) else { return nil }
        case "Gemm":
            anchor.operatorType = "QuantizedMatMul"
            guard let transB = try? node.attributes.int("transB", default: 0),
                (try? node.attributes.int("transA", default: 0)) == 0,
                (try? node.attributes.float("alpha", default: 1)) == 1,
                (try? node.attributes.float("beta", default: 1)) == 1
            else { return nil }
            anchor.attributes["transB"] = .int(Int64(transB))
            guard addWeights(node, channelAxis: transB == 0 ? 1 : 0, rank: 2, &anchor), addBias(node, &anchor) else {
                return nil
            }
        case "MatMul":
            anchor.operatorType = "QuantizedMatMul"
            guard addWeights(node, channelAxis: 1, rank: 2, &anchor) else { return nil }
        case "GlobalAveragePool": anchor.operatorType = "QuantizedGlobalAveragePool"
        default: return nil
        }
        return anchor
    }

    /// Weights behind a `DequantizeLinear` with parameters for all or for each output channel.
    private func addWeights(_ node: Node, channelAxis: Int, rank: Int?, _ anchor: inout IntegerAnchor) -> Bool {
        guard node.inputs.count > 1, let (position, source) = editor.producer(of: node.inputs[1]),
            source.domain.isEmpty, source.operatorType == "DequantizeLinear", source.inputs.count >= 2,
            let id = source.inputs[0], let weights = editor.graph.constantTensor(id), weights.elementType.isByte,
            rank == nil || weights.rank == rank, weights.rank > channelAxis,
            let scales = editor.graph.constantTensor(source.inputs[1]), scales.elementType == .float32,
            let values = try? scales.floats(), values.allSatisfy({ $0.isFinite && $0 > 0 }),
            (try? source.attributes.int("block_size", default: 0)) == 0,
            let type = try? source.attributes.int("output_dtype", default: 0),
            type == 0 || type == Int(ElementType.float32.rawValue)
        else { return false }
        if values.count != 1 {
            guard let axis = try? source.attributes.int("axis", default: 1), scales.rank == 1,
                axis == channelAxis || axis + weights.rank == channelAxis, values.count == weights.shape[channelAxis]
            else { return false }
        }
        anchor.weights = id
        anchor.weightScales = values
        anchor.quantizations.append(position)
        guard source.inputs.count > 2, let zeroPoint = source.inputs[2] else { return true }
        guard let tensor = editor.graph.constantTensor(zeroPoint), tensor.elementType == weights.elementType,
            tensor.elementCount == values.count, let zeros = try? tensor.integers()
        else { return false }
        if zeros.contains(where: { $0 != 0 }) { anchor.weightZeroPoint = zeroPoint }
        return true
    }

    /// A bias in int32 with the scale of the products, or as float32.
    private func addBias(_ node: Node, _ anchor: inout IntegerAnchor) -> Bool {
        guard node.inputs.count > 2, let id = node.inputs[2] else { return true }
        guard let weights = anchor.weights.flatMap({ editor.graph.constantTensor($0) }) else { return false }
        let channels = weights.shape[node.operatorType == "Gemm" && isFalse(node, "transB") ? 1 : 0]
        let ones = [Int](repeating: 1, count: node.operatorType == "Conv" ? max(weights.rank - 2, 0) : 0)
        if let tensor = editor.graph.constantTensor(id) {
            guard tensor.elementType == .float32, tensor.elementCount == channels, tensor.shape.last == channels,
                let bias = try? tensor.reshaped([channels] + ones)
            else { return false }
            anchor.floatBias = bias
            return true
        }
        guard let (position, source) = editor.producer(of: id), source.domain.isEmpty,
            source.operatorType == "DequantizeLinear", source.inputs.count >= 2, let value = source.inputs[0],
            let bias = editor.graph.constantTensor(value), bias.type == TensorType(.int32, [channels]),
            let scales = try? editor.graph.constantTensor(source.inputs[1])?.floats(),
            scales.count == 1 || scales.count == channels, isZero(source)
        else { return false }
        anchor.quantizations.append(position)
        let expected = anchor.weightScales.map { anchor.input.scale * $0 }
        let matches = (0..<channels).allSatisfy { channel in
            let scale = expected[expected.count == 1 ? 0 : channel]
            return abs(scales[scales.count == 1 ? 0 : channel] - scale) <= scale * 1e-5
        }
        if matches {
            anchor.integerBias = value
            return true
        }
        guard let integers = try? bias.integers() else { return false }
        let values = integers.indices.map { Float(integers[$0]) * scales[scales.count == 1 ? 0 : $0] }
        guard let tensor = try? Tensor(shape: [channels] + ones, values) else { return false }
        anchor.floatBias = tensor
        return true
    }

    private func isFalse(_ node: Node, _ attribute: String) -> Bool {
        (try? node.attributes.int(attribute, default: 0)) == 0
    }

    private func isZero(_ node: Node) -> Bool {
        guard node.inputs.count > 2, let id = node.inputs[2] else { return true }
        return (try? editor.graph.constantTensor(id)?.integers())?.allSatisfy { $0 == 0 } ?? false
    }

    /// `QLinearConv` and `QLinearMatMul` with constant parameters become the nodes that Q/DQ models give.
    mutating func foldQuantizedLinear(_ index: Int, _ node: Node) throws(ModelError) {
        func constant(_ place: Int) -> Tensor? {
            node.inputs.indices.contains(place) ? editor.graph.constantTensor(node.inputs[place]) : nil
        }
        guard node.inputs.count >= 8, let x = constant(1), let w = constant(4), let y = constant(6),
            x.elementCount == 1, y.elementCount == 1, [x, w, y].allSatisfy({ $0.elementType == .float32 }),
            let inputZero = constant(2), inputZero.elementCount == 1, let weightZero = constant(5),
            let zeroPoint = constant(7), zeroPoint.elementType.isByte, let shift = try zeroPoint.integers().first
        else { return }
        let isProduct = node.operatorType == "QLinearMatMul"
        if isProduct {
            guard let weights = types[node.inputs[3]], weights.rank >= 2, w.rank <= 1, weightZero.rank <= 1 else {
                return
            }
        }
        let multiplier = editor.addConstant(
            node.name + "_multiplier",
            try requantizationMultiplier(x, w, output: y)
        )
        let formula = PointwiseExpression.input(0).quantized(zeroPoint: Double(shift), to: zeroPoint.elementType)
        let bias = node.inputs.count > 8 ? node.inputs[8] : nil
        editor.replaceNode(
            at: index,
            with: Node(
                name: node.name,
                domain: "apus",
                operatorType: isProduct ? "QuantizedMatMul" : "QuantizedConv",
                inputs: [
                    node.inputs[0], node.inputs[3], multiplier, isProduct ? nil : bias, node.inputs[2], node.inputs[5],
                ],
                outputs: node.outputs,
                attributes: isProduct ? Attributes() : node.attributes,
                epilogue: Epilogue(expression: formula, inputCount: 0)
            )
        )
    }
}
