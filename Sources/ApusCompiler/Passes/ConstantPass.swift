import ApusGraph
import ApusOperators
import ApusTensor

extension GraphPass {
    /// The reference evaluates nodes whose operands are all constant, within a budget of bytes and operations.
    package static let constants = GraphPass(
        name: "constants",
        summary: "nodes with constant operands are evaluated once, within a budget"
    ) { graph, context throws(ModelError) in
        var folding = ConstantFolding(context: context)
        return try folding.fold(graph)
    }

    /// The same as long as `quantization` needs to see where quantized constants come from.
    static let constantsBesideQuantized = GraphPass(
        name: constants.name,
        summary: constants.summary
    ) { graph, context throws(ModelError) in
        var folding = ConstantFolding(context: context)
        folding.keepsDequantizations = true
        return try folding.fold(graph)
    }
}

/// Constant folding with what is left of its budget.
private struct ConstantFolding {
    let context: PassContext
    var bytesLeft: Int
    var operationsLeft: Int
    var keepsDequantizations = false

    /// Results above this size that are also much larger than their operands stay nodes: they are cheaper to make
    /// than to keep.
    static let expansionBytes = 16 << 20
    static let expansionFactor = 4
    /// Operands up to this size may be folded where the size of the result is known only afterwards.
    static let dataDependentBytes = 64 << 20

    static let randomOperators: Set<String> = [
        "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli",
        "Dropout",
    ]

    init(context: PassContext) {
        self.context = context
        bytesLeft = context.foldingBytes
        operationsLeft = context.foldingOperations
    }

    mutating func fold(_ graph: Graph) throws(ModelError) -> Graph {
        var result = graph
        result.nodes = []
        for var node in graph.nodes {
            do { try context.limits.checkCancellation() } catch {
                throw error as? ModelError ?? ModelError(.cancelled, "constant folding was cancelled")
            }
            for (name, var subgraph) in node.attributes.subgraphs {
                subgraph.graph = try fold(subgraph.graph)
                node.attributes[name] = .graph(subgraph)
            }
            guard let values = evaluate(node, result) else {
                result.nodes.append(node)
                continue
            }
            for (id, value) in zip(node.outputs, values) { if let id { result.constants[id] = value } }
        }
        return result
    }

    private mutating func evaluate(_ node: Node, _ graph: Graph) -> [RuntimeValue]? {
        if keepsDequantizations, node.displayType == "DequantizeLinear" { return nil }
        guard node.attributes.subgraphs.isEmpty, !Self.randomOperators.contains(node.operatorType) else { return nil }
        var inputs: [RuntimeValue?] = []
        for id in node.inputs {
            guard let id else {
                inputs.append(nil)
                continue
            }
            guard let value = graph.constants[id], !graph.variables.contains(id) else { return nil }
            inputs.append(value)
        }
        guard let op = try? context.table.makeOperator(node),
            let facts = try? op.infer(inputs.map { $0.map { ValueFact($0) } }),
            admit(facts, inputs, op)
        else { return nil }
        var limits = context.limits
        limits.maximumBytes = min(limits.maximumBytes, bytesLeft)
        let evaluation = EvaluationContext(outputCount: node.outputs.count, limits: limits)
        guard let values = try? op.evaluate(inputs, evaluation), values.count >= node.outputs.count else { return nil }
        let bytes = values.reduce(0) { $0 + Self.byteCount($1) }
        guard bytes <= bytesLeft else { return nil }
        bytesLeft -= bytes
        return values
    }

    private mutating func admit(_ facts: [ValueFact], _ inputs: [RuntimeValue?], _ op: any Operator) -> Bool {
        let inputBytes = inputs.reduce(0) { $0 + ($1.map(Self.byteCount) ?? 0) }
        var bytes = 0
        for fact in facts {
            switch fact {
            case .opaque: return false
            case .dataDependent: if inputBytes > Self.dataDependentBytes { return false }
            case .tensor(let type, _):
                guard (try? context.limits.check(type)) != nil else { return false }
                let (sum, overflow) = bytes.addingReportingOverflow(type.byteCount)
                if overflow { return false }
                bytes = sum
            }
        }
        guard bytes <= bytesLeft, bytes <= Self.expansionBytes || bytes / Self.expansionFactor <= inputBytes else {
            return false
        }
        let types = inputs.map { $0.flatMap { ValueFact($0).type } }
        let operations = op.cost(inputs: types, outputs: facts.map(\.type)).operations
        guard operations <= operationsLeft else { return false }
        operationsLeft -= operations
        return true
    }

    private static func byteCount(_ value: RuntimeValue) -> Int {
        switch value {
        case .tensor(let tensor): tensor.byteCount
        case .strings(let strings): strings.elements.reduce(0) { $0 + $1.count + 16 }
        case .sequence(let values): values.reduce(0) { $0 + byteCount($1) }
        case .optional(let value): value.map(byteCount) ?? 0
        }
    }
}
