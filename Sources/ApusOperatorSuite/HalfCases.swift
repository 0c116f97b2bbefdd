import ApusGraph
import ApusTensor

/// Operators with tile kernels on float16 and bfloat16 tensors of ragged shapes.
package let halfCases: [OperatorCase] = [ElementType.float16, .bfloat16].flatMap { type in
    contractions(type) + convolutions(type) + pools(type) + rows(type)
}

/// One rounding of the results, and sums of float32 products of rounded operands.
private func rounding(_ type: ElementType) -> Double { type == .float16 ? halfRounding : bfloatRounding }

private func make(
    _ operatorType: String,
    _ name: String,
    _ type: ElementType,
    _ shapes: [[Int]],
    _ attributes: [String: AttributeValue] = [:],
    omitted: Int = 0,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil,
    range: ClosedRange<Double> = -1...1
) -> OperatorCase {
    OperatorCase(
        operatorType,
        "\(type) \(name)",
        attributes: attributes,
        inputs: shapes.map { .uniform($0, type, in: range) } + [OperatorCase.Input](repeating: .omitted, count: omitted)
            + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: rounding(type)
    )
}

/// A formula in float32 around the result, stored in the type again.
private func computed(_ type: ElementType, _ formula: (PointwiseExpression) -> PointwiseExpression)
    -> PointwiseExpression
{
    .cast(type, formula(.cast(.float32, .input(0))))
}

private func contractions(_ type: ElementType) -> [OperatorCase] {
    [
        make("MatMul", "5x7x13", type, [[5, 7], [7, 13]]),
        make("MatMul", "one row", type, [[1, 37], [37, 19]]),
        make("MatMul", "one step", type, [[13, 1], [1, 17]]),
        make("MatMul", "33x65x129", type, [[33, 65], [65, 129]]),
        make("MatMul", "heads", type, [[2, 3, 17, 16], [2, 3, 16, 17]]),
        make("MatMul", "odd heads", type, [[2, 3, 19, 13], [2, 3, 13, 19]]),
        make("MatMul", "batch times matrix", type, [[2, 3, 5, 7], [7, 11]]),
        make("MatMul", "64x256x64", type, [[64, 256], [256, 64]]),
        make(
            "MatMul",
            "float32 bias and gelu",
            type,
            [[2, 7, 15], [15, 24]],
            extra: [.uniform([24])],
            epilogue: computed(type) { .gelu($0 + .input(1)) }
        ),
        make(
            "MatMul",
            "float32 sum",
            type,
            [[37, 67], [67, 45]],
            extra: [.uniform([45]), .uniform([37, 45])],
            epilogue: .cast(.float32, .input(0)) + .input(1) + .input(2)
        ),
        make(
            "MatMul",
            "heads in float32",
            type,
            [[2, 3, 5, 16], [2, 3, 16, 32]],
            extra: [.uniform([2, 3, 5, 32])],
            epilogue: .input(1) - .cast(.float32, .input(0))
        ),
        make(
            "Gemm",
            "float32 result",
            type,
            [[7, 5], [13, 7], [5, 13]],
            ["transA": .int(1), "transB": .int(1)],
            epilogue: .cast(.float32, .input(0))
        ),
        make("Gemm", "transposed", type, [[5, 33], [67, 33], [67]], ["transB": .int(1)]),
        make(
            "Gemm",
            "all flags",
            type,
            [[7, 5], [13, 7], [5, 13]],
            [
                "transA": .int(1), "transB": .int(1), "alpha": .float(0.25), "beta": .float(0.5),
            ]
        ),
        make("Gemm", "one row", type, [[1, 128], [10, 128], [10]], ["transB": .int(1)]),
        make("Gemm", "relu", type, [[3, 17], [13, 17], [13]], ["transB": .int(1)], epilogue: .relu(.input(0))),
    ]
}

/// A normalization of the last axis; with `to` that of the domain `apus`.
private func normalization(
    _ operatorType: String,
    _ name: String,
    _ shape: [Int],
    to type: ElementType? = nil,
    inputs: [ElementType],
    outputCount: Int = 1
) -> OperatorCase {
    let shapes = [shape] + inputs.dropFirst().map { _ in [shape[shape.count - 1]] }
    let type16 = type ?? inputs[0]
    return OperatorCase(
        operatorType,
        "\(type16) \(name)",
        domain: type == nil ? "" : "apus",
        attributes: type.map { ["to": .int(Int64($0.rawValue))] } ?? [:],
        inputs: zip(shapes, inputs).map { .uniform($0, $1, in: -2...3) },
        outputCount: outputCount,
        tolerance: rounding(type16)
    )
}

private func conv(
    _ name: String,
    _ type: ElementType,
    _ x: [Int],
    _ w: [Int],
    bias: Bool = false,
    strides: Int64 = 1,
    pads: Int64 = 0,
    dilations: Int64 = 1,
    group: Int64 = 1,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    let spatial = w.count - 2
    return make(
        "Conv",
        name,
        type,
        [x, w] + (bias ? [[w[0]]] : []),
        [
            "kernel_shape": .ints(w.dropFirst(2).map { Int64($0) }),
            "strides": .ints([Int64](repeating: strides, count: spatial)),
            "pads": .ints([Int64](repeating: pads, count: 2 * spatial)),
            "dilations": .ints([Int64](repeating: dilations, count: spatial)), "group": .int(group),
        ],
        omitted: bias || extra.isEmpty ? 0 : 1,
        extra: extra,
        epilogue: epilogue
    )
}

private func convolutions(_ type: ElementType) -> [OperatorCase] {
    [
        conv("1x1 odd channels", type, [2, 13, 7, 5], [17, 13, 1, 1], bias: true),
        conv("1x1 padded channels", type, [1, 35, 9, 9], [40, 35, 1, 1]),
        conv("1x1 stride 2", type, [1, 16, 13, 13], [24, 16, 1, 1], strides: 2),
        conv("1x1 wide", type, [1, 64, 14, 14], [96, 64, 1, 1], bias: true),
        conv("3x3 odd channels", type, [1, 5, 13, 7], [7, 5, 3, 3], pads: 1),
        conv("3x3", type, [2, 16, 14, 14], [32, 16, 3, 3], bias: true, pads: 1),
        conv("3x3 stride 2, 19 channels", type, [1, 19, 15, 15], [33, 19, 3, 3], bias: true, strides: 2, pads: 1),
        conv("3x3 deep", type, [1, 128, 7, 7], [64, 128, 3, 3], pads: 1),
        conv("3x3 dilation 2", type, [1, 6, 13, 13], [10, 6, 3, 3], pads: 2, dilations: 2),
        conv("7x7 stride 2", type, [1, 3, 37, 41], [16, 3, 7, 7], bias: true, strides: 2, pads: 3),
        conv("group 5", type, [2, 15, 7, 7], [10, 3, 3, 3], pads: 1, group: 5),
        conv("group 2", type, [1, 8, 9, 9], [10, 4, 3, 3], bias: true, pads: 1, group: 2),
        conv("depthwise 3x3", type, [1, 13, 11, 11], [13, 1, 3, 3], bias: true, pads: 1, group: 13),
        conv("depthwise stride 2", type, [2, 40, 15, 13], [40, 1, 3, 3], strides: 2, pads: 1, group: 40),
        conv("depthwise 5x5", type, [1, 32, 14, 14], [32, 1, 5, 5], bias: true, pads: 2, group: 32),
        conv("depthwise multiplier 2", type, [1, 7, 9, 9], [14, 1, 3, 3], group: 7),
        conv("one dimension", type, [2, 5, 17], [7, 5, 3], bias: true, pads: 1),
        conv("three dimensions", type, [1, 3, 5, 7, 9], [4, 3, 3, 3, 3], bias: true, pads: 1),
        conv(
            "residual and relu",
            type,
            [2, 16, 7, 7],
            [24, 16, 1, 1],
            bias: true,
            extra: [.uniform([2, 24, 7, 7], type)],
            epilogue: .relu(.input(0) + .input(1))
        ),
        conv(
            "float32 bias and relu",
            type,
            [1, 7, 9, 9],
            [13, 7, 3, 3],
            pads: 1,
            extra: [.uniform([13, 1, 1])],
            epilogue: computed(type) { .relu($0 + .input(1)) }
        ),
        conv(
            "pixel gate",
            type,
            [1, 8, 9, 9],
            [16, 8, 1, 1],
            extra: [.uniform([1, 1, 9, 9], type)],
            epilogue: .input(0) * .input(1)
        ),
        conv(
            "depthwise and float32 bias",
            type,
            [1, 24, 9, 9],
            [24, 1, 3, 3],
            pads: 1,
            group: 24,
            extra: [.uniform([24, 1, 1])],
            epilogue: computed(type) { .relu($0 + .input(1)) }
        ),
    ]
}

private func pools(_ type: ElementType) -> [OperatorCase] {
    let window: [String: AttributeValue] = [
        "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]),
    ]
    let linear: [String: AttributeValue] = ["mode": .string([UInt8]("linear".utf8))]
    let scales = Tensor(vector: [Float(1), 1, 2, 2])
    return [
        make("MaxPool", "3x3", type, [[1, 21, 15, 13]], window),
        make("AveragePool", "3x3", type, [[2, 16, 9, 11]], window),
        make("LpPool", "3x3", type, [[1, 5, 9, 9]], window),
        make("GlobalAveragePool", "ragged", type, [[2, 19, 7, 5]]),
        make("GlobalMaxPool", "ragged", type, [[1, 5, 7, 9]]),
        OperatorCase(
            "Resize",
            "\(type) linear",
            attributes: linear,
            inputs: [.uniform([1, 5, 7, 9], type), .omitted, .constant(scales)],
            tolerance: 2 * rounding(type)
        ),
    ]
}

private func rows(_ type: ElementType) -> [OperatorCase] {
    let isMaximum = [("ArgMax", 1), ("ArgMin", 0)]
    let arguments = isMaximum.map { name, last in
        OperatorCase(
            name,
            "\(type) along rows",
            attributes: ["axis": .int(1), "select_last_index": .int(Int64(last))],
            inputs: [.uniform([5, 33], type)],
            tolerance: 0
        )
    }
    let reductions = ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"].map { name in
        OperatorCase(
            name,
            "\(type) ragged",
            inputs: [.uniform([5, 33, 7], type), known([1])],
            tolerance: rounding(type)
        )
    }
    return arguments + reductions + [
        make("Softmax", "rows", type, [[5, 1000]], range: -5...5),
        make("Softmax", "columns", type, [[2, 13, 37]], ["axis": .int(1)], range: -5...5),
        make("Softmax", "first axis", type, [[5, 7, 3]], ["axis": .int(0)], range: -5...5),
        make("LogSoftmax", "rows", type, [[5, 100]], range: -5...5),
        make("LogSoftmax", "columns", type, [[2, 13, 37]], ["axis": .int(1)], range: -5...5),
        make("LayerNormalization", "ragged", type, [[5, 67], [67], [67]], range: -2...3),
        make("LayerNormalization", "long", type, [[3, 768], [768]], range: -2...3),
        normalization("LayerNormalization", "float32 scale", [5, 67], inputs: [type, .float32, .float32]),
        normalization("LayerNormalization", "cast", [5, 67], to: type, inputs: [.float32, .float32, .float32]),
        normalization(
            "LayerNormalization",
            "cast and kept",
            [2, 3, 384],
            to: type,
            inputs: [.float32, .float32, .float32],
            outputCount: 2
        ),
        normalization("LayerNormalization", "all in 16 bits", [3, 83], to: type, inputs: [type, type]),
        normalization("RMSNormalization", "float32 scale", [5, 67], inputs: [type, .float32]),
        normalization("RMSNormalization", "all in 16 bits", [3, 83], to: type, inputs: [type, type]),
        normalization("RMSNormalization", "cast", [3, 130], to: type, inputs: [.float32, .float32]),
        normalization(
            "RMSNormalization",
            "cast and kept",
            [7, 33],
            to: type,
            inputs: [.float32, .float32],
            outputCount: 2
        ),
        make("RMSNormalization", "ragged", type, [[5, 67], [67]], range: -2...3),
        make("InstanceNormalization", "ragged", type, [[2, 5, 9, 7], [5], [5]], range: -2...3),
        make("GroupNormalization", "ragged", type, [[1, 6, 7, 5], [6], [6]], ["num_groups": .int(2)], range: -2...3),
        make("LRN", "size 5", type, [[1, 37, 5, 7]], ["size": .int(5), "alpha": .float(0.5)]),
    ]
}
