import ApusGraph
import ApusOperators
import ApusTensor

/// The sums that LayerNormalization and RMSNormalization read: they pass from block to block of a transformer, so that
/// what is rounded in one stays wrong in all that follow.
///
/// They reach back from the input of each normalization through pointwise nodes, and through nodes that only give axes
/// another form, to what other operators compute.
struct ResidualStream {
    private(set) var values: Set<ValueID> = []

    private static let normalizations: Set<String> = ["LayerNormalization", "RMSNormalization"]
    private static let movements: Set<String> = ["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"]

    /// - Throws: `ModelError` that names the node, if an operator is unknown or an attribute is wrong.
    init(_ graph: Graph, _ table: OperatorTable) throws(ModelError) {
        var producers: [ValueID: Node] = [:]
        for node in graph.nodes {
            for id in node.outputs.compactMap({ $0 }) { producers[id] = node }
        }
        var pending = graph.nodes.filter(Self.isNormalization).compactMap { $0.inputs.first ?? nil }
        while let id = pending.popLast() {
            var (chain, source) = ([id], producers[id])
            while let node = source, node.domain.isEmpty, Self.movements.contains(node.operatorType),
                let moved = node.inputs.first ?? nil
            {
                chain.append(moved)
                source = producers[moved]
            }
            guard !values.contains(id), let source else { continue }
            if Self.isNormalization(source) {
                values.formUnion(chain)
            } else if source.epilogue == nil, let formula = try table.makeOperator(source).pointwise {
                values.formUnion(chain)
                pending += formula.usedInputs.compactMap {
                    source.inputs.indices.contains($0) ? source.inputs[$0] : nil
                }
            }
        }
    }

    /// Whether the node, which is not pointwise, carries values of the stream or normalizes them.
    func contains(_ node: Node) -> Bool {
        let operands = [node.inputs.first ?? nil, node.outputs.first ?? nil].compactMap { $0 }
        if Self.isNormalization(node) { return operands.contains(where: values.contains) }
        return Self.movements.contains(node.operatorType) && operands.last.map(values.contains) ?? false
    }

    private static func isNormalization(_ node: Node) -> Bool {
        node.domain.isEmpty && normalizations.contains(node.operatorType)
    }
}
