package import ApusGraph
package import ApusOperators
package import ApusTensor

/// A graph whose every shape is known, up to the first node whose shapes depend on computed data.
package struct BoundGraph: Sendable {
    /// The nodes that can be planned; shape arithmetic has become constants.
    package var graph: Graph
    package var types: [ValueID: TensorType]
    /// Values that are no numeric tensors; only the host evaluates nodes that touch them.
    package var opaque: Set<ValueID>
    /// The node at which planning ends: the host evaluates it, then `remainder` is bound to what came out.
    package var cut: Node?
    /// What is left after the cut; its inputs are the values that cross it.
    package var remainder: Graph?
}

/// Binds symbolic shapes to the types of given inputs and folds shape arithmetic.
package struct ShapeBinder: Sendable {
    package var table: OperatorTable
    package var limits: EvaluationLimits
    /// The largest result of shape arithmetic that is folded, in bytes.
    package var foldingBytes = 1 << 16

    package init(table: OperatorTable = .standard, limits: EvaluationLimits = EvaluationLimits()) {
        self.table = table
        self.limits = limits
    }

    /// Binds a graph.
    ///
    /// - Parameter inputs: what is known of each graph input, in order.
    /// - Throws: `ModelError` that names the node whose rule is broken.
    package func bind(_ graph: Graph, inputs: [ValueFact]) throws(ModelError) -> BoundGraph {
        var facts: [ValueID: ValueFact] = [:]
        for (id, fact) in zip(graph.inputs, inputs) { facts[id] = fact }
        for (id, value) in graph.constants {
            let fact = ValueFact(value)
            if graph.variables.contains(id), let type = fact.type {
                facts[id] = .tensor(type, nil)
            } else {
                facts[id] = fact
            }
        }
        var result = graph
        result.nodes = []
        var cutIndex: Int?
        for (index, node) in graph.nodes.enumerated() {
            let nodeFacts = try infer(node, facts, graph)
            if nodeFacts.contains(where: { if case .dataDependent = $0 { true } else { false } }) {
                cutIndex = index
                break
            }
            for (id, fact) in zip(node.outputs, nodeFacts) { if let id { facts[id] = fact } }
            if let values = try fold(node, nodeFacts, facts) {
                for (id, value) in zip(node.outputs, values) {
                    guard let id else { continue }
                    facts[id] = ValueFact(value)
                    result.constants[id] = value
                }
            } else {
                result.nodes.append(node)
            }
        }
        var types: [ValueID: TensorType] = [:]
        var opaque: Set<ValueID> = []
        for (id, fact) in facts {
            if let type = fact.type { types[id] = type } else { opaque.insert(id) }
        }
        guard let cutIndex else {
            return BoundGraph(
                graph: result.removingDeadCode(),
                types: types,
                opaque: opaque,
                cut: nil,
                remainder: nil
            )
        }
        return split(graph, at: cutIndex, bound: result, types, opaque)
    }

    private func infer(
        _ node: Node,
        _ facts: [ValueID: ValueFact],
        _ graph: Graph
    ) throws(ModelError) -> [ValueFact] {
        do throws(ModelError) {
            let op = try table.makeOperator(node)
            var inputs: [ValueFact?] = []
            for id in node.inputs {
                if let id, facts[id] == nil {
                    throw ModelError(.invalidModel, "the operand \"\(graph[id].name)\" is not produced")
                }
                inputs.append(id.flatMap { facts[$0] })
            }
            let results = try op.infer(inputs)
            for fact in results { if let type = fact.type { try limits.check(type) } }
            return results
        } catch {
            throw error.at(node: node.name, operatorType: node.displayType)
        }
    }

    private func fold(
        _ node: Node,
        _ results: [ValueFact],
        _ facts: [ValueID: ValueFact]
    ) throws(ModelError) -> [RuntimeValue]? {
        if !results.isEmpty, results.allSatisfy({ $0.value != nil }) {
            return results.compactMap { $0.value.map(RuntimeValue.tensor) }
        }
        guard node.attributes.subgraphs.isEmpty,
            results.allSatisfy({ ($0.type?.byteCount ?? Int.max) <= foldingBytes })
        else { return nil }
        var inputs: [RuntimeValue?] = []
        for id in node.inputs {
            guard let id else {
                inputs.append(nil)
                continue
            }
            guard let value = facts[id]?.value else { return nil }
            inputs.append(.tensor(value))
        }
        do {
            let op = try table.makeOperator(node)
            return try op.evaluate(inputs, EvaluationContext(outputCount: node.outputs.count, limits: limits))
        } catch let error as ModelError {
            throw error.at(node: node.name, operatorType: node.displayType)
        } catch {
            throw ModelError(.invalidModel, "\(error)").at(node: node.name, operatorType: node.displayType)
        }
    }

    private func split(
        _ graph: Graph,
        at index: Int,
        bound: Graph,
        _ types: [ValueID: TensorType],
        _ opaque: Set<ValueID>
    ) -> BoundGraph {
        let cut = graph.nodes[index]
        let later = graph.nodes[(index + 1)...]
        let made = Set(later.flatMap { $0.outputs.compactMap { $0 } })
        let needed = Set(later.flatMap(\.reads) + graph.outputs).subtracting(made)
        var remainder = graph
        remainder.nodes = Array(later)
        remainder.inputs = needed.filter { graph.constants[$0] == nil }.sorted()
        remainder = remainder.removingDeadCode()
        var before = bound
        let cutOutputs = Set(cut.outputs.compactMap { $0 })
        let crossing = Set(remainder.inputs).subtracting(cutOutputs)
        before.outputs = (crossing.union(cut.reads)).sorted()
        return BoundGraph(
            graph: before.removingDeadCode(),
            types: types,
            opaque: opaque,
            cut: cut,
            remainder: remainder
        )
    }
}
