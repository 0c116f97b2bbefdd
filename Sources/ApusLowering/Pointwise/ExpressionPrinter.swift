import ApusGraph
import ApusTensor

/// Writes a pointwise formula as OpenCL C statements, for scalars, for vectors, or for both at once.
struct ExpressionPrinter {
    /// What a value of the printed text is.
    enum Form: Hashable {
        case scalar
        case vector(Int)
        /// A macro parameter `T` that stands for `float` or a vector of floats.
        case generic
    }

    /// A printed operand: its text, and the type that it has.
    struct Value {
        var text: String
        var type: KernelScalar
    }

    let form: Form
    /// The operands by number: the name of a variable, and its type.
    let inputs: [Value]
    private(set) var statements: [String] = []
    private(set) var helpers: Set<String> = []
    private var known: [PointwiseExpression: Value] = [:]

    init(form: Form, inputs: [Value]) {
        self.form = form
        self.inputs = inputs
    }

    /// Whether the formula holds integer operations that exist for scalars alone.
    static func isScalarOnly(_ expression: PointwiseExpression, _ inputs: [ElementType]) throws(ModelError) -> Bool {
        switch expression {
        case .input, .constant: return false
        case .unary(_, let a), .cast(_, let a): return try isScalarOnly(a, inputs)
        case .binary(let function, let a, let b):
            let left = try a.resultType(inputs)
            let right = try b.resultType(inputs)
            let type = left ?? right
            switch function {
            case .divide, .modulo, .remainder, .power:
                if type?.isInteger ?? false { return true }
            default: break
            }
            let first = try isScalarOnly(a, inputs)
            let second = try isScalarOnly(b, inputs)
            return first || second
        case .select(let a, let b, let c):
            let condition = try isScalarOnly(a, inputs)
            let first = try isScalarOnly(b, inputs)
            let second = try isScalarOnly(c, inputs)
            return condition || first || second
        }
    }

    /// Prints a formula; `statements` holds what comes before the text of the result.
    ///
    /// - Parameter type: the type of a formula of constants alone.
    /// - Throws: `ModelError` if the types do not fit, or the formula has no form in OpenCL C.
    mutating func print(_ expression: PointwiseExpression, as type: ElementType) throws(ModelError) -> Value {
        if let value = known[expression] { return value }
        let value: Value
        if let logistic = try logistic(expression, as: type) {
            known[expression] = logistic
            return logistic
        }
        switch expression {
        case .input(let index):
            guard inputs.indices.contains(index) else {
                throw ModelError(.invalidModel, "operand \(index) of a pointwise formula is missing")
            }
            return inputs[index]
        case .constant(let number):
            let type = try KernelScalar(type)
            return Value(text: try constant(number, type), type: type)
        case .unary(.round, let a) where a.isBoundedForRounding:
            value = rounded(try print(a, as: type))
        case .unary(let function, let a):
            let operand = try print(a, as: type)
            if let series = try series(function, operand) {
                value = series
            } else {
                value = try unary(function, operand)
            }
        case .cast(let target, let a): value = try cast(print(a, as: .float32), KernelScalar(target))
        case .binary(.power, let a, let b):
            let exponentType = try self.type(of: b)
            let base = try commonType(a, b) ?? type
            let exponent = exponentType ?? (isIntegral(b) ? base : .float64)
            let operand = try print(a, as: base)
            value = try power(operand, print(b, as: base.isFloatingPoint && isConstant(b) ? base : exponent), b)
        case .binary(let function, let a, let b):
            let beside = function.isComparison ? .float32 : type
            let operandType = try commonType(a, b) ?? beside
            value = try binary(function, print(a, as: operandType), print(b, as: operandType), a, b)
        case .select(let condition, let a, let b):
            let operandType = try commonType(a, b) ?? type
            let mask = try print(condition, as: .bool)
            let first = try print(a, as: operandType)
            let second = try print(b, as: operandType)
            value = Value(text: choose(mask.text, first.text, second.text, first.type), type: first.type)
        }
        let named = try name(value)
        known[expression] = named
        return named
    }

    private func type(of expression: PointwiseExpression) throws(ModelError) -> ElementType? {
        try expression.resultType(inputs.map(\.type.elementType))
    }

    private func commonType(
        _ a: PointwiseExpression,
        _ b: PointwiseExpression
    ) throws(ModelError) -> ElementType? {
        let first = try type(of: a)
        let second = try type(of: b)
        return first ?? second
    }

    mutating func name(_ value: Value) throws(ModelError) -> Value {
        if form == .generic && value.type.isBool { return value }
        let name = "t\(statements.count)"
        statements.append("const \(try typeName(value.type.compute)) \(name) = \(value.text);")
        return Value(text: name, type: value.type)
    }

    private func typeName(_ scalar: String) throws(ModelError) -> String {
        switch form {
        case .scalar: return scalar
        case .vector(let lanes): return "\(scalar)\(lanes)"
        case .generic:
            guard scalar == "float" else {
                throw ModelError(.unsupported, "the epilogue computes with \(scalar), not float")
            }
            return "T"
        }
    }

    private var lanesSuffix: String {
        if case .vector(let lanes) = form { "\(lanes)" } else { "" }
    }

    func constant(_ number: Double, _ type: KernelScalar) throws(ModelError) -> String {
        if type.isBool {
            guard form != .generic else { throw ModelError(.unsupported, "the epilogue holds a constant condition") }
            return form == .scalar ? (number != 0 ? "1" : "0") : "(int\(lanesSuffix))(\(number != 0 ? -1 : 0))"
        }
        return "(\(try typeName(type.compute)))(\(Self.literal(number, type.compute)))"
    }

    /// A number as a literal of a scalar type.
    static func literal(_ number: Double, _ type: String) -> String {
        switch type {
        case "float", "double":
            if number.isNaN { return "NAN" }
            let isFloat = type == "float"
            if number.isInfinite || (isFloat && Float(number).isInfinite) {
                return number < 0 ? "-INFINITY" : "INFINITY"
            }
            return isFloat ? "\(Float(number))f" : "\(number)"
        case "ulong": return "\(UInt64(exactly: number.rounded(.towardZero)) ?? (number > 0 ? .max : 0))UL"
        case "uint": return "\(UInt32(exactly: number.rounded(.towardZero)) ?? (number > 0 ? .max : 0))u"
        case "long":
            let value = Int64(exactly: number.rounded(.towardZero)) ?? (number > 0 ? .max : number < 0 ? .min : 0)
            return value == .min ? "(-9223372036854775807L - 1)" : "\(value)L"
        default:
            let value = Int32(exactly: number.rounded(.towardZero)) ?? (number > 0 ? .max : number < 0 ? .min : 0)
            return value == .min ? "(-2147483647 - 1)" : "\(value)"
        }
    }

    func choose(_ mask: String, _ first: String, _ second: String, _ type: KernelScalar) -> String {
        switch form {
        case .scalar: "(\(mask) ? \(first) : \(second))"
        case .vector(let lanes) where type.is64Bit: "select(\(second), \(first), convert_long\(lanes)(\(mask)))"
        case .vector, .generic: "select(\(second), \(first), \(mask))"
        }
    }

    func mask(_ comparison: String, _ type: KernelScalar) -> String {
        if case .vector(let lanes) = form, type.is64Bit {
            "convert_int\(lanes)(\(comparison))"
        } else {
            "(\(comparison))"
        }
    }

    /// Cuts an integer back to its element's width.
    private func wrapped(_ text: String, _ type: KernelScalar) -> String {
        guard type.isNarrowInteger else { return text }
        return "convert_int\(lanesSuffix)(convert_\(type.storage)\(lanesSuffix)(\(text)))"
    }

    /// The nearest integer of a number below 2^22, ties to even: the sum with 1.5 * 2^23 has no bits for a fraction.
    private func rounded(_ a: Value) -> Value {
        guard a.type.compute == "float" else {
            return Value(text: a.type.isFloat ? "rint(\(a.text))" : a.text, type: a.type)
        }
        return Value(text: "((\(a.text) + 12582912.0f) - 12582912.0f)", type: a.type)
    }

    private func unary(_ function: UnaryFunction, _ a: Value) throws(ModelError) -> Value {
        let x = a.text
        let type = a.type
        switch function {
        case .logicalNot: return Value(text: "(!\(x))", type: type)
        case .bitwiseNot: return Value(text: wrapped("(~\(x))", type), type: type)
        case .isNaN:
            let bool = try KernelScalar(.bool)
            return Value(text: type.isFloat ? mask("isnan(\(x))", type) : try constant(0, bool), type: bool)
        case .negate: return Value(text: wrapped("(-\(x))", type), type: type)
        case .absolute:
            if type.isFloat { return Value(text: "fabs(\(x))", type: type) }
            let text = "convert_\(type.compute)\(lanesSuffix)(abs(\(x)))"
            return Value(text: wrapped(text, type), type: type)
        case .sign:
            let zero = try constant(0, type)
            if type.isFloat {
                return Value(text: choose(mask("isnan(\(x))", type), x, "sign(\(x))", type), type: type)
            }
            let positive = choose(mask("\(x) > \(zero)", type), try constant(1, type), zero, type)
            if type.elementType.isUnsignedInteger { return Value(text: positive, type: type) }
            return Value(
                text: choose(mask("\(x) < \(zero)", type), try constant(-1, type), positive, type),
                type: type
            )
        case .floor, .ceil, .round:
            guard type.isFloat else { return a }
            return Value(text: "\(function == .round ? "rint" : function.rawValue)(\(x))", type: type)
        case .reciprocal: return Value(text: "(\(try constant(1, type)) / \(x))", type: type)
        default:
            guard type.isFloat else {
                throw ModelError(.unsupported, "\(function.rawValue) of \(type.elementType) has no kernel")
            }
            return Value(text: "\(function.rawValue)(\(x))", type: type)
        }
    }

    private mutating func binary(
        _ function: BinaryFunction,
        _ a: Value,
        _ b: Value,
        _ left: PointwiseExpression,
        _ right: PointwiseExpression
    ) throws(ModelError) -> Value {
        let type = a.type
        let (x, y) = (a.text, b.text)
        func result(_ text: String) -> Value { Value(text: text, type: type) }
        func truth(_ operation: String) -> Value { result("(\(x) \(operation) \(y))") }
        func compared(_ sign: String) throws(ModelError) -> Value {
            Value(text: mask("\(x) \(sign) \(y)", type), type: try KernelScalar(.bool))
        }
        switch function {
        case .add: return result(wrapped("(\(x) + \(y))", type))
        case .subtract: return result(wrapped("(\(x) - \(y))", type))
        case .multiply: return result(wrapped("(\(x) * \(y))", type))
        case .divide:
            if type.isFloat { return result("(\(x) / \(y))") }
            return result(wrapped(quotient(x, y, type), type))
        case .modulo:
            if type.isFloat {
                let remainder = try name(result("fmod(\(x), \(y))")).text
                let zero = try constant(0, type)
                let differs = mask("(\(remainder) < \(zero)) != (\(y) < \(zero))", type)
                let isMoved = "(\(mask("\(remainder) != \(zero)", type)) & \(differs))"
                return result(choose(isMoved, "(\(remainder) + \(y))", remainder, type))
            }
            let remainder = try name(result(remainder(x, y, type))).text
            if type.elementType.isUnsignedInteger { return result(remainder) }
            return result(
                "((\(remainder) != 0 && (\(remainder) < 0) != (\(y) < 0)) ? \(remainder) + \(y) : \(remainder))"
            )
        case .remainder: return result(type.isFloat ? "fmod(\(x), \(y))" : remainder(x, y, type))
        case .power: return try power(a, b, right)
        case .minimum, .maximum: return result(extremum(function, x, y, type, left, right))
        case .equal: return try compared("==")
        case .less: return try compared("<")
        case .lessOrEqual: return try compared("<=")
        case .greater: return try compared(">")
        case .greaterOrEqual: return try compared(">=")
        case .logicalAnd: return truth("&")
        case .logicalOr: return truth("|")
        case .logicalXor: return truth("^")
        case .bitwiseAnd: return result("(\(x) & \(y))")
        case .bitwiseOr: return result("(\(x) | \(y))")
        case .bitwiseXor: return result("(\(x) ^ \(y))")
        case .shiftLeft, .shiftRight:
            let width = try constant(Double(type.elementType.bitWidth), type)
            let inside = "(\(x) \(function == .shiftLeft ? "<<" : ">>") \(y))"
            return result(wrapped(choose(mask("\(y) < \(width)", type), inside, try constant(0, type), type), type))
        }
    }

    private func quotient(_ x: String, _ y: String, _ type: KernelScalar) -> String {
        if type.elementType.isUnsignedInteger { return "(\(y) == 0 ? 0 : \(x) / \(y))" }
        return "(\(y) == 0 ? 0 : \(y) == -1 ? -\(x) : \(x) / \(y))"
    }

    private func remainder(_ x: String, _ y: String, _ type: KernelScalar) -> String {
        if type.elementType.isUnsignedInteger { return "(\(y) == 0 ? 0 : \(x) % \(y))" }
        return "(\(y) == 0 || \(y) == -1 ? 0 : \(x) % \(y))"
    }

    private func isConstant(_ expression: PointwiseExpression) -> Bool {
        if case .constant = expression { true } else { false }
    }

    private func isIntegral(_ expression: PointwiseExpression) -> Bool {
        if case .constant(let number) = expression { number == number.rounded() } else { false }
    }

    private mutating func power(
        _ base: Value,
        _ exponent: Value,
        _ expression: PointwiseExpression
    ) throws(ModelError) -> Value {
        let x = base.text
        let type = base.type
        if type.isFloat {
            if case .constant(2) = expression { return Value(text: "(\(x) * \(x))", type: type) }
            if case .constant(3) = expression { return Value(text: "(\(x) * \(x) * \(x))", type: type) }
            let y = exponent.type.compute == type.compute ? exponent : try cast(exponent, type)
            return Value(text: "pow(\(x), \(y.text))", type: type)
        }
        guard exponent.type.isFloat else {
            helpers.insert(Self.integerPower)
            let isNegative = exponent.type.elementType.isUnsignedInteger ? "0" : "\(exponent.text) < 0"
            let text = "(\(type.compute))integer_power((ulong)(long)\(x), (ulong)(long)\(exponent.text), \(isNegative))"
            return Value(text: wrapped(text, type), type: type)
        }
        let double = try KernelScalar(.float64)
        let y = exponent.type.compute == "double" ? exponent : try cast(exponent, double)
        return try cast(Value(text: "pow(\(cast(base, double).text), \(y.text))", type: double), type)
    }

    private static let integerPower = """
        static ulong integer_power(ulong base, ulong exponent, int is_negative) {
            if (is_negative) return base == 1 ? 1 : base == (ulong)-1 ? (exponent & 1 ? base : 1) : 0;
            ulong result = 1;
            for (; exponent != 0; exponent >>= 1) {
                if (exponent & 1) result *= base;
                base *= base;
            }
            return result;
        }

        """

    private func extremum(
        _ function: BinaryFunction,
        _ x: String,
        _ y: String,
        _ type: KernelScalar,
        _ left: PointwiseExpression,
        _ right: PointwiseExpression
    ) -> String {
        let isMinimum = function == .minimum
        if type.isBool { return isMinimum ? "(\(x) & \(y))" : "(\(x) | \(y))" }
        if !type.isFloat { return "\(isMinimum ? "min" : "max")(\(x), \(y))" }
        if case .constant(let number) = right, !number.isNaN {
            return choose(mask("\(x) \(isMinimum ? ">" : "<") \(y)", type), y, x, type)
        }
        if case .constant(let number) = left, !number.isNaN {
            return choose(mask("\(y) \(isMinimum ? ">" : "<") \(x)", type), x, y, type)
        }
        let isFirst = "(\(mask("\(x) \(isMinimum ? "<" : ">") \(y)", type)) | \(mask("isnan(\(x))", type)))"
        return choose(isFirst, x, y, type)
    }

    private func cast(_ a: Value, _ target: KernelScalar) throws(ModelError) -> Value {
        let source = a.type
        let x = a.text
        if source.elementType == target.elementType { return Value(text: x, type: target) }
        if target.isBool {
            return Value(text: mask("\(x) != \(try constant(0, source))", source), type: target)
        }
        if source.isBool {
            return Value(text: choose(x, try constant(1, target), try constant(0, target), target), type: target)
        }
        if target.compute == "float" {
            let value = source.compute == "float" ? x : "convert_float\(lanesSuffix)(\(x))"
            if source.compute != "float", form == .generic { _ = try typeName(source.compute) }
            return Value(text: try rounded(value, target.elementType), type: target)
        }
        guard form != .generic else { throw ModelError(.unsupported, "the epilogue casts to \(target.elementType)") }
        if source.isFloat && !target.isFloat {
            let saturated = "convert_\(target.storage)\(lanesSuffix)_sat(\(x))"
            guard target.isNarrowInteger else { return Value(text: saturated, type: target) }
            let widened = "convert_int\(lanesSuffix)(\(saturated))"
            guard source.compute == "float" else { return Value(text: widened, type: target) }
            // That a saturating conversion makes NaN 0 is a recommendation of the standard, no rule.
            let text = choose(mask("\(x) == \(x)", source), widened, try constant(0, target), target)
            return Value(text: text, type: target)
        }
        return Value(text: wrapped("convert_\(target.compute)\(lanesSuffix)(\(x))", target), type: target)
    }

    /// A float rounded to what a 16-bit type can hold.
    private func rounded(_ value: String, _ type: ElementType) throws(ModelError) -> String {
        guard type == .float16 || type == .bfloat16 else { return value }
        guard form != .generic else { throw ModelError(.unsupported, "the epilogue casts to \(type)") }
        if type == .bfloat16 {
            return "as_float\(lanesSuffix)(\(KernelScalar.bfloat16Bits(value, lanesSuffix)) & 0xffff0000u)"
        }
        let bits = "as_uint\(lanesSuffix)(\(value))"
        let normal = "as_float\(lanesSuffix)((\(bits) + 0xfffu + ((\(bits) >> 13) & 1u)) & 0xffffe000u)"
        let small = "copysign((fabs(\(value)) + 0.5f) - 0.5f, \(value))"
        let float32 = try KernelScalar(.float32)
        let finite = choose(mask("fabs(\(value)) < 6.103515625e-05f", float32), small, normal, float32)
        let infinite = "copysign((float\(lanesSuffix))(INFINITY), \(value))"
        let large = choose(mask("fabs(\(value)) >= 65520.0f", float32), infinite, finite, float32)
        return choose(mask("isnan(\(value))", float32), value, large, float32)
    }
}

extension PointwiseExpression {
    /// Whether constant bounds keep the formula below 2^21.
    var isBoundedForRounding: Bool {
        guard case .binary(.minimum, .binary(.maximum, _, .constant(let low)), .constant(let high)) = self else {
            return false
        }
        return low >= -0x1p21 && low <= high && high <= 0x1p21
    }
}
