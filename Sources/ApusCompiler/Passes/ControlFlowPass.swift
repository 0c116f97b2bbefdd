package import ApusGraph
import ApusTensor

extension GraphPass {
    /// An `If` with a constant condition becomes the branch that is taken.
    package static let controlFlow = GraphPass(
        name: "control-flow",
        summary: "If with a constant condition becomes the branch that is taken"
    ) { graph, _ throws(ModelError) in
        inlineBranches(graph)
    }

    private static func inlineBranches(_ graph: Graph) -> Graph {
        var result = graph
        result.nodes = []
        var pending = Array(graph.nodes.reversed())
        while var node = pending.popLast() {
            if let condition = result.branchCondition(of: node),
                let branch = result.inlineBranch(of: node, condition: condition)
            {
                pending += branch.reversed()
                continue
            }
            for (name, var subgraph) in node.attributes.subgraphs {
                subgraph.graph = inlineBranches(subgraph.graph)
                node.attributes[name] = .graph(subgraph)
            }
            result.nodes.append(node)
        }
        return result
    }
}

extension Graph {
    /// The condition of an `If`, where it is constant.
    fileprivate func branchCondition(of node: Node) -> Bool? {
        guard node.domain.isEmpty, node.operatorType == "If",
            let condition = constantTensor(node.inputs.first ?? nil), condition.elementType == .bool,
            condition.elementCount == 1
        else { return nil }
        return (try? condition.integers()).map { $0 != [0] }
    }

    /// The nodes of the branch that an `If` takes, over values of this graph; its values and constants are added here.
    ///
    /// The results keep their identity. `nil` if the branch does not fit the node.
    package mutating func inlineBranch(of node: Node, condition: Bool) -> [Node]? {
        guard let branch = try? node.attributes.requiredSubgraph(condition ? "then_branch" : "else_branch"),
            branch.graph.inputs.count == branch.captures.count, branch.graph.outputs.count == node.outputs.count
        else { return nil }
        let body = branch.graph
        var identity: [ValueID: ValueID] = [:]
        for (input, capture) in zip(body.inputs, branch.captures) { identity[input] = capture }
        for (id, value) in body.constants.sorted(by: { $0.key < $1.key }) {
            let copy = addConstant(body[id].name, value)
            identity[id] = copy
            if body.variables.contains(id) { variables.insert(copy) }
        }
        let produced = Set(body.nodes.flatMap { $0.outputs.compactMap { $0 } })
        var copies: [(source: ValueID, output: ValueID)] = []
        for (source, output) in zip(body.outputs, node.outputs) {
            guard let output else { continue }
            if produced.contains(source), identity[source] == nil {
                identity[source] = output
            } else {
                copies.append((source, output))
            }
        }
        for id in produced.sorted() where identity[id] == nil {
            identity[id] = addValue(body[id].name, type: body[id].type)
        }
        var nodes: [Node] = []
        for var inner in body.nodes {
            inner.replaceReads { identity[$0] ?? $0 }
            inner.outputs = inner.outputs.map { $0.flatMap { identity[$0] } }
            nodes.append(inner)
        }
        for (source, output) in copies {
            nodes.append(
                Node(operatorType: "Identity", inputs: [identity[source] ?? source], outputs: [output])
            )
        }
        return nodes
    }
}
