import ApusGraph
import ApusOperators
import ApusTensor

extension PointwiseExpression {
    /// The formula with bytes carried as float32, which holds them exactly: what integer kernels print.
    ///
    /// Operands of bytes appear converted to float32; a cast to bytes may only follow a formula that has clamped and
    /// rounded already.
    /// - Throws: `ModelError` with code `unsupported` for other casts.
    func overFloat32() throws(ModelError) -> PointwiseExpression {
        switch self {
        case .input, .constant: return self
        case .unary(let function, let a): return .unary(function, try a.overFloat32())
        case .binary(let function, let a, let b):
            let first = try a.overFloat32()
            return .binary(function, first, try b.overFloat32())
        case .select(let condition, let a, let b):
            let mask = try condition.overFloat32()
            let first = try a.overFloat32()
            return .select(mask, first, try b.overFloat32())
        case .cast(.float32, let a): return try a.overFloat32()
        case .cast(let type, let a):
            guard type.isByte, a.isIntegral(in: type) else {
                throw ModelError(.unsupported, "the epilogue casts to \(type) what it has not clamped")
            }
            return try a.overFloat32()
        }
    }

    /// Whether the formula has the form of `quantized(zeroPoint:to:)` for the type.
    private func isIntegral(in type: ElementType) -> Bool {
        var rounded = self
        var zeroPoint = 0.0
        if case .binary(.add, let a, .constant(let shift)) = self { (rounded, zeroPoint) = (a, shift) }
        guard
            case .unary(.round, .binary(.minimum, .binary(.maximum, _, .constant(let low)), .constant(let high))) =
                rounded
        else { return false }
        let range = type.integerRange
        return low + zeroPoint >= Double(range.lowerBound) && high + zeroPoint <= Double(range.upperBound)
            && zeroPoint == zeroPoint.rounded() && low == low.rounded() && high == high.rounded()
    }

    /// Whether the formula only adds, multiplies and compares, and is short enough for every register of a tile.
    var isShortArithmetic: Bool {
        func isArithmetic(_ expression: PointwiseExpression) -> Bool {
            switch expression {
            case .input, .constant: true
            case .unary(let function, let a): [.negate, .absolute, .round].contains(function) && isArithmetic(a)
            case .binary(let function, let a, let b):
                [.add, .subtract, .multiply, .minimum, .maximum].contains(function) && isArithmetic(a)
                    && isArithmetic(b)
            case .select, .cast: false
            }
        }
        return operationCount <= 24 && isArithmetic(self)
    }

    /// The formula with its numbers as further operands, so that layers with other scales share a program.
    ///
    /// 0 stays. A bounded number is rounded by a sum that has no bits for a fraction; bounds keep NaN as `minimum` and
    /// `maximum` do.
    /// - Parameters:
    ///   - first: the number of the first such operand.
    ///   - numbers: the values of the operands.
    func withNumbersAsOperands(from first: Int, _ numbers: inout [Double]) -> PointwiseExpression {
        func operand(_ number: Double, _ numbers: inout [Double]) -> PointwiseExpression {
            if number == 0 { return .constant(0) }
            numbers.append(number)
            return .input(first + numbers.count - 1)
        }
        switch self {
        case .input: return self
        case .constant(let number): return operand(number, &numbers)
        case .unary(.round, let a) where a.isBoundedForRounding:
            let magic = PointwiseExpression.constant(0x1.8p23)
            return a.withNumbersAsOperands(from: first, &numbers) + magic - magic
        case .binary(let function, let a, .constant(let bound)) where function == .minimum || function == .maximum:
            let value = a.withNumbersAsOperands(from: first, &numbers)
            let limit = operand(bound, &numbers)
            if limit == .constant(0) { return .binary(function, value, limit) }
            return .select(.binary(function == .minimum ? .less : .greater, limit, value), limit, value)
        case .unary(let function, let a): return .unary(function, a.withNumbersAsOperands(from: first, &numbers))
        case .binary(let function, let a, let b):
            let left = a.withNumbersAsOperands(from: first, &numbers)
            return .binary(function, left, b.withNumbersAsOperands(from: first, &numbers))
        case .select(let condition, let a, let b):
            let mask = condition.withNumbersAsOperands(from: first, &numbers)
            let left = a.withNumbersAsOperands(from: first, &numbers)
            return .select(mask, left, b.withNumbersAsOperands(from: first, &numbers))
        case .cast(let type, let a): return .cast(type, a.withNumbersAsOperands(from: first, &numbers))
        }
    }
}
