package import ApusGraph
package import ApusTensor
import Dispatch

/// When one node of a graph was evaluated, and the work that it was.
package struct NodeTiming: Sendable {
    /// The index in the graph's nodes.
    package var node: Int
    /// Start and end in nanoseconds of the system's uptime.
    package var started: UInt64
    package var ended: UInt64
    package var cost: Cost
}

/// Evaluates a graph node by node with the reference operators: the oracle that judges every kernel.
package struct GraphInterpreter: Sendable {
    package let graph: Graph
    private let operators: [any Operator]
    private let lastUse: [ValueID: Int]
    private let limits: EvaluationLimits

    /// - Throws: `ModelError` that names the first node whose operator is unknown or wrong.
    package init(
        _ graph: Graph,
        table: OperatorTable = .standard,
        limits: EvaluationLimits = EvaluationLimits()
    ) throws(ModelError) {
        self.graph = graph
        self.limits = limits
        var operators: [any Operator] = []
        var lastUse: [ValueID: Int] = [:]
        for (index, node) in graph.nodes.enumerated() {
            operators.append(try table.makeOperator(node))
            for id in node.reads { lastUse[id] = index }
            for id in node.outputs { if let id { lastUse[id] = max(lastUse[id] ?? index, index) } }
        }
        for id in graph.outputs { lastUse[id] = Int.max }
        self.operators = operators
        self.lastUse = lastUse
    }

    /// Runs the graph.
    ///
    /// - Parameters:
    ///   - inputs: one value for each graph input, in order.
    ///   - observe: called with every value that a node produces.
    ///   - timing: called after every node.
    /// - Returns: one value for each graph output.
    /// - Throws: `ModelError` that names the node at fault, or what `observe` or a cancellation throws.
    package func run(
        _ inputs: [RuntimeValue],
        observe: ((ValueID, RuntimeValue) throws -> Void)? = nil,
        timing: ((NodeTiming) -> Void)? = nil
    ) throws -> [RuntimeValue] {
        guard inputs.count == graph.inputs.count else {
            throw ModelError(.invalidInput, "expected \(graph.inputs.count) inputs, found \(inputs.count)")
        }
        var values = graph.constants
        for (id, value) in zip(graph.inputs, inputs) { values[id] = value }
        var expiring: [Int: [ValueID]] = [:]
        for (id, index) in lastUse where index != Int.max && graph.constants[id] == nil {
            expiring[index, default: []].append(id)
        }
        for (index, node) in graph.nodes.enumerated() {
            try limits.checkCancellation()
            let results: [RuntimeValue]
            let started = timing == nil ? 0 : DispatchTime.now().uptimeNanoseconds
            do {
                results = try evaluate(node, operators[index], values)
            } catch let error as ModelError {
                throw error.at(node: node.name, operatorType: node.displayType)
            }
            if let timing {
                let ended = DispatchTime.now().uptimeNanoseconds
                let cost = operators[index].cost(
                    inputs: node.inputs.map { $0.flatMap { values[$0] }?.tensorType },
                    outputs: results.map(\.tensorType)
                )
                timing(NodeTiming(node: index, started: started, ended: ended, cost: cost))
            }
            for (id, value) in zip(node.outputs, results) {
                guard let id else { continue }
                values[id] = value
                try observe?(id, value)
            }
            for id in expiring[index] ?? [] { values[id] = nil }
        }
        return try graph.outputs.map { id in
            guard let value = values[id] else {
                throw ModelError(.invalidModel, "the output \"\(graph[id].name)\" is not produced")
            }
            return value
        }
    }

    private func evaluate(
        _ node: Node,
        _ op: any Operator,
        _ values: [ValueID: RuntimeValue]
    ) throws -> [RuntimeValue] {
        let inputs = try node.inputs.map { id throws(ModelError) -> RuntimeValue? in
            guard let id else { return nil }
            guard let value = values[id] else {
                throw ModelError(.invalidModel, "the operand \"\(graph[id].name)\" is not produced")
            }
            return value
        }
        for fact in try op.infer(inputs.map { $0.map(ValueFact.init) }) {
            if let type = fact.type { try limits.check(type) }
        }
        let captured = Dictionary(node.attributes.subgraphs.flatMap { $0.subgraph.captures }.map { ($0, values[$0]) }) {
            first,
            _ in first
        }
        let limits = limits
        let context = EvaluationContext(outputCount: node.outputs.count, limits: limits) { subgraph, arguments in
            let trailing = try subgraph.captures.map { id in
                guard let value = captured[id] ?? nil else {
                    throw ModelError(.invalidModel, "a captured value is not produced")
                }
                return value
            }
            return try GraphInterpreter(subgraph.graph, limits: limits).run(arguments + trailing)
        }
        return try op.evaluate(inputs, context)
    }
}

extension RuntimeValue {
    fileprivate var tensorType: TensorType? {
        if case .tensor(let tensor) = self { tensor.type } else { nil }
    }
}
