package import ApusGraph
package import ApusTensor

/// What is known of a value when shapes are bound.
package enum ValueFact: Sendable {
    /// A tensor of a known type and, where it is a constant or folded shape arithmetic, its value.
    case tensor(TensorType, Tensor?)
    /// A tensor whose shape depends on computed data.
    case dataDependent(ElementType)
    /// Strings, a sequence or an optional: known when it is computed.
    case opaque

    package init(_ type: TensorType) { self = .tensor(type, nil) }

    package init(_ value: RuntimeValue) {
        if case .tensor(let tensor) = value { self = .tensor(tensor.type, tensor) } else { self = .opaque }
    }

    /// The type, if it is a tensor of a known shape.
    package var type: TensorType? {
        if case .tensor(let type, _) = self { type } else { nil }
    }

    /// The value, if it is a known tensor.
    package var value: Tensor? {
        if case .tensor(_, let value) = self { value } else { nil }
    }

    package var elementType: ElementType? {
        switch self {
        case .tensor(let type, _): type.elementType
        case .dataDependent(let elementType): elementType
        case .opaque: nil
        }
    }
}

/// The work of one operator call, for placement and for rooflines.
package struct Cost: Sendable, Hashable {
    /// Arithmetic operations, a multiply-add counted as two.
    package var operations: Int
    /// Bytes read and written once each.
    package var bytes: Int

    package init(operations: Int, bytes: Int) {
        self.operations = operations
        self.bytes = bytes
    }
}

/// What a node means: its attributes, its shape rule, its reference evaluation and its cost.
///
/// One type an operator, made from a node by the operator table once per plan. Only the newest opset's meaning exists.
package protocol Operator: Sendable {
    /// Reads and checks the attributes.
    ///
    /// - Throws: `ModelError` with code `invalidModel` or `unsupported`.
    init(_ node: Node) throws(ModelError)

    /// The shape rule: the types of the outputs, as many as the node has.
    ///
    /// An input is `nil` where the node leaves it out. Every check that evaluation and kernels rely on is made here.
    /// Where an input is `.dataDependent` (`inputs.isDataDependent`), and where a shape needs the value of an input that
    /// is not known (`inputs.value(n) == nil`), the outputs are `.dataDependent` too; `inputs.type(n)` is safe after that.
    /// - Throws: `ModelError` if the inputs break a rule of the operator.
    func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact]

    /// The reference: plain Swift, sums in Double. `infer` has accepted the inputs before.
    func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue]

    /// The work of a call.
    func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost

    /// The formula, for operators that treat every element alone; `.input(n)` is input n of the node.
    ///
    /// Inputs that are left out, or that it does not mention, take no part in broadcasting.
    var pointwise: PointwiseExpression? { get }
}

extension Operator {
    package var pointwise: PointwiseExpression? { nil }

    /// One operation an output element, and every input and output passed once over memory.
    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(
            operations: outputs.first.flatMap { $0 }?.elementCount ?? 0,
            bytes: (inputs + outputs).reduce(0) { $0 + ($1?.byteCount ?? 0) }
        )
    }
}

/// What an evaluation may use and must respect.
package struct EvaluationContext: Sendable {
    /// The number of outputs that the node names.
    package var outputCount: Int
    package var limits: EvaluationLimits
    /// Evaluates a subgraph on its formal inputs; captured values are added. Control flow calls it.
    package var evaluateSubgraph: @Sendable (Subgraph, [RuntimeValue]) throws -> [RuntimeValue]

    package init(
        outputCount: Int = 1,
        limits: EvaluationLimits = EvaluationLimits(),
        evaluateSubgraph: @escaping @Sendable (Subgraph, [RuntimeValue]) throws -> [RuntimeValue] = { _, _ in
            throw ModelError(.unsupported, "subgraphs cannot be evaluated here")
        }
    ) {
        self.outputCount = outputCount
        self.limits = limits
        self.evaluateSubgraph = evaluateSubgraph
    }
}

/// Bounds on what a model may ask for.
package struct EvaluationLimits: Sendable {
    /// The largest tensor in bytes.
    package var maximumBytes: Int
    /// The most iterations of a Loop or Scan.
    package var maximumIterations: Int
    /// Asked between nodes and iterations; throws to stop a run.
    package var checkCancellation: @Sendable () throws -> Void

    package init(
        maximumBytes: Int = 16 << 30,
        maximumIterations: Int = 1_000_000,
        checkCancellation: @escaping @Sendable () throws -> Void = {}
    ) {
        self.maximumBytes = maximumBytes
        self.maximumIterations = maximumIterations
        self.checkCancellation = checkCancellation
    }

    /// Checks a tensor that is about to be made.
    ///
    /// - Throws: `ModelError` with code `limitExceeded`.
    package func check(_ type: TensorType) throws(ModelError) {
        try type.validated()
        guard type.byteCount <= maximumBytes else {
            throw ModelError(.limitExceeded, "a tensor \(type) exceeds the limit of \(maximumBytes) bytes")
        }
    }
}
