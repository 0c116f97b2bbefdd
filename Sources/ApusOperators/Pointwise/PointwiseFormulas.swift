import ApusGraph
import ApusTensor

/// The formulas by ONNX name, in the newest opset's meaning.
let pointwiseFormulas: [String: PointwiseFormula] = [
    "Abs": .unary(.numbers, .absolute),
    "Neg": .unary(.signed, .negate),
    "Exp": .unary(.floats, .exp),
    "Log": .unary(.floats, .log),
    "Sqrt": .unary(.floats, .sqrt),
    "Reciprocal": .unary(.floats, .reciprocal),
    "Sin": .unary(.floats, .sin),
    "Cos": .unary(.floats, .cos),
    "Tan": .unary(.floats, .tan),
    "Asin": .unary(.floats, .asin),
    "Acos": .unary(.floats, .acos),
    "Atan": .unary(.floats, .atan),
    "Sinh": .unary(.floats, .sinh),
    "Cosh": .unary(.floats, .cosh),
    "Tanh": .unary(.floats, .tanh),
    "Asinh": .unary(.floats, .asinh),
    "Acosh": .unary(.floats, .acosh),
    "Atanh": .unary(.floats, .atanh),
    "Erf": .unary(.numbers, .erf),
    "Floor": .unary(.floats, .floor),
    "Ceil": .unary(.floats, .ceil),
    "Round": .unary(.floats, .round),
    "Sign": .unary(.numbers, .sign),
    "Not": .unary(.bools, .logicalNot),
    "BitwiseNot": .unary(.integers, .bitwiseNot),
    "IsNaN": .unary(.floats, .isNaN),
    "IsInf": .activation { x, attributes throws(ModelError) in
        let negative = try attributes.bool("detect_negative", default: true)
        let positive = try attributes.bool("detect_positive", default: true)
        switch (negative, positive) {
        case (true, true): return .binary(.equal, .unary(.absolute, x), .constant(.infinity))
        case (false, true): return .binary(.equal, x, .constant(.infinity))
        case (true, false): return .binary(.equal, x, .constant(-.infinity))
        case (false, false): return .binary(.less, x, .constant(-.infinity))
        }
    },

    "Add": .binary(.numbers, .add),
    "Sub": .binary(.numbers, .subtract),
    "Mul": .binary(.numbers, .multiply),
    "Div": .binary(.numbers, .divide),
    "Pow": .binary(.numbers, .power),
    "Mod": PointwiseFormula(2...2, .numbers) { node throws(ModelError) in
        let truncates = try node.attributes.bool("fmod", default: false)
        return .binary(truncates ? .remainder : .modulo, .input(0), .input(1))
    },
    "And": .binary(.bools, .logicalAnd),
    "Or": .binary(.bools, .logicalOr),
    "Xor": .binary(.bools, .logicalXor),
    "BitwiseAnd": .binary(.integers, .bitwiseAnd),
    "BitwiseOr": .binary(.integers, .bitwiseOr),
    "BitwiseXor": .binary(.integers, .bitwiseXor),
    "BitShift": PointwiseFormula(2...2, .unsigned) { node throws(ModelError) in
        switch try node.attributes.string("direction") {
        case "LEFT": return .binary(.shiftLeft, .input(0), .input(1))
        case "RIGHT": return .binary(.shiftRight, .input(0), .input(1))
        case let direction:
            throw ModelError(.invalidModel, "direction is \(direction ?? "missing"), expected LEFT or RIGHT")
        }
    },
    "Equal": .binary(.any, .equal),
    "Less": .binary(.numbers, .less),
    "LessOrEqual": .binary(.numbers, .lessOrEqual),
    "Greater": .binary(.numbers, .greater),
    "GreaterOrEqual": .binary(.numbers, .greaterOrEqual),
    "Min": .variadic(.numbers, .minimum),
    "Max": .variadic(.numbers, .maximum),
    "Sum": .variadic(.numbers, .add),
    "Mean": .variadic(.floats, .add) { sum, count in sum / .constant(Double(count)) },
    "Where": PointwiseFormula(3...3, .any, hasCondition: true) { _ in .select(.input(0), .input(1), .input(2)) },
    "Clip": PointwiseFormula(1...3, .numbers, keepsShape: true) { node in
        let inputs = Array(node.anchorInputs)
        var x = PointwiseExpression.input(0)
        if inputs.count > 1, inputs[1] != nil { x = .maximum(x, .input(1)) }
        if inputs.count > 2, inputs[2] != nil { x = .minimum(x, .input(2)) }
        return x
    },

    "Relu": .activation(.signed) { x, _ in .maximum(x, .constant(0)) },
    "LeakyRelu": .activation { x, attributes throws(ModelError) in
        x.whereNegative(x * .constant(Double(try attributes.float("alpha", default: 0.01))))
    },
    "PRelu": PointwiseFormula(2...2, .numbers, keepsShape: true) { _ in
        PointwiseExpression.input(0).whereNegative(.input(0) * .input(1))
    },
    "ThresholdedRelu": .activation { x, attributes throws(ModelError) in
        let alpha = Double(try attributes.float("alpha", default: 1))
        return .select(.binary(.greater, x, .constant(alpha)), x, .constant(0))
    },
    "Elu": .activation { x, attributes throws(ModelError) in
        x.whereNegative(.constant(Double(try attributes.float("alpha", default: 1))) * .unary(.expm1, x))
    },
    "Celu": .activation { x, attributes throws(ModelError) in
        let alpha = PointwiseExpression.constant(Double(try attributes.float("alpha", default: 1)))
        return x.whereNegative(alpha * .unary(.expm1, x / alpha))
    },
    "Selu": .activation { x, attributes throws(ModelError) in
        let alpha = Double(try attributes.float("alpha", default: 1.67326319217681884765625))
        let gamma = Double(try attributes.float("gamma", default: 1.05070102214813232421875))
        return .constant(gamma) * x.whereNegative(.constant(alpha) * .unary(.expm1, x))
    },
    "Sigmoid": .activation { x, _ in .sigmoid(x) },
    "HardSigmoid": .activation { x, attributes throws(ModelError) in
        let alpha = Double(try attributes.float("alpha", default: 0.2))
        let beta = Double(try attributes.float("beta", default: 0.5))
        return .unitInterval(.constant(alpha) * x + .constant(beta))
    },
    "HardSwish": .activation { x, _ in x * .unitInterval(x / .constant(6) + .constant(0.5)) },
    "Softplus": .activation { x, _ in .softplus(x) },
    "Softsign": .activation { x, _ in x / (.constant(1) + .unary(.absolute, x)) },
    "Mish": .activation { x, _ in x * .unary(.tanh, .softplus(x)) },
    "Swish": .activation { x, attributes throws(ModelError) in
        let alpha = try attributes.float("alpha", default: 1)
        return x * .sigmoid(alpha == 1 ? x : .constant(Double(alpha)) * x)
    },
    "Gelu": .activation { x, attributes throws(ModelError) in
        switch try attributes.string("approximate", default: "none") {
        case "none":
            return .constant(0.5) * x * (.constant(1) + .unary(.erf, x * .constant(0.5.squareRoot())))
        case "tanh":
            let cubic = x + .constant(0.044715) * x * x * x
            let scale = (2 / Double.pi).squareRoot()
            return .constant(0.5) * x * (.constant(1) + .unary(.tanh, .constant(scale) * cubic))
        case let approximation:
            throw ModelError(.invalidModel, "approximate is \"\(approximation)\", expected none or tanh")
        }
    },
    "Shrink": .activation(.numbers) { x, attributes throws(ModelError) in
        let bound = Double(try attributes.float("lambd", default: 0.5))
        let bias = Double(try attributes.float("bias", default: 0))
        let above = PointwiseExpression.select(
            .binary(.greater, x, .constant(bound)),
            x - .constant(bias),
            .constant(0)
        )
        return .select(.binary(.less, x, .constant(-bound)), x + .constant(bias), above)
    },
]

extension PointwiseExpression {
    /// Another formula where the value is below zero.
    fileprivate func whereNegative(_ other: PointwiseExpression) -> PointwiseExpression {
        .select(.binary(.less, self, .constant(0)), other, self)
    }

    fileprivate static func sigmoid(_ x: PointwiseExpression) -> PointwiseExpression {
        .constant(1) / (.constant(1) + .unary(.exp, .unary(.negate, x)))
    }

    fileprivate static func softplus(_ x: PointwiseExpression) -> PointwiseExpression {
        .maximum(x, .constant(0)) + .unary(.log1p, .unary(.exp, .unary(.negate, .unary(.absolute, x))))
    }

    fileprivate static func unitInterval(_ x: PointwiseExpression) -> PointwiseExpression {
        .maximum(.constant(0), .minimum(.constant(1), x))
    }
}
