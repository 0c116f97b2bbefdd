import ApusGraph
import ApusTensor

extension NodeUpgrade {
    /// The domain of ONNX Runtime's own operators.
    static let contribDomain = "com.microsoft"

    /// ONNX Runtime's quantized operators, which its quantizer writes in QOperator format, by name.
    ///
    /// Each stands for a float operator between `DequantizeLinear` and `QuantizeLinear`, which is what it becomes.
    /// - Source: ONNX Runtime, docs/ContribOperators.md.
    private static let contribRules: [String: Rule] = [
        "QGemm": gemm, "QLinearAdd": binary("Add"), "QLinearAveragePool": pool("AveragePool"),
        "QLinearConcat": concat, "QLinearGlobalAveragePool": pool("GlobalAveragePool"),
        "QLinearLeakyRelu": unary("LeakyRelu"), "QLinearMul": binary("Mul"), "QLinearSigmoid": unary("Sigmoid"),
        "QLinearSoftmax": softmax,
    ]

    /// Appends what an operator of `contribDomain` stands for; what has no rule is appended as it is.
    ///
    /// - Throws: `ModelError` if the node is malformed or asks for what has no counterpart.
    static func appendContrib(_ node: Node, to context: GraphContext) throws(ModelError) {
        var upgrade = NodeUpgrade(node: node, version: ONNXImporter.opsets.upperBound, context: context)
        try contribRules[node.operatorType]?(&upgrade)
        context.append(upgrade.node)
    }

    private static func binary(_ operatorType: String) -> Rule {
        { upgrade throws(ModelError) in
            let operands = [try upgrade.dequantized(0), try upgrade.dequantized(3)]
            try upgrade.quantize(upgrade.insert(operatorType, operands), scaleAt: 6)
        }
    }

    private static func unary(_ operatorType: String) -> Rule {
        { upgrade throws(ModelError) in
            let operand = try upgrade.dequantized(0)
            try upgrade.quantize(
                upgrade.insert(operatorType, [operand], upgrade.node.attributes.values),
                scaleAt: 3
            )
        }
    }

    private static func pool(_ operatorType: String) -> Rule {
        let rule = unary(operatorType)
        return { upgrade throws(ModelError) in
            guard try !upgrade.node.attributes.bool("channels_last", default: false) else {
                throw ModelError(.unsupported, "channels behind the spatial axes are not supported")
            }
            upgrade.node.attributes["channels_last"] = nil
            try rule(&upgrade)
        }
    }

    /// The node tells which opset's Softmax it means.
    private static func softmax(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard let opset = try upgrade.node.attributes.int("opset"), ONNXImporter.opsets.contains(opset) else {
            throw ModelError(.unsupported, "the attribute \"opset\" is not in \(ONNXImporter.opsets)")
        }
        var attributes = upgrade.node.attributes
        attributes["opset"] = nil
        let result = upgrade.context.graph.addValue("\(upgrade.node.name)/Softmax")
        let float = Node(
            name: "\(upgrade.node.name)/Softmax",
            operatorType: "Softmax",
            inputs: [try upgrade.dequantized(0)],
            outputs: [result],
            attributes: attributes
        )
        try append(float, from: opset, to: upgrade.context)
        try upgrade.quantize(result, scaleAt: 3)
    }

    /// The parameters of the result come first, then each operand with its own.
    private static func concat(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        var operands: [ValueID?] = []
        for place in stride(from: 2, to: upgrade.node.inputs.count, by: 3) {
            operands.append(try upgrade.dequantized(place))
        }
        try upgrade.quantize(upgrade.insert("Concat", operands, upgrade.node.attributes.values), scaleAt: 0)
    }

    /// The bias is int32 in units of `alpha * a_scale * b_scale`; without a scale the result is float32.
    private static func gemm(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        let isTransposed = try upgrade.node.attributes.bool("transB", default: false)
        var operands: [ValueID?] = [
            try upgrade.dequantized(0), try upgrade.dequantized(3, axis: isTransposed ? 0 : 1),
        ]
        if let bias = upgrade.optional(6) {
            let scale = try upgrade.biasScale(alpha: upgrade.node.attributes.float("alpha", default: 1))
            operands.append(upgrade.insert("DequantizeLinear", [bias, scale], ["axis": .int(-1)]))
        }
        if upgrade.optional(7) == nil {
            upgrade.node.domain = ""
            upgrade.node.operatorType = "Gemm"
            upgrade.node.inputs = operands
        } else {
            try upgrade.quantize(upgrade.insert("Gemm", operands, upgrade.node.attributes.values), scaleAt: 7)
        }
    }

    private func biasScale(alpha: Float) throws(ModelError) -> ValueID {
        let (first, second) = (try required(1), try required(4))
        if let a = constantTensor(first), let b = constantTensor(second), let factor = try a.array(of: Float.self).first
        {
            let scales = try b.array(of: Float.self).map { alpha * factor * $0 }
            return scalar(constant("bias_scale", try Tensor(shape: b.shape, scales)))
        }
        let product = insert("Mul", [scalar(first), scalar(second)])
        return alpha == 1 ? product : insert("Mul", [product, constant("alpha", Tensor(scalar: alpha))])
    }

    // MARK: Operands

    private func optional(_ place: Int) -> ValueID? {
        node.inputs.indices.contains(place) ? node.inputs[place] : nil
    }

    private func required(_ place: Int) throws(ModelError) -> ValueID {
        guard let id = optional(place) else { throw ModelError(.invalidModel, "the input \(place) is missing") }
        return id
    }

    /// A parameter; a constant of a single element is a scalar, which belongs to the whole tensor.
    private func scalar(_ id: ValueID) -> ValueID {
        guard let tensor = constantTensor(id), tensor.rank > 0, tensor.elementCount == 1,
            let scalar = try? tensor.reshaped([])
        else { return id }
        return constant(context.graph[id].name, scalar)
    }

    /// The float values of an operand that its scale and perhaps its zero point follow.
    private func dequantized(_ place: Int, axis: Int? = nil) throws(ModelError) -> ValueID {
        let parameters = [scalar(try required(place + 1))] + (optional(place + 2).map { [scalar($0)] } ?? [])
        return insert(
            "DequantizeLinear",
            [try required(place)] + parameters,
            axis.map { ["axis": .int(Int64($0))] } ?? [:]
        )
    }

    /// Makes the node the quantization of a value with the parameters at a place.
    private mutating func quantize(_ value: ValueID, scaleAt place: Int) throws(ModelError) {
        guard let zeroPoint = optional(place + 1) else {
            throw ModelError(.unsupported, "a result without a zero point is not supported, as its type is unknown")
        }
        node.inputs = [value, scalar(try required(place)), scalar(zeroPoint)]
        node.domain = ""
        node.operatorType = "QuantizeLinear"
        node.attributes = Attributes()
    }
}
