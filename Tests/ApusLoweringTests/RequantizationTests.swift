import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@testable import ApusLowering

@Suite struct RequantizationTests {
    private func dequantized(_ bytes: PointwiseExpression, _ zeroPoint: Double, _ scale: Float) -> PointwiseExpression {
        bytes.dequantized(zeroPoint: zeroPoint, scale: scale)
    }

    @Test func sumsAlone() throws {
        let formula = PointwiseExpression.input(0).quantized(zeroPoint: 7, to: .int8)
        let found = try #require(Requantization(formula, to: .int8))
        #expect(found.zeroPoint == 7 && found.first == nil && found.residual == nil)
        #expect(Requantization(formula, to: .uint8) == nil)
    }

    @Test(arguments: [true, false]) func residualOnEitherSide(_ isFirst: Bool) throws {
        let bytes = PointwiseExpression.input(0).quantized(zeroPoint: 90, to: .uint8)
        let (sums, other) = (dequantized(bytes, 90, 1.25), dequantized(.input(1), -3, 0.5))
        let sum = (isFirst ? other + sums : sums + other).roundedToFloat32
        let found = try #require(Requantization(sum.quantized(zeroPoint: 0, to: .int8), to: .int8))
        #expect(found.zeroPoint == 0)
        #expect(found.first?.type == .uint8)
        #expect(found.first?.parameters == Requantization.Parameters(zeroPoint: 90, scale: 1.25))
        #expect(found.residual == Requantization.Parameters(zeroPoint: -3, scale: 0.5))
    }

    @Test func otherFormulasAreRefused() {
        let other = dequantized(.input(1), 3, 0.5)
        let bytes = PointwiseExpression.input(0).quantized(zeroPoint: 90, to: .uint8)
        for value in [
            (PointwiseExpression.input(0) - other).roundedToFloat32,
            PointwiseExpression.input(0) + other,
            (dequantized(bytes, 91, 1.25) + other).roundedToFloat32,
            (dequantized(.input(2), 0, 1) + other).roundedToFloat32,
            (PointwiseExpression.input(0) * .constant(2)).roundedToFloat32,
        ] {
            #expect(Requantization(value.quantized(zeroPoint: 1, to: .uint8), to: .uint8) == nil)
        }
    }

    @Test func scalesThatLeaveTheIntegersAreUnbounded() throws {
        func isBounded(_ scale: Float) throws -> Bool {
            let sum = (PointwiseExpression.input(0) + dequantized(.input(1), 0, scale)).roundedToFloat32
            return try #require(Requantization(sum.quantized(zeroPoint: 0, to: .int8), to: .int8)).isBounded
        }
        #expect(try isBounded(0.5))
        #expect(try !isBounded(0x1p21))
    }
}
