import ApusTensor
import Testing

@Suite struct NumberFormatTests {
    private static let formats: [(SmallFloat, bits: Int, largest: Double, smallest: Double)] = [
        (.bfloat16, 16, 0x1.FEp127, 0x1p-133),
        (.float8e4m3fn, 8, 448, 0x1p-9),
        (.float8e4m3fnuz, 8, 240, 0x1p-10),
        (.float8e5m2, 8, 57344, 0x1p-16),
        (.float8e5m2fnuz, 8, 57344, 0x1p-17),
        (.float4e2m1, 4, 6, 0.5),
    ]

    @Test(arguments: formats.indices)
    func everyCodeSurvives(index: Int) {
        let (format, bits, largest, smallest) = Self.formats[index]
        var greatest = 0.0
        var least = Double.infinity
        for code in 0..<UInt32(1 << bits) {
            let value = format.decode(code)
            if value.isNaN {
                #expect(format.decode(format.encode(value, saturate: false)).isNaN)
                continue
            }
            #expect(format.encode(value, saturate: false) == code, "\(code) stands for \(value)")
            if value.isFinite { greatest = max(greatest, value) }
            if value > 0 { least = min(least, value) }
        }
        #expect(greatest == largest)
        #expect(least == smallest)
    }

    @Test(arguments: formats.indices)
    func valuesBetweenTwoCodesRoundToTheNearerOne(index: Int) {
        let (format, bits, _, _) = Self.formats[index]
        for code in 0..<UInt32(1 << (bits - 1)) - 1 {
            let (low, high) = (format.decode(code), format.decode(code + 1))
            guard low.isFinite, high.isFinite else { continue }
            let middle = low + (high - low) / 2
            #expect(format.encode(middle, saturate: true) == (code % 2 == 0 ? code : code + 1))
            #expect(format.encode(middle.nextDown, saturate: true) == code)
            #expect(format.encode(middle.nextUp, saturate: true) == code + 1)
        }
    }

    @Test func overflowSaturatesOrNot() {
        #expect(SmallFloat.float8e5m2.decode(SmallFloat.float8e5m2.encode(1e9, saturate: false)) == .infinity)
        #expect(SmallFloat.float8e5m2.decode(SmallFloat.float8e5m2.encode(-.infinity, saturate: true)) == -57344)
        #expect(SmallFloat.float8e4m3fn.decode(SmallFloat.float8e4m3fn.encode(1e9, saturate: false)).isNaN)
        #expect(SmallFloat.float8e4m3fnuz.encode(-0.0, saturate: true) == 0)
        #expect(SmallFloat.bfloat16.encode(.infinity, saturate: false) == 0x7F80)
        #expect(SmallFloat.bfloat16.encode(3.4e38, saturate: false) == 0x7F80)
    }

    @Test func scalesArePowersOfTwo() {
        #expect(PowerOfTwoScale.encode(3, rounding: .up, saturate: true) == 129)
        #expect(PowerOfTwoScale.encode(3, rounding: .down, saturate: true) == 128)
        #expect(PowerOfTwoScale.encode(2.9, rounding: .nearest, saturate: true) == 128)
        #expect(PowerOfTwoScale.encode(0, rounding: .nearest, saturate: false) == 255)
        #expect(PowerOfTwoScale.encode(.infinity, rounding: .up, saturate: true) == 254)
        for code in UInt8(0)..<255 {
            #expect(PowerOfTwoScale.encode(PowerOfTwoScale.decode(code), rounding: .up, saturate: false) == code)
        }
    }

    @Test(arguments: ElementType.allCases.filter(\.isNumeric))
    func smallWholeNumbersSurviveEveryType(type: ElementType) throws {
        let values =
            type == .float8e8m0 ? [1, 2, 4] : type == .bool ? [0, 1, 1] : type.bitWidth == 2 ? [0, 1, 1] : [0, 1, 3]
        let tensor = try Tensor(TensorType(type, [3]), rounding: values.map(Double.init))
        #expect(tensor.byteCount == type.byteCount(elements: 3))
        #expect(try tensor.doubles() == values.map(Double.init))
        let wrapped = try Tensor(TensorType(type, [3]), wrapping: values)
        #expect(try wrapped.doubles() == values.map(Double.init))
    }

    @Test func integersWrapAndSaturate() {
        #expect(ElementType.int4.wrapped(9) == -7)
        #expect(ElementType.uint4.wrapped(-1) == 15)
        #expect(ElementType.int2.wrapped(2) == -2)
        #expect(ElementType.uint32.wrapped(-1) == 0xFFFF_FFFF)
        #expect(ElementType.int64.integer(1e300) == .max)
        #expect(ElementType.uint64.integer(-1) == 0)
        #expect(ElementType.uint64.double(-1) == 0x1p64)
        #expect(ElementType.int8.integer(.nan) == 0)
    }
}
