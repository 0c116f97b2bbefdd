import ApusGraph
import ApusTensor

/// The cases of the quantization operators.
package let quantizationCases: [OperatorCase] =
    quantizeCases + dequantizeCases + dynamicQuantizeCases + convIntegerCases + matMulIntegerCases + qLinearConvCases
    + qLinearMatMulCases + quantizedConvCases + quantizedMatMulCases + quantizedPoolCases

private func quantize(
    _ name: String,
    _ x: OperatorCase.Input,
    _ scale: Tensor,
    _ zeroPoint: Tensor? = nil,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    var inputs: [OperatorCase.Input] = [x, .constant(scale)]
    if let zeroPoint { inputs.append(.constant(zeroPoint)) }
    return OperatorCase("QuantizeLinear", name, attributes: attributes, inputs: inputs, tolerance: 0)
}

private let special: [Float] = [
    0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e-30, 300, -300, 1e30, -1e30, .infinity, -.infinity, .nan, 127.5,
]

private let quantizeCases: [OperatorCase] = [
    quantize("uint8", floats([3, 7, 13]), Tensor(scalar: Float(0.02)), Tensor(scalar: UInt8(120))),
    quantize("int8", floats([2, 5, 7]), Tensor(scalar: Float(0.03)), Tensor(scalar: Int8(-3))),
    quantize("without a zero point", floats([37], 0...9), Tensor(scalar: Float(0.05))),
    quantize("one element of scale", floats([4, 33]), Tensor(vector: [Float(0.1)]), Tensor(vector: [Int8(5)])),
    quantize("ties, infinities, NaN to int8", given([16], special), Tensor(scalar: Float(1)), Tensor(scalar: Int8(0))),
    quantize(
        "ties, infinities, NaN to uint8",
        given([16], special),
        Tensor(scalar: Float(1)),
        Tensor(scalar: UInt8(7))
    ),
    quantize("saturation", floats([5, 33], -100...100), Tensor(scalar: Float(0.1)), Tensor(scalar: Int8(9))),
    quantize("int16", floats([3, 17], -99...99), Tensor(scalar: Float(0.002)), Tensor(scalar: Int16(300))),
    quantize("uint16", floats([3, 17], -9...99), Tensor(scalar: Float(0.002)), Tensor(scalar: UInt16(4000))),
    quantize(
        "axis 1",
        floats([2, 3, 5, 7]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, 128, 255] as [UInt8])
    ),
    quantize(
        "axis 0",
        floats([3, 35]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, -8, 12] as [Int8]),
        attributes: ["axis": .int(0)]
    ),
    quantize(
        "last axis",
        floats([9, 3]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        attributes: ["axis": .int(-1), "output_dtype": .int(3)]
    ),
    quantize(
        "blocks",
        floats([4, 6]),
        tensor([2, 6], (1...12).map { Float($0) / 50 }),
        tensor([2, 6], (0..<12).map { Int8($0) }),
        attributes: ["axis": .int(0), "block_size": .int(2)]
    ),
    quantize("int32", random(.int32, [5, 7], -900...900), Tensor(scalar: Float(3)), Tensor(scalar: Int8(1))),
    quantize("to int4", floats([5, 7]), Tensor(scalar: Float(0.4)), attributes: ["output_dtype": .int(22)]),
    quantize("to float8e4m3fn", floats([5, 7]), Tensor(scalar: Float(0.4)), attributes: ["output_dtype": .int(17)]),
    quantize("empty", floats([0, 7]), Tensor(scalar: Float(0.4))),
]

private func dequantize(
    _ name: String,
    _ x: OperatorCase.Input,
    _ scale: Tensor,
    _ zeroPoint: Tensor? = nil,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    var inputs: [OperatorCase.Input] = [x, .constant(scale)]
    if let zeroPoint { inputs.append(.constant(zeroPoint)) }
    return OperatorCase("DequantizeLinear", name, attributes: attributes, inputs: inputs, tolerance: 0)
}

private let dequantizeCases: [OperatorCase] = [
    dequantize("uint8", bytes([3, 7, 13], .uint8), Tensor(scalar: Float(0.02)), Tensor(scalar: UInt8(120))),
    dequantize("int8", bytes([2, 5, 7], .int8), Tensor(scalar: Float(0.03)), Tensor(scalar: Int8(-3))),
    dequantize("without a zero point", bytes([37], .int8), Tensor(scalar: Float(0.05))),
    dequantize("int32", random(.int32, [19], -1e6...1e6), Tensor(scalar: Float(0.01))),
    dequantize("uint16", random(.uint16, [19], 0...65535), Tensor(scalar: Float(0.01)), Tensor(scalar: UInt16(9))),
    dequantize(
        "axis 1",
        bytes([2, 3, 5, 7], .uint8),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, 128, 255] as [UInt8])
    ),
    dequantize(
        "axis 0 of weights",
        bytes([3, 2, 3, 3], .int8),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        attributes: ["axis": .int(0)]
    ),
    dequantize(
        "blocks",
        bytes([4, 6], .int8),
        tensor([2, 6], (1...12).map { Float($0) / 50 }),
        tensor([2, 6], (0..<12).map { Int8($0) }),
        attributes: ["axis": .int(0), "block_size": .int(2)]
    ),
    dequantize("empty", bytes([0, 7], .int8), Tensor(scalar: Float(0.4))),
]

private let dynamicQuantizeCases: [OperatorCase] = [
    ("mixed signs", floats([3, 7, 13])), ("positive", floats([37], 1...5)), ("negative", floats([5, 7], -9...(-1))),
    ("zeros", given([5], [Float](repeating: 0, count: 5))), ("one element", floats([1])), ("scalar", floats([])),
    ("empty", floats([3, 0, 2])), ("negative zero", given([3], [-0.0, 0, -0.0] as [Float])),
    ("ties", given([9], [-127.5, 127.5, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 63.5] as [Float])),
    ("a zero point between two integers", given([4], [-63.75, 63.75, 0.25, -0.75] as [Float])),
    ("large", floats([3, 129, 517], -7...19)), ("long rows", floats([2, 100003])),
    ("the least at the end", given([4099], [Float](repeating: 1, count: 4098) + [-100])),
    ("NaN", given([5], [1, .nan, -2, .nan, 7] as [Float])),
    ("infinities", given([5], [1, .infinity, -2, -.infinity, 7] as [Float])),
    ("positive infinity", given([3], [1, .infinity, 7] as [Float])),
    ("a range beyond float32", given([4], [3e38, -3e38, 1e30, -1] as [Float])),
].map { OperatorCase("DynamicQuantizeLinear", $0.0, inputs: [$0.1], outputCount: 3, tolerance: 0) }

/// Random bytes over the whole range of their type.
func bytes(_ shape: [Int], _ type: ElementType) -> OperatorCase.Input {
    random(type, shape, type == .int8 ? -128...128 : 0...256)
}

private func convInteger(
    _ name: String,
    _ x: [Int],
    _ w: [Int],
    types: (ElementType, ElementType) = (.uint8, .int8),
    zeroPoint: Tensor? = nil,
    weightZeroPoint: Tensor? = nil,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    var inputs: [OperatorCase.Input] = [bytes(x, types.0), bytes(w, types.1)]
    if zeroPoint != nil || weightZeroPoint != nil { inputs.append(zeroPoint.map { .constant($0) } ?? .omitted) }
    if let weightZeroPoint { inputs.append(.constant(weightZeroPoint)) }
    return OperatorCase("ConvInteger", name, attributes: attributes, inputs: inputs, tolerance: 0)
}

private let padded: [String: AttributeValue] = ["pads": .ints([1, 1, 1, 1])]

private let convIntegerCases: [OperatorCase] = [
    convInteger("1x1", [1, 13, 7, 5], [16, 13, 1, 1]),
    convInteger("3x3", [1, 5, 9, 7], [7, 5, 3, 3], zeroPoint: Tensor(scalar: UInt8(117)), attributes: padded),
    convInteger(
        "unsigned weights",
        [2, 16, 9, 9],
        [24, 16, 3, 3],
        types: (.uint8, .uint8),
        zeroPoint: Tensor(scalar: UInt8(3)),
        weightZeroPoint: Tensor(scalar: UInt8(131)),
        attributes: padded
    ),
    convInteger(
        "a zero point a channel",
        [1, 6, 9, 9],
        [3, 6, 3, 3],
        types: (.int8, .int8),
        zeroPoint: Tensor(scalar: Int8(-7)),
        weightZeroPoint: Tensor(vector: [-1, 0, 100] as [Int8])
    ),
    convInteger(
        "groups and stride",
        [1, 8, 11, 9],
        [12, 2, 3, 3],
        types: (.int8, .uint8),
        attributes: ["group": .int(4), "strides": .ints([2, 2])]
    ),
    convInteger("one axis", [1, 6, 29], [5, 6, 3], attributes: ["dilations": .ints([2])]),
]

private func matMulInteger(
    _ name: String,
    _ a: [Int],
    _ b: [Int],
    types: (ElementType, ElementType) = (.uint8, .int8),
    zeroPoints: [OperatorCase.Input] = []
) -> OperatorCase {
    OperatorCase(
        "MatMulInteger",
        name,
        inputs: [bytes(a, types.0), bytes(b, types.1)] + zeroPoints,
        tolerance: 0
    )
}

private let matMulIntegerCases: [OperatorCase] = [
    matMulInteger("5x7x13", [5, 7], [7, 13]),
    matMulInteger("zero point at run time", [5, 37], [37, 19], zeroPoints: [given([], [UInt8(77)])]),
    matMulInteger(
        "both zero points",
        [33, 65],
        [65, 17],
        types: (.uint8, .uint8),
        zeroPoints: [.constant(Tensor(scalar: UInt8(12))), .constant(Tensor(scalar: UInt8(200)))]
    ),
    matMulInteger(
        "zero points a row and a column",
        [3, 5],
        [5, 2],
        types: (.int8, .int8),
        zeroPoints: [given([3], [1, 2, -3] as [Int8]), given([2], [4, -5] as [Int8])]
    ),
    matMulInteger("batch", [2, 3, 5, 7], [3, 7, 4]),
    matMulInteger("vectors", [7], [7]),
]

private func scales(_ count: Int, _ scale: Float) -> Tensor {
    Tensor(vector: (0..<count).map { scale * (1 + Float($0 % 7) / 8) })
}

private func qLinearConv(
    _ name: String,
    _ x: [Int],
    _ w: [Int],
    types: (ElementType, ElementType, ElementType) = (.uint8, .int8, .uint8),
    perChannel: Bool = true,
    zeroPoints: (Double, [Double], Double) = (117, [0], 131),
    scale: Float = 0.0002,
    bias: Bool = true,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    func integers(_ type: ElementType, _ values: [Double]) -> OperatorCase.Input {
        .constant(narrow(type, values))
    }
    var inputs: [OperatorCase.Input] = [
        bytes(x, types.0), .constant(Tensor(scalar: Float(1))), integers(types.0, [zeroPoints.0]), bytes(w, types.1),
        .constant(scales(perChannel ? w[0] : 1, scale)),
        integers(
            types.1,
            zeroPoints.1.count == 1 && perChannel
                ? [Double](repeating: zeroPoints.1[0], count: w[0]) : zeroPoints.1
        ),
        .constant(Tensor(scalar: Float(0.5))), integers(types.2, [zeroPoints.2]),
    ]
    if bias { inputs.append(random(.int32, [w[0]], -9000...9000)) }
    return OperatorCase("QLinearConv", name, attributes: attributes, inputs: inputs, tolerance: 0)
}

/// A vector of bytes.
func narrow(_ type: ElementType, _ values: [Double]) -> Tensor {
    type == .int8 ? Tensor(vector: values.map { Int8($0) }) : Tensor(vector: values.map { UInt8($0) })
}

private let qLinearConvCases: [OperatorCase] = [
    qLinearConv("3x3", [1, 13, 9, 11], [19, 13, 3, 3], attributes: padded),
    qLinearConv("1x1", [2, 32, 7, 7], [64, 32, 1, 1], perChannel: false, bias: false),
    qLinearConv(
        "signed",
        [1, 16, 14, 14],
        [32, 16, 3, 3],
        types: (.int8, .int8, .int8),
        zeroPoints: (-4, [0], 3),
        attributes: padded
    ),
    qLinearConv(
        "zero points a channel",
        [1, 5, 9, 9],
        [4, 5, 3, 3],
        types: (.uint8, .uint8, .uint8),
        zeroPoints: (3, [1, 128, 200, 255], 9)
    ),
    qLinearConv("depthwise", [1, 24, 9, 9], [24, 1, 3, 3], scale: 0.002, attributes: ["group": .int(24)]),
]

private let qLinearMatMulCases: [OperatorCase] = [
    ("5x7x13", [5, 7], [7, 13], 1, ElementType.uint8), ("columns", [33, 65], [65, 17], 17, .int8),
    ("batch", [2, 3, 5, 7], [3, 7, 4], 1, .int8), ("one row", [1, 129], [129, 33], 33, .uint8),
    ("vector", [7], [7, 5], 1, .uint8),
].map { (name, a: [Int], b: [Int], columns: Int, type: ElementType) in
    OperatorCase(
        "QLinearMatMul",
        name,
        inputs: [
            bytes(a, type), .constant(Tensor(scalar: Float(0.5))), .constant(narrow(type, [100])), bytes(b, .int8),
            .constant(scales(columns, 0.002)), .constant(narrow(.int8, [Double](repeating: 0, count: columns))),
            .constant(Tensor(scalar: Float(0.7))), .constant(narrow(type, [3])),
        ],
        tolerance: 0
    )
}
