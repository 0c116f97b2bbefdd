import ApusGraph
import ApusTensor
import Glibc

extension UnaryFunction {
    /// Applies the function to real numbers; `isNaN` gives bools.
    func apply(_ source: Lanes, _ target: Lanes) {
        func map(_ function: (Double) -> Double) {
            for lane in target.doubles.indices { target.doubles[lane] = function(source.doubles[lane]) }
        }
        switch self {
        case .negate: map { -$0 }
        case .absolute: map { $0.magnitude }
        case .exp: map { Glibc.exp($0) }
        case .expm1: map { Glibc.expm1($0) }
        case .log: map { Glibc.log($0) }
        case .log1p: map { Glibc.log1p($0) }
        case .sqrt: map { $0.squareRoot() }
        case .reciprocal: map { 1 / $0 }
        case .sin: map { Glibc.sin($0) }
        case .cos: map { Glibc.cos($0) }
        case .tan: map { Glibc.tan($0) }
        case .asin: map { Glibc.asin($0) }
        case .acos: map { Glibc.acos($0) }
        case .atan: map { Glibc.atan($0) }
        case .sinh: map { Glibc.sinh($0) }
        case .cosh: map { Glibc.cosh($0) }
        case .tanh: map { Glibc.tanh($0) }
        case .asinh: map { Glibc.asinh($0) }
        case .acosh: map { Glibc.acosh($0) }
        case .atanh: map { Glibc.atanh($0) }
        case .erf: map { Glibc.erf($0) }
        case .floor: map { $0.rounded(.down) }
        case .ceil: map { $0.rounded(.up) }
        case .round: map { $0.rounded(.toNearestOrEven) }
        case .sign: map { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
        case .logicalNot: map { $0 == 0 ? 1 : 0 }
        case .bitwiseNot: map { Double(~ElementType.int64.integer($0)) }
        case .isNaN:
            for lane in target.integers.indices { target.integers[lane] = source.doubles[lane].isNaN ? 1 : 0 }
        }
    }

    /// Applies the function to integers or bools and wraps to their type; real functions are cast back.
    func apply(_ source: Lanes, _ target: Lanes, _ type: ElementType) {
        func map(_ function: (Int64) -> Int64) {
            for lane in target.integers.indices {
                target.integers[lane] = type.wrapped(function(source.integers[lane]))
            }
        }
        switch self {
        case .negate: map { 0 &- $0 }
        case .absolute: map { $0 < 0 && !type.isUnsignedInteger ? 0 &- $0 : $0 }
        case .floor, .ceil, .round: map { $0 }
        case .sign: map { $0 == 0 ? 0 : $0 > 0 || type.isUnsignedInteger ? 1 : -1 }
        case .logicalNot: map { $0 == 0 ? 1 : 0 }
        case .bitwiseNot: map { ~$0 }
        case .isNaN: map { _ in 0 }
        default:
            for lane in target.doubles.indices { target.doubles[lane] = type.double(source.integers[lane]) }
            apply(target, target)
            for lane in target.integers.indices { target.integers[lane] = type.integer(target.doubles[lane]) }
        }
    }
}

extension BinaryFunction {
    /// Applies the function to real numbers; comparisons give bools.
    func apply(_ a: Lanes, _ b: Lanes, _ target: Lanes) {
        func map(_ function: (Double, Double) -> Double) {
            for lane in target.doubles.indices {
                target.doubles[lane] = function(a.doubles[lane], b.doubles[lane])
            }
        }
        func compare(_ function: (Double, Double) -> Bool) {
            for lane in target.integers.indices {
                target.integers[lane] = function(a.doubles[lane], b.doubles[lane]) ? 1 : 0
            }
        }
        func bits(_ function: @escaping (Int64, Int64) -> Int64) {
            map { Double(function(ElementType.int64.integer($0), ElementType.int64.integer($1))) }
        }
        switch self {
        case .add: map { $0 + $1 }
        case .subtract: map { $0 - $1 }
        case .multiply: map { $0 * $1 }
        case .divide: map { $0 / $1 }
        case .power: map { Glibc.pow($0, $1) }
        case .minimum: map { $0.isNaN ? $0 : $1.isNaN ? $1 : $1 < $0 ? $1 : $0 }
        case .maximum: map { $0.isNaN ? $0 : $1.isNaN ? $1 : $1 > $0 ? $1 : $0 }
        case .modulo: map { flooredRemainder($0, $1) }
        case .remainder: map { Glibc.fmod($0, $1) }
        case .equal: compare { $0 == $1 }
        case .less: compare { $0 < $1 }
        case .lessOrEqual: compare { $0 <= $1 }
        case .greater: compare { $0 > $1 }
        case .greaterOrEqual: compare { $0 >= $1 }
        case .logicalAnd: map { $0 != 0 && $1 != 0 ? 1 : 0 }
        case .logicalOr: map { $0 != 0 || $1 != 0 ? 1 : 0 }
        case .logicalXor: map { ($0 != 0) != ($1 != 0) ? 1 : 0 }
        case .bitwiseAnd: bits { $0 & $1 }
        case .bitwiseOr: bits { $0 | $1 }
        case .bitwiseXor: bits { $0 ^ $1 }
        case .shiftLeft: bits { $0 << $1 }
        case .shiftRight: bits { $0 >> $1 }
        }
    }

    /// Applies the function to integers or bools and wraps to their type; comparisons give bools.
    func apply(_ a: Lanes, _ b: Lanes, _ target: Lanes, _ type: ElementType) {
        func map(_ function: (Int64, Int64) -> Int64) {
            for lane in target.integers.indices {
                target.integers[lane] = type.wrapped(function(a.integers[lane], b.integers[lane]))
            }
        }
        func unsigned(_ function: (UInt64, UInt64) -> UInt64) {
            map { Int64(bitPattern: function(UInt64(bitPattern: $0), UInt64(bitPattern: $1))) }
        }
        let bias = type == .uint64 ? Int64.min : 0
        func less(_ x: Int64, _ y: Int64) -> Bool { x ^ bias < y ^ bias }
        func compare(_ function: (Int64, Int64) -> Bool) {
            for lane in target.integers.indices {
                target.integers[lane] = function(a.integers[lane], b.integers[lane]) ? 1 : 0
            }
        }
        let width = UInt64(type == .bool ? 1 : type.bitWidth)
        switch self {
        case .add: map { $0 &+ $1 }
        case .subtract: map { $0 &- $1 }
        case .multiply: map { $0 &* $1 }
        case .divide:
            if type == .uint64 {
                unsigned { $1 == 0 ? 0 : $0 / $1 }
            } else {
                map { $1 == 0 ? 0 : $0.dividedReportingOverflow(by: $1).partialValue }
            }
        case .power: map { integerPower($0, $1, isSigned: type.isSignedInteger) }
        case .minimum: map { less($1, $0) ? $1 : $0 }
        case .maximum: map { less($0, $1) ? $1 : $0 }
        case .modulo, .remainder:
            if type == .uint64 {
                unsigned { $1 == 0 ? 0 : $0 % $1 }
            } else {
                let floors = self == .modulo
                map { x, y in
                    guard y != 0 else { return 0 }
                    let remainder = x.remainderReportingOverflow(dividingBy: y).partialValue
                    return floors && remainder != 0 && (remainder < 0) != (y < 0) ? remainder + y : remainder
                }
            }
        case .equal: compare { $0 == $1 }
        case .less: compare { less($0, $1) }
        case .lessOrEqual: compare { !less($1, $0) }
        case .greater: compare { less($1, $0) }
        case .greaterOrEqual: compare { !less($0, $1) }
        case .logicalAnd: map { $0 != 0 && $1 != 0 ? 1 : 0 }
        case .logicalOr: map { $0 != 0 || $1 != 0 ? 1 : 0 }
        case .logicalXor: map { ($0 != 0) != ($1 != 0) ? 1 : 0 }
        case .bitwiseAnd: map { $0 & $1 }
        case .bitwiseOr: map { $0 | $1 }
        case .bitwiseXor: map { $0 ^ $1 }
        case .shiftLeft: map { UInt64(bitPattern: $1) >= width ? 0 : $0 << $1 }
        case .shiftRight:
            if type == .uint64 {
                unsigned { $1 >= width ? 0 : $0 >> $1 }
            } else {
                map { UInt64(bitPattern: $1) >= width ? 0 : $0 >> $1 }
            }
        }
    }
}

/// Raises real numbers or integers to powers of any numeric type; the result has the base's type.
func applyPower(_ a: Lanes, _ type: ElementType, _ b: Lanes, _ exponent: ElementType, _ target: Lanes) {
    if !type.isFloatingPoint && !exponent.isFloatingPoint {
        let isSigned = exponent.isSignedInteger
        for lane in target.integers.indices {
            let value = integerPower(a.integers[lane], b.integers[lane], isSigned: isSigned)
            target.integers[lane] = type.wrapped(value)
        }
        return
    }
    for lane in target.doubles.indices {
        let base = type.isFloatingPoint ? a.doubles[lane] : type.double(a.integers[lane])
        let power = exponent.isFloatingPoint ? b.doubles[lane] : exponent.double(b.integers[lane])
        let value = Glibc.pow(base, power)
        if type.isFloatingPoint { target.doubles[lane] = value } else { target.integers[lane] = type.integer(value) }
    }
}

/// ONNX `Cast` of a register. What does not fit saturates, in types narrower than a byte it wraps.
/// - Source: the onnx package's reference, which casts through ml_dtypes to these types.
func applyCast(_ a: Lanes, _ source: ElementType, _ type: ElementType, _ target: Lanes) {
    switch (source.isFloatingPoint, type.isFloatingPoint) {
    case (true, true):
        for lane in target.doubles.indices { target.doubles[lane] = type.rounded(a.doubles[lane]) }
    case (true, false) where type.isInteger && type.bitWidth < 8:
        for lane in target.integers.indices {
            target.integers[lane] = type.wrapped(ElementType.int64.integer(a.doubles[lane]))
        }
    case (true, false):
        for lane in target.integers.indices { target.integers[lane] = type.integer(a.doubles[lane]) }
    case (false, false):
        for lane in target.integers.indices { target.integers[lane] = type.wrapped(a.integers[lane]) }
    case (false, true):
        for lane in target.doubles.indices {
            let value = a.integers[lane]
            target.doubles[lane] =
                switch type {
                case .float32 where source == .uint64: Double(Float(UInt64(bitPattern: value)))
                case .float32: Double(Float(value))
                default: type.rounded(source.double(value))
                }
        }
    }
}

/// Python's `%`: the remainder takes the divisor's sign.
func flooredRemainder(_ a: Double, _ b: Double) -> Double {
    let remainder = Glibc.fmod(a, b)
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
}

/// A power of integers, wrapping; a negative exponent gives the reciprocal truncated towards zero.
func integerPower(_ base: Int64, _ exponent: Int64, isSigned: Bool) -> Int64 {
    if isSigned && exponent < 0 {
        switch base {
        case 1: return 1
        case -1: return exponent & 1 == 0 ? 1 : -1
        default: return 0
        }
    }
    var result: Int64 = 1
    var square = base
    var rest = UInt64(bitPattern: exponent)
    while rest != 0 {
        if rest & 1 == 1 { result = result &* square }
        square = square &* square
        rest >>= 1
    }
    return result
}
