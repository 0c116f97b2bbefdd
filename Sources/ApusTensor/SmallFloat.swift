/// A binary floating-point format narrower than `Float`, described by its fields.
///
/// - Source: ONNX "Float stored in 8 bits" and "4 bit floating point types"; OCP 8-bit floating point specification.
package struct SmallFloat: Sendable {
    /// What the codes above the largest finite value mean.
    enum Special: Sendable {
        /// Infinities and NaN, as in IEEE 754.
        case ieee
        /// No infinity; NaN is the code with all bits set.
        case finiteNaN
        /// No infinity and no negative zero; NaN is the code of negative zero.
        case unsignedZero
        /// Neither infinity nor NaN.
        case none
    }

    let exponentBits: Int
    let mantissaBits: Int
    let bias: Int
    let special: Special

    package static let bfloat16 = SmallFloat(exponentBits: 8, mantissaBits: 7, bias: 127, special: .ieee)
    package static let float8e4m3fn = SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 7, special: .finiteNaN)
    package static let float8e4m3fnuz = SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 8, special: .unsignedZero)
    package static let float8e5m2 = SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 15, special: .ieee)
    package static let float8e5m2fnuz = SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 16, special: .unsignedZero)
    package static let float4e2m1 = SmallFloat(exponentBits: 2, mantissaBits: 1, bias: 1, special: .none)

    private var signBit: UInt32 { 1 << UInt32(exponentBits + mantissaBits) }

    /// The code of the largest finite value.
    private var largest: UInt32 {
        switch special {
        case .ieee: signBit - 1 - (1 << UInt32(mantissaBits))
        case .finiteNaN: signBit - 2
        case .unsignedZero, .none: signBit - 1
        }
    }

    private var notANumber: UInt32 {
        switch special {
        case .ieee: signBit - (1 << UInt32(mantissaBits - 1))
        case .finiteNaN: signBit - 1
        case .unsignedZero: signBit
        case .none: 0
        }
    }

    /// The nearest code, ties to even.
    ///
    /// - Parameter saturate: whether values out of range become the largest finite one; infinity or NaN otherwise.
    package func encode(_ value: Double, saturate: Bool) -> UInt32 {
        let sign: UInt32 = value.sign == .minus ? signBit : 0
        if value.isNaN { return special == .unsignedZero ? notANumber : notANumber | sign }
        var code = largest + 1
        if value.isFinite {
            let lowest = 1 - bias
            let exponent = value == 0 ? lowest : max(Int(value.exponent), lowest)
            let scaled = Double(sign: .plus, exponent: mantissaBits - exponent, significand: value.magnitude)
            let significand = Int(scaled.rounded(.toNearestOrEven))
            code = UInt32(((exponent - lowest) << mantissaBits) + significand)
        }
        if code > largest {
            let finite = saturate || special == .none
            if finite { return sign | largest }
            if special == .unsignedZero { return notANumber }
            return sign | (special == .ieee ? largest + 1 : notANumber)
        }
        return special == .unsignedZero && code == 0 ? 0 : sign | code
    }

    /// The value of a code.
    package func decode(_ code: UInt32) -> Double {
        let sign: FloatingPointSign = code & signBit == 0 ? .plus : .minus
        let magnitude = code & (signBit - 1)
        if special == .unsignedZero && code == signBit { return .nan }
        if magnitude > largest {
            return special == .ieee && magnitude == largest + 1 ? (sign == .plus ? .infinity : -.infinity) : .nan
        }
        let exponent = Int(magnitude >> UInt32(mantissaBits))
        let fraction = Double(magnitude & ((1 << UInt32(mantissaBits)) - 1))
        let significand = exponent == 0 ? fraction : fraction + Double(1 << mantissaBits)
        return Double(sign: sign, exponent: max(exponent, 1) - bias - mantissaBits, significand: significand)
    }

    /// The values of all codes of at most 8 bits.
    private func table() -> [Double] { (0..<signBit * 2).map(decode) }

    static let table8e4m3fn = float8e4m3fn.table()
    static let table8e4m3fnuz = float8e4m3fnuz.table()
    static let table8e5m2 = float8e5m2.table()
    static let table8e5m2fnuz = float8e5m2fnuz.table()
    static let table4e2m1 = float4e2m1.table()
}

/// The format `float8e8m0`: a power of two from 2^-127 to 2^127, code 255 for NaN.
package enum PowerOfTwoScale {
    /// How a value between two powers of two is rounded.
    package enum Rounding: String, Sendable {
        case up, down
        /// Ties go up.
        case nearest
    }

    /// The code of a value; what is out of range becomes the nearest code, or NaN.
    package static func encode(_ value: Double, rounding: Rounding, saturate: Bool) -> UInt8 {
        if value.isNaN { return 255 }
        let outside: (UInt8) -> UInt8 = { saturate ? $0 : 255 }
        if value <= 0 { return outside(0) }
        if value.isInfinite { return outside(254) }
        var exponent = Int(value.exponent)
        switch rounding {
        case .up: exponent += value.significand > 1 ? 1 : 0
        case .down: break
        case .nearest: exponent += value.significand >= 1.5 ? 1 : 0
        }
        if exponent < -127 { return outside(0) }
        if exponent > 127 { return outside(254) }
        return UInt8(exponent + 127)
    }

    /// The value of a code.
    package static func decode(_ code: UInt8) -> Double {
        code == 255 ? .nan : Double(sign: .plus, exponent: Int(code) - 127, significand: 1)
    }
}
