import ApusGraph
import ApusTensor

/// The cases of the reduction operators.
package let reductionCases: [OperatorCase] =
    reduceCases + reduceTypeCases + argCases + softmaxCases

private func reduce(
    _ operatorType: String,
    _ name: String,
    _ x: [Int],
    _ axes: OperatorCase.Input? = nil,
    keep: Bool = true,
    noop: Bool = false,
    type: ElementType = .float32,
    range: ClosedRange<Double>? = nil,
    tolerance: Double? = nil,
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    let isExact = operatorType == "ReduceMax" || operatorType == "ReduceMin" || type.isInteger || type == .bool
    let positive: ClosedRange<Double> = operatorType == "ReduceLogSum" ? 0.5...2 : 0.5...1.5
    let isSigned = ["ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"].contains(operatorType)
    var inputs: [OperatorCase.Input] = [.uniform(x, type, in: range ?? (isSigned ? -2...2 : positive))]
    if let axes { inputs.append(axes) }
    return OperatorCase(
        operatorType,
        name,
        attributes: ["keepdims": .int(keep ? 1 : 0), "noop_with_empty_axes": .int(noop ? 1 : 0)],
        inputs: inputs,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: 0) },
        tolerance: tolerance ?? (isExact ? 0 : 2e-6)
    )
}

private let reduceNames = [
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
]

/// Float32 sums in any order are off by a few units in the last place: 2e-6.
private let reduceCases: [OperatorCase] = reduceNames.flatMap { name -> [OperatorCase] in
    [
        reduce(name, "last axis", [5, 7, 13], .axes(-1)),
        reduce(name, "last axis, dropped", [5, 7, 13], .axes(2), keep: false),
        reduce(name, "middle axis", [5, 7, 13], .axes(1)),
        reduce(name, "first axis", [5, 7, 13], .axes(0), keep: false),
        reduce(name, "two outer axes", [3, 5, 7, 4], .axes(0, 2)),
        reduce(name, "spatial axes", [2, 5, 7, 6], .axes(2, 3), keep: false),
        reduce(name, "all axes", [3, 5, 7]),
        reduce(name, "all axes, dropped", [3, 5, 4], .axes(0, 1, 2), keep: false),
        reduce(name, "empty axes mean all", [4, 5], .axes()),
        reduce(name, "empty axes mean none", [4, 5], .axes(), noop: true),
        reduce(name, "one element", [1, 1, 1], .axes(1)),
        reduce(name, "scalar", []),
        reduce(name, "float64", [5, 7], .axes(1), type: .float64, tolerance: 1e-12),
    ]
}

private let reduceTypeCases: [OperatorCase] = [
    reduce("ReduceSum", "long", [3, 5000], .axes(1), tolerance: 5e-6),
    reduce("ReduceSum", "empty", [3, 0, 2], .axes(1)),
    reduce("ReduceProd", "empty", [3, 0, 2], .axes(1)),
    reduce("ReduceMax", "empty", [3, 0, 2], .axes(1)),
    reduce("ReduceMin", "empty", [3, 0, 2], .axes(1)),
    reduce("ReduceLogSumExp", "large values", [5, 33], .axes(1), range: 500...1000),
    reduce("ReduceMean", "float16", [5, 64], .axes(1), type: .float16, tolerance: halfRounding),
    reduce("ReduceSum", "bfloat16", [5, 64], .axes(0), type: .bfloat16, tolerance: bfloatRounding),
    reduce("ReduceMax", "float16", [5, 64], .axes(0), type: .float16),
    reduce("ReduceSum", "int32", [5, 7], .axes(1), type: .int32, range: -100...100),
    reduce("ReduceSum", "int64", [5, 7], .axes(0), type: .int64, range: -1e12...1e12),
    reduce("ReduceMean", "int32", [5, 7], .axes(1), type: .int32, range: -100...100),
    reduce("ReduceProd", "int64", [2, 5], .axes(1), type: .int64, range: -9...9),
    reduce("ReduceMax", "int8", [5, 7], .axes(1), type: .int8, range: -128...128),
    reduce("ReduceMin", "uint8", [5, 7], .axes(1), type: .uint8, range: 0...256),
    reduce("ReduceMax", "bool", [5, 3], .axes(1), type: .bool),
    reduce("ReduceMin", "bool", [5, 3], .axes(1), type: .bool),
    reduce("ReduceMean", "spatial + relu", [2, 5, 7, 7], .axes(2, 3), range: -1...1, epilogue: .relu(.input(0))),
    reduce(
        "ReduceSumSquare",
        "+ reciprocal square root",
        [5, 16],
        .axes(1),
        epilogue: .unary(.reciprocal, .unary(.sqrt, .input(0) + .constant(1e-5)))
    ),
]

private func arg(
    _ operatorType: String,
    _ name: String,
    _ x: [Int],
    axis: Int64? = nil,
    keep: Bool = true,
    last: Bool = false,
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1
) -> OperatorCase {
    var attributes: [String: AttributeValue] = ["keepdims": .int(keep ? 1 : 0)]
    attributes["axis"] = axis.map { .int($0) }
    if last { attributes["select_last_index"] = .int(1) }
    return OperatorCase(
        operatorType,
        name,
        attributes: attributes,
        inputs: [.uniform(x, type, in: range)],
        tolerance: 0
    )
}

private let argCases: [OperatorCase] = ["ArgMax", "ArgMin"].flatMap { name -> [OperatorCase] in
    [
        arg(name, "default axis", [5, 7]),
        arg(name, "last axis", [5, 7, 13], axis: -1),
        arg(name, "last axis, dropped", [1, 1000], axis: 1, keep: false),
        arg(name, "middle axis", [5, 7, 13], axis: 1, keep: false),
        arg(name, "ties, first", [5, 33], axis: 1, type: .int32, range: 0...4),
        arg(name, "ties, last", [5, 33], axis: 1, last: true, type: .int32, range: 0...4),
        arg(name, "one element", [3, 1, 2], axis: 1),
        arg(name, "uint8", [5, 33], axis: 0, type: .uint8, range: 0...256),
        arg(name, "float16", [5, 33], axis: 1, type: .float16, range: -2...2),
        arg(name, "empty batch", [0, 5], axis: 1),
    ]
}

private func softmax(
    _ operatorType: String,
    _ name: String,
    _ x: [Int],
    axis: Int64? = nil,
    type: ElementType = .float32,
    range: ClosedRange<Double> = -5...5,
    tolerance: Double = 1e-6,
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    OperatorCase(
        operatorType,
        name,
        attributes: axis.map { ["axis": .int($0)] } ?? [:],
        inputs: [.uniform(x, type, in: range)],
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: 0) },
        tolerance: operatorType == "Hardmax" ? 0 : tolerance
    )
}

private let softmaxCases: [OperatorCase] = ["Softmax", "LogSoftmax", "Hardmax"].flatMap { name -> [OperatorCase] in
    [
        softmax(name, "default axis", [5, 7]),
        softmax(name, "first axis", [5, 7, 3], axis: 0),
        softmax(name, "middle axis", [2, 13, 5], axis: 1),
        softmax(name, "classes", [1, 1000], axis: 1),
        softmax(name, "attention", [2, 3, 17, 17], axis: -1),
        softmax(name, "channels", [1, 21, 7, 9], axis: 1),
        softmax(name, "one element", [5, 1]),
        softmax(name, "large values", [3, 33], range: 500...1000),
        softmax(name, "empty batch", [0, 5]),
        softmax(name, "float64", [5, 7], type: .float64, tolerance: 1e-12),
        softmax(name, "float16", [5, 33], type: .float16, tolerance: halfRounding),
        softmax(name, "+ scale", [5, 33], epilogue: .input(0) * .constant(2)),
    ]
}
