import ApusGraph
import ApusTensor

private func pool(
    _ operatorType: String,
    _ name: String,
    _ x: [Int],
    _ kernel: [Int64]? = nil,
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    autoPad: String? = nil,
    flags: [String: Int64] = [:],
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1,
    outputCount: Int = 1,
    tolerance: Double = 1e-6,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    let window = windowAttributes(
        kernelShape: kernel,
        strides: strides,
        pads: pads,
        dilations: dilations,
        autoPad: autoPad
    )
    let attributes = window.merging(flags.mapValues { .int($0) }) { $1 }
    return OperatorCase(
        operatorType,
        name,
        attributes: attributes,
        inputs: [.random(TensorType(type, x), range)] + extra,
        outputCount: outputCount,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: tolerance
    )
}

private func maxPool(
    _ name: String,
    _ x: [Int],
    _ kernel: [Int64],
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    autoPad: String? = nil,
    flags: [String: Int64] = [:],
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1,
    outputCount: Int = 1
) -> OperatorCase {
    pool(
        "MaxPool",
        name,
        x,
        kernel,
        strides: strides,
        pads: pads,
        dilations: dilations,
        autoPad: autoPad,
        flags: flags,
        type: type,
        range: range,
        outputCount: outputCount,
        tolerance: 0
    )
}

let maxPoolCases: [OperatorCase] = [
    maxPool("2x2", [1, 5, 8, 6], [2, 2], strides: [2, 2]),
    maxPool("3x3 stride 2", [1, 16, 15, 13], [3, 3], strides: [2, 2], pads: [1, 1, 1, 1]),
    maxPool("3x3 stride 1", [2, 7, 5, 7], [3, 3], pads: [1, 1, 1, 1]),
    maxPool("negative values at the border", [1, 3, 5, 5], [3, 3], pads: [1, 1, 1, 1], range: -3 ... -2),
    maxPool("ceil_mode", [1, 4, 6, 7], [3, 3], strides: [2, 2], flags: ["ceil_mode": 1]),
    maxPool(
        "ceil_mode with padding",
        [1, 3, 5, 5],
        [2, 2],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        flags: ["ceil_mode": 1]
    ),
    maxPool("asymmetric padding", [1, 3, 7, 9], [3, 2], strides: [2, 2], pads: [0, 1, 2, 0]),
    maxPool("dilation", [1, 5, 13, 11], [3, 2], dilations: [2, 3]),
    maxPool("SAME_UPPER", [1, 3, 8, 7], [3, 3], strides: [2, 2], autoPad: "SAME_UPPER"),
    maxPool("SAME_LOWER", [1, 3, 8, 7], [2, 2], autoPad: "SAME_LOWER"),
    maxPool("VALID", [1, 3, 8, 7], [3, 3], strides: [3, 3], autoPad: "VALID"),
    maxPool("one dimension", [1, 5, 17], [3], strides: [2], pads: [1, 1]),
    maxPool("three dimensions", [1, 3, 5, 6, 7], [2, 3, 2], strides: [1, 2, 2]),
    maxPool("indices", [2, 3, 7, 7], [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], outputCount: 2),
    maxPool("column-major indices", [1, 2, 5, 7], [2, 2], flags: ["storage_order": 1], outputCount: 2),
    maxPool("uint8", [1, 5, 7, 7], [3, 3], type: .uint8, range: 0...256),
    maxPool("int8 ties", [1, 5, 7, 7], [3, 3], type: .int8, range: -2...3, outputCount: 2),
    maxPool("float16", [1, 16, 9, 9], [3, 3], strides: [2, 2], type: .float16),
    maxPool("float64", [1, 5, 7, 7], [2, 2], type: .float64),
    maxPool("empty batch", [0, 5, 7, 7], [2, 2]),
    pool(
        "MaxPool",
        "+ relu",
        [1, 7, 9, 9],
        [3, 3],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        tolerance: 0,
        epilogue: .relu(.input(0))
    ),
    pool(
        "MaxPool",
        "+ channel scale and shift",
        [1, 8, 8, 8],
        [2, 2],
        strides: [2, 2],
        extra: [.uniform([8, 1, 1]), .uniform([8, 1, 1])],
        epilogue: .input(0) * .input(1) + .input(2)
    ),
]

let averagePoolCases: [OperatorCase] = [
    pool("AveragePool", "2x2", [1, 5, 8, 6], [2, 2], strides: [2, 2]),
    pool("AveragePool", "3x3 without padding in the count", [1, 7, 7, 5], [3, 3], pads: [1, 1, 1, 1]),
    pool(
        "AveragePool",
        "3x3 with padding in the count",
        [1, 7, 7, 5],
        [3, 3],
        pads: [1, 1, 1, 1],
        flags: ["count_include_pad": 1]
    ),
    pool("AveragePool", "ceil_mode", [1, 3, 6, 7], [3, 3], strides: [2, 2], flags: ["ceil_mode": 1]),
    pool(
        "AveragePool",
        "ceil_mode with padding in the count",
        [1, 3, 6, 8],
        [3, 3],
        strides: [2, 3],
        pads: [1, 0, 1, 1],
        flags: ["ceil_mode": 1, "count_include_pad": 1]
    ),
    pool("AveragePool", "asymmetric padding", [1, 3, 7, 9], [3, 2], strides: [2, 2], pads: [0, 1, 2, 0]),
    pool("AveragePool", "dilation", [1, 5, 13, 11], [3, 2], dilations: [2, 3]),
    pool("AveragePool", "SAME_UPPER", [1, 3, 8, 7], [3, 3], strides: [2, 2], autoPad: "SAME_UPPER"),
    pool("AveragePool", "SAME_LOWER", [1, 3, 8, 7], [2, 2], autoPad: "SAME_LOWER"),
    pool("AveragePool", "one dimension", [2, 5, 17], [4], strides: [3]),
    pool("AveragePool", "three dimensions", [1, 3, 5, 6, 7], [2, 3, 2], pads: [0, 1, 0, 1, 1, 1]),
    pool("AveragePool", "7x7 to one", [1, 13, 7, 7], [7, 7]),
    pool("AveragePool", "float16", [1, 16, 9, 9], [3, 3], type: .float16, tolerance: halfRounding),
    pool("AveragePool", "float64", [1, 5, 7, 7], [2, 2], type: .float64, tolerance: 1e-12),
    pool("AveragePool", "empty batch", [0, 5, 7, 7], [2, 2]),
    pool("AveragePool", "+ clip", [1, 7, 9, 9], [3, 3], strides: [2, 2], epilogue: .relu6(.input(0))),
    pool(
        "AveragePool",
        "+ residual",
        [1, 8, 8, 8],
        [2, 2],
        strides: [2, 2],
        extra: [.uniform([1, 8, 4, 4])],
        epilogue: .input(0) + .input(1)
    ),
]

let lpPoolCases: [OperatorCase] = [
    pool("LpPool", "2x2", [1, 5, 8, 6], [2, 2], strides: [2, 2]),
    pool("LpPool", "p 1", [1, 3, 7, 5], [3, 3], pads: [1, 1, 1, 1], flags: ["p": 1]),
    pool("LpPool", "p 3", [1, 3, 7, 5], [3, 3], flags: ["p": 3], tolerance: powerRounding),
    pool("LpPool", "one dimension", [1, 5, 17], [3], strides: [2]),
    pool("LpPool", "three dimensions dilated", [1, 2, 5, 6, 7], [2, 2, 2], dilations: [2, 1, 3]),
    pool("LpPool", "SAME_UPPER", [2, 3, 8, 7], [3, 3], strides: [2, 2], autoPad: "SAME_UPPER"),
]

let globalPoolCases: [OperatorCase] = [
    pool("GlobalAveragePool", "7x7", [1, 13, 7, 7]),
    pool("GlobalAveragePool", "ragged", [2, 5, 13, 11]),
    pool("GlobalAveragePool", "wide", [1, 320, 8, 8]),
    pool("GlobalAveragePool", "one dimension", [1, 5, 17]),
    pool("GlobalAveragePool", "three dimensions", [2, 3, 4, 5, 6]),
    pool("GlobalAveragePool", "float16", [1, 16, 7, 7], type: .float16, tolerance: halfRounding),
    pool("GlobalAveragePool", "empty batch", [0, 3, 4, 5]),
    pool("GlobalAveragePool", "+ relu", [1, 13, 7, 7], epilogue: .relu(.input(0))),
    pool(
        "GlobalAveragePool",
        "+ hard sigmoid",
        [1, 16, 5, 5],
        epilogue: .relu6(.input(0) + .constant(3)) / .constant(6)
    ),
    pool("GlobalMaxPool", "7x7", [1, 13, 7, 7], tolerance: 0),
    pool("GlobalMaxPool", "ragged", [2, 5, 13, 11], tolerance: 0),
    pool("GlobalMaxPool", "one dimension", [1, 5, 17], range: -3 ... -2, tolerance: 0),
    pool("GlobalMaxPool", "three dimensions", [2, 3, 4, 5, 6], tolerance: 0),
    pool("GlobalMaxPool", "one pixel", [2, 5, 1, 1], tolerance: 0),
    pool("GlobalMaxPool", "+ sigmoid", [1, 13, 7, 7], epilogue: .sigmoid(.input(0))),
    pool("GlobalLpPool", "7x7", [1, 13, 7, 7]),
    pool("GlobalLpPool", "p 1", [2, 5, 13, 11], flags: ["p": 1]),
    pool("GlobalLpPool", "p 3", [1, 3, 5, 7], flags: ["p": 3], tolerance: powerRounding),
    pool("GlobalLpPool", "one dimension", [1, 5, 17]),
    pool("GlobalLpPool", "three dimensions", [2, 3, 4, 5, 6]),
]
