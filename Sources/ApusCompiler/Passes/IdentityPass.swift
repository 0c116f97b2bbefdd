import ApusGraph
import ApusTensor

extension GraphPass {
    /// Nodes whose first result is their first operand are removed.
    package static let identity = GraphPass(
        name: "identity",
        summary: "Identity, Dropout and calls that change nothing are removed"
    ) { graph, context throws(ModelError) in
        try removeIdentities(graph, context)
    }

    private static func removeIdentities(_ graph: Graph, _ context: PassContext) throws(ModelError) -> Graph {
        let graph = try graph.rewritingSubgraphs { body throws(ModelError) in
            try removeIdentities(body, context.forSubgraph)
        }
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.isIdentity(graph, types), editor.hasOneResult(node),
                let source = node.inputs.first, let source, let output = node.outputs.first, let output
            else { continue }
            if !editor.isOutput(output) {
                editor.replaceNode(at: index, with: nil)
                editor.replaceReads(of: output, with: source)
            } else if let (position, original) = editor.producer(of: source), !editor.isOutput(source) {
                var producer = original
                producer.outputs = producer.outputs.map { $0 == source ? output : $0 }
                editor.replaceNode(at: index, with: nil)
                editor.replaceNode(at: position, with: producer)
                editor.replaceReads(of: source, with: output)
            }
        }
        return editor.result
    }
}

extension Node {
    /// Whether the first result equals the first operand.
    fileprivate func isIdentity(_ graph: Graph, _ types: KnownTypes) -> Bool {
        guard domain.isEmpty, epilogue == nil else { return false }
        let input = types[inputs.first ?? nil]
        let output = types[outputs.first ?? nil]
        func operand(_ index: Int) -> ValueID? { inputs.indices.contains(index) ? inputs[index] : nil }
        func constantIntegers(_ index: Int) -> [Int]? {
            graph.constantTensor(operand(index)).flatMap { try? $0.integers() }
        }
        switch operatorType {
        case "Identity": return true
        case "Concat", "Sum", "Mean", "Max", "Min": return inputs.count == 1
        case "Dropout": return operand(2) == nil || constantIntegers(2) == [0]
        case "Clip": return operand(1) == nil && operand(2) == nil
        case "Cast":
            guard let input, let code = try? attributes.int("to") else { return false }
            return code == Int(input.elementType.rawValue)
        case "CastLike":
            guard let input, let target = types[operand(1)] else { return false }
            return input.elementType == target.elementType
        case "Pad": return constantIntegers(1)?.allSatisfy { $0 == 0 } ?? false
        case "Transpose":
            guard let permutation = try? attributes.ints("perm") else { return input.map { $0.rank < 2 } ?? false }
            return permutation == Array(permutation.indices)
        case "Reshape", "Expand", "Flatten", "Squeeze", "Unsqueeze", "Tile":
            return input != nil && input == output
        case "Split": return outputs.count == 1 && input != nil && input == output
        case "Slice":
            guard input != nil, input == output else { return false }
            return operand(4) == nil || constantIntegers(4)?.allSatisfy { $0 == 1 } ?? false
        default: return false
        }
    }
}
