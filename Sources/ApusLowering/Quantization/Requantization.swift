import ApusGraph
import ApusOperators
import ApusTensor

/// A formula that quantizes scaled sums, as `REQUANTIZE` of `microkernel/bytes.cl` computes it in instructions.
///
/// A residual may be added before: one byte an element. The sums may be quantized on their own before that.
struct Requantization: Hashable {
    /// What a byte stands for: `(byte - zeroPoint) * scale`.
    struct Parameters: Hashable {
        var zeroPoint: Int
        var scale: Float
    }

    /// What the sums are quantized to before the residual is added.
    struct First: Hashable {
        var type: ElementType
        var parameters: Parameters
    }

    let zeroPoint: Int
    private(set) var first: First?
    private(set) var residual: Parameters?

    /// - Returns: `nil` for other formulas of the sums, operand 0, and of a residual, operand 1.
    init?(_ formula: PointwiseExpression, to type: ElementType) {
        guard let (value, zeroPoint) = Self.quantized(formula, to: type) else { return nil }
        self.zeroPoint = zeroPoint
        if value == .input(0) { return }
        guard case .cast(.float32, .binary(.add, let a, let b)) = value else { return nil }
        for (sum, other) in [(a, b), (b, a)] {
            guard let (bytes, residual) = Self.dequantized(other), bytes == .input(1) else { continue }
            self.residual = residual
            if sum == .input(0) { return }
            guard let (bytes, parameters) = Self.dequantized(sum), case .cast(let type, _) = bytes, type.isByte,
                let (source, zeroPoint) = Self.quantized(bytes, to: type), source == .input(0),
                zeroPoint == parameters.zeroPoint
            else { continue }
            first = First(type: type, parameters: parameters)
            return
        }
        return nil
    }

    /// Whether float32 sums of less than 2^30 stay below 2^31 all the way.
    var isBounded: Bool {
        [first?.parameters, residual].compactMap { $0?.scale }.allSatisfy { abs($0) < 0x1p20 }
    }

    /// The value that a formula quantizes, and the zero point.
    private static func quantized(
        _ formula: PointwiseExpression,
        to type: ElementType
    ) -> (value: PointwiseExpression, zeroPoint: Int)? {
        guard case .cast(type, var rounded) = formula else { return nil }
        var shift = 0.0
        if case .binary(.add, let inner, .constant(let zeroPoint)) = rounded { (rounded, shift) = (inner, zeroPoint) }
        guard case .unary(.round, .binary(.minimum, .binary(.maximum, let value, _), _)) = rounded,
            formula == value.quantized(zeroPoint: shift, to: type), let zeroPoint = Int(exactly: shift)
        else { return nil }
        return (value, zeroPoint)
    }

    /// The bytes that a formula dequantizes.
    private static func dequantized(
        _ formula: PointwiseExpression
    ) -> (bytes: PointwiseExpression, parameters: Parameters)? {
        guard case .cast(.float32, .binary(.multiply, var difference, .constant(let scale))) = formula else {
            return nil
        }
        var shift = 0.0
        if case .binary(.subtract, let inner, .constant(let zeroPoint)) = difference {
            (difference, shift) = (inner, zeroPoint)
        }
        guard case .cast(.float32, let bytes) = difference, let zeroPoint = Int(exactly: shift),
            let factor = Float(exactly: scale)
        else { return nil }
        return (bytes, Parameters(zeroPoint: zeroPoint, scale: factor))
    }
}
