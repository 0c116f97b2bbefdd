/// The reduction operators by ONNX name.
package let reductionOperators: [(String, any Operator.Type)] =
    Reduction.Kind.allCases.map { ($0.rawValue, Reduction.self) } + [
        ("ArgMax", ArgExtremum.self),
        ("ArgMin", ArgExtremum.self),
        ("Hardmax", Softmax.self),
        ("LogSoftmax", Softmax.self),
        ("Softmax", Softmax.self),
    ]
