import ApusGraph
import ApusTensor

/// - Parameters:
///   - first: the weights of the first convolution.
///   - kernel: the window of the depthwise convolution.
private func convDepthwise(
    _ name: String,
    _ x: [Int],
    _ first: [Int],
    _ kernel: [Int],
    firstStrides: [Int64]? = nil,
    firstPads: [Int64]? = nil,
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    biases: (Bool, Bool) = (true, true),
    formula: PointwiseExpression? = .relu6(.input(0)),
    formulaOperand: OperatorCase.Input? = nil,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = .relu6(.input(0)),
    type: ElementType = .float32
) -> OperatorCase {
    var attributes = windowAttributes(strides: strides, pads: pads, group: Int64(first[0]))
    attributes["first_strides"] = firstStrides.map { .ints($0) }
    attributes["first_pads"] = firstPads.map { .ints($0) }
    attributes["first_formula"] = formula.map { .expression($0) }
    return OperatorCase(
        "ConvDepthwise",
        name,
        domain: "apus",
        attributes: attributes,
        inputs: [
            .uniform(x, type), .uniform(first, type), biases.0 ? .uniform([first[0]], type) : .omitted,
            .uniform([first[0], 1] + kernel, type), biases.1 ? .uniform([first[0]], type) : .omitted,
        ] + (formulaOperand.map { [$0] } ?? []) + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: type == .float32 ? 1e-6 : tolerance(type) / 4
    )
}

let convDepthwiseCases: [OperatorCase] =
    [
        convDepthwise("1x1, 3x3", [1, 16, 14, 14], [96, 16, 1, 1], [3, 3], pads: [1, 1, 1, 1]),
        convDepthwise(
            "1x1, 3x3 stride 2",
            [1, 8, 15, 13],
            [48, 8, 1, 1],
            [3, 3],
            strides: [2, 2],
            pads: [1, 1, 1, 1]
        ),
        convDepthwise("1x1, 5x5 batch 3", [3, 12, 7, 9], [40, 12, 1, 1], [5, 5], pads: [2, 2, 2, 2]),
        convDepthwise(
            "1x1, 5x5 stride 2",
            [1, 12, 17, 28],
            [72, 12, 1, 1],
            [5, 5],
            strides: [2, 2],
            pads: [1, 1, 2, 2]
        ),
        convDepthwise("1x1, 7x7", [1, 5, 11, 10], [33, 5, 1, 1], [7, 7], pads: [3, 3, 3, 3]),
        convDepthwise("channel tail", [2, 7, 9, 11], [13, 7, 1, 1], [3, 3], pads: [1, 1, 1, 1]),
        convDepthwise(
            "3x3 stride 2, 3x3",
            [1, 3, 33, 31],
            [32, 3, 3, 3],
            [3, 3],
            firstStrides: [2, 2],
            firstPads: [1, 1, 1, 1],
            pads: [1, 1, 1, 1]
        ),
        convDepthwise(
            "5x3, 3x3 in a batch",
            [2, 6, 12, 9],
            [20, 6, 5, 3],
            [3, 3],
            firstPads: [2, 0, 1, 2],
            pads: [1, 1, 1, 1]
        ),
        convDepthwise("1x1 stride 2, 3x3", [1, 8, 13, 15], [24, 8, 1, 1], [3, 3], firstStrides: [2, 2]),
        convDepthwise(
            "asymmetric padding",
            [1, 8, 9, 12],
            [24, 8, 1, 1],
            [3, 3],
            strides: [2, 1],
            pads: [0, 2, 1, 0]
        ),
        convDepthwise("window larger than the map", [1, 8, 2, 3], [24, 8, 1, 1], [5, 5], pads: [2, 2, 2, 2]),
        convDepthwise("stride beyond the window", [1, 8, 17, 11], [16, 8, 1, 1], [2, 2], strides: [3, 3]),
        convDepthwise("kernel 1x3", [1, 8, 9, 12], [16, 8, 1, 1], [1, 3], pads: [0, 1, 0, 1]),
        convDepthwise("kernel 3x1", [1, 8, 9, 12], [16, 8, 1, 1], [3, 1], pads: [1, 0, 1, 0]),
        convDepthwise(
            "without bias and formulas",
            [1, 9, 8, 8],
            [32, 9, 1, 1],
            [3, 3],
            pads: [1, 1, 1, 1],
            biases: (false, false),
            formula: nil,
            epilogue: nil
        ),
        convDepthwise(
            "silu",
            [1, 16, 14, 28],
            [80, 16, 1, 1],
            [3, 3],
            pads: [1, 1, 1, 1],
            formula: .silu(.input(0)),
            epilogue: .silu(.input(0))
        ),
        convDepthwise(
            "residual",
            [2, 16, 10, 7],
            [24, 16, 1, 1],
            [3, 3],
            pads: [1, 1, 1, 1],
            biases: (false, true),
            formula: .silu(.input(0)),
            extra: [.uniform([2, 24, 10, 7])],
            epilogue: .relu(.input(0) + .input(1))
        ),
        convDepthwise("one pixel", [1, 32, 1, 1], [48, 32, 1, 1], [3, 3], pads: [1, 1, 1, 1]),
        convDepthwise("padding around the first", [1, 4, 6, 5], [16, 4, 1, 1], [3, 3], firstPads: [1, 1, 1, 1]),
        convDepthwise(
            "bias as an operand of the formula",
            [1, 16, 14, 14],
            [40, 16, 1, 1],
            [3, 3],
            pads: [1, 1, 1, 1],
            biases: (false, true),
            formula: .relu6(.input(1) + .input(0)),
            formulaOperand: .uniform([1, 40, 1, 1])
        ),
        convDepthwise(
            "an operand that is no bias",
            [1, 8, 6, 6],
            [24, 8, 1, 1],
            [3, 3],
            pads: [1, 1, 1, 1],
            biases: (false, true),
            formula: .input(0) * .input(1),
            formulaOperand: .uniform([24, 1, 1])
        ),
    ] + [ElementType.float16, .bfloat16].flatMap(narrowCases)

/// Storage of 16 bits, with inputs that are no pairs, and biases in float32 as a narrower precision leaves them.
private func narrowCases(_ type: ElementType) -> [OperatorCase] {
    let biased = PointwiseExpression.cast(.float32, .input(0)) + .input(1)
    return [
        convDepthwise("\(type), 1x1, 3x3", [1, 16, 14, 14], [96, 16, 1, 1], [3, 3], pads: [1, 1, 1, 1], type: type),
        convDepthwise(
            "\(type), channel tail",
            [2, 7, 9, 11],
            [13, 7, 1, 1],
            [3, 3],
            strides: [2, 2],
            pads: [1, 1, 1, 1],
            type: type
        ),
        convDepthwise(
            "\(type), 3x3 stride 2, 3x3",
            [1, 3, 33, 31],
            [32, 3, 3, 3],
            [3, 3],
            firstStrides: [2, 2],
            firstPads: [1, 1, 1, 1],
            pads: [1, 1, 1, 1],
            biases: (false, false),
            formula: .cast(type, .relu6(biased)),
            formulaOperand: .uniform([32, 1, 1]),
            extra: [.uniform([32, 1, 1])],
            epilogue: .cast(type, .relu6(biased)),
            type: type
        ),
        convDepthwise(
            "\(type), 5x3, 5x5 in a batch",
            [2, 5, 12, 9],
            [20, 5, 5, 3],
            [5, 5],
            firstPads: [2, 0, 1, 2],
            pads: [2, 2, 2, 2],
            biases: (false, true),
            formula: .cast(type, .silu(biased)),
            formulaOperand: .uniform([20, 1, 1]),
            epilogue: .silu(.input(0)),
            type: type
        ),
    ]
}
