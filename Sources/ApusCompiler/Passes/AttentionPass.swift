import ApusGraph
import ApusOperators
import ApusTensor

extension GraphPass {
    /// Two products with a softmax between them become one `apus.Attention`, with the movement around them.
    package static let attention = GraphPass(
        name: "attention",
        summary: "MatMul, scale, mask, Softmax, MatMul and the Transpose and Reshape around them become one node"
    ) { graph, context throws(ModelError) in
        guard graph.nodes.contains(where: { $0.isPlain("Softmax") }) else { return graph }
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.isPlain("Softmax"),
                let found = AttentionPattern(node, at: index, editor, types)
            else { continue }
            for position in found.removed { editor.replaceNode(at: position, with: nil) }
            editor.replaceNode(at: found.position, with: found.node)
        }
        return editor.result
    }
}

/// The attention around a softmax.
private struct AttentionPattern {
    /// What takes the place of the pattern's last node.
    private(set) var node: Node
    private(set) var position: Int
    /// The other nodes from the softmax on.
    private(set) var removed: [Int] = []

    /// The scores before the softmax: a product, what it is multiplied by, and what is added.
    private struct Scores {
        var product: Node
        var scale: Double
        var mask: ValueID?
    }

    private static let storages: Set<ElementType> = [.float32, .float16, .bfloat16]

    init?(_ softmax: Node, at index: Int, _ editor: GraphEditor, _ types: KnownTypes) {
        guard let input = softmax.inputs.first, let input, let probabilities = softmax.outputs.first,
            let probabilities, let scoresType = types[input], Self.storages.contains(scoresType.elementType),
            scoresType.rank == 3 || scoresType.rank == 4,
            let axis = try? softmax.attributes.int("axis", default: -1),
            axis == -1 || axis == scoresType.rank - 1,
            let second = editor.soleReader(of: probabilities), let product = editor.nodes[second],
            product.isPlain("MatMul"), product.inputs.first == probabilities, let valueID = product.inputs[1],
            let scores = Self.scores(input, index, scoresType.shape, editor, types, isBelowMask: false),
            let queryID = scores.product.inputs[0], let keyID = scores.product.inputs[1],
            let output = product.outputs.first, let output
        else { return nil }
        let leading = Array(scoresType.shape.dropLast(2))
        guard let query = MovementView(queryID, editor, types), let key = MovementView(keyID, editor, types),
            let value = MovementView(valueID, editor, types),
            [query, key, value].allSatisfy({ Array($0.shape.dropLast(2)) == leading }),
            let width = value.shape.last, let depth = query.shape.last, depth > 0, width > 0,
            !scoresType.shape.contains(0)
        else { return nil }
        let heads = leading.count == 1 ? [1, leading[0]] : leading
        let (rows, keys) = (scoresType.shape[leading.count], scoresType.shape[leading.count + 1])
        guard
            let queryView = Self.view(query.offset, query.strides, isTransposed: false),
            let keyView = Self.view(key.offset, key.strides, isTransposed: true),
            let valueView = Self.view(value.offset, value.strides, isTransposed: false)
        else { return nil }

        let resultShape = leading + [rows, width]
        var chain: [(node: Node, output: [Int])] = []
        var positions = [second]
        var current = output
        while let reader = editor.soleReader(of: current), let node = editor.nodes[reader],
            MovementView.rearranges(node), node.inputs.first == current, let next = node.outputs.first, let next,
            let type = types[next]
        {
            chain.append((node, type.shape))
            positions.append(reader)
            current = next
        }
        var resultView: AttentionView?
        while resultView == nil {
            if let strides = MovementView.writingStrides(of: resultShape, through: chain) {
                resultView = Self.view(0, strides, isTransposed: false)
            }
            guard resultView == nil else { break }
            guard !chain.isEmpty else { return nil }
            chain.removeLast()
            positions.removeLast()
        }
        guard let resultView, let last = positions.last, let final = editor.nodes[last]?.outputs.first, let final,
            scores.scale * query.scale * key.scale * value.scale != 0
        else { return nil }
        guard value.scale == 1 else { return nil }
        position = last
        removed = [index] + positions.dropLast()
        let extents = heads + [heads[1], rows, keys, depth, width]
        node = Node(
            name: softmax.name,
            domain: "apus",
            operatorType: "Attention",
            inputs: [query.source, key.source, value.source] + (scores.mask.map { [$0] } ?? []),
            outputs: [final],
            attributes: Attributes([
                "extents": .ints(extents.map { Int64($0) }),
                "shape": .ints((chain.last?.output ?? resultShape).map { Int64($0) }),
                "scale": .float(Float(scores.scale * query.scale * key.scale)),
                "query": queryView.attribute, "key": keyView.attribute, "value": valueView.attribute,
                "result": resultView.attribute,
            ])
        )
    }

    /// The strides of `[batch, heads, positions, features]`; `nil` unless features are adjacent.
    private static func view(_ offset: Int, _ strides: [Int], isTransposed: Bool) -> AttentionView? {
        var pitches = strides.count == 3 ? [0] + strides : strides
        if isTransposed { pitches.swapAt(2, 3) }
        guard pitches[3] <= 1 else { return nil }
        return AttentionView(offset: offset, pitches: Array(pitches.prefix(3)) + [1])
    }

    /// What stands before the softmax; each value on the way has one reader.
    ///
    /// - Parameter isBelowMask: whether a mask was found between here and the softmax.
    private static func scores(
        _ id: ValueID,
        _ reader: Int,
        _ shape: [Int],
        _ editor: GraphEditor,
        _ types: KnownTypes,
        isBelowMask: Bool
    ) -> Scores? {
        guard editor.soleReader(of: id) == reader, types[id]?.shape == shape,
            let (position, producer) = editor.producer(of: id)
        else { return nil }
        let node = producer.arithmetic
        if node.isPlain("MatMul") { return Scores(product: node, scale: 1, mask: nil) }
        if node.isPlain("Add"), !isBelowMask {
            for (next, mask) in editor.pairs(node) {
                guard let type = types[mask], type.elementType == .float32, type.rank <= 4,
                    type.shape.last == shape.last, let broadcast = try? broadcastShape([type.shape, shape]),
                    broadcast == shape, shape.count == 4 || type.rank < 3,
                    var found = scores(next, position, shape, editor, types, isBelowMask: true)
                else { continue }
                found.mask = mask
                return found
            }
            return nil
        }
        guard node.isPlain("Mul") || node.isPlain("Div") else { return nil }
        for (next, constant) in editor.pairs(node) {
            guard let factor = editor.scalar(constant), factor != 0,
                var found = scores(next, position, shape, editor, types, isBelowMask: isBelowMask),
                found.mask == nil
            else {
                if node.operatorType == "Div" { return nil }
                continue
            }
            found.scale *= node.operatorType == "Mul" ? factor : 1 / factor
            return found
        }
        return nil
    }
}
