import ApusGraph
import ApusTensor

extension GraphPass {
    /// An integer product whose sums are only scaled computes the scaled sums itself.
    ///
    /// `MatMulInteger` or `ConvInteger`, the `Cast` to float32 and a `Mul` by one number or by one an output channel, as
    /// dynamic quantization writes them, become `apus.QuantizedMatMul` or `apus.QuantizedConv`: the same arithmetic in
    /// one node, which takes what follows as its epilogue. The scale is the product of that of the input and those of the
    /// weights; where the latter are constant, the node multiplies them as well.
    package static let integerScale = GraphPass(
        name: "integer-scale",
        summary: "the scales behind MatMulInteger and ConvInteger join their kernel"
    ) { graph, context throws(ModelError) in
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.domain.isEmpty, node.operatorType == "Mul",
                node.epilogue == nil, let found = scaledProduct(node, at: index, editor, types)
            else { continue }
            for position in found.positions { editor.replaceNode(at: position, with: nil) }
            editor.replaceNode(at: index, with: found.node)
        }
        return editor.result
    }

    /// The product that a `Mul` scales as one node, and the positions of the nodes before the `Mul` that it replaces.
    private static func scaledProduct(
        _ node: Node,
        at index: Int,
        _ editor: GraphEditor,
        _ types: KnownTypes
    ) -> (node: Node, positions: [Int])? {
        guard node.inputs.count == 2, let output = node.outputs.first, let result = types[output],
            result.elementType == .float32
        else { return nil }
        for (real, scale) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
            guard let scale, let scaleType = types[scale], scaleType.elementType == .float32, scale != real,
                let (castPosition, cast) = soleProducer(of: real, readBy: index, "Cast", editor),
                (try? cast.attributes.int("to", default: 0)) == Int(ElementType.float32.rawValue),
                let sums = cast.inputs.first, let type = types[sums],
                type == TensorType(.int32, result.shape)
            else { continue }
            for name in ["MatMulInteger", "ConvInteger"] {
                guard let (position, product) = soleProducer(of: sums, readBy: castPosition, name, editor),
                    let channel = channelAxis(product, type, types), serves(scaleType, type, axis: channel),
                    serves(product, types, channels: type.shape[channel])
                else { continue }
                let factors = factors(of: scale, type, axis: channel, editor, types)
                var inputs: [ValueID?] = [product.inputs[0], product.inputs[1], factors?.weights ?? scale, nil]
                for place in 2...3 { inputs.append(product.inputs.count > place ? product.inputs[place] : nil) }
                inputs.append(factors?.input)
                while let last = inputs.last, last == nil { inputs.removeLast() }
                let scaled = Node(
                    name: product.name,
                    domain: "apus",
                    operatorType: name == "ConvInteger" ? "QuantizedConv" : "QuantizedMatMul",
                    inputs: inputs,
                    outputs: node.outputs,
                    attributes: product.attributes
                )
                return (scaled, [position, castPosition])
            }
        }
        return nil
    }

    /// The scale as a product of one number that arrives during the run and of constants.
    private static func factors(
        of scale: ValueID,
        _ sums: TensorType,
        axis: Int,
        _ editor: GraphEditor,
        _ types: KnownTypes
    ) -> (input: ValueID, weights: ValueID)? {
        guard let (_, node) = editor.producer(of: scale), node.displayType == "Mul", node.epilogue == nil,
            node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1]
        else { return nil }
        for (input, weights) in [(a, b), (b, a)] {
            guard let inputType = types[input], inputType.elementCount == 1, inputType.elementType == .float32,
                editor.graph.constantTensor(weights) != nil, let type = types[weights], type.elementType == .float32,
                serves(type, sums, axis: axis)
            else { continue }
            return (input, weights)
        }
        return nil
    }

    private static func soleProducer(
        of id: ValueID?,
        readBy reader: Int,
        _ operatorType: String,
        _ editor: GraphEditor
    ) -> (index: Int, node: Node)? {
        guard let id, let (index, node) = editor.producer(of: id), node.displayType == operatorType,
            node.epilogue == nil, node.inputs.count >= (operatorType == "Cast" ? 1 : 2),
            editor.soleReader(of: id) == reader
        else { return nil }
        return (index, node)
    }

    /// The axis of the sums that has a channel for each output of the weights; `nil` where there is none.
    private static func channelAxis(_ product: Node, _ sums: TensorType, _ types: KnownTypes) -> Int? {
        if product.operatorType == "ConvInteger" { return sums.rank > 1 ? 1 : nil }
        return types[product.inputs[1]].flatMap { $0.rank > 1 ? sums.rank - 1 : nil }
    }

    /// Whether a scale is a single number, or one for each index of an axis.
    private static func serves(_ scale: TensorType, _ sums: TensorType, axis: Int) -> Bool {
        guard scale.rank <= sums.rank else { return false }
        if scale.elementCount == 1 { return true }
        let place = axis - (sums.rank - scale.rank)
        return place >= 0 && scale.shape[place] == sums.shape[axis] && scale.elementCount == sums.shape[axis]
    }

    /// Whether the zero points are those that the quantized operators take.
    private static func serves(_ product: Node, _ types: KnownTypes, channels: Int) -> Bool {
        for (place, counts) in [(2, [1]), (3, [1, channels])] where product.inputs.count > place {
            guard let id = product.inputs[place] else { continue }
            guard let type = types[id], counts.contains(type.elementCount) else { return false }
        }
        return true
    }
}
