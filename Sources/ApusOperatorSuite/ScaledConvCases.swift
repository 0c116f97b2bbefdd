import ApusGraph
import ApusTensor

private func scaledConv(
    _ name: String,
    _ x: [Int],
    outputs: Int,
    kernel: Int = 1,
    bias: Bool = true,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    let window = [Int](repeating: kernel, count: x.count - 2)
    let factors = Array(x.prefix(2)) + [Int](repeating: 1, count: x.count - 2)
    return OperatorCase(
        "ScaledConv",
        name,
        domain: "apus",
        inputs: [
            .uniform(x), .uniform([outputs, x[1]] + window), bias ? .uniform([outputs]) : .omitted,
            .uniform(factors, in: 0...2),
        ] + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) }
    )
}

/// The cases of `apus.ScaledConv`.
let scaledConvCases: [OperatorCase] = [
    scaledConv("wide", [1, 96, 14, 14], outputs: 32),
    scaledConv("64 outputs", [1, 32, 28, 28], outputs: 64, bias: false),
    scaledConv("odd channels", [1, 13, 9, 7], outputs: 19),
    scaledConv("a factor for each image", [3, 35, 7, 7], outputs: 24, epilogue: .relu(.input(0))),
    scaledConv("one row", [2, 16, 1, 17], outputs: 16),
    scaledConv("one pixel", [1, 48, 1, 1], outputs: 16),
    scaledConv("one dimension", [2, 24, 31], outputs: 40),
    scaledConv(
        "residual",
        [2, 40, 10, 7],
        outputs: 24,
        extra: [.uniform([2, 24, 10, 7])],
        epilogue: .input(0) + .input(1)
    ),
    scaledConv("silu", [1, 80, 12, 12], outputs: 112, epilogue: .silu(.input(0))),
    scaledConv("3x3", [1, 8, 9, 9], outputs: 16, kernel: 3),
]
