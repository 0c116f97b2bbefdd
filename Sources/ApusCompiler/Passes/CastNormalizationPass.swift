import ApusGraph
import ApusOperators
import ApusTensor

extension GraphPass {
    /// A normalization of float32 rows takes in the Cast to 16 bits behind it: rows are then walked once for both types.
    package static let castNormalization = GraphPass(
        name: "cast-normalization",
        summary: "a Cast to 16 bits joins the LayerNormalization or RMSNormalization before it"
    ) { graph, context throws(ModelError) in
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let cast = editor.nodes[index], cast.isPlain("Cast"), let result = cast.outputs.first ?? nil,
                let source = cast.inputs.first ?? nil, types[source]?.elementType == .float32,
                let target = types[result]?.elementType, target == .float16 || target == .bfloat16,
                let (position, node) = editor.producer(of: source),
                node.isPlain("LayerNormalization") || node.isPlain("RMSNormalization"),
                node.inputs.allSatisfy({ $0.map { types[$0]?.elementType == .float32 } ?? true }),
                node.outputs.first == source, editor.hasOneResult(node)
            else { continue }
            let isRead = editor.soleReader(of: source) != index
            editor.replaceNode(at: index, with: nil)
            editor.replaceNode(
                at: position,
                with: CastNormalization.node(node, to: target, result, copy: isRead ? source : nil)
            )
        }
        return editor.result
    }
}
