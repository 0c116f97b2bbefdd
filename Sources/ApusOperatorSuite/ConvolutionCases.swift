import ApusGraph
import ApusTensor

/// The cases of the convolution operators.
package let convolutionCases: [OperatorCase] =
    convCases + convTypeCases + convEpilogueCases + convDepthwiseCases + scaledConvCases + convTransposeCases
    + maxPoolCases
    + averagePoolCases + lpPoolCases + globalPoolCases

/// Sums of more than 500 products in float32 lose about half a bit for each doubling.
private let longSum = 5e-6

private func conv(
    _ name: String,
    _ x: [Int],
    _ w: [Int],
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    group: Int64 = 1,
    autoPad: String? = nil,
    bias: Bool = false,
    type: ElementType = .float32,
    operatorType: String = "Conv",
    tolerance: Double = 1e-6,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil,
    further: [String: AttributeValue] = [:]
) -> OperatorCase {
    let attributes = windowAttributes(
        kernelShape: w.dropFirst(2).map { Int64($0) },
        strides: strides,
        pads: pads,
        dilations: dilations,
        group: group,
        autoPad: autoPad
    ).merging(further) { $1 }
    let channels = operatorType == "Conv" ? w[0] : w[1] * Int(group)
    var inputs: [OperatorCase.Input] = [.uniform(x, type), .uniform(w, type)]
    if bias { inputs.append(.uniform([channels], type)) } else if !extra.isEmpty { inputs.append(.omitted) }
    return OperatorCase(
        operatorType,
        name,
        attributes: attributes,
        inputs: inputs + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: tolerance
    )
}

private let convCases: [OperatorCase] = [
    conv("1x1", [1, 13, 7, 5], [16, 13, 1, 1]),
    conv("1x1 bias", [2, 7, 13, 13], [5, 7, 1, 1], bias: true),
    conv("1x1 stride 2", [1, 16, 13, 13], [24, 16, 1, 1], strides: [2, 2]),
    conv("1x1 wide", [1, 64, 28, 28], [96, 64, 1, 1], bias: true),
    conv("3x3", [1, 5, 13, 7], [7, 5, 3, 3], pads: [1, 1, 1, 1]),
    conv("3x3 bias", [2, 16, 14, 14], [32, 16, 3, 3], pads: [1, 1, 1, 1], bias: true),
    conv("3x3 stride 2", [1, 16, 15, 15], [32, 16, 3, 3], strides: [2, 2], pads: [1, 1, 1, 1], bias: true),
    conv("3x3 deep", [1, 128, 14, 14], [128, 128, 3, 3], pads: [1, 1, 1, 1], bias: true, tolerance: longSum),
    conv("3x3 wide", [1, 48, 15, 19], [64, 48, 3, 3], pads: [1, 1, 1, 1], bias: true, tolerance: longSum),
    conv("3x3 wide batch 3", [3, 48, 9, 11], [37, 48, 3, 3], bias: true, tolerance: longSum),
    conv("3x3 wide asymmetric padding", [2, 37, 13, 6], [64, 37, 3, 3], pads: [0, 2, 1, 1], tolerance: longSum),
    conv("3x3 wide small map", [5, 96, 3, 2], [48, 96, 3, 3], pads: [1, 1, 1, 1], tolerance: longSum),
    conv("3x3 without padding", [1, 3, 9, 11], [4, 3, 3, 3]),
    conv("3x3 asymmetric padding", [1, 4, 7, 9], [6, 4, 3, 3], strides: [2, 1], pads: [0, 1, 2, 1], bias: true),
    conv("3x3 dilation 2", [1, 6, 13, 13], [10, 6, 3, 3], pads: [2, 2, 2, 2], dilations: [2, 2]),
    conv("3x3 dilation 3x1", [1, 6, 13, 13], [10, 6, 3, 3], dilations: [3, 1], bias: true),
    conv("5x5", [1, 8, 11, 13], [13, 8, 5, 5], pads: [2, 2, 2, 2], bias: true),
    conv("7x7 stride 2", [1, 3, 37, 41], [16, 3, 7, 7], strides: [2, 2], pads: [3, 3, 3, 3], bias: true),
    conv("1x7", [1, 12, 9, 17], [8, 12, 1, 7], pads: [0, 3, 0, 3]),
    conv("7x1", [1, 12, 17, 9], [8, 12, 7, 1], pads: [3, 0, 3, 0]),
    conv("group 2", [1, 8, 9, 9], [10, 4, 3, 3], pads: [1, 1, 1, 1], group: 2, bias: true),
    conv("group 5", [2, 15, 7, 7], [10, 3, 3, 3], pads: [1, 1, 1, 1], group: 5),
    conv("group 32", [1, 64, 14, 14], [64, 2, 3, 3], pads: [1, 1, 1, 1], group: 32),
    conv("depthwise", [1, 13, 11, 11], [13, 1, 3, 3], pads: [1, 1, 1, 1], group: 13, bias: true),
    conv("depthwise stride 2", [2, 32, 15, 13], [32, 1, 3, 3], strides: [2, 2], pads: [1, 1, 1, 1], group: 32),
    conv("depthwise 5x5", [1, 24, 14, 14], [24, 1, 5, 5], pads: [2, 2, 2, 2], group: 24, bias: true),
    conv("depthwise multiplier 2", [1, 7, 9, 9], [14, 1, 3, 3], group: 7),
    conv("depthwise dilation 2", [1, 16, 13, 13], [16, 1, 3, 3], pads: [2, 2, 2, 2], dilations: [2, 2], group: 16),
    conv("SAME_UPPER", [1, 3, 8, 8], [4, 3, 3, 3], strides: [2, 2], autoPad: "SAME_UPPER", bias: true),
    conv("SAME_LOWER", [1, 3, 8, 8], [4, 3, 4, 4], strides: [3, 2], autoPad: "SAME_LOWER"),
    conv("VALID", [1, 3, 8, 8], [4, 3, 3, 3], autoPad: "VALID"),
    conv("one dimension", [2, 5, 17], [7, 5, 3], pads: [1, 1], bias: true),
    conv("one dimension stride 3", [1, 16, 31], [8, 16, 5], strides: [3], pads: [2, 1], dilations: [2]),
    conv("one dimension depthwise", [1, 16, 13], [16, 1, 4], pads: [3, 0], group: 16),
    conv("three dimensions", [1, 3, 5, 7, 9], [4, 3, 3, 3, 3], pads: [1, 1, 1, 1, 1, 1], bias: true),
    conv("three dimensions stride", [1, 4, 6, 7, 8], [5, 4, 2, 3, 3], strides: [2, 1, 2], dilations: [1, 2, 1]),
    conv("three dimensions groups", [1, 6, 5, 5, 5], [6, 1, 3, 3, 3], pads: [1, 1, 1, 1, 1, 1], group: 6),
    conv("one pixel", [1, 16, 1, 1], [13, 16, 1, 1], bias: true),
    conv("kernel as large as the input", [2, 7, 5, 5], [9, 7, 5, 5], bias: true),
    conv("kernel larger than the input", [1, 3, 2, 2], [4, 3, 5, 5], pads: [2, 2, 2, 2]),
    conv("batch 5", [5, 3, 7, 7], [5, 3, 3, 3], pads: [1, 1, 1, 1]),
    conv("empty batch", [0, 3, 7, 7], [5, 3, 3, 3]),
]

private let convTypeCases: [OperatorCase] = [
    conv("float64", [1, 5, 9, 9], [7, 5, 3, 3], pads: [1, 1, 1, 1], bias: true, type: .float64, tolerance: 1e-12),
    conv(
        "float16",
        [1, 16, 9, 9],
        [8, 16, 3, 3],
        pads: [1, 1, 1, 1],
        bias: true,
        type: .float16,
        tolerance: halfRounding
    ),
    conv("float16 depthwise", [1, 16, 9, 9], [16, 1, 3, 3], group: 16, type: .float16, tolerance: halfRounding),
    conv("bfloat16", [1, 8, 7, 7], [8, 8, 1, 1], type: .bfloat16, tolerance: bfloatRounding),
]

private let convEpilogueCases: [OperatorCase] = [
    conv("+ relu", [1, 8, 13, 13], [16, 8, 3, 3], pads: [1, 1, 1, 1], bias: true, epilogue: .relu(.input(0))),
    conv(
        "+ channel add + relu",
        [1, 7, 9, 9],
        [13, 7, 3, 3],
        pads: [1, 1, 1, 1],
        extra: [.uniform([13, 1, 1])],
        epilogue: .relu(.input(0) + .input(1))
    ),
    conv(
        "1x1 + residual + relu",
        [2, 16, 7, 7],
        [24, 16, 1, 1],
        bias: true,
        extra: [.uniform([2, 24, 7, 7])],
        epilogue: .relu(.input(0) + .input(1))
    ),
    conv(
        "+ scale + shift + clip",
        [1, 16, 8, 8],
        [16, 16, 3, 3],
        pads: [1, 1, 1, 1],
        extra: [.uniform([1, 16, 1, 1]), .uniform([1, 16, 1, 1])],
        epilogue: .minimum(.maximum(.input(0) * .input(1) + .input(2), .constant(0)), .constant(6))
    ),
    conv(
        "3x3 wide + silu + residual",
        [2, 48, 10, 15],
        [64, 48, 3, 3],
        pads: [1, 1, 1, 1],
        bias: true,
        tolerance: longSum,
        extra: [.uniform([2, 64, 10, 15])],
        epilogue: .silu(.input(0)) + .input(1)
    ),
    conv("depthwise + clip", [1, 24, 14, 14], [24, 1, 3, 3], group: 24, bias: true, epilogue: .relu6(.input(0))),
    conv(
        "3x3 stride 2 + silu",
        [1, 3, 17, 17],
        [16, 3, 3, 3],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        bias: true,
        epilogue: .silu(.input(0))
    ),
    conv(
        "+ silu + residual",
        [1, 8, 7, 5],
        [8, 8, 3, 3],
        pads: [1, 1, 1, 1],
        bias: true,
        extra: [.uniform([1, 8, 7, 5])],
        epilogue: .silu(.input(0)) + .input(1)
    ),
    conv(
        "+ sigmoid of large sums",
        [1, 8, 9, 9],
        [24, 8, 1, 1],
        extra: [.random(TensorType(.float32, [1, 24, 9, 9]), -200...200)],
        epilogue: .sigmoid(.input(0) + .input(1))
    ),
    conv(
        "+ sigmoid of small sums",
        [1, 8, 9, 9],
        [24, 8, 1, 1],
        extra: [.random(TensorType(.float32, [1, 24, 9, 9]), -15 ... -8)],
        epilogue: .sigmoid(.input(1) - .input(0) * .constant(1e-3))
    ),
    conv(
        "+ silu of large sums",
        [1, 8, 9, 9],
        [24, 8, 1, 1],
        extra: [.random(TensorType(.float32, [1, 24, 9, 9]), -1000...10)],
        epilogue: .silu(.input(0) + .input(1))
    ),
    conv(
        "group 4 + prelu",
        [1, 8, 7, 7],
        [12, 2, 3, 3],
        group: 4,
        extra: [.uniform([12, 1, 1])],
        epilogue: .select(.binary(.less, .input(0), .constant(0)), .input(0) * .input(1), .input(0))
    ),
    conv("one dimension + tanh", [1, 5, 17], [7, 5, 3], epilogue: .unary(.tanh, .input(0))),
    conv(
        "three dimensions + relu",
        [1, 3, 4, 5, 6],
        [4, 3, 3, 3, 3],
        pads: [1, 1, 1, 1, 1, 1],
        bias: true,
        epilogue: .relu(.input(0))
    ),
    conv("+ scalar product", [1, 3, 7, 7], [5, 3, 3, 3], extra: [.uniform([1])], epilogue: .input(0) * .input(1)),
]

private let convTransposeCases: [OperatorCase] = [
    transposed("3x3", [1, 5, 7, 5], [5, 6, 3, 3]),
    transposed("2x2 stride 2", [1, 16, 7, 7], [16, 8, 2, 2], strides: [2, 2], bias: true),
    transposed("4x4 stride 2", [2, 6, 5, 7], [6, 5, 4, 4], strides: [2, 2], pads: [1, 1, 1, 1], bias: true),
    transposed(
        "output padding",
        [1, 3, 5, 5],
        [3, 4, 3, 3],
        strides: [2, 3],
        pads: [1, 0, 1, 2],
        outputPadding: [1, 2]
    ),
    transposed("output shape", [1, 2, 3, 3], [2, 3, 3, 3], strides: [3, 2], outputShape: [10, 8]),
    transposed("SAME_UPPER", [1, 3, 5, 5], [3, 4, 3, 3], strides: [2, 2], autoPad: "SAME_UPPER"),
    transposed("SAME_LOWER", [1, 3, 5, 5], [3, 4, 3, 3], strides: [2, 2], autoPad: "SAME_LOWER"),
    transposed("dilation", [1, 3, 5, 6], [3, 4, 3, 2], dilations: [2, 3]),
    transposed("group 3", [1, 6, 5, 5], [6, 2, 3, 3], strides: [2, 2], group: 3, bias: true),
    transposed("depthwise", [1, 7, 5, 5], [7, 1, 4, 4], strides: [2, 2], pads: [1, 1, 1, 1], group: 7),
    transposed("one dimension", [1, 5, 13], [5, 7, 4], strides: [3]),
    transposed("three dimensions", [1, 3, 3, 4, 5], [3, 2, 3, 3, 3], strides: [2, 1, 2], bias: true),
    transposed("float16", [1, 8, 5, 5], [8, 4, 2, 2], strides: [2, 2], type: .float16, tolerance: halfRounding),
    conv(
        "+ relu",
        [1, 4, 5, 5],
        [4, 6, 2, 2],
        strides: [2, 2],
        bias: true,
        operatorType: "ConvTranspose",
        epilogue: .relu(.input(0))
    ),
]

private func transposed(
    _ name: String,
    _ x: [Int],
    _ w: [Int],
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    group: Int64 = 1,
    autoPad: String? = nil,
    outputPadding: [Int64]? = nil,
    outputShape: [Int64]? = nil,
    bias: Bool = false,
    type: ElementType = .float32,
    tolerance: Double = 1e-6
) -> OperatorCase {
    var further: [String: AttributeValue] = [:]
    further["output_padding"] = outputPadding.map { .ints($0) }
    further["output_shape"] = outputShape.map { .ints($0) }
    return conv(
        name,
        x,
        w,
        strides: strides,
        pads: pads,
        dilations: dilations,
        group: group,
        autoPad: autoPad,
        bias: bias,
        type: type,
        operatorType: "ConvTranspose",
        tolerance: tolerance,
        further: further
    )
}
