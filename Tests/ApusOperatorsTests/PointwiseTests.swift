import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct PointwiseTests {
    @Test func roundTakesTiesToEven() throws {
        let x = Tensor(vector: [Float(0.5), 1.5, 2.5, -0.5, -1.5, -2.5, 0.9, -1.1])
        #expect(try evaluate("Round", [x]).array(of: Float.self) == [0, 2, 2, -0.0, -2, -2, 1, -1])
    }

    @Test func moduloTakesTheDivisorsSign() throws {
        let a = Tensor(vector: [Int32(-4), 7, 5, 4, -7, 8, .min, 3])
        let b = Tensor(vector: [Int32(2), -3, 8, -2, 3, 5, -1, 0])
        #expect(try evaluate("Mod", [a, b]).array(of: Int32.self) == [0, -2, 5, 0, 2, 3, 0, 0])
        let truncated = try evaluate("Mod", [a, b], ["fmod": .int(1)]).array(of: Int32.self)
        #expect(truncated == [0, 1, 5, 0, -1, 3, 0, 0])
        let x = Tensor(vector: [Float(-4.3), 7.2, 5, 4.3])
        let y = Tensor(vector: [Float(2.1), -3.4, 8, -2.1])
        let remainders = try evaluate("Mod", [x, y], ["fmod": .int(1)]).array(of: Float.self)
        for (found, expected) in zip(remainders, [Float(-0.1), 0.4, 5, 0.1]) { #expect(abs(found - expected) < 1e-5) }
    }

    @Test func integerDivisionTruncatesAndNeverTraps() throws {
        let a = Tensor(vector: [Int32(7), -7, 7, -7, .min, 5])
        let b = Tensor(vector: [Int32(2), 2, -2, -2, -1, 0])
        #expect(try evaluate("Div", [a, b]).array(of: Int32.self) == [3, -3, -3, 3, .min, 0])
        let wide = Tensor(vector: [UInt64.max, 1 << 63, 9])
        let divisors = Tensor(vector: [UInt64(2), 1 << 62, 0])
        #expect(try evaluate("Div", [wide, divisors]).array(of: UInt64.self) == [UInt64.max / 2, 2, 0])
        #expect(try evaluate("Mod", [wide, divisors]).array(of: UInt64.self) == [1, 0, 0])
        #expect(try evaluate("Max", [wide, divisors]).array(of: UInt64.self) == [.max, 1 << 63, 9])
    }

    @Test func integersWrap() throws {
        let a = Tensor(vector: [Int8(127), -128, 100])
        let b = Tensor(vector: [Int8(1), -1, 100])
        #expect(try evaluate("Add", [a, b]).array(of: Int8.self) == [-128, 127, -56])
        #expect(try evaluate("Mul", [a, b]).array(of: Int8.self) == [127, -128, 16])
        #expect(try evaluate("Neg", [a]).array(of: Int8.self) == [-127, -128, -100])
        let bytes = Tensor(vector: [UInt8(3), 250])
        #expect(try evaluate("Sub", [bytes, Tensor(vector: [UInt8(5)])]).array(of: UInt8.self) == [254, 245])
    }

    @Test func shiftsByTheWidthOrMoreGiveZero() throws {
        let x = Tensor(vector: [UInt8(0xFF), 0xFF, 0xFF, 0x81])
        let count = Tensor(vector: [UInt8(7), 8, 200, 1])
        let left = try evaluate("BitShift", [x, count], ["direction": text("LEFT")]).array(of: UInt8.self)
        let right = try evaluate("BitShift", [x, count], ["direction": text("RIGHT")]).array(of: UInt8.self)
        #expect(left == [0x80, 0, 0, 2])
        #expect(right == [1, 0, 0, 0x40])
        let wide = Tensor(vector: [UInt64.max])
        let shifted = try evaluate("BitShift", [wide, Tensor(vector: [UInt64(63)])], ["direction": text("RIGHT")])
        #expect(try shifted.array(of: UInt64.self) == [1])
    }

    @Test func castsTruncateAndSaturate() throws {
        let x = Tensor(vector: [Float(2.9), -2.9, .nan, .infinity, -.infinity, 300, -300, -0.4])
        func cast(_ type: ElementType) throws -> Tensor {
            try evaluate("Cast", [x], ["to": .int(Int64(type.rawValue))])
        }
        #expect(try cast(.int8).array(of: Int8.self) == [2, -2, 0, 127, -128, 127, -128, 0])
        #expect(try cast(.uint8).array(of: UInt8.self) == [2, 0, 0, 255, 0, 255, 0, 0])
        #expect(try cast(.int64).array(of: Int64.self) == [2, -2, 0, .max, .min, 300, -300, 0])
        #expect(try cast(.uint64).array(of: UInt64.self) == [2, 0, 0, .max, 0, 300, 0, 0])
        #expect(try cast(.bool).integers() == [1, 1, 1, 1, 1, 1, 1, 1])
        let wide = Tensor(vector: [Int64(200), -1, 1 << 32, 0])
        #expect(try evaluate("Cast", [wide], ["to": .int(3)]).array(of: Int8.self) == [-56, -1, 0, 0])
        #expect(try evaluate("Cast", [wide], ["to": .int(9)]).integers() == [1, 1, 1, 0])
        #expect(try evaluate("Cast", [wide], ["to": .int(12)]).array(of: UInt32.self) == [200, .max, 0, 0])
    }

    @Test func castsToFloatsRoundOnce() throws {
        let wide = Tensor(vector: [Int64(16_777_217), 9_007_199_791_611_905, -3])
        #expect(
            try evaluate("Cast", [wide], ["to": .int(1)]).array(of: Float.self) == [
                16_777_216, 9_007_200_328_482_816, -3,
            ]
        )
        let x = Tensor(vector: [Float(448), 464, 465, 1e9, -.infinity, 0.001953125, 0.0009765625])
        let saturated = try evaluate("Cast", [x], ["to": .int(17)])
        #expect(try saturated.doubles() == [448, 448, 448, 448, -448, 0.001953125, 0])
        let strict = try evaluate("Cast", [x], ["to": .int(17), "saturate": .int(0)]).doubles()
        #expect(Array(strict[..<2]) == [448, 448])
        #expect(strict[2].isNaN && strict[3].isNaN && strict[4].isNaN)
        let scales = try evaluate("Cast", [Tensor(vector: [Float(1), 1.5, 3, 0])], ["to": .int(24)])
        #expect(try scales.doubles() == [1, 2, 4, 0x1p-127])
    }

    @Test func narrowIntegersKeepTheirSign() throws {
        let x = Tensor(vector: [Float(-8), -1, 0, 7, 9])
        let packed = try evaluate("Cast", [x], ["to": .int(22)])
        #expect(packed.byteCount == 3)
        #expect(try packed.integers() == [-8, -1, 0, 7, -7])
        #expect(try evaluate("Cast", [packed], ["to": .int(1)]).array(of: Float.self) == [-8, -1, 0, 7, -7])
    }

    @Test(arguments: [(ElementType.int4, -7), (.uint4, 9), (.int2, 1), (.uint2, 1)])
    func narrowIntegersWrapInCasts(_ type: ElementType, _ expected: Int) throws {
        let to: [String: AttributeValue] = ["to": .int(Int64(type.rawValue))]
        for x in [Tensor(vector: [Float(9), 25, .nan]), Tensor(vector: [Float(9.9), 25.5, -.nan])] {
            let values = try evaluate("Cast", [x], to).integers()
            #expect(values == [expected, expected, 0])
        }
        #expect(try evaluate("Cast", [Tensor(vector: [Int32(9), -7])], to).integers() == [expected, expected])
    }

    @Test func powersOfMixedTypes() throws {
        let base = Tensor(vector: [Int32(2), 3, -2, 0, 1])
        let exponent = Tensor(vector: [Int64(10), 3, 3, 0, -5])
        #expect(try evaluate("Pow", [base, exponent]).array(of: Int32.self) == [1024, 27, -8, 1, 1])
        let roots = try evaluate("Pow", [Tensor(vector: [Int32(9), 16]), Tensor(vector: [Float(0.5)])])
        #expect(try roots.array(of: Int32.self) == [3, 4])
        let floats = try evaluate("Pow", [Tensor(vector: [Float(1.5), -2]), Tensor(vector: [Int32(2), 3])])
        #expect(try floats.array(of: Float.self) == [2.25, -8])
    }

    @Test func minimumAndMaximumPassNaN() throws {
        let a = Tensor(vector: [Float.nan, 1, 2])
        let b = Tensor(vector: [Float(0), .nan, 3])
        let low = try evaluate("Min", [a, b]).array(of: Float.self)
        let high = try evaluate("Max", [a, b]).array(of: Float.self)
        #expect(low[0].isNaN && low[1].isNaN && low[2] == 2)
        #expect(high[0].isNaN && high[1].isNaN && high[2] == 3)
    }

    @Test func activationsAgreeWithTheirDefinitions() throws {
        let x = Tensor(vector: [Float(-2), -0.5, 0, 0.5, 2])
        let expected: [(String, [String: AttributeValue], [Float])] = [
            ("Sigmoid", [:], [0.11920292, 0.37754067, 0.5, 0.62245933, 0.88079708]),
            ("Softplus", [:], [0.12692801, 0.47407698, 0.69314718, 0.97407698, 2.12692801]),
            ("Gelu", [:], [-0.04550026, -0.15426877, 0, 0.34573123, 1.95449974]),
            ("Gelu", ["approximate": text("tanh")], [-0.04540231, -0.15428599, 0, 0.34571401, 1.95459769]),
            ("Elu", [:], [-0.86466472, -0.39346934, 0, 0.5, 2]),
            ("Selu", [:], [-1.52016652, -0.69175819, 0, 0.52535051, 2.10140204]),
            ("HardSwish", [:], [-0.33333333, -0.20833333, 0, 0.29166667, 1.66666667]),
            ("HardSigmoid", [:], [0.1, 0.4, 0.5, 0.6, 0.9]),
            ("Mish", [:], [-0.25250148, -0.22074469, 0, 0.37524524, 1.94395896]),
            ("Shrink", [:], [-2, 0, 0, 0, 2]),
            ("Celu", ["alpha": .float(2)], [-1.26424112, -0.44239843, 0, 0.5, 2]),
            ("ThresholdedRelu", [:], [0, 0, 0, 0, 2]),
        ]
        for (name, attributes, values) in expected {
            let found = try evaluate(name, [x], attributes).array(of: Float.self)
            for (a, b) in zip(found, values) { #expect(abs(a - b) < 1e-6, "\(name) \(a) \(b)") }
        }
    }

    @Test func largeTensorsAreEvaluatedInPieces() throws {
        let count = 100_003
        let x = Tensor(vector: (0..<count).map { Float($0) })
        let y = try Tensor(shape: [3, 1], [Float(1), 2, 3])
        let sum = try evaluate("Add", [x, y])
        #expect(sum.shape == [3, count])
        let values = try sum.array(of: Float.self)
        #expect(values.indices.allSatisfy { values[$0] == Float($0 % count) + Float($0 / count + 1) })
    }

    @Test func wrongOperandsAreNamed() {
        let a = Tensor(vector: [Float(1), 2, 3])
        #expect(throws: ModelError.self) { try evaluate("Add", [a, Tensor(vector: [Float(1), 2])]) }
        #expect(throws: ModelError.self) { try evaluate("Add", [a, Tensor(vector: [Int32(1)])]) }
        #expect(throws: ModelError.self) { try evaluate("Sin", [Tensor(vector: [Int32(1)])]) }
        #expect(throws: ModelError.self) { try evaluate("And", [a, a]) }
        #expect(throws: ModelError.self) { try evaluate("Clip", [a, try Tensor(shape: [2, 1], [Float(1), 2])]) }
        let error = #expect(throws: ModelError.self) { try evaluate("Add", [a, nil]) }
        #expect(error?.node == "node" && error?.operatorType == "Add")
    }
}
