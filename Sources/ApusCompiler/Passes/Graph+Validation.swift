package import ApusGraph
package import ApusTensor

extension Graph {
    /// Checks the invariants: one producer a value, producers before readers, every output produced, subgraphs alike.
    ///
    /// - Parameter stage: what made the graph, for the message.
    /// - Throws: `ModelError` with code `invalidModel`.
    package func validated(after stage: String) throws(ModelError) {
        var produced = Set(constants.keys)
        for input in inputs {
            guard produced.insert(input).inserted else {
                throw violation(stage, "the input \"\(self[input].name)\" is produced twice")
            }
        }
        for node in nodes {
            for id in node.reads where !produced.contains(id) {
                throw violation(stage, "the operand \"\(name(of: id))\" is not produced before it is read", node)
            }
            if let epilogue = node.epilogue {
                guard node.inputs.count >= epilogue.inputCount, node.epilogueInputs.allSatisfy({ $0 != nil }),
                    epilogue.expression.inputCount <= epilogue.inputCount + 1
                else { throw violation(stage, "the epilogue lacks operands", node) }
            }
            for (name, subgraph) in node.attributes.subgraphs {
                guard subgraph.captures.count <= subgraph.graph.inputs.count else {
                    throw violation(stage, "the subgraph \"\(name)\" has fewer inputs than captures", node)
                }
                try subgraph.graph.validated(after: stage)
            }
            for id in node.outputs.compactMap({ $0 }) {
                guard produced.insert(id).inserted else {
                    throw violation(stage, "the value \"\(name(of: id))\" is produced twice", node)
                }
            }
        }
        for id in outputs where !produced.contains(id) {
            throw violation(stage, "the output \"\(name(of: id))\" is not produced")
        }
    }

    private func name(of id: ValueID) -> String {
        values.indices.contains(id.index) ? self[id].name : "#\(id.index)"
    }

    private func violation(_ stage: String, _ message: String, _ node: Node? = nil) -> ModelError {
        let error = ModelError(.invalidModel, "after \(stage): \(message)")
        return node.map { error.at(node: $0.name, operatorType: $0.displayType) } ?? error
    }
}
