import ApusGraph
import ApusTensor

/// The cases of the quantization operators.
package let quantizationCases: [OperatorCase] =
    quantizeCases + dequantizeCases + dynamicQuantizeCases + convIntegerCases + matMulIntegerCases + qLinearConvCases
    + qLinearMatMulCases + quantizedConvCases + quantizedMatMulCases + quantizedPoolCases

/// A case of `QuantizeLinear` or `DequantizeLinear` with parameters that are known.
private func linear(
    _ operatorType: String,
    _ name: String,
    _ x: OperatorCase.Input,
    _ scale: Tensor,
    _ zeroPoint: Tensor? = nil,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    var inputs: [OperatorCase.Input] = [x, .constant(scale)]
    if let zeroPoint { inputs.append(.constant(zeroPoint)) }
    return OperatorCase(operatorType, name, attributes: attributes, inputs: inputs, tolerance: 0)
}

private let special: [Float] = [
    0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e-30, 300, -300, 1e30, -1e30, .infinity, -.infinity, .nan, 127.5,
]

private let quantizeCases: [OperatorCase] = [
    linear("QuantizeLinear", "uint8", floats([3, 7, 13]), Tensor(scalar: Float(0.02)), Tensor(scalar: UInt8(120))),
    linear("QuantizeLinear", "int8", floats([2, 5, 7]), Tensor(scalar: Float(0.03)), Tensor(scalar: Int8(-3))),
    linear("QuantizeLinear", "without a zero point", floats([37], 0...9), Tensor(scalar: Float(0.05))),
    linear(
        "QuantizeLinear",
        "one element of scale",
        floats([4, 33]),
        Tensor(vector: [Float(0.1)]),
        Tensor(vector: [Int8(5)])
    ),
    linear(
        "QuantizeLinear",
        "ties, infinities, NaN to int8",
        given([16], special),
        Tensor(scalar: Float(1)),
        Tensor(scalar: Int8(0))
    ),
    linear(
        "QuantizeLinear",
        "ties, infinities, NaN to uint8",
        given([16], special),
        Tensor(scalar: Float(1)),
        Tensor(scalar: UInt8(7))
    ),
    linear(
        "QuantizeLinear",
        "saturation",
        floats([5, 33], -100...100),
        Tensor(scalar: Float(0.1)),
        Tensor(scalar: Int8(9))
    ),
    linear(
        "QuantizeLinear",
        "int16",
        floats([3, 17], -99...99),
        Tensor(scalar: Float(0.002)),
        Tensor(scalar: Int16(300))
    ),
    linear(
        "QuantizeLinear",
        "uint16",
        floats([3, 17], -9...99),
        Tensor(scalar: Float(0.002)),
        Tensor(scalar: UInt16(4000))
    ),
    linear(
        "QuantizeLinear",
        "axis 1",
        floats([2, 3, 5, 7]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, 128, 255] as [UInt8])
    ),
    linear(
        "QuantizeLinear",
        "axis 0",
        floats([3, 35]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, -8, 12] as [Int8]),
        attributes: ["axis": .int(0)]
    ),
    linear(
        "QuantizeLinear",
        "last axis",
        floats([9, 3]),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        attributes: ["axis": .int(-1), "output_dtype": .int(3)]
    ),
    linear(
        "QuantizeLinear",
        "blocks",
        floats([4, 6]),
        tensor([2, 6], (1...12).map { Float($0) / 50 }),
        tensor([2, 6], (0..<12).map { Int8($0) }),
        attributes: ["axis": .int(0), "block_size": .int(2)]
    ),
    linear(
        "QuantizeLinear",
        "int32",
        random(.int32, [5, 7], -900...900),
        Tensor(scalar: Float(3)),
        Tensor(scalar: Int8(1))
    ),
    linear(
        "QuantizeLinear",
        "to int4",
        floats([5, 7]),
        Tensor(scalar: Float(0.4)),
        attributes: ["output_dtype": .int(22)]
    ),
    linear(
        "QuantizeLinear",
        "to float8e4m3fn",
        floats([5, 7]),
        Tensor(scalar: Float(0.4)),
        attributes: ["output_dtype": .int(17)]
    ),
    linear("QuantizeLinear", "empty", floats([0, 7]), Tensor(scalar: Float(0.4))),
]

private let dequantizeCases: [OperatorCase] = [
    linear(
        "DequantizeLinear",
        "uint8",
        bytes([3, 7, 13], .uint8),
        Tensor(scalar: Float(0.02)),
        Tensor(scalar: UInt8(120))
    ),
    linear("DequantizeLinear", "int8", bytes([2, 5, 7], .int8), Tensor(scalar: Float(0.03)), Tensor(scalar: Int8(-3))),
    linear("DequantizeLinear", "without a zero point", bytes([37], .int8), Tensor(scalar: Float(0.05))),
    linear("DequantizeLinear", "int32", random(.int32, [19], -1e6...1e6), Tensor(scalar: Float(0.01))),
    linear(
        "DequantizeLinear",
        "uint16",
        random(.uint16, [19], 0...65535),
        Tensor(scalar: Float(0.01)),
        Tensor(scalar: UInt16(9))
    ),
    linear(
        "DequantizeLinear",
        "axis 1",
        bytes([2, 3, 5, 7], .uint8),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        Tensor(vector: [0, 128, 255] as [UInt8])
    ),
    linear(
        "DequantizeLinear",
        "axis 0 of weights",
        bytes([3, 2, 3, 3], .int8),
        Tensor(vector: [0.01, 0.02, 0.03] as [Float]),
        attributes: ["axis": .int(0)]
    ),
    linear(
        "DequantizeLinear",
        "blocks",
        bytes([4, 6], .int8),
        tensor([2, 6], (1...12).map { Float($0) / 50 }),
        tensor([2, 6], (0..<12).map { Int8($0) }),
        attributes: ["axis": .int(0), "block_size": .int(2)]
    ),
    linear("DequantizeLinear", "empty", bytes([0, 7], .int8), Tensor(scalar: Float(0.4))),
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
    inputs zeroPoints: [OperatorCase.Input] = [],
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    var inputs: [OperatorCase.Input] = [bytes(x, types.0), bytes(w, types.1)] + zeroPoints
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
    convInteger(
        "zero point at run time",
        [1, 5, 9, 7],
        [7, 5, 3, 3],
        inputs: [given([], [UInt8(117)])],
        attributes: padded
    ),
    convInteger(
        "signed zero point at run time, stride 2",
        [2, 17, 11, 9],
        [33, 17, 3, 3],
        types: (.int8, .int8),
        inputs: [given([1], [Int8(-117)])],
        attributes: ["strides": .ints([2, 2]), "pads": .ints([1, 0, 1, 2])]
    ),
    convInteger("1x1 with a zero point at run time", [2, 16, 7, 5], [24, 16, 1, 1], inputs: [given([], [UInt8(3)])]),
    convInteger(
        "depthwise with a zero point at run time",
        [1, 24, 9, 9],
        [24, 1, 3, 3],
        inputs: [given([], [UInt8(200)])],
        attributes: padded.merging(["group": .int(24)]) { $1 }
    ),
    convInteger(
        "both zero points at run time",
        [1, 6, 9, 9],
        [4, 6, 3, 3],
        types: (.uint8, .uint8),
        inputs: [given([], [UInt8(20)]), given([4], [3, 255, 0, 128] as [UInt8])],
        attributes: padded
    ),
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
    matMulInteger("a row by a batch", [7], [3, 7, 4]),
    matMulInteger("a batch by a column", [2, 5, 7], [7]),
    matMulInteger("a matrix by a batch", [5, 33], [3, 33, 17], types: (.int8, .int8)),
    matMulInteger("a batch by a matrix", [3, 2, 5, 33], [33, 17], zeroPoints: [given([1], [UInt8(9)])]),
    matMulInteger("batches that repeat along each other", [2, 1, 5, 7], [1, 3, 7, 19]),
    matMulInteger("three axes of a batch", [2, 3, 2, 5, 7], [2, 3, 2, 7, 4]),
    matMulInteger(
        "heads",
        [1, 12, 33, 32],
        [1, 12, 32, 33],
        types: (.uint8, .uint8),
        zeroPoints: [given([], [UInt8(121)]), given([1], [UInt8(130)])]
    ),
    matMulInteger(
        "a batch with a zero point a column",
        [2, 4, 9],
        [2, 9, 5],
        types: (.int8, .uint8),
        zeroPoints: [given([], [Int8(-77)]), given([5], [0, 1, 128, 200, 255] as [UInt8])]
    ),
    matMulInteger("large", [129, 300], [300, 257], zeroPoints: [given([], [UInt8(1)])]),
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

private let qLinearConvCases: [OperatorCase] =
    knownQLinearConvCases
    + knownQLinearConvCases.filter { ["3x3", "1x1", "zero points a channel", "depthwise"].contains($0.name) }
    .map(\.atRunTime)

private let knownQLinearConvCases: [OperatorCase] = [
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

private let qLinearMatMulCases: [OperatorCase] =
    [
        ("5x7x13", [5, 7], [7, 13], 1, ElementType.uint8), ("columns", [33, 65], [65, 17], 17, .int8),
        ("batch", [2, 3, 5, 7], [3, 7, 4], 1, .int8), ("one row", [1, 129], [129, 33], 33, .uint8),
        ("vector", [7], [7, 5], 1, .uint8), ("heads", [2, 3, 17, 16], [2, 3, 16, 17], 1, .uint8),
        ("a matrix by a batch", [5, 33], [3, 33, 19], 19, .int8),
    ].flatMap { (name, a: [Int], b: [Int], columns: Int, type: ElementType) in
        let known = OperatorCase(
            "QLinearMatMul",
            name,
            inputs: [
                bytes(a, type), .constant(Tensor(scalar: Float(0.5))), .constant(narrow(type, [100])), bytes(b, .int8),
                .constant(scales(columns, 0.002)), .constant(narrow(.int8, [Double](repeating: 0, count: columns))),
                .constant(Tensor(scalar: Float(0.7))), .constant(narrow(type, [3])),
            ],
            tolerance: 0
        )
        return [known, known.atRunTime]
    } + [
        OperatorCase(
            "QLinearMatMul",
            "scales a row and a column",
            inputs: [
                bytes([3, 7], .uint8), given([3], [0.5, 0.25, 0.75] as [Float]), given([], [UInt8(100)]),
                bytes([7, 5], .int8), .given(scales(5, 0.002)), given([5], [1, -3, 0, 7, -128] as [Int8]),
                given([], [Float(0.7)]), given([], [UInt8(3)]),
            ],
            tolerance: 0
        )
    ]

extension OperatorCase {
    /// The case with operands that are not known before the run.
    fileprivate var atRunTime: OperatorCase {
        var result = self
        result.name += " at run time"
        result.inputs = inputs.map { if case .constant(let tensor) = $0 { .given(tensor) } else { $0 } }
        return result
    }
}
