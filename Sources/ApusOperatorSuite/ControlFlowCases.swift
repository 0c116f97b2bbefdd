import ApusGraph
import ApusTensor

/// The cases of control flow, sequences and optionals.
package let controlFlowCases: [OperatorCase] = ifCases + loopCases + scanCases + sequenceCases + optionalCases

/// A body that a closure fills.
private func body(
    inputs: [(String, TensorType)] = [],
    _ fill: (inout Graph, [ValueID]) -> [ValueID]
) -> AttributeValue {
    var graph = Graph(name: "body")
    let formal = inputs.map { name, type in
        graph.addInput(name, type: .tensor(type.elementType, type.shape.map { .known($0) }))
    }
    graph.outputs = fill(&graph, formal)
    return .graph(Subgraph(graph: graph, captures: []))
}

private func constantBody(_ tensor: Tensor) -> AttributeValue {
    body { graph, _ in [graph.addConstant("value", .tensor(tensor))] }
}

private let vector = TensorType(.float32, [3])

private let ifCases: [OperatorCase] =
    [true, false].flatMap { flag in
        [([Int](), [5]), ([1], [5, 7])].map { condition, shape in
            OperatorCase(
                "If",
                "\(flag)\(condition)",
                attributes: [
                    "then_branch": constantBody(tensor([2], [Float(1), 2])),
                    "else_branch": constantBody(tensor(shape, [Float](repeating: 3, count: shape.reduce(1, *)))),
                ],
                inputs: [.given(bools(condition, [flag]))],
                tolerance: 0
            )
        }
    } + [
        OperatorCase(
            "If",
            "a constant condition, two outputs",
            attributes: [
                "then_branch": body { graph, _ in
                    let a = graph.addConstant("a", .tensor(Tensor(scalar: Float(4))))
                    return [a, graph.addNode("Sqrt", inputs: [a], outputNames: ["b"])[0]]
                },
                "else_branch": body { graph, _ in
                    let a = graph.addConstant("a", .tensor(Tensor(scalar: Float(9))))
                    return [a, a]
                },
            ],
            inputs: [.constant(bools([], [true]))],
            outputCount: 2,
            tolerance: 0
        )
    ]

/// Adds the iteration number to the carried vector and collects its square; goes on while the sum is small.
private func loopBody(limit: Float) -> AttributeValue {
    body(inputs: [("i", TensorType(.int64, [])), ("going", TensorType(.bool, [])), ("x", vector)]) { graph, formal in
        let number = graph.addNode("Cast", inputs: [formal[0]], attributes: ["to": .int(1)], outputNames: ["number"])[0]
        let sum = graph.addNode("Add", inputs: [formal[2], number], outputNames: ["sum"])[0]
        let square = graph.addNode("Mul", inputs: [sum, sum], outputNames: ["square"])[0]
        graph[square].type = .tensor(.float32, [.known(3)])
        let bound = graph.addConstant("bound", .tensor(Tensor(scalar: limit)))
        let going = graph.addNode("Less", inputs: [number, bound], outputNames: ["next"])[0]
        return [going, sum, square]
    }
}

private let loopCases: [OperatorCase] = [
    ("counted", knownScalar(5), OperatorCase.Input.omitted, Float(100)),
    ("both", knownScalar(7), .given(bools([], [true])), 3),
    ("while", .omitted, .given(bools([], [true])), 4),
    ("never", .omitted, .given(bools([], [false])), 4),
    ("zero times", given([], [Int64(0)]), .given(bools([1], [true])), 4),
].map { name, count, condition, limit in
    OperatorCase(
        "Loop",
        name,
        attributes: ["body": loopBody(limit: limit)],
        inputs: [count, condition, floats([3])],
        outputCount: 2
    )
}

private let scanBody = body(inputs: [("state", vector), ("x", vector)]) { graph, formal in
    let sum = graph.addNode("Add", inputs: [formal[0], formal[1]], outputNames: ["sum"])[0]
    graph[sum].type = .tensor(.float32, [.known(3)])
    return [sum, sum]
}

private let scanCases: [OperatorCase] = [
    ("forward", [5, 3], [String: AttributeValue]()),
    ("backward", [5, 3], ["scan_input_directions": .ints([1])]),
    ("reversed output", [5, 3], ["scan_output_directions": .ints([1])]),
    ("axes", [3, 7], ["scan_input_axes": .ints([-1]), "scan_output_axes": .ints([1])]),
    ("empty", [0, 3], [:]),
    ("one", [1, 3], [:]),
].map { name, shape, attributes in
    OperatorCase(
        "Scan",
        name,
        attributes: attributes.merging(["body": scanBody, "num_scan_inputs": .int(1)]) { first, _ in first },
        inputs: [floats([3]), floats(shape)],
        outputCount: 2
    )
}

private func sequence(_ shapes: [[Int]]) -> OperatorCase.Input {
    .value(
        .sequence(
            shapes.enumerated().map { index, shape in
                .tensor(tensor(shape, (0..<shape.reduce(1, *)).map { Float($0 + 10 * index) }))
            }
        )
    )
}

private let ragged: [[Int]] = [[5], [2, 3], [], [0, 7]]
private let rows: [[Int]] = [[2, 3], [2, 3], [2, 3]]

private func exact(
    _ operatorType: String,
    _ name: String,
    _ attributes: [String: AttributeValue] = [:],
    _ inputs: [OperatorCase.Input]
) -> OperatorCase {
    OperatorCase(operatorType, name, attributes: attributes, inputs: inputs, tolerance: 0)
}

private let sequenceCases: [OperatorCase] =
    [[], [[1]], [[5], [7]], [[2, 3], [], [0, 3]], rows].map { shapes in
        exact("SequenceConstruct", "\(shapes)", [:], shapes.map { floats($0) })
    }
    + [1, 6, 7, 9, 10].map { code in
        exact("SequenceEmpty", "type \(code)", ["dtype": .int(code)], [])
    }
    + [0, 1, 3, -1, -4].flatMap { (position: Int64) in
        [
            exact("SequenceAt", "\(position)", [:], [sequence(ragged), knownScalar(position)]),
            exact("SequenceErase", "\(position)", [:], [sequence(ragged), knownScalar(position)]),
            exact("SequenceInsert", "\(position)", [:], [sequence(ragged), floats([7]), knownScalar(position)]),
        ]
    }
    + [
        exact("SequenceErase", "last", [:], [sequence(ragged)]),
        exact("SequenceInsert", "at the end", [:], [sequence([]), floats([7])]),
    ]
    + [[], [[1]], ragged, rows, [[5], [5]]].map { shapes in
        exact("SequenceLength", "\(shapes.count) of \(shapes.first ?? [])", [:], [sequence(shapes)])
    }
    + [(0, 0), (1, 0), (-1, 0), (0, 1), (1, 1), (-1, 1)].map { (axis: Int64, isNew: Int64) in
        exact(
            "ConcatFromSequence",
            "\(axis) \(isNew)",
            ["axis": .int(axis), "new_axis": .int(isNew)],
            [sequence(rows)]
        )
    }
    + [
        exact("SplitToSequence", "elements", [:], [floats([5, 3])]),
        exact("SplitToSequence", "without the axis", ["keepdims": .int(0), "axis": .int(-1)], [floats([5, 3])]),
        exact("SplitToSequence", "pairs", [:], [floats([5, 3]), knownScalar(2)]),
        exact("SplitToSequence", "parts", ["axis": .int(1)], [floats([5, 7]), known([2, 0, 5])]),
        exact("SplitToSequence", "empty", [:], [floats([0, 3])]),
    ]

private let optionals: [(String, OperatorCase.Input)] = [
    ("tensor", floats([5])),
    ("scalar", floats([])),
    ("optional tensor", .value(.optional(.tensor(Tensor(vector: [Float(1), 2]))))),
    ("sequence", sequence(ragged)),
    ("optional sequence", .value(.optional(.sequence([.tensor(Tensor(scalar: Float(1)))])))),
]

private let optionalCases: [OperatorCase] =
    ["OptionalHasElement", "OptionalGetElement", "Optional"].flatMap { name in
        optionals.map { kind, input in exact(name, kind, [:], [input]) }
    } + [
        exact("OptionalHasElement", "nothing", [:], []),
        exact("OptionalHasElement", "empty", [:], [.value(.optional(nil))]),
    ]
