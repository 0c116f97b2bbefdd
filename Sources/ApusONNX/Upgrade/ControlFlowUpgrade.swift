import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let controlFlowRules: [String: Rule] = ["Scan": scan]

    /// Opset 9 dropped the batch axis: a scan over the batch whose body is the newer scan.
    private static func scan(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 9 else { return }
        guard upgrade.node.inputs.count > 1, upgrade.node.inputs[0] == nil else {
            throw ModelError(.unsupported, "lengths of sequences are not supported")
        }
        var attributes = upgrade.node.attributes
        let body = try attributes.requiredSubgraph("body")
        let operandCount = upgrade.node.inputs.count - 1
        attributes["scan_input_directions"] = attributes["directions"]
        attributes["directions"] = nil

        var batch = Graph(name: body.graph.name)
        let operands = upgrade.node.inputs.dropFirst().enumerated().map { index, _ in
            batch.addInput("operand\(index)", type: nil)
        }
        var inner = body
        inner.captures = body.captures.map { id in
            let value = upgrade.context.graph[id]
            return batch.addInput(value.name, type: value.type)
        }
        attributes["body"] = .graph(inner)
        batch.outputs = batch.addNode(
            "Scan",
            name: upgrade.node.name,
            inputs: operands,
            attributes: attributes.values,
            outputNames: upgrade.node.outputs.indices.map { "result\($0)" }
        )
        upgrade.node.inputs.removeFirst()
        upgrade.node.attributes = Attributes([
            "body": .graph(Subgraph(graph: batch, captures: body.captures)),
            "num_scan_inputs": .int(Int64(operandCount)),
        ])
    }
}
