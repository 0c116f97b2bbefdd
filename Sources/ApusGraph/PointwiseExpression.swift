package import ApusTensor

/// A function of one element.
package enum UnaryFunction: String, Sendable, Hashable, CaseIterable {
    case negate, absolute, exp, expm1, log, log1p, sqrt, reciprocal
    case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh, erf
    case floor, ceil
    /// To the nearest integer, ties to even.
    case round
    /// -1, 0 or 1; NaN stays NaN.
    case sign
    case logicalNot, bitwiseNot, isNaN
}

/// A function of two elements.
package enum BinaryFunction: String, Sendable, Hashable, CaseIterable {
    case add, subtract, multiply
    /// Integers truncate towards zero; an integer division by zero gives 0.
    case divide
    /// The result has the base's type; the exponent may have any numeric type.
    case power
    /// NaN if one operand is NaN.
    case minimum, maximum
    /// The remainder takes the divisor's sign; integer remainders by zero are 0.
    case modulo
    /// C's `fmod`: the remainder takes the dividend's sign; integer remainders by zero are 0.
    case remainder
    case equal, less, lessOrEqual, greater, greaterOrEqual
    case logicalAnd, logicalOr, logicalXor
    case bitwiseAnd, bitwiseOr, bitwiseXor, shiftLeft, shiftRight

    /// Whether the result is a bool whatever the operands are.
    package var isComparison: Bool {
        switch self {
        case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: true
        default: false
        }
    }
}

/// A formula over elements, written once: the reference interprets it, the generator prints it, fusion composes it.
///
/// A constant takes the type of the operand beside it. Operands of one function have the same type otherwise, but for
/// `power`.
package indirect enum PointwiseExpression: Sendable, Hashable {
    /// Operand number n of the node.
    case input(Int)
    case constant(Double)
    case unary(UnaryFunction, PointwiseExpression)
    case binary(BinaryFunction, PointwiseExpression, PointwiseExpression)
    /// `condition ? first : second`, with a bool condition.
    case select(PointwiseExpression, PointwiseExpression, PointwiseExpression)
    /// ONNX `Cast`: floats to integers truncate, to bool compare with zero.
    case cast(ElementType, PointwiseExpression)
}

extension PointwiseExpression {
    package static func + (a: Self, b: Self) -> Self { .binary(.add, a, b) }
    package static func - (a: Self, b: Self) -> Self { .binary(.subtract, a, b) }
    package static func * (a: Self, b: Self) -> Self { .binary(.multiply, a, b) }
    package static func / (a: Self, b: Self) -> Self { .binary(.divide, a, b) }
    package static func minimum(_ a: Self, _ b: Self) -> Self { .binary(.minimum, a, b) }
    package static func maximum(_ a: Self, _ b: Self) -> Self { .binary(.maximum, a, b) }

    /// The largest operand number that occurs, plus one.
    package var inputCount: Int {
        switch self {
        case .input(let index): index + 1
        case .constant: 0
        case .unary(_, let a), .cast(_, let a): a.inputCount
        case .binary(_, let a, let b): max(a.inputCount, b.inputCount)
        case .select(let a, let b, let c): max(a.inputCount, b.inputCount, c.inputCount)
        }
    }

    /// The number of function nodes: the floating-point operations per element, and the cost of writing it out.
    package var operationCount: Int {
        switch self {
        case .input, .constant: 0
        case .unary(_, let a), .cast(_, let a): 1 + a.operationCount
        case .binary(_, let a, let b): 1 + a.operationCount + b.operationCount
        case .select(let a, let b, let c): 1 + a.operationCount + b.operationCount + c.operationCount
        }
    }

    /// Replaces every operand.
    package func substituting(_ replacement: (Int) -> PointwiseExpression) -> PointwiseExpression {
        switch self {
        case .input(let index): replacement(index)
        case .constant: self
        case .unary(let function, let a): .unary(function, a.substituting(replacement))
        case .cast(let type, let a): .cast(type, a.substituting(replacement))
        case .binary(let function, let a, let b):
            .binary(function, a.substituting(replacement), b.substituting(replacement))
        case .select(let a, let b, let c):
            .select(a.substituting(replacement), b.substituting(replacement), c.substituting(replacement))
        }
    }

    /// The element type of the result, `nil` for a formula of constants alone.
    ///
    /// - Throws: `ModelError` with code `invalidModel` if operands of one function differ in type.
    package func resultType(_ inputs: [ElementType]) throws(ModelError) -> ElementType? {
        switch self {
        case .input(let index):
            guard inputs.indices.contains(index) else {
                throw ModelError(.invalidModel, "operand \(index) of a pointwise formula is missing")
            }
            return inputs[index]
        case .constant: return nil
        case .unary(.isNaN, let a):
            _ = try a.resultType(inputs)
            return .bool
        case .unary(_, let a): return try a.resultType(inputs)
        case .cast(let type, let a):
            _ = try a.resultType(inputs)
            return type
        case .binary(.power, let a, let b):
            let exponent = try b.resultType(inputs)
            return try a.resultType(inputs) ?? exponent
        case .binary(let function, let a, let b):
            let operand = try Self.common(a.resultType(inputs), b.resultType(inputs))
            return function.isComparison ? .bool : operand
        case .select(let condition, let a, let b):
            let type = try condition.resultType(inputs)
            guard type == .bool || type == nil else {
                throw ModelError(.invalidModel, "a condition is \(type.map(\.description) ?? "constant"), not bool")
            }
            return try Self.common(a.resultType(inputs), b.resultType(inputs))
        }
    }

    private static func common(_ a: ElementType?, _ b: ElementType?) throws(ModelError) -> ElementType? {
        guard let a else { return b }
        guard let b else { return a }
        guard a == b else { throw ModelError(.invalidModel, "operands have different types, \(a) and \(b)") }
        return a
    }
}
