import ApusGraph
import ApusOperators
import ApusTensor

/// The formula that quantizes a result again.
private func requantization(_ zeroPoint: Double, _ type: ElementType) -> Epilogue {
    Epilogue(
        expression: PointwiseExpression.input(0).quantized(zeroPoint: zeroPoint, to: type),
        inputCount: 0
    )
}

private func multipliers(_ count: Int, _ scale: Float) -> OperatorCase.Input {
    .constant(Tensor(vector: (0..<count).map { scale * (1 + Float($0 % 7) / 8) }))
}

private func integers(_ type: ElementType, _ values: [Double]?) -> OperatorCase.Input {
    values.map { .constant(narrow(type, $0)) } ?? .omitted
}

private func conv(
    _ name: String,
    _ x: [Int],
    _ w: [Int],
    types: (ElementType, ElementType) = (.uint8, .int8),
    zeroPoint: Double? = nil,
    weightZeroPoint: [Double]? = nil,
    perChannel: Bool = true,
    scale: Float = 1.0 / 65536,
    bias: Bool = true,
    group: Int64 = 1,
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    extra: [OperatorCase.Input] = [],
    epilogue: Epilogue? = requantization(3, .int8)
) -> OperatorCase {
    return OperatorCase(
        "QuantizedConv",
        name,
        domain: "apus",
        attributes: windowAttributes(strides: strides, pads: pads, dilations: dilations, group: group),
        inputs: [
            bytes(x, types.0), .constant(constantBytes(w, types.1)), multipliers(perChannel ? w[0] : 1, scale),
            bias ? .constant(constantBias(w[0])) : .omitted, integers(types.0, zeroPoint.map { [$0] }),
            integers(types.1, weightZeroPoint),
        ] + extra,
        epilogue: epilogue,
        tolerance: 0
    )
}

/// Bytes over the whole range of their type, the same on every machine.
private func constantBytes(_ shape: [Int], _ type: ElementType) -> Tensor {
    var generator = SeededGenerator(seed: 7)
    return Tensor(TensorType(type, shape)) { bytes in
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: generator.next() >> 32) }
    }
}

private func constantBias(_ count: Int) -> Tensor {
    Tensor(vector: (0..<count).map { Int32($0 * 7919 % 20011) - 10000 })
}

private let residual: Epilogue = {
    let other = PointwiseExpression.cast(.float32, .input(1)) - .constant(11)
    let sum = PointwiseExpression.input(0) + (other * .constant(0.375)).roundedToFloat32
    return Epilogue(expression: sum.roundedToFloat32.quantized(zeroPoint: 120, to: .uint8), inputCount: 1)
}()

/// A residual that is added to sums which are quantized on their own before, as a model with Q/DQ writes it.
private func residualOfQuantized(_ first: ElementType, _ type: ElementType, zeroPoint: Double) -> Epilogue {
    let bytes = PointwiseExpression.input(0).quantized(zeroPoint: zeroPoint, to: first)
    let sums = PointwiseExpression.cast(.float32, bytes) - .constant(zeroPoint)
    let other = PointwiseExpression.cast(.float32, .input(1)) - .constant(-7)
    let sum = (other * .constant(0.8125)).roundedToFloat32 + (sums * .constant(1.1)).roundedToFloat32
    return Epilogue(expression: sum.roundedToFloat32.quantized(zeroPoint: 3, to: type), inputCount: 1)
}

let quantizedConvCases: [OperatorCase] = [
    conv("1x1", [1, 13, 7, 5], [16, 13, 1, 1], zeroPoint: 100),
    conv("1x1 wide", [1, 64, 28, 28], [96, 64, 1, 1], zeroPoint: 3),
    conv("1x1 stride 2", [1, 16, 13, 13], [24, 16, 1, 1], zeroPoint: 9, strides: [2, 2]),
    conv("3x3", [1, 5, 13, 7], [7, 5, 3, 3], zeroPoint: 117, pads: [1, 1, 1, 1]),
    conv("3x3 batch", [2, 16, 14, 14], [32, 16, 3, 3], zeroPoint: 128, pads: [1, 1, 1, 1]),
    conv("3x3 stride 2", [1, 16, 15, 15], [32, 16, 3, 3], zeroPoint: 1, strides: [2, 2], pads: [1, 1, 1, 1]),
    conv("3x3 signed", [1, 32, 14, 14], [64, 32, 3, 3], types: (.int8, .int8), zeroPoint: -5, pads: [1, 1, 1, 1]),
    conv("3x3 symmetric", [1, 32, 14, 14], [64, 32, 3, 3], types: (.int8, .int8), pads: [1, 1, 1, 1]),
    conv("3x3 deep", [1, 128, 14, 14], [128, 128, 3, 3], zeroPoint: 90, scale: 1e-6, pads: [1, 1, 1, 1]),
    conv("3x3 dilation 2", [1, 6, 13, 13], [10, 6, 3, 3], zeroPoint: 9, pads: [2, 2, 2, 2], dilations: [2, 2]),
    conv(
        "7x7 on three channels",
        [1, 3, 29, 31],
        [16, 3, 7, 7],
        zeroPoint: 33,
        strides: [2, 2],
        pads: [3, 3, 3, 3]
    ),
    conv("groups", [1, 8, 11, 9], [12, 2, 3, 3], zeroPoint: 77, group: 4, pads: [1, 1, 1, 1]),
    conv("ragged groups", [1, 30, 9, 9], [20, 15, 3, 3], zeroPoint: 77, group: 2, pads: [1, 1, 1, 1]),
    conv("depthwise", [1, 40, 13, 11], [40, 1, 3, 3], zeroPoint: 7, scale: 0.001, group: 40, pads: [1, 1, 1, 1]),
    conv(
        "depthwise signed stride 2",
        [2, 32, 13, 11],
        [32, 1, 3, 3],
        types: (.int8, .int8),
        zeroPoint: -7,
        scale: 0.001,
        group: 32,
        strides: [2, 2],
        pads: [1, 1, 1, 1]
    ),
    conv(
        "depthwise 5x5 zero points",
        [1, 16, 9, 9],
        [16, 1, 5, 5],
        types: (.uint8, .uint8),
        zeroPoint: 7,
        weightZeroPoint: [100],
        scale: 0.001,
        group: 16,
        pads: [2, 2, 2, 2]
    ),
    conv("one axis", [2, 16, 29], [24, 16, 3], zeroPoint: 2, pads: [1, 1]),
    conv("three axes", [1, 6, 5, 7, 6], [9, 6, 3, 3, 3], zeroPoint: 2, pads: [1, 1, 1, 1, 1, 1]),
    conv("one multiplier", [1, 13, 7, 5], [16, 13, 1, 1], perChannel: false, bias: false),
    conv(
        "unsigned weights",
        [1, 16, 9, 9],
        [24, 16, 3, 3],
        types: (.uint8, .uint8),
        zeroPoint: 3,
        weightZeroPoint: [128],
        pads: [1, 1, 1, 1]
    ),
    conv(
        "zero points a channel",
        [1, 7, 9, 9],
        [4, 7, 3, 3],
        types: (.int8, .uint8),
        zeroPoint: 5,
        weightZeroPoint: [0, 128, 99, 255],
        pads: [1, 1, 1, 1]
    ),
    conv(
        "in float32",
        [1, 16, 9, 9],
        [24, 16, 3, 3],
        zeroPoint: 3,
        pads: [1, 1, 1, 1],
        epilogue: nil
    ),
    conv(
        "residual of bytes",
        [1, 16, 9, 9],
        [24, 16, 3, 3],
        zeroPoint: 3,
        pads: [1, 1, 1, 1],
        extra: [bytes([1, 24, 9, 9], .uint8)],
        epilogue: residual
    ),
    conv(
        "residual of quantized sums",
        [1, 64, 14, 14],
        [256, 64, 1, 1],
        zeroPoint: 90,
        extra: [bytes([1, 256, 14, 14], .uint8)],
        epilogue: residualOfQuantized(.uint8, .uint8, zeroPoint: 117)
    ),
    conv(
        "ragged residual of quantized sums",
        [2, 12, 9, 15],
        [37, 12, 1, 1],
        types: (.int8, .int8),
        zeroPoint: -3,
        scale: 0.001,
        extra: [bytes([2, 37, 9, 15], .int8)],
        epilogue: residualOfQuantized(.int8, .int8, zeroPoint: -11)
    ),
    conv(
        "depthwise with a residual",
        [1, 40, 13, 11],
        [40, 1, 3, 3],
        zeroPoint: 7,
        scale: 0.001,
        group: 40,
        pads: [1, 1, 1, 1],
        extra: [bytes([1, 40, 13, 11], .uint8)],
        epilogue: residualOfQuantized(.uint8, .int8, zeroPoint: 100)
    ),
    conv("blocks of tiles", [1, 16, 30, 29], [72, 16, 3, 3], zeroPoint: 3, pads: [1, 1, 1, 1]),
    conv("blocks of groups", [1, 20, 28, 28], [80, 10, 1, 1], zeroPoint: 3, group: 2),
    conv("7x7 on one channel", [1, 1, 33, 35], [40, 1, 7, 7], zeroPoint: 33, pads: [3, 3, 3, 3]),
    conv(
        "7x7 map",
        [1, 64, 7, 7],
        [128, 64, 3, 3],
        zeroPoint: 3,
        pads: [1, 1, 1, 1],
        epilogue: requantization(9, .uint8)
    ),
    conv("3x3 at run time", [1, 5, 9, 7], [24, 5, 3, 3], pads: [1, 1, 1, 1], epilogue: nil).givenInput(117, 0.7),
    conv(
        "depthwise at run time",
        [1, 24, 9, 9],
        [24, 1, 3, 3],
        types: (.int8, .int8),
        scale: 0.001,
        group: 24,
        pads: [1, 1, 1, 1]
    ).givenInput(-9, 0.5),
]

extension OperatorCase {
    /// The case with a zero point and a scale of the input that arrive during the run.
    fileprivate func givenInput(_ zeroPoint: Double, _ scale: Float) -> OperatorCase {
        var result = self
        if case .random(let type, _) = inputs[0] { result.inputs[4] = .given(narrow(type.elementType, [zeroPoint])) }
        result.inputs.append(.given(Tensor(vector: [scale])))
        return result
    }
}

private func matMul(
    _ name: String,
    _ a: [Int],
    _ b: [Int],
    transB: Bool = false,
    types: (ElementType, ElementType) = (.uint8, .int8),
    zeroPoint: Double? = nil,
    weightZeroPoint: [Double]? = nil,
    scale: Float = 1.0 / 65536,
    bias: Bool = true,
    epilogue: Epilogue? = requantization(3, .int8)
) -> OperatorCase {
    let columns = b[transB ? 0 : b.count - 1]
    return OperatorCase(
        "QuantizedMatMul",
        name,
        domain: "apus",
        attributes: ["transB": .int(transB ? 1 : 0)],
        inputs: [
            bytes(a, types.0), .constant(constantBytes(b, types.1)), multipliers(columns, scale),
            bias ? .constant(constantBias(columns)) : .omitted, integers(types.0, zeroPoint.map { [$0] }),
            integers(types.1, weightZeroPoint),
        ],
        epilogue: epilogue,
        tolerance: 0
    )
}

let quantizedMatMulCases: [OperatorCase] = [
    matMul("5x7x13", [5, 7], [7, 13], zeroPoint: 100),
    matMul("one row", [1, 128], [10, 128], transB: true, zeroPoint: 3),
    matMul("one row, long sum", [1, 2048], [1000, 2048], transB: true, zeroPoint: 3, scale: 1e-6),
    matMul("33x65x129", [33, 65], [65, 129], types: (.int8, .int8), zeroPoint: -3),
    matMul("batch", [2, 3, 5, 16], [16, 24], zeroPoint: 8, epilogue: requantization(100, .uint8)),
    matMul(
        "zero points",
        [7, 37],
        [37, 5],
        types: (.int8, .uint8),
        zeroPoint: 8,
        weightZeroPoint: [1, 2, 128, 200, 255]
    ),
    matMul("in float32", [4, 64], [32, 64], transB: true, bias: false, epilogue: nil),
    matMul("one column", [19, 37], [37, 1], zeroPoint: 8),
    matMul("heads", [2, 3, 17, 16], [2, 3, 16, 19], zeroPoint: 8),
    matMul("a matrix by a batch", [5, 33], [3, 33, 17], zeroPoint: 8, weightZeroPoint: [3], bias: false),
    matMul("a batch in float32", [2, 1, 5, 33], [1, 3, 33, 17], types: (.int8, .int8), bias: false, epilogue: nil),
    matMul("a row", [33], [33, 20], zeroPoint: 8),
    matMul("zero point and scale at run time", [5, 37], [37, 20], bias: false, epilogue: nil).givenInput(77, 0.375),
    matMul("a batch at run time", [2, 5, 37], [2, 37, 7], types: (.int8, .uint8), epilogue: nil).givenInput(-7, 1.3),
    matMul("at run time to bytes", [19, 64], [64, 32]).givenInput(9, 0.75),
]

let quantizedPoolCases: [OperatorCase] = [
    ("7x7", [1, 64, 7, 7], ElementType.uint8, 3.0), ("ragged", [2, 13, 5, 9], .int8, -7),
    ("one axis", [1, 20, 31], .int8, 0), ("three axes", [1, 5, 3, 4, 5], .uint8, 250),
    ("wide", [1, 33, 1, 257], .uint8, 0),
].map { (name, shape: [Int], type: ElementType, zeroPoint: Double) in
    OperatorCase(
        "QuantizedGlobalAveragePool",
        name,
        domain: "apus",
        inputs: [bytes(shape, type), multipliers(1, 1.25), integers(type, [zeroPoint])],
        epilogue: requantization(1, type),
        tolerance: 0
    )
}
