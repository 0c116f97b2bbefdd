import ApusGraph
import ApusTensor

/// The cases of operators that carry a state from step to step.
package let cacheCases: [OperatorCase] = tensorScatterCases + causalConvCases

private func scatter(
    _ name: String,
    _ cache: OperatorCase.Input,
    _ update: OperatorCase.Input,
    _ indices: [Int64]? = nil,
    attributes: [String: AttributeValue] = [:]
) -> OperatorCase {
    OperatorCase(
        "TensorScatter",
        name,
        attributes: attributes,
        inputs: [cache, update] + (indices.map { [.given(Tensor(vector: $0))] } ?? []),
        tolerance: 0
    )
}

private let tensorScatterCases: [OperatorCase] = [
    scatter("from the start", floats([2, 3, 7, 5]), floats([2, 3, 2, 5])),
    scatter("at places", floats([2, 3, 7, 5]), floats([2, 3, 2, 5]), [5, 1]),
    scatter(
        "circular",
        floats([3, 4, 5]),
        floats([3, 3, 5]),
        [3, 1, 2],
        attributes: ["mode": .string(Array("circular".utf8))]
    ),
    scatter("last axis", floats([2, 3, 7]), floats([2, 3, 4]), [0, 3], attributes: ["axis": .int(-1)]),
    scatter("int8", random(.int8, [2, 6, 3], -9...9), random(.int8, [2, 1, 3], -9...9), [5, 0]),
    scatter("nothing new", floats([2, 4, 3]), floats([2, 0, 3])),
]

private func causalConv(
    _ name: String,
    channels: Int,
    length: Int,
    kernel: Int,
    bias: Bool = false,
    past: Bool = false,
    activation: String? = nil,
    type: ElementType = .float32
) -> OperatorCase {
    OperatorCase(
        "CausalConvWithState",
        name,
        attributes: activation.map { ["activation": .string(Array($0.utf8))] } ?? [:],
        inputs: [
            .uniform([2, channels, length], type), .uniform([channels, 1, kernel], type),
            bias ? .uniform([channels], type) : .omitted,
            past ? .uniform([2, channels, kernel - 1], type) : .omitted,
        ],
        outputCount: 2,
        tolerance: tolerance(type)
    )
}

private let causalConvCases: [OperatorCase] = [
    causalConv("kernel 4", channels: 5, length: 13, kernel: 4),
    causalConv("bias and past", channels: 7, length: 9, kernel: 3, bias: true, past: true),
    causalConv("silu", channels: 3, length: 5, kernel: 4, bias: true, activation: "silu"),
    causalConv("one step", channels: 4, length: 1, kernel: 4, past: true),
    causalConv("kernel 1", channels: 2, length: 7, kernel: 1),
    causalConv("float16", channels: 2, length: 7, kernel: 3, type: .float16),
]
