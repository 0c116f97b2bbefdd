import ApusGraph
import ApusTensor

extension ExpressionPrinter {
    /// A function as an odd rational polynomial within a bound, and the sign beyond it.
    ///
    /// The builtin of some compilers calls a scalar function for each lane; this form is the same on every device.
    private struct OddRational {
        /// Where the function is the sign of its operand in float32.
        let bound: Double
        /// The coefficients over even powers, the highest first.
        let numerator: [Double]
        let denominator: [Double]
    }

    /// Relative error below 3e-7.
    ///
    /// - Source: the minimax coefficients of Eigen's `MathFunctionsImpl.h`.
    private static let errorFunction = OddRational(
        bound: 3.832506856900711,
        numerator: [
            0.00022905065861350646, 0.0034082910107109506, 0.050955695062380861, 0.18520832239976145,
            1.128379143519084,
        ],
        denominator: [
            -1.1791602954361697e-7, 0.000023547966471313185, 0.0010179625278914885, 0.014070470171167667,
            0.11098505178285362, 0.49746925110067538, 1,
        ]
    )

    /// Relative error below 3e-7.
    ///
    /// - Source: the minimax coefficients of Eigen's `MathFunctionsImpl.h`.
    private static let hyperbolicTangent = OddRational(
        bound: 7.90531110763549805,
        numerator: [
            -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
            1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
        ],
        denominator: [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03]
    )

    /// The function of a float operand in arithmetic alone; `nil` where only the builtin serves.
    mutating func series(_ function: UnaryFunction, _ x: Value) throws(ModelError) -> Value? {
        guard x.type.compute == "float" else { return nil }
        let rational: OddRational
        switch function {
        case .erf: rational = Self.errorFunction
        case .tanh: rational = Self.hyperbolicTangent
        default: return nil
        }
        func number(_ value: Double) throws(ModelError) -> String { try constant(value, x.type) }
        let bound = try number(rational.bound)
        let limit = try number(rational.bound * rational.bound)
        let square = try name(Value(text: "fmin(\(x.text) * \(x.text), \(limit))", type: x.type)).text
        func polynomial(_ coefficients: [Double]) throws(ModelError) -> String {
            var text = try number(coefficients[0])
            for coefficient in coefficients.dropFirst() {
                text = "fma(\(text), \(square), \(try number(coefficient)))"
            }
            return text
        }
        let above = try name(Value(text: "\(x.text) * \(polynomial(rational.numerator))", type: x.type)).text
        let below = try name(Value(text: try polynomial(rational.denominator), type: x.type)).text
        let isBeyond = mask("fabs(\(x.text)) >= \(bound)", x.type)
        let sign = "copysign(\(try number(1)), \(x.text))"
        return Value(text: choose(isBeyond, sign, "(\(above) / \(below))", x.type), type: x.type)
    }

    /// `1 / (1 + e^-x)`, or x times that, by `Kernels/microkernel/logistic.cl`; `nil` for any other formula, and outside
    /// of the kernels that include it.
    mutating func logistic(_ expression: PointwiseExpression, as type: ElementType) throws(ModelError) -> Value? {
        guard form == .generic, let (numerator, x) = expression.logisticQuotient else { return nil }
        let operand = try print(x, as: type)
        guard operand.type.compute == "float" else { return nil }
        let above = try print(numerator, as: type).text
        return try name(Value(text: "(\(above) / LOGISTIC_SUM(T, \(operand.text)))", type: operand.type))
    }
}

extension PointwiseExpression {
    /// What is divided by `1 + e^-x`, and x: 1 for the logistic function, x for its product with x.
    var logisticQuotient: (numerator: PointwiseExpression, x: PointwiseExpression)? {
        switch self {
        case .binary(.divide, .constant(1), .binary(.add, .constant(1), .unary(.exp, .unary(.negate, let x)))):
            (.constant(1), x)
        case .binary(.multiply, let a, let b):
            if let (numerator, x) = b.logisticQuotient, numerator == .constant(1), a == x {
                (a, x)
            } else if let (numerator, x) = a.logisticQuotient, numerator == .constant(1), b == x {
                (b, x)
            } else {
                nil
            }
        default: nil
        }
    }
}
