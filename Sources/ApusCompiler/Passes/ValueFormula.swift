import ApusGraph
import ApusOperators
import ApusTensor

/// A pointwise node as a formula over distinct values.
struct ValueFormula {
    var expression: PointwiseExpression
    /// The value of each operand; every one occurs in the expression.
    var operands: [ValueID]

    /// More operands do not fit the arguments of a kernel comfortably.
    static let maximumOperands = 8
    /// Longer formulas are not worth their compile time.
    static let maximumOperations = 64
    /// Types whose arithmetic a formula keeps between its functions; other integers wrap at every node.
    static let elementTypes: Set<ElementType> = [
        .float32, .float64, .float16, .bfloat16, .bool, .int64,
    ]

    /// The formula of a node, `nil` if it is not pointwise.
    init?(_ node: Node, _ table: OperatorTable) {
        guard node.epilogue == nil, node.outputs.count == 1, node.outputs[0] != nil,
            let op = try? table.makeOperator(node), let expression = op.pointwise
        else { return nil }
        let used = expression.usedInputs
        guard !used.isEmpty, used.allSatisfy({ node.inputs.indices.contains($0) && node.inputs[$0] != nil }) else {
            return nil
        }
        self.init(expression) { node.inputs[$0] }
    }

    /// A formula whose operands are numbered by values; equal values become one operand.
    private init?(_ expression: PointwiseExpression, _ value: (Int) -> ValueID?) {
        var operands: [ValueID] = []
        var number: [Int: Int] = [:]
        for input in expression.usedInputs {
            guard let id = value(input) else { return nil }
            if let position = operands.firstIndex(of: id) {
                number[input] = position
            } else {
                number[input] = operands.count
                operands.append(id)
            }
        }
        self.expression = expression.substituting { .input(number[$0] ?? 0) }
        self.operands = operands
    }

    /// The formula with one operand replaced by the formula that produces it.
    func substituting(_ id: ValueID, _ producer: ValueFormula) -> ValueFormula? {
        guard let position = operands.firstIndex(of: id) else { return nil }
        let base = operands.count
        let merged = expression.substituting { input in
            input == position ? producer.expression.substituting { .input(base + $0) } : .input(input)
        }
        return ValueFormula(merged) { $0 < base ? operands[$0] : producer.operands[$0 - base] }
    }

    /// The formula with operands that are single constant numbers written into it, where its type stays the same.
    func inliningScalars(_ graph: Graph, _ types: KnownTypes, result: TensorType) -> ValueFormula {
        var values: [Int: Double] = [:]
        for (index, id) in operands.enumerated() {
            guard let tensor = graph.constantTensor(id), tensor.elementCount == 1, tensor.elementType != .bool,
                tensor.rank <= result.rank, let value = try? tensor.doubles().first, value.isFinite,
                tensor.elementType.isFloatingPoint || abs(value) < 0x1p53
            else { continue }
            values[index] = value
        }
        guard !values.isEmpty, values.count < operands.count else { return self }
        let inlined = expression.substituting { index in values[index].map { .constant($0) } ?? .input(index) }
        guard inlined.isTyped, let formula = ValueFormula(inlined, { operands[$0] }),
            formula.type(types) == result
        else { return self }
        return formula
    }

    /// The type of the result, `nil` where operands are unknown or do not fit together.
    func type(_ types: KnownTypes) -> TensorType? {
        let known = operands.compactMap { types[$0] }
        return known.count == operands.count ? Self.type(of: expression, known) : nil
    }

    /// The type of an expression over operands of given types, `nil` where they do not fit together.
    static func type(of expression: PointwiseExpression, _ operands: [TensorType]) -> TensorType? {
        try? inferPointwise(expression, operands.map { ValueFact($0) })
    }

    var isWithinLimits: Bool {
        operands.count <= Self.maximumOperands && expression.operationCount <= Self.maximumOperations
    }
}

extension PointwiseExpression {
    /// Whether every function has an operand that is no constant, and so a type of its own.
    fileprivate var isTyped: Bool {
        switch self {
        case .input, .constant: true
        case .unary(_, let a), .cast(_, let a): a.isTyped && !a.isConstant
        case .binary(_, let a, let b): a.isTyped && b.isTyped && !(a.isConstant && b.isConstant)
        case .select(let a, let b, let c):
            a.isTyped && b.isTyped && c.isTyped && !a.isConstant && !(b.isConstant && c.isConstant)
        }
    }

    private var isConstant: Bool { if case .constant = self { true } else { false } }
}
