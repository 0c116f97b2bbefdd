import ApusGraph
import ApusTensor

extension GraphPass {
    /// A `Transpose` of a `Transpose` reads what the first one reads, a `Reshape` of a `Reshape` alike.
    package static let transpose = GraphPass(
        name: "transpose",
        summary: "chains of Transpose and chains of Reshape become one node"
    ) { graph, _ throws(ModelError) in
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], let input = node.inputs.first,
                let (position, producer) = editor.producer(of: input), let joined = join(producer, node, graph)
            else { continue }
            editor.replaceNode(at: index, with: joined)
            if producer.outputs.allSatisfy({ $0.map { !editor.isRead($0) } ?? true }) {
                editor.replaceNode(at: position, with: nil)
            }
        }
        return editor.result
    }

    private static func join(_ first: Node, _ second: Node, _ graph: Graph) -> Node? {
        guard first.domain.isEmpty, second.domain.isEmpty, first.operatorType == second.operatorType,
            first.epilogue == nil, second.epilogue == nil, let source = first.inputs.first, let source
        else { return nil }
        var result = second
        result.inputs[0] = source
        switch second.operatorType {
        case "Transpose":
            guard let inner = try? first.attributes.ints("perm"), let outer = try? second.attributes.ints("perm"),
                inner.sorted() == Array(inner.indices), outer.sorted() == Array(inner.indices)
            else { return nil }
            result.attributes["perm"] = .ints(outer.map { Int64(inner[$0]) })
            return result
        case "Reshape":
            guard second.inputs.count > 1, let shape = try? graph.constantTensor(second.inputs[1])?.integers(),
                !shape.contains(0)
            else { return nil }
            return result
        default: return nil
        }
    }
}
