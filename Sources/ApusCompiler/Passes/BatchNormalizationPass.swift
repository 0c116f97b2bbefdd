import ApusGraph
import ApusTensor

extension GraphPass {
    /// `BatchNormalization` goes into constant weights before it, or becomes a pointwise formula.
    package static let batchNormalization = GraphPass(
        name: "batch-norm",
        summary: "BatchNormalization goes into the weights before it, or becomes a multiply-add"
    ) { graph, context throws(ModelError) in
        guard graph.nodes.contains(where: { $0.isBatchNormalization }) else { return graph }
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.isBatchNormalization, editor.hasOneResult(node),
                let affine = ChannelAffine(node, graph), let input = node.inputs.first, let input
            else { continue }
            if let (position, producer) = editor.producer(of: input), editor.soleReader(of: input) == index,
                editor.hasOneResult(producer),
                let folded = try affine.folded(into: producer, &editor, outputs: node.outputs)
            {
                editor.replaceNode(at: position, with: nil)
                editor.replaceNode(at: index, with: folded)
            } else if let type = types[input], let formula = try affine.pointwise(node, type, &editor) {
                editor.replaceNode(at: index, with: formula)
            }
        }
        return editor.result
    }
}

extension Node {
    fileprivate var isBatchNormalization: Bool {
        domain.isEmpty && operatorType == "BatchNormalization" && epilogue == nil
    }
}

/// `x * scale + shift` with one scale and shift a channel.
private struct ChannelAffine {
    var scale: [Double] = []
    var shift: [Double] = []

    /// The formula of a `BatchNormalization` for inference; `nil` if a parameter is not constant.
    init?(_ node: Node, _ graph: Graph) {
        guard node.inputs.count == 5, (try? node.attributes.int("training_mode", default: 0)) == 0,
            let epsilon = try? node.attributes.float("epsilon", default: 1e-5)
        else { return nil }
        var parameters: [[Double]] = []
        for id in node.inputs.dropFirst() {
            guard let tensor = graph.constantTensor(id), tensor.rank == 1, tensor.elementType.isFloatingPoint,
                let values = try? tensor.doubles()
            else { return nil }
            parameters.append(values)
        }
        guard parameters.allSatisfy({ $0.count == parameters[0].count }) else { return nil }
        for channel in parameters[0].indices {
            let factor = parameters[0][channel] / (parameters[3][channel] + Double(epsilon)).squareRoot()
            scale.append(factor)
            shift.append(parameters[1][channel] - parameters[2][channel] * factor)
        }
        guard (scale + shift).allSatisfy(\.isFinite) else { return nil }
    }

    /// The producer with scaled weights and a bias, under the given results; `nil` where that is not possible.
    func folded(into producer: Node, _ editor: inout GraphEditor, outputs: [ValueID?]) throws(ModelError) -> Node? {
        guard producer.domain.isEmpty, producer.epilogue == nil, producer.inputs.count >= 2,
            let weightID = producer.inputs[1], let weights = editor.graph.constantTensor(weightID),
            [.float32, .float64, .float16, .bfloat16].contains(weights.elementType), !scale.isEmpty
        else { return nil }
        let shape = weights.shape
        let inner: Int
        let channel: (Int) -> Int
        switch producer.operatorType {
        case "Conv":
            guard weights.rank >= 3, shape[0] == scale.count else { return nil }
            inner = shape[1...].reduce(1, *)
            channel = { $0 }
        case "ConvTranspose":
            guard weights.rank >= 3, let groups = try? producer.attributes.int("group", default: 1), groups > 0,
                shape[0] % groups == 0, shape[0] > 0, scale.count % groups == 0, shape[1] == scale.count / groups
            else { return nil }
            let (perGroup, width) = (shape[0] / groups, shape[1])
            inner = shape[2...].reduce(1, *)
            channel = { $0 / width / perGroup * width + $0 % width }
        case "Gemm":
            guard weights.rank == 2, let isTransposed = try? producer.attributes.bool("transB", default: false),
                shape[isTransposed ? 0 : 1] == scale.count
            else { return nil }
            inner = isTransposed ? shape[1] : 1
            let count = scale.count
            channel = { $0 % count }
        default: return nil
        }
        guard inner > 0, let bias = bias(of: producer, editor.graph) else { return nil }
        var values = try weights.doubles()
        weights.dropMappedPages()
        for block in 0..<values.count / inner {
            let factor = scale[channel(block)]
            for index in block * inner..<(block + 1) * inner { values[index] *= factor }
        }
        let name = editor.graph[weightID].name
        let scaled = try Tensor(weights.type, rounding: values)
        let sums = zip(bias, zip(scale, shift)).map { $0 * $1.0 + $1.1 }
        let biasType = TensorType(weights.elementType, [scale.count])
        var node = producer
        node.outputs = [outputs.first ?? nil]
        node.inputs = [
            producer.inputs[0], editor.addConstant(name + "_scaled", scaled),
            editor.addConstant(name + "_bias", try Tensor(biasType, rounding: sums)),
        ]
        if producer.operatorType == "Gemm" { node.attributes["beta"] = .float(1) }
        return node
    }

    /// What the producer adds to each channel; `nil` if that is not constant or not one number a channel.
    private func bias(of producer: Node, _ graph: Graph) -> [Double]? {
        guard producer.inputs.count > 2, let id = producer.inputs[2] else {
            return [Double](repeating: 0, count: scale.count)
        }
        guard let tensor = graph.constantTensor(id), let values = try? tensor.doubles() else { return nil }
        if producer.operatorType != "Gemm" { return tensor.shape == [scale.count] ? values : nil }
        guard let beta = try? producer.attributes.float("beta", default: 1) else { return nil }
        let isRow = tensor.rank <= 2 && (tensor.rank < 2 || tensor.shape[0] == 1)
        guard isRow, values.count == scale.count || values.count == 1 else { return nil }
        return scale.indices.map { Double(beta) * (values.count == 1 ? values[0] : values[$0]) }
    }

    /// The formula as a node of its own, for types that hold scale and shift precisely enough.
    func pointwise(_ node: Node, _ type: TensorType, _ editor: inout GraphEditor) throws(ModelError) -> Node? {
        guard type.elementType == .float32 || type.elementType == .float64, type.rank >= 2,
            type.shape[1] == scale.count
        else { return nil }
        let shape = [scale.count] + [Int](repeating: 1, count: type.rank - 2)
        let operandType = TensorType(type.elementType, shape)
        let name = node.outputs.first.flatMap { $0 }.map { editor.graph[$0].name } ?? node.name
        return Node(
            name: node.name,
            domain: "apus",
            operatorType: "Pointwise",
            inputs: [
                node.inputs[0], editor.addConstant(name + "_scale", try Tensor(operandType, rounding: scale)),
                editor.addConstant(name + "_shift", try Tensor(operandType, rounding: shift)),
            ],
            outputs: [node.outputs.first ?? nil],
            attributes: Attributes(["expression": .expression(.input(0) * .input(1) + .input(2))])
        )
    }
}
