import ApusGraph
import ApusTensor

/// The cases of the pointwise operators.
package let pointwiseCases: [OperatorCase] =
    unaryRows.flatMap(unaryCases) + activationRows.flatMap(activationCases) + binaryRows.flatMap(binaryCases)
    + variadicCases + selectionCases + castCases + passingCases

private let ragged: [[Int]] = [[5, 7, 13], [1], [], [0, 3], [2, 1, 7, 3]]

private let unaryRows: [(name: String, types: [ElementType], range: ClosedRange<Double>)] = [
    ("Abs", [.float32, .float16, .int8, .int32, .int64, .uint8], -9...9),
    ("Neg", [.float32, .float16, .int8, .int32, .int64], -9...9),
    ("Exp", [.float32, .float16], -4...4),
    ("Log", [.float32, .float16], 0.05...9),
    ("Sqrt", [.float32, .float16], 0...9),
    ("Reciprocal", [.float32, .float16], 0.2...5),
    ("Sin", [.float32, .float16], -7...7),
    ("Cos", [.float32, .float16], -7...7),
    ("Tan", [.float32], -1.2...1.2),
    ("Asin", [.float32], -0.95...0.95),
    ("Acos", [.float32], -0.95...0.95),
    ("Atan", [.float32], -5...5),
    ("Sinh", [.float32], -3...3),
    ("Cosh", [.float32], -3...3),
    ("Tanh", [.float32, .float16, .bfloat16], -3...3),
    ("Asinh", [.float32], -5...5),
    ("Acosh", [.float32], 1.1...9),
    ("Atanh", [.float32], -0.9...0.9),
    ("Erf", [.float32, .float16], -3...3),
    ("Floor", [.float32, .float16], -9...9),
    ("Ceil", [.float32, .float16], -9...9),
    ("Round", [.float32, .float16], -9...9),
    ("Sign", [.float32, .int32, .uint8], -3...3),
    ("Not", [.bool], 0...1),
    ("BitwiseNot", [.uint8, .int32, .int64], 0...100),
    ("IsNaN", [.float32, .float16], -3...3),
]

private func unaryCases(_ row: (name: String, types: [ElementType], range: ClosedRange<Double>)) -> [OperatorCase] {
    let first = ragged.map { (row.types[0], $0) }
    let further = row.types.dropFirst().map { ($0, [5, 13]) }
    let exact = ["Abs", "Neg", "Floor", "Ceil", "Round", "Sign", "IsNaN"].contains(row.name)
    return (first + further).map { type, shape in
        OperatorCase(
            row.name,
            "\(type)\(shape)",
            inputs: [random(type, shape, row.range)],
            tolerance: exact ? 0 : tolerance(type)
        )
    }
}

private let activationRows: [(name: String, attributes: [String: AttributeValue])] = [
    ("Relu", [:]),
    ("LeakyRelu", ["alpha": .float(0.2)]),
    ("ThresholdedRelu", ["alpha": .float(0.7)]),
    ("Elu", ["alpha": .float(1.5)]),
    ("Celu", ["alpha": .float(2)]),
    ("Selu", ["alpha": .float(1.5), "gamma": .float(1.1)]),
    ("Sigmoid", [:]),
    ("HardSigmoid", ["alpha": .float(0.3), "beta": .float(0.4)]),
    ("HardSwish", [:]),
    ("Softplus", [:]),
    ("Softsign", [:]),
    ("Mish", [:]),
    ("Swish", ["alpha": .float(1.7)]),
    ("Gelu", ["approximate": .string(Array("tanh".utf8))]),
    ("Shrink", ["lambd": .float(1.5), "bias": .float(0.5)]),
]

private func activationCases(_ row: (name: String, attributes: [String: AttributeValue])) -> [OperatorCase] {
    let plain = ragged.map { shape in
        OperatorCase(row.name, "float32\(shape)", inputs: [floats(shape, -4...4)])
    }
    let halves = OperatorCase(
        row.name,
        "float16",
        inputs: [random(.float16, [7, 13], -4...4)],
        tolerance: tolerance(.float16)
    )
    guard !row.attributes.isEmpty else { return plain + [halves] }
    let tuned = OperatorCase(row.name, "attributes", attributes: row.attributes, inputs: [floats([5, 13], -4...4)])
    return plain + [halves, tuned]
}

private let binaryShapes: [([Int], [Int])] = [
    ([5, 7, 13], [5, 7, 13]), ([5, 7, 13], [13]), ([5, 1, 13], [7, 1]), ([], [3, 5]), ([0, 3], [1, 3]), ([1], [1]),
]

private let binaryRows: [(name: String, types: [ElementType], left: ClosedRange<Double>, right: ClosedRange<Double>)] =
    [
        ("Add", [.float32, .float16, .int32, .int64, .uint8], -9...9, -9...9),
        ("Sub", [.float32, .float16, .int32, .int64, .uint8], -9...9, -9...9),
        ("Mul", [.float32, .float16, .int32, .int64, .uint8], -9...9, -9...9),
        ("Div", [.float32, .float16, .int32, .int64, .uint8], -40...40, 1...9),
        ("Pow", [.float32, .int32], 0.2...3, 0...3),
        ("Mod", [.int32, .int64, .int8, .uint8], -40...40, 1...9),
        ("And", [.bool], 0...1, 0...1),
        ("Or", [.bool], 0...1, 0...1),
        ("Xor", [.bool], 0...1, 0...1),
        ("BitwiseAnd", [.int32, .uint8, .int64], 0...100, 0...100),
        ("BitwiseOr", [.int32, .uint8, .int64], 0...100, 0...100),
        ("BitwiseXor", [.int32, .uint8, .int64], 0...100, 0...100),
        ("Equal", [.int32, .int64, .uint8, .bool, .float32], 0...3, 0...3),
        ("Less", [.float32, .int32, .int64, .uint8], -3...3, -3...3),
        ("LessOrEqual", [.int32, .float32, .int64], -3...3, -3...3),
        ("Greater", [.float32, .int32, .int64, .uint8], -3...3, -3...3),
        ("GreaterOrEqual", [.int32, .float32, .int64], -3...3, -3...3),
    ]

private func binaryCases(
    _ row: (name: String, types: [ElementType], left: ClosedRange<Double>, right: ClosedRange<Double>)
) -> [OperatorCase] {
    let first = binaryShapes.map { (row.types[0], $0) }
    let further = row.types.dropFirst().map { ($0, ([5, 13], [5, 1])) }
    return (first + further).map { type, shapes in
        let isComparison = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"].contains(row.name)
        return OperatorCase(
            row.name,
            "\(type)\(shapes.0)\(shapes.1)",
            inputs: [random(type, shapes.0, row.left), random(type, shapes.1, row.right)],
            tolerance: isComparison ? 0 : tolerance(type)
        )
    }
}

private let variadicCases: [OperatorCase] =
    ["Sum", "Mean", "Min", "Max"].flatMap { name in
        [
            OperatorCase(name, "one", inputs: [floats([5, 7])]),
            OperatorCase(name, "two", inputs: [floats([5, 7]), floats([7])]),
            OperatorCase(name, "four", inputs: [floats([5, 1, 7]), floats([3, 1]), floats([]), floats([1, 1, 7])]),
            OperatorCase(name, "empty", inputs: [floats([0, 3]), floats([3])]),
            OperatorCase(name, "scalars", inputs: [floats([]), floats([]), floats([])]),
            OperatorCase(
                name,
                "float16",
                inputs: [random(.float16, [13]), random(.float16, [5, 1])],
                tolerance: tolerance(.float16)
            ),
        ]
    }
    + ["Min", "Max"].flatMap { name in
        [ElementType.int32, .int64, .uint8].map { type in
            OperatorCase(
                name,
                "\(type)",
                inputs: [random(type, [5, 7], 0...100), random(type, [7], 0...100)],
                tolerance: 0
            )
        }
    }

private let infinities: [Float] = [.infinity, -.infinity, .nan, 0, -0.0, 3.5, -1e30]

private let selectionCases: [OperatorCase] =
    [
        OperatorCase(
            "Where",
            "same shape",
            inputs: [random(.bool, [5, 7]), floats([5, 7]), floats([5, 7])],
            tolerance: 0
        ),
        OperatorCase("Where", "broadcast", inputs: [random(.bool, [7]), floats([5, 1]), floats([])], tolerance: 0),
        OperatorCase("Where", "scalars", inputs: [random(.bool, []), floats([]), floats([])], tolerance: 0),
        OperatorCase("Where", "empty", inputs: [random(.bool, [0, 1]), floats([3]), floats([])], tolerance: 0),
        OperatorCase(
            "Where",
            "int64",
            inputs: [random(.bool, [5, 1, 3]), random(.int64, [7, 1], -9...9), random(.int64, [3], -9...9)],
            tolerance: 0
        ),
        OperatorCase(
            "Where",
            "bool",
            inputs: [random(.bool, [13]), random(.bool, [13], 0...1), random(.bool, [1], 0...1)],
            tolerance: 0
        ),

        OperatorCase(
            "Clip",
            "both",
            inputs: [floats([5, 7, 13]), floats([], -1 ... -1), floats([], 1...1)],
            tolerance: 0
        ),
        OperatorCase("Clip", "minimum", inputs: [floats([5, 7]), floats([], 0...0)], tolerance: 0),
        OperatorCase("Clip", "maximum", inputs: [floats([5, 7]), .omitted, floats([], 0...0)], tolerance: 0),
        OperatorCase("Clip", "neither", inputs: [floats([5, 7])], tolerance: 0),
        OperatorCase(
            "Clip",
            "constants",
            inputs: [floats([13]), .constant(Tensor(scalar: Float(0))), .constant(Tensor(scalar: Float(6)))],
            tolerance: 0
        ),
        OperatorCase(
            "Clip",
            "int32",
            inputs: [random(.int32, [13], -9...9), given([], [Int32(-2)]), given([], [Int32(4)])],
            tolerance: 0
        ),
        OperatorCase(
            "Clip",
            "minimum above maximum",
            inputs: [floats([13]), given([], [Float(2)]), given([], [Float(1)])]
        ),
        OperatorCase("Clip", "empty", inputs: [floats([0]), given([], [Float(0)])], tolerance: 0),

        OperatorCase("PRelu", "same shape", inputs: [floats([5, 7]), floats([5, 7])]),
        OperatorCase("PRelu", "channels", inputs: [floats([2, 5, 3, 7]), floats([5, 1, 1])]),
        OperatorCase("PRelu", "scalar slope", inputs: [floats([5, 7]), floats([1])]),
        OperatorCase("PRelu", "scalars", inputs: [floats([]), floats([])]),
        OperatorCase("PRelu", "empty", inputs: [floats([0, 7]), floats([7])]),
        OperatorCase(
            "PRelu",
            "int32",
            inputs: [random(.int32, [5, 7], -9...9), random(.int32, [7], -9...9)],
            tolerance: 0
        ),

        OperatorCase(
            "Mod",
            "floats",
            attributes: ["fmod": .int(1)],
            inputs: [floats([5, 7], -9...9), floats([7], 0.5...4)]
        ),
        OperatorCase(
            "Mod",
            "negative divisors",
            inputs: [random(.int32, [5, 7], -9...9), random(.int32, [7], -5 ... -0.5)],
            tolerance: 0
        ),
        OperatorCase(
            "Pow",
            "float to integer powers",
            inputs: [floats([5, 7]), random(.int64, [7], 0...4)]
        ),
        OperatorCase(
            "Gelu",
            "float16 tanh",
            attributes: ["approximate": .string(Array("tanh".utf8))],
            inputs: [random(.float16, [13])],
            tolerance: tolerance(.float16)
        ),
    ]
    + [("both", 1, 1), ("positive", 0, 1), ("negative", 1, 0), ("neither", 0, 0)].map { name, negative, positive in
        OperatorCase(
            "IsInf",
            name,
            attributes: ["detect_negative": .int(negative), "detect_positive": .int(positive)],
            inputs: [given([7], infinities)],
            tolerance: 0
        )
    }
    + [
        OperatorCase("IsInf", "empty", inputs: [floats([0, 3])], tolerance: 0),
        OperatorCase("IsInf", "scalar", inputs: [given([], [Float.infinity])], tolerance: 0),
        OperatorCase("IsNaN", "specials", inputs: [given([7], infinities)], tolerance: 0),
    ]
    + ["LEFT", "RIGHT"].flatMap { direction in
        [ElementType.uint8, .uint16, .uint32, .uint64].map { type in
            OperatorCase(
                "BitShift",
                "\(direction) \(type)",
                attributes: ["direction": .string(Array(direction.utf8))],
                inputs: [random(type, [5, 7], 0...200), random(type, [7], 0...9)],
                tolerance: 0
            )
        }
    }

private let castPairs: [(ElementType, ElementType)] = [
    (.float32, .float16), (.float16, .float32), (.float32, .int32), (.float32, .uint8), (.float32, .int64),
    (.float32, .bool), (.bool, .float32), (.int64, .int32), (.int32, .float32), (.int32, .int8), (.uint8, .float32),
    (.float32, .bfloat16), (.bfloat16, .float32), (.int64, .float32), (.bool, .int64), (.float32, .float64),
]

private let castCases: [OperatorCase] =
    castPairs.map { source, target in
        OperatorCase(
            "Cast",
            "\(source) to \(target)",
            attributes: ["to": .int(Int64(target.rawValue))],
            inputs: [
                random(source, [5, 13], source.isUnsignedInteger || target.isUnsignedInteger ? 0...200 : -100...100)
            ],
            tolerance: 0
        )
    }
    + [ElementType.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .int4, .uint4, .float4e2m1].map {
        type in
        OperatorCase(
            "Cast",
            "float32 to \(type)",
            attributes: ["to": .int(Int64(type.rawValue))],
            inputs: [floats([5, 7], 0...7)],
            tolerance: 0
        )
    }
    + [[Int](), [0, 3], [1]].map { shape in
        OperatorCase("Cast", "\(shape)", attributes: ["to": .int(7)], inputs: [floats(shape)], tolerance: 0)
    }
    + [ElementType.float16, .int32, .uint8, .bool, .float64].map { type in
        OperatorCase(
            "CastLike",
            "float32 to \(type)",
            inputs: [floats([5, 7], 0...9), random(type, [1], 0...1)],
            tolerance: 0
        )
    }
    + [
        (ElementType.float32, ElementType.int32), (.int32, .uint32), (.float16, .uint16), (.int64, .float64),
        (.int8, .uint8),
    ].map { source, target in
        OperatorCase(
            "BitCast",
            "\(source) to \(target)",
            attributes: ["to": .int(Int64(target.rawValue))],
            inputs: [random(source, [5, 7], 1...9)],
            tolerance: 0
        )
    }

private let passingCases: [OperatorCase] =
    ragged.flatMap { shape in
        [
            OperatorCase("Identity", "float32\(shape)", inputs: [floats(shape)], tolerance: 0),
            OperatorCase("Dropout", "float32\(shape)", inputs: [floats(shape)], tolerance: 0),
        ]
    } + [
        OperatorCase("Identity", "int64", inputs: [random(.int64, [5, 7])], tolerance: 0),
        OperatorCase("Identity", "bool", inputs: [random(.bool, [5, 7])], tolerance: 0),
        OperatorCase("Dropout", "mask", inputs: [floats([5, 7])], outputCount: 2, tolerance: 0),
        OperatorCase(
            "Dropout",
            "inference",
            inputs: [floats([5, 7]), .constant(Tensor(scalar: Float(0.5))), .constant(bools([], [false]))],
            tolerance: 0
        ),
        OperatorCase(
            "Pointwise",
            "x * sigmoid(x) + y",
            domain: "apus",
            attributes: [
                "expression": .expression(
                    .input(0) * (.constant(1) / (.constant(1) + .unary(.exp, .unary(.negate, .input(0))))) + .input(1)
                )
            ],
            inputs: [floats([5, 7]), floats([7])]
        ),
        OperatorCase(
            "Pointwise",
            "select",
            domain: "apus",
            attributes: [
                "expression": .expression(
                    .select(.binary(.less, .input(0), .input(1)), .constant(1), .unary(.sqrt, .input(0)))
                )
            ],
            inputs: [floats([5, 7], 0...4), floats([5, 1], 0...4)]
        ),
        OperatorCase(
            "Pointwise",
            "casts",
            domain: "apus",
            attributes: ["expression": .expression(.cast(.float32, .input(0)) * .input(1))],
            inputs: [random(.int32, [13], -9...9), floats([5, 1])]
        ),
        OperatorCase(
            "Pointwise",
            "float16",
            domain: "apus",
            attributes: ["expression": .expression(.maximum(.input(0) + .input(1), .constant(0)))],
            inputs: [random(.float16, [5, 7]), random(.float16, [7])],
            tolerance: tolerance(.float16)
        ),
        OperatorCase(
            "Pointwise",
            "scalar and empty",
            domain: "apus",
            attributes: ["expression": .expression(.input(0) - .input(1))],
            inputs: [floats([]), floats([0, 3])]
        ),
    ]
