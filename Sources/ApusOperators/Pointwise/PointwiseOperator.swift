package import ApusGraph
package import ApusTensor

/// An ONNX operator that treats every element alone: a row of `pointwiseFormulas`.
package struct PointwiseOperator: Operator {
    private let formula: PointwiseFormula
    private let expression: PointwiseExpression

    package var pointwise: PointwiseExpression? { expression }

    package init(_ node: Node) throws(ModelError) {
        guard let formula = pointwiseFormulas[node.operatorType] else {
            throw ModelError(.unsupported, "the operator is not pointwise")
        }
        guard formula.inputCounts.contains(node.anchorInputs.count) else {
            throw ModelError(
                .invalidModel,
                "expected \(formula.inputCounts) inputs, found \(node.anchorInputs.count)"
            )
        }
        self.formula = formula
        expression = try formula.make(node)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        for index in expression.usedInputs {
            let type = try inputs.elementType(index)
            guard formula.accepts(type, index) else {
                throw ModelError(.invalidModel, "input \(index) has the element type \(type), which is not allowed")
            }
        }
        let fact = try inferPointwiseFact(expression, inputs)
        if formula.keepsShape, let type = fact.type {
            let shape = try inputs.type(0).shape
            guard type.shape == shape else {
                throw ModelError(.invalidModel, "the inputs widen the shape \(shape) to \(type.shape)")
            }
        }
        return [fact]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.tensor(try evaluatePointwise(expression, operands: inputs))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        Cost(
            operations: expression.operationCount * (outputs.first.flatMap { $0 }?.elementCount ?? 0),
            bytes: (inputs + outputs).reduce(0) { $0 + ($1?.byteCount ?? 0) }
        )
    }
}

/// What one pointwise operator computes and accepts.
struct PointwiseFormula: Sendable {
    /// Which element types an operand may have.
    enum Accepted: Sendable {
        case floats, signed, numbers, integers, unsigned, bools, any

        func contains(_ type: ElementType) -> Bool {
            switch self {
            case .floats: type.isFloatingPoint
            case .signed: type.isFloatingPoint || type.isSignedInteger
            case .numbers: type.isFloatingPoint || type.isInteger
            case .integers: type.isInteger
            case .unsigned: type.isUnsignedInteger
            case .bools: type == .bool
            case .any: type.isNumeric
            }
        }
    }

    let inputCounts: ClosedRange<Int>
    let accepted: Accepted
    /// Whether further operands may not widen the first one's shape.
    let keepsShape: Bool
    /// Whether operand 0 is a condition, which is a bool.
    let hasCondition: Bool
    let make: @Sendable (Node) throws(ModelError) -> PointwiseExpression

    init(
        _ inputCounts: ClosedRange<Int>,
        _ accepted: Accepted,
        keepsShape: Bool = false,
        hasCondition: Bool = false,
        _ make: @escaping @Sendable (Node) throws(ModelError) -> PointwiseExpression
    ) {
        self.inputCounts = inputCounts
        self.accepted = accepted
        self.keepsShape = keepsShape
        self.hasCondition = hasCondition
        self.make = make
    }

    /// A function of one operand.
    static func unary(_ accepted: Accepted, _ function: UnaryFunction) -> PointwiseFormula {
        PointwiseFormula(1...1, accepted) { _ in .unary(function, .input(0)) }
    }

    /// A function of two operands.
    static func binary(_ accepted: Accepted, _ function: BinaryFunction) -> PointwiseFormula {
        PointwiseFormula(2...2, accepted) { _ in .binary(function, .input(0), .input(1)) }
    }

    /// A function of one real operand that reads attributes.
    static func activation(
        _ accepted: Accepted = .floats,
        _ make: @escaping @Sendable (PointwiseExpression, Attributes) throws(ModelError) -> PointwiseExpression
    ) -> PointwiseFormula {
        PointwiseFormula(1...1, accepted) { node throws(ModelError) in try make(.input(0), node.attributes) }
    }

    /// A function folded over any number of operands.
    static func variadic(
        _ accepted: Accepted,
        _ function: BinaryFunction,
        _ finish: @escaping @Sendable (PointwiseExpression, Int) -> PointwiseExpression = { sum, _ in sum }
    ) -> PointwiseFormula {
        PointwiseFormula(1...Int.max, accepted) { node in
            let count = node.anchorInputs.count
            let folded = (1..<count).reduce(PointwiseExpression.input(0)) { .binary(function, $0, .input($1)) }
            return finish(folded, count)
        }
    }

    func accepts(_ type: ElementType, _ input: Int) -> Bool {
        hasCondition && input == 0 ? type == .bool : accepted.contains(type)
    }
}
