import ApusGraph
import ApusTensor

/// The cases of the normalization operators.
package let normalizationCases: [OperatorCase] =
    batchCases + instanceCases + groupCases + layerCases + rmsCases + localResponseCases + lpCases + meanVarianceCases

/// Float32 statistics over many elements are off by a few units in the last place.
private let statistics = 3e-6

private func batch(
    _ name: String,
    _ x: [Int],
    epsilon: Float? = nil,
    type: ElementType = .float32,
    parameterType: ElementType? = nil,
    tolerance: Double = 1e-6,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    let channels = x.count == 1 ? 1 : x[1]
    let parameter = parameterType ?? type
    return OperatorCase(
        "BatchNormalization",
        name,
        attributes: epsilon.map { ["epsilon": .float($0)] } ?? [:],
        inputs: [
            .uniform(x, type), .uniform([channels], parameter), .uniform([channels], parameter),
            .uniform([channels], parameter), .uniform([channels], parameter, in: 0.5...2),
        ] + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: tolerance
    )
}

private let batchCases: [OperatorCase] = [
    batch("images", [2, 5, 7, 13]),
    batch("wide", [1, 64, 14, 14], epsilon: 1e-3),
    batch("matrix", [5, 13]),
    batch("vector", [7]),
    batch("one dimension", [2, 7, 17]),
    batch("three dimensions", [1, 3, 4, 5, 6]),
    batch("empty batch", [0, 5, 7, 7]),
    batch("float64", [1, 5, 7, 7], type: .float64, tolerance: 1e-12),
    batch("float16", [1, 16, 7, 7], type: .float16, tolerance: halfRounding),
    batch(
        "float16 with float32 parameters",
        [1, 5, 7, 7],
        type: .float16,
        parameterType: .float32,
        tolerance: halfRounding
    ),
    batch("+ relu", [1, 13, 7, 7], epilogue: .relu(.input(0))),
    batch(
        "+ residual + relu",
        [2, 8, 7, 7],
        extra: [.uniform([2, 8, 7, 7])],
        epilogue: .relu(.input(0) + .input(1))
    ),
]

private func normalization(
    _ operatorType: String,
    _ name: String,
    _ x: [Int],
    _ parameters: [Int]...,
    attributes: [String: AttributeValue] = [:],
    type: ElementType = .float32,
    range: ClosedRange<Double> = -2...3,
    outputCount: Int = 1,
    tolerance: Double = statistics,
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    OperatorCase(
        operatorType,
        name,
        attributes: attributes,
        inputs: [.uniform(x, type, in: range)] + parameters.map { .uniform($0, type) },
        outputCount: outputCount,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: 0) },
        tolerance: tolerance
    )
}

private let instanceCases: [OperatorCase] = [
    normalization("InstanceNormalization", "images", [2, 5, 7, 13], [5], [5]),
    normalization("InstanceNormalization", "one dimension", [1, 7, 17], [7], [7]),
    normalization("InstanceNormalization", "three dimensions", [2, 3, 4, 5, 6], [3], [3]),
    normalization("InstanceNormalization", "epsilon", [1, 3, 5, 5], [3], [3], attributes: ["epsilon": .float(0.01)]),
    normalization("InstanceNormalization", "large mean", [1, 4, 9, 9], [4], [4], range: 100...101, tolerance: 1e-4),
    normalization("InstanceNormalization", "empty batch", [0, 3, 5, 5], [3], [3]),
    normalization("InstanceNormalization", "float16", [1, 4, 9, 9], [4], [4], type: .float16, tolerance: halfRounding),
    normalization("InstanceNormalization", "+ relu", [1, 5, 7, 7], [5], [5], epilogue: .relu(.input(0))),
]

private func group(
    _ name: String,
    _ x: [Int],
    groups: Int64,
    type: ElementType = .float32,
    tolerance: Double = statistics,
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    normalization(
        "GroupNormalization",
        name,
        x,
        [x[1]],
        [x[1]],
        attributes: ["num_groups": .int(groups)],
        type: type,
        tolerance: tolerance,
        epilogue: epilogue
    )
}

private let groupCases: [OperatorCase] = [
    group("two groups", [2, 6, 5, 7], groups: 2),
    group("one group", [1, 5, 7, 7], groups: 1),
    group("a group a channel", [1, 7, 5, 5], groups: 7),
    group("one dimension", [2, 8, 13], groups: 4),
    group("32 groups", [1, 64, 8, 8], groups: 32),
    group("empty batch", [0, 6, 5, 5], groups: 3),
    group("float16", [1, 8, 7, 7], groups: 2, type: .float16, tolerance: halfRounding),
    group("+ silu", [1, 6, 5, 7], groups: 3, epilogue: .silu(.input(0))),
]

private let layerCases: [OperatorCase] = [
    normalization("LayerNormalization", "last axis", [2, 7, 13], [13], [13]),
    normalization("LayerNormalization", "without bias", [5, 33], [33]),
    normalization("LayerNormalization", "tokens", [1, 17, 192], [192], [192], attributes: ["epsilon": .float(1e-6)]),
    normalization("LayerNormalization", "two axes", [3, 5, 7], [5, 7], [5, 7], attributes: ["axis": .int(1)]),
    normalization("LayerNormalization", "all axes", [3, 5, 7], [3, 5, 7], [7], attributes: ["axis": .int(0)]),
    normalization("LayerNormalization", "broadcast scale", [3, 5, 7], [1], [5, 1], attributes: ["axis": .int(-2)]),
    normalization("LayerNormalization", "mean and deviation", [2, 5, 9], [9], [9], outputCount: 3),
    normalization("LayerNormalization", "large mean", [5, 64], [64], [64], range: 100...101, tolerance: 1e-4),
    normalization("LayerNormalization", "empty batch", [0, 9], [9], [9]),
    normalization("LayerNormalization", "float64", [5, 9], [9], [9], type: .float64, tolerance: 1e-12),
    normalization("LayerNormalization", "float16", [5, 64], [64], [64], type: .float16, tolerance: halfRounding),
    normalization("LayerNormalization", "+ gelu", [5, 33], [33], [33], epilogue: .gelu(.input(0))),
]

private let rmsCases: [OperatorCase] = [
    normalization("RMSNormalization", "last axis", [2, 7, 13], [13]),
    normalization("RMSNormalization", "two axes", [3, 5, 7], [5, 7], attributes: ["axis": .int(1)]),
    normalization("RMSNormalization", "tokens", [1, 17, 256], [256], attributes: ["epsilon": .float(1e-6)]),
    normalization("RMSNormalization", "one element", [5, 1], [1]),
    normalization("RMSNormalization", "empty batch", [0, 9], [9]),
    normalization("RMSNormalization", "float16", [5, 64], [64], type: .float16, tolerance: halfRounding),
]

private func local(
    _ name: String,
    _ x: [Int],
    size: Int64,
    further: [String: AttributeValue] = [:],
    type: ElementType = .float32,
    tolerance: Double = powerRounding
) -> OperatorCase {
    normalization(
        "LRN",
        name,
        x,
        attributes: further.merging(["size": .int(size)]) { $1 },
        type: type,
        tolerance: tolerance
    )
}

private let localResponseCases: [OperatorCase] = [
    local("size 5", [1, 13, 5, 7], size: 5),
    local("size 3", [2, 7, 5, 5], size: 3, further: ["alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2)]),
    local("even size", [1, 9, 4, 4], size: 4, further: ["alpha": .float(1)]),
    local("size 1", [1, 5, 3, 3], size: 1, further: ["alpha": .float(1)]),
    local("wider than the channels", [1, 3, 5, 5], size: 9, further: ["alpha": .float(1)]),
    local("float16", [1, 8, 5, 5], size: 5, type: .float16, tolerance: halfRounding),
]

private let lpCases: [OperatorCase] = [
    normalization("LpNormalization", "last axis", [5, 7, 13]),
    normalization("LpNormalization", "p 1", [5, 7, 13], attributes: ["p": .int(1)]),
    normalization("LpNormalization", "first axis", [5, 7], attributes: ["axis": .int(0)]),
    normalization("LpNormalization", "middle axis", [2, 13, 5], attributes: ["axis": .int(1), "p": .int(1)]),
    normalization("LpNormalization", "zeros", [3, 5], range: 0...0, tolerance: 0),
    normalization("LpNormalization", "float64", [5, 7], type: .float64, tolerance: 1e-12),
]

private let meanVarianceCases: [OperatorCase] = [
    normalization("MeanVarianceNormalization", "default axes", [2, 5, 7, 6]),
    normalization(
        "MeanVarianceNormalization",
        "across channels",
        [2, 5, 7, 6],
        attributes: ["axes": .ints([0, 1, 2, 3])]
    ),
    normalization("MeanVarianceNormalization", "each sample", [3, 5, 7], attributes: ["axes": .ints([-1, 1])]),
    normalization("MeanVarianceNormalization", "last axis", [5, 33], attributes: ["axes": .ints([1])]),
    normalization("MeanVarianceNormalization", "one channel", [1, 1, 13, 11]),
]
