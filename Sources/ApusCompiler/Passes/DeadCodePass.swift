import ApusGraph
import ApusTensor

extension GraphPass {
    /// Nodes, constants, captures and optional results that nothing reads are removed.
    package static let deadCode = GraphPass(
        name: "dead-code",
        summary: "nodes, constants and optional results that nothing reads are removed"
    ) { graph, _ throws(ModelError) in
        removeDeadCode(graph)
    }

    private static func removeDeadCode(_ graph: Graph) -> Graph {
        var result = graph.removingDeadCode()
        for index in result.nodes.indices {
            for (name, subgraph) in result.nodes[index].attributes.subgraphs {
                result.nodes[index].attributes[name] = .graph(removeDeadCaptures(subgraph))
            }
        }
        result = result.removingDeadCode()
        let uses = GraphUses(result)
        func isDead(_ id: ValueID?) -> Bool { id.map { uses.readers[$0] == nil && !uses.isOutput($0) } ?? true }
        for index in result.nodes.indices where result.nodes[index].hasOptionalResults {
            let outputs = result.nodes[index].outputs
            let kept = outputs.lastIndex { !isDead($0) } ?? 0
            result.nodes[index].outputs = outputs.prefix(kept + 1).map { isDead($0) ? nil : $0 }
        }
        return result
    }

    private static func removeDeadCaptures(_ subgraph: Subgraph) -> Subgraph {
        let body = removeDeadCode(subgraph.graph)
        let formalCount = body.inputs.count - subgraph.captures.count
        guard formalCount >= 0 else { return subgraph }
        let live = Set(body.nodes.flatMap(\.reads)).union(body.outputs)
        var result = Subgraph(graph: body, captures: [])
        result.graph.inputs = Array(body.inputs.prefix(formalCount))
        for (input, capture) in zip(body.inputs.dropFirst(formalCount), subgraph.captures) where live.contains(input) {
            result.graph.inputs.append(input)
            result.captures.append(capture)
        }
        return result
    }
}

extension Node {
    /// Whether results but the first may be left out without a change of the others.
    fileprivate var hasOptionalResults: Bool {
        domain.isEmpty && ["Dropout", "MaxPool", "LayerNormalization", "BatchNormalization"].contains(operatorType)
            && outputs.count > 1
    }
}
