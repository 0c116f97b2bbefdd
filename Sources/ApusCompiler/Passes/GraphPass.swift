package import ApusGraph
package import ApusLowering
package import ApusOperators
package import ApusTensor

/// One rewriting of a graph that keeps its answers: a name for `--disable-pass`, and a function.
package struct GraphPass: Sendable {
    package var name: String
    /// What the pass does, in one line.
    package var summary: String
    package var run: @Sendable (Graph, PassContext) throws(ModelError) -> Graph

    package init(
        name: String,
        summary: String,
        run: @escaping @Sendable (Graph, PassContext) throws(ModelError) -> Graph
    ) {
        self.name = name
        self.summary = summary
        self.run = run
    }
}

/// What passes may use and must respect.
package struct PassContext: Sendable {
    package var table: OperatorTable
    /// The types of values whose shapes are bound; empty while shapes are symbolic.
    package var types: [ValueID: TensorType]
    /// Whether values given to the graph have the types that its inputs declare; false for bodies of control flow.
    package var inputsAreChecked = true
    /// The most bytes that one run of constant folding may produce.
    package var foldingBytes: Int
    /// The most arithmetic operations that one run of constant folding may spend.
    package var foldingOperations: Int
    /// Whether a device applies the formula in the kernel of the node; asked with the node as it stands before.
    package var canFuse: @Sendable (Node, Epilogue) -> Bool
    /// The device that the graph is planned for; `nil` where it is not known.
    package var lowering: LoweringContext?
    package var limits: EvaluationLimits

    package init(
        table: OperatorTable = .standard,
        types: [ValueID: TensorType] = [:],
        foldingBytes: Int = 1 << 30,
        foldingOperations: Int = 8 << 30,
        canFuse: @escaping @Sendable (Node, Epilogue) -> Bool = { PassContext.canFuse($0, $1) },
        lowering: LoweringContext? = nil,
        limits: EvaluationLimits = EvaluationLimits()
    ) {
        self.table = table
        self.types = types
        self.foldingBytes = foldingBytes
        self.foldingOperations = foldingOperations
        self.canFuse = canFuse
        self.lowering = lowering
        self.limits = limits
    }

    /// The context for the body of a node, of whose values nothing is known.
    var forSubgraph: PassContext {
        var context = self
        context.types = [:]
        context.inputsAreChecked = false
        return context
    }

    /// Whether the operator is one of those that take the formula as their epilogue by default.
    package static func canFuse(_ node: Node, _ epilogue: Epilogue) -> Bool {
        if node.domain == "apus" {
            return quantizedContractions.contains(node.operatorType) && epilogue.expression.castsToFloat32Alone
        }
        return node.domain.isEmpty && (contractions.contains(node.operatorType) || others.contains(node.operatorType))
    }

    /// Operators whose kernels have registers full of results: the best place for a formula.
    static let contractions: Set<String> = ["Conv", "ConvTranspose", "Gemm", "MatMul"]

    /// The same of the domain `apus`, whose kernels carry every value as float32.
    static let quantizedContractions: Set<String> = ["QuantizedConv", "QuantizedMatMul"]

    /// The further operators whose kernels apply a formula to their results.
    private static let others: Set<String> = [
        "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "GlobalLpPool",
        "BatchNormalization",
    ]
}

extension PointwiseExpression {
    fileprivate var castsToFloat32Alone: Bool {
        switch self {
        case .input, .constant: true
        case .unary(_, let a): a.castsToFloat32Alone
        case .cast(let type, let a): type == .float32 && a.castsToFloat32Alone
        case .binary(_, let a, let b): a.castsToFloat32Alone && b.castsToFloat32Alone
        case .select(let a, let b, let c):
            a.castsToFloat32Alone && b.castsToFloat32Alone && c.castsToFloat32Alone
        }
    }
}

/// What one pass changed.
package struct PassReport: Sendable, Hashable {
    package var pass: String
    package var nodesBefore: Int
    package var nodesAfter: Int
    /// How many nodes of an operator there are less, by name.
    package var removed: [String: Int]
    /// How many nodes of an operator there are more, by name.
    package var added: [String: Int]
    /// How many pointwise nodes became epilogues.
    package var fused: Int

    package var isChange: Bool { !removed.isEmpty || !added.isEmpty || fused != 0 }

    init(pass: String, before: Graph, after: Graph) {
        self.pass = pass
        nodesBefore = before.nodes.count
        nodesAfter = after.nodes.count
        let old = Self.counts(before)
        let new = Self.counts(after)
        removed = old.reduce(into: [:]) { result, entry in
            let difference = entry.value - new[entry.key, default: 0]
            if difference > 0 { result[entry.key] = difference }
        }
        added = new.reduce(into: [:]) { result, entry in
            let difference = entry.value - old[entry.key, default: 0]
            if difference > 0 { result[entry.key] = difference }
        }
        fused = after.nodes.filter { $0.epilogue != nil }.count - before.nodes.filter { $0.epilogue != nil }.count
    }

    private static func counts(_ graph: Graph) -> [String: Int] {
        graph.nodes.reduce(into: [:]) { $0[$1.displayType, default: 0] += 1 }
    }
}
