import ApusGraph
import ApusTensor

/// The cases of the attention operators.
package let attentionCases: [OperatorCase] = scaledCases + packedCases + placedCases + rotaryCases + linearCases

/// Scores, exponentials and weighted sums each lose a few units in the last place.
private let attentionRounding = 2e-6

private func attention(
    _ name: String,
    _ q: [Int],
    _ k: [Int],
    _ v: [Int]? = nil,
    further: [OperatorCase.Input] = [],
    attributes: [String: AttributeValue] = [:],
    type: ElementType = .float32,
    outputCount: Int = 1,
    tolerance: Double = attentionRounding
) -> OperatorCase {
    OperatorCase(
        "Attention",
        name,
        attributes: attributes,
        inputs: [
            .uniform(q, type, in: -2...2), .uniform(k, type, in: -2...2), .uniform(v ?? k, type, in: -2...2),
        ] + further,
        outputCount: outputCount,
        tolerance: tolerance
    )
}

private let scaledCases: [OperatorCase] =
    [
        attention("one head", [1, 1, 5, 8], [1, 1, 7, 8]),
        attention("one query and one key", [1, 2, 1, 16], [1, 2, 1, 16]),
        attention("heads", [2, 3, 17, 32], [2, 3, 33, 32]),
        attention("more keys than a block", [1, 2, 9, 16], [1, 2, 700, 16]),
        attention("sizes of heads differ", [1, 2, 11, 40], [1, 2, 13, 40], [1, 2, 13, 24]),
        attention("ragged sizes", [1, 2, 13, 5], [1, 2, 19, 5], [1, 2, 19, 7]),
        attention("large heads", [1, 1, 6, 128], [1, 1, 50, 128]),
        attention("shared key heads", [1, 6, 10, 16], [1, 2, 12, 16]),
        attention("one key head", [2, 4, 3, 16], [2, 1, 20, 16]),
        attention("scale", [1, 2, 5, 8], [1, 2, 7, 8], attributes: ["scale": .float(0.1)]),
        attention("softcap", [1, 2, 5, 8], [1, 2, 7, 8], attributes: ["softcap": .float(2)]),
        attention("causal", [1, 2, 21, 16], [1, 2, 21, 16], attributes: ["is_causal": .int(1)]),
        attention("causal, more than a block", [1, 1, 300, 16], [1, 1, 300, 16], attributes: ["is_causal": .int(1)]),
        attention("mask", [2, 2, 9, 16], [2, 2, 20, 16], further: [.uniform([9, 20])]),
        attention("mask a batch item", [2, 2, 9, 16], [2, 2, 20, 16], further: [.uniform([2, 1, 1, 20])]),
        attention(
            "mask of bools",
            [1, 2, 3, 8],
            [1, 2, 18, 8],
            further: [.given(bools([1, 18], (0..<18).map { $0 % 3 != 1 }))]
        ),
        attention("short mask", [1, 2, 5, 8], [1, 2, 20, 8], further: [.uniform([5, 17])]),
        attention(
            "past and present",
            [1, 2, 3, 8],
            [1, 2, 3, 8],
            further: [.omitted, .uniform([1, 2, 5, 8]), .uniform([1, 2, 5, 8])],
            attributes: ["is_causal": .int(1)],
            outputCount: 3
        ),
        attention(
            "valid keys",
            [2, 2, 4, 8],
            [2, 2, 20, 8],
            further: [.omitted, .omitted, .omitted, .given(Tensor(vector: [Int64(7), 20]))]
        ),
        attention(
            "scores",
            [1, 2, 4, 8],
            [1, 2, 6, 8],
            further: [.uniform([4, 6])],
            attributes: ["qk_matmul_output_mode": .int(2)],
            outputCount: 4
        ),
        attention("empty batch", [0, 2, 4, 8], [0, 2, 6, 8]),
    ] + [ElementType.float16, .bfloat16].flatMap(narrowCases)

/// Storage of 16 bits; sizes that are no pairs.
private func narrowCases(_ type: ElementType) -> [OperatorCase] {
    func narrow(
        _ name: String,
        _ q: [Int],
        _ k: [Int],
        _ v: [Int]? = nil,
        further: [OperatorCase.Input] = [],
        attributes: [String: AttributeValue] = [:],
        outputCount: Int = 1
    ) -> OperatorCase {
        attention(
            "\(type), \(name)",
            q,
            k,
            v,
            further: further,
            attributes: attributes,
            type: type,
            outputCount: outputCount,
            tolerance: tolerance(type) / 4
        )
    }
    return [
        narrow("small", [1, 2, 5, 8], [1, 2, 7, 8]),
        narrow("heads", [2, 3, 17, 32], [2, 3, 33, 32]),
        narrow("wide heads", [1, 2, 20, 64], [1, 2, 197, 64]),
        narrow("more keys than a block", [1, 2, 9, 16], [1, 2, 301, 16]),
        narrow("ragged sizes", [1, 2, 13, 5], [1, 2, 19, 5], [1, 2, 19, 7]),
        narrow("causal", [1, 2, 21, 16], [1, 2, 21, 16], attributes: ["is_causal": .int(1)]),
        narrow("mask", [2, 2, 9, 16], [2, 2, 20, 16], further: [.uniform([9, 20])]),
        narrow(
            "past and present",
            [1, 2, 3, 8],
            [1, 2, 3, 8],
            further: [.omitted, .uniform([1, 2, 5, 8], type), .uniform([1, 2, 5, 8], type)],
            attributes: ["is_causal": .int(1)],
            outputCount: 3
        ),
    ]
}

private let packedCases: [OperatorCase] = [
    attention(
        "packed heads",
        [2, 17, 96],
        [2, 17, 96],
        attributes: ["q_num_heads": .int(3), "kv_num_heads": .int(3)]
    ),
    attention(
        "packed heads, shared keys, causal",
        [1, 9, 64],
        [1, 9, 32],
        attributes: ["q_num_heads": .int(4), "kv_num_heads": .int(2), "is_causal": .int(1)]
    ),
    attention(
        "packed heads, past and present",
        [1, 2, 32],
        [1, 2, 32],
        further: [.uniform([2, 7]), .uniform([1, 2, 5, 16]), .uniform([1, 2, 5, 16])],
        attributes: ["q_num_heads": .int(2), "kv_num_heads": .int(2)],
        outputCount: 3
    ),
]

private func placed(
    _ name: String,
    _ inputs: [OperatorCase.Input],
    extents: [Int64],
    query: [Int64],
    key: [Int64],
    value: [Int64],
    result: [Int64],
    shape: [Int64],
    scale: Float = 0.25
) -> OperatorCase {
    OperatorCase(
        "Attention",
        name,
        domain: "apus",
        attributes: [
            "extents": .ints(extents), "query": .ints(query), "key": .ints(key), "value": .ints(value),
            "result": .ints(result), "shape": .ints(shape), "scale": .float(scale),
        ],
        inputs: inputs,
        tolerance: attentionRounding
    )
}

private let placedCases: [OperatorCase] = [
    placed(
        "apart",
        [.uniform([1, 2, 5, 16]), .uniform([1, 2, 7, 16]), .uniform([1, 2, 7, 16])],
        extents: [1, 2, 2, 5, 7, 16, 16],
        query: [0, 160, 80, 16, 1],
        key: [0, 224, 112, 16, 1],
        value: [0, 224, 112, 16, 1],
        result: [0, 160, 80, 16, 1],
        shape: [1, 2, 5, 16]
    ),
    placed(
        "heads side by side",
        [.uniform([2, 9, 48]), .uniform([2, 11, 48]), .uniform([2, 11, 48])],
        extents: [2, 3, 3, 9, 11, 16, 16],
        query: [0, 432, 16, 48, 1],
        key: [0, 528, 16, 48, 1],
        value: [0, 528, 16, 48, 1],
        result: [0, 432, 16, 48, 1],
        shape: [2, 9, 48]
    ),
    placed(
        "positions before the batch",
        [.uniform([6, 2, 96]), .uniform([6, 2, 96]), .uniform([6, 2, 96]), .uniform([2, 1, 1, 6])],
        extents: [2, 2, 2, 6, 6, 16, 16],
        query: [0, 96, 16, 192, 1],
        key: [32, 96, 16, 192, 1],
        value: [64, 96, 16, 192, 1],
        result: [0, 32, 16, 64, 1],
        shape: [6, 2, 32]
    ),
    placed(
        "one position",
        [.uniform([1, 1, 32]), .uniform([1, 1, 32]), .uniform([1, 1, 32])],
        extents: [1, 2, 2, 1, 1, 16, 16],
        query: [0, 32, 16, 32, 1],
        key: [0, 32, 16, 32, 1],
        value: [0, 32, 16, 32, 1],
        result: [0, 32, 16, 32, 1],
        shape: [1, 1, 32]
    ),
    placed(
        "masked by bools",
        [
            .uniform([1, 4, 20]), .uniform([1, 18, 20]), .uniform([1, 18, 20]),
            .given(bools([1, 1, 1, 18], (0..<18).map { $0 < 13 })),
        ],
        extents: [1, 4, 4, 4, 18, 5, 5],
        query: [0, 80, 5, 20, 1],
        key: [0, 360, 5, 20, 1],
        value: [0, 360, 5, 20, 1],
        result: [0, 80, 5, 20, 1],
        shape: [1, 4, 20]
    ),
]

private func rotary(
    _ name: String,
    _ x: [Int],
    _ table: [Int],
    positions: [Int64]? = nil,
    attributes: [String: AttributeValue] = [:],
    type: ElementType = .float32,
    tolerance: Double = 1e-6
) -> OperatorCase {
    let batch = x.count == 4 ? [x[0], x[2]] : [x[0], x[1]]
    return OperatorCase(
        "RotaryEmbedding",
        name,
        attributes: attributes,
        inputs: [.uniform(x, type), .uniform(table, type), .uniform(table, type)]
            + (positions.map { [given(batch, $0)] } ?? []),
        tolerance: tolerance
    )
}

private let rotaryCases: [OperatorCase] = [
    rotary("halves", [2, 3, 5, 8], [2, 5, 4]),
    rotary("positions", [1, 2, 4, 16], [9, 8], positions: [8, 0, 3, 3]),
    rotary("interleaved", [1, 2, 4, 8], [1, 4, 4], attributes: ["interleaved": .int(1)]),
    rotary("part of the features", [1, 2, 4, 12], [1, 4, 4], attributes: ["rotary_embedding_dim": .int(8)]),
    rotary(
        "packed heads, interleaved, part",
        [2, 3, 36],
        [7, 4],
        positions: [0, 1, 2, 4, 5, 6],
        attributes: ["num_heads": .int(3), "interleaved": .int(1), "rotary_embedding_dim": .int(8)]
    ),
    rotary("packed heads", [2, 7, 64], [2, 7, 16], attributes: ["num_heads": .int(2)]),
    rotary("float16", [1, 2, 4, 8], [1, 4, 4], type: .float16, tolerance: tolerance(.float16)),
]

private func linear(
    _ name: String,
    rule: String,
    heads: (query: Int, key: Int) = (2, 2),
    steps: Int = 5,
    past: Bool = false,
    decay: Int? = nil,
    beta: Int? = nil
) -> OperatorCase {
    let (size, width) = (4, 6)
    func rates(_ count: Int?, _ range: ClosedRange<Double>) -> OperatorCase.Input {
        count.map { .uniform([2, steps, $0], .float32, in: range) } ?? .omitted
    }
    return OperatorCase(
        "LinearAttention",
        name,
        attributes: [
            "update_rule": .string(Array(rule.utf8)), "q_num_heads": .int(Int64(heads.query)),
            "kv_num_heads": .int(Int64(heads.key)),
        ],
        inputs: [
            .uniform([2, steps, heads.query * size]), .uniform([2, steps, heads.key * size], .float32, in: -0.5...0.5),
            .uniform([2, steps, heads.key * width]), past ? .uniform([2, heads.key, size, width]) : .omitted,
            rates(decay, -1...0), rates(beta, 0...1),
        ],
        outputCount: 2
    )
}

private let linearCases: [OperatorCase] = [
    linear("linear", rule: "linear"),
    linear("past", rule: "linear", steps: 1, past: true),
    linear("gated", rule: "gated", decay: 2),
    linear("gated by feature", rule: "gated", past: true, decay: 8),
    linear("delta", rule: "delta", beta: 2),
    linear("gated delta, shared key head", rule: "gated_delta", heads: (4, 1), past: true, decay: 4, beta: 1),
]
