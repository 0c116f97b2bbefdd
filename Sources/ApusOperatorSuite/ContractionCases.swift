import ApusGraph
import ApusTensor

/// The cases of the contraction operators.
package let contractionCases: [OperatorCase] = matMulCases + gemmCases + einsumCases

/// Sums of more than 500 products in float32 lose about half a bit for each doubling.
private let longSum = 5e-6

private func matMul(
    _ name: String,
    _ a: [Int],
    _ b: [Int],
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1,
    tolerance: Double = 1e-6,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    OperatorCase(
        "MatMul",
        name,
        inputs: [.uniform(a, type, in: range), .uniform(b, type, in: range)] + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: tolerance
    )
}

private let matMulCases: [OperatorCase] = [
    matMul("5x7x13", [5, 7], [7, 13]),
    matMul("one element", [1, 1], [1, 1]),
    matMul("one row", [1, 37], [37, 19]),
    matMul("one column", [19, 37], [37, 1]),
    matMul("outer product", [13, 1], [1, 17]),
    matMul("64x64x64", [64, 64], [64, 64]),
    matMul("33x65x129", [33, 65], [65, 129]),
    matMul("long sum", [7, 2051], [2051, 5], tolerance: longSum),
    matMul("one row, long sum", [1, 1280], [1280, 100], tolerance: longSum),
    matMul("vector times matrix", [7], [7, 5]),
    matMul("matrix times vector", [5, 7], [7]),
    matMul("vector times vector", [13], [13]),
    matMul("vector times batch", [7], [3, 7, 5]),
    matMul("batch times vector", [3, 5, 7], [7]),
    matMul("batch", [3, 5, 7], [3, 7, 4]),
    matMul("batch of heads", [2, 3, 17, 16], [2, 3, 16, 17]),
    matMul("batch times matrix", [2, 3, 5, 7], [7, 11]),
    matMul("matrix times batch", [5, 7], [4, 7, 6]),
    matMul("both batches broadcast", [2, 1, 5, 7], [1, 3, 7, 4]),
    matMul("ranks differ", [3, 5, 7], [2, 3, 7, 4]),
    matMul("empty batch", [0, 5, 7], [0, 7, 4]),
    matMul("empty rows", [0, 7], [7, 4]),
    matMul("empty sum", [5, 0], [0, 4], tolerance: 0),
    matMul("float64", [13, 37], [37, 11], type: .float64, tolerance: 1e-12),
    matMul("float16", [16, 48], [48, 24], type: .float16, tolerance: halfRounding),
    matMul("bfloat16", [16, 48], [48, 24], type: .bfloat16, tolerance: bfloatRounding),
    matMul("int32", [5, 7], [7, 9], type: .int32, range: -100...100, tolerance: 0),
    matMul("int64", [2, 5, 7], [7, 9], type: .int64, range: -100_000...100_000, tolerance: 0),
    matMul("uint32 wraps", [5, 7], [7, 9], type: .uint32, range: 0...4e9, tolerance: 0),
    matMul(
        "+ bias + gelu",
        [2, 7, 16],
        [16, 24],
        extra: [.uniform([24])],
        epilogue: .gelu(.input(0) + .input(1))
    ),
    matMul(
        "+ bias + residual",
        [1, 17, 16],
        [16, 13],
        extra: [.uniform([13]), .uniform([1, 17, 13])],
        epilogue: .input(0) + .input(1) + .input(2)
    ),
    matMul(
        "batch + scale + mask",
        [2, 3, 7, 8],
        [2, 3, 8, 7],
        extra: [.uniform([2, 1, 1, 7])],
        epilogue: .input(0) * .constant(0.125) + .input(1)
    ),
    matMul("one row + relu", [1, 37], [37, 19], extra: [.uniform([19])], epilogue: .relu(.input(0) + .input(1))),
]

private func gemm(
    _ name: String,
    _ a: [Int],
    _ b: [Int],
    _ c: [Int]? = nil,
    transA: Bool = false,
    transB: Bool = false,
    alpha: Float? = nil,
    beta: Float? = nil,
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1,
    tolerance: Double = 1e-6,
    extra: [OperatorCase.Input] = [],
    epilogue: PointwiseExpression? = nil
) -> OperatorCase {
    var attributes: [String: AttributeValue] = ["transA": .int(transA ? 1 : 0), "transB": .int(transB ? 1 : 0)]
    attributes["alpha"] = alpha.map { .float($0) }
    attributes["beta"] = beta.map { .float($0) }
    var inputs: [OperatorCase.Input] = [.uniform(a, type, in: range), .uniform(b, type, in: range)]
    if let c { inputs.append(.uniform(c, type, in: range)) } else if !extra.isEmpty { inputs.append(.omitted) }
    return OperatorCase(
        "Gemm",
        name,
        attributes: attributes,
        inputs: inputs + extra,
        epilogue: epilogue.map { Epilogue(expression: $0, inputCount: extra.count) },
        tolerance: tolerance
    )
}

private let gemmCases: [OperatorCase] = [
    gemm("plain", [5, 7], [7, 13]),
    gemm("A transposed", [7, 5], [7, 13], transA: true),
    gemm("B transposed", [5, 7], [13, 7], transB: true),
    gemm("both transposed", [7, 5], [13, 7], transA: true, transB: true),
    gemm("33x65x129", [33, 65], [129, 65], [129], transB: true),
    gemm("C vector", [5, 7], [7, 13], [13]),
    gemm("C row", [5, 7], [7, 13], [1, 13]),
    gemm("C column", [5, 7], [7, 13], [5, 1]),
    gemm("C matrix", [5, 7], [7, 13], [5, 13], alpha: 0.5, beta: 2),
    gemm("C scalar", [5, 7], [7, 13], [], beta: -1.5),
    gemm("C of one element", [5, 7], [7, 13], [1]),
    gemm("alpha 0", [5, 7], [7, 13], [13], alpha: 0),
    gemm("beta 0", [5, 7], [7, 13], [13], beta: 0),
    gemm("all flags", [7, 5], [13, 7], [5, 13], transA: true, transB: true, alpha: 0.25, beta: 0.35),
    gemm("one row", [1, 128], [10, 128], [10], transB: true),
    gemm("one row, long sum", [1, 1280], [101, 1280], [101], transB: true, tolerance: longSum),
    gemm("batch 5, long sum", [5, 2048], [67, 2048], [67], transB: true, tolerance: longSum),
    gemm("64x64x64", [64, 64], [64, 64], [64, 64]),
    gemm("empty batch", [0, 7], [7, 13], [13]),
    gemm("empty sum", [3, 0], [0, 5], [5]),
    gemm("float64", [5, 7], [7, 13], [13], type: .float64, tolerance: 1e-12),
    gemm("float16", [8, 32], [24, 32], [24], transB: true, type: .float16, tolerance: halfRounding),
    gemm("int32", [5, 7], [7, 9], [9], type: .int32, range: -100...100, tolerance: 0),
    gemm("+ relu", [3, 16], [13, 16], [13], transB: true, epilogue: .relu(.input(0))),
    gemm("+ bias + gelu", [7, 16], [16, 24], extra: [.uniform([24])], epilogue: .gelu(.input(0) + .input(1))),
    gemm(
        "+ residual + tanh",
        [5, 9],
        [9, 11],
        [11],
        extra: [.uniform([5, 11])],
        epilogue: .unary(.tanh, .input(0) + .input(1))
    ),
]

private func einsum(
    _ equation: String,
    _ shapes: [Int]...,
    type: ElementType = .float32,
    range: ClosedRange<Double> = -1...1,
    tolerance: Double = 1e-6
) -> OperatorCase {
    OperatorCase(
        "Einsum",
        "\(equation) \(type)",
        attributes: ["equation": .string(Array(equation.utf8))],
        inputs: shapes.map { .uniform($0, type, in: range) },
        tolerance: tolerance
    )
}

private let einsumCases: [OperatorCase] = [
    einsum("bij, bjk -> bik", [2, 5, 7], [2, 7, 3]),
    einsum("bhqd,bhkd->bhqk", [2, 3, 5, 4], [2, 3, 7, 4]),
    einsum("i,i", [13], [13]),
    einsum("ij->ji", [5, 7]),
    einsum("ij->i", [5, 7]),
    einsum("...ii->...i", [3, 5, 5]),
    einsum("...ij,...jk", [4, 1, 3, 5], [2, 5, 2]),
    einsum("a,b,c->abc", [3], [5], [2]),
    einsum("ij,jk->ik", [3, 4], [4, 5], type: .int32, range: -9...9, tolerance: 0),
]
