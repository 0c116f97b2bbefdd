package import ApusGraph
package import ApusTensor

extension PointwiseExpression {
    /// The formula rounded to float32 here, as a kernel rounds it.
    package var roundedToFloat32: PointwiseExpression { .cast(.float32, self) }

    /// The nearest integer, ties to even, plus the zero point, saturated; NaN becomes 0.
    ///
    /// - Parameters:
    ///   - zeroPoint: an integer of the type.
    ///   - type: an integer type of at most 16 bits.
    package func quantized(zeroPoint: Double, to type: ElementType) -> PointwiseExpression {
        let rounded = PointwiseExpression.unary(.round, clamped(type.integerRange, zeroPoint))
        return .cast(type, zeroPoint == 0 ? rounded : rounded + .constant(zeroPoint))
    }

    /// The same with a zero point that is an operand, given as a real number.
    package func quantized(zeroPoint: PointwiseExpression, to type: ElementType) -> PointwiseExpression {
        let shifted = PointwiseExpression.unary(.round, self) + zeroPoint
        return .cast(type, shifted.clamped(type.integerRange, 0))
    }

    private func clamped(_ range: ClosedRange<Int64>, _ zeroPoint: Double) -> PointwiseExpression {
        let low = PointwiseExpression.constant(Double(range.lowerBound) - zeroPoint)
        return .minimum(.maximum(self, low), .constant(Double(range.upperBound) - zeroPoint))
    }

    /// The result of a quantized product: `clamp(rint(float(sum) * multiplier) + zero point)` in a type of bytes.
    ///
    /// Operands: the int32 sums, the scales of both factors and of the result, and its zero point. The multiplier is the
    /// product of the first two scales over the third; it and what it is multiplied by are rounded to float32.
    package static func quantizedProduct(to type: ElementType) -> PointwiseExpression {
        func scale(_ operand: Int) -> PointwiseExpression { .cast(.float32, .input(operand)) }
        let multiplier = ((scale(1) * scale(2)).roundedToFloat32 / scale(3)).roundedToFloat32
        return (PointwiseExpression.cast(.float32, .input(0)) * multiplier).roundedToFloat32
            .quantized(zeroPoint: .cast(.float32, .input(4)), to: type)
    }

    /// The real number that a quantized value stands for: `(self - zeroPoint) * scale`, rounded to float32.
    ///
    /// The formula itself is an integer of at most 16 bits, so that the difference is exact.
    package func dequantized(zeroPoint: Double, scale: Float) -> PointwiseExpression {
        let value = PointwiseExpression.cast(.float32, self)
        let shifted = zeroPoint == 0 ? value : value - .constant(zeroPoint)
        return (shifted * .constant(Double(scale))).roundedToFloat32
    }
}

extension ElementType {
    /// The types that the integer kernels multiply.
    package var isByte: Bool { self == .int8 || self == .uint8 }

    /// The integer types that values are quantized to.
    var isQuantizedInteger: Bool { isInteger && bitWidth <= 16 }

    /// The small floating-point types that values are quantized to.
    var isQuantizedFloat: Bool {
        switch self {
        case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1: true
        default: false
        }
    }
}
