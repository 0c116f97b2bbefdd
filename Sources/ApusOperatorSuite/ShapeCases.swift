import ApusGraph
import ApusTensor

/// The cases of the shape operators.
package let shapeCases: [OperatorCase] =
    shapeReadingCases + reshapingCases + transposingCases + slicingCases + paddingCases + gatheringCases
    + scatteringCases + generatingCases + orderingCases + resizeCases

/// A case without arithmetic: equal bits are asked for.
private func exact(
    _ operatorType: String,
    _ name: String,
    _ attributes: [String: AttributeValue] = [:],
    _ inputs: [OperatorCase.Input],
    outputs: Int = 1
) -> OperatorCase {
    OperatorCase(operatorType, name, attributes: attributes, inputs: inputs, outputCount: outputs, tolerance: 0)
}

private func text(_ value: String) -> AttributeValue { .string(Array(value.utf8)) }

private let shapeReadingCases: [OperatorCase] = [
    exact("Shape", "rank 3", [:], [floats([5, 7, 13])]),
    exact("Shape", "scalar", [:], [floats([])]),
    exact("Shape", "empty", [:], [floats([0, 3])]),
    exact("Shape", "start", ["start": .int(-2)], [floats([5, 7, 13])]),
    exact("Shape", "end", ["start": .int(1), "end": .int(-1)], [floats([5, 7, 13, 2])]),
    exact("Shape", "out of range", ["start": .int(-9), "end": .int(9)], [random(.int32, [5, 7])]),
    exact("Shape", "crossed", ["start": .int(2), "end": .int(1)], [floats([5, 7, 13])]),
    exact("Size", "rank 3", [:], [floats([5, 7, 13])]),
    exact("Size", "scalar", [:], [floats([])]),
    exact("Size", "empty", [:], [floats([0, 3])]),
    exact("Size", "bool", [:], [random(.bool, [5, 7])]),
    exact("Size", "one", [:], [random(.int64, [1, 1])]),
]

private let reshapingCases: [OperatorCase] = [
    exact("Reshape", "flat", [:], [floats([5, 7, 13]), known([-1])]),
    exact("Reshape", "copied extent", [:], [floats([5, 7, 13]), known([0, 13, -1])]),
    exact("Reshape", "to scalar", [:], [floats([1]), known([])]),
    exact("Reshape", "empty", [:], [floats([0, 3]), known([0, 3, 1])]),
    exact("Reshape", "zero", ["allowzero": .int(1)], [floats([0, 3]), known([7, 0])]),
    exact("Reshape", "empty with free extent", [:], [floats([0, 3]), known([-1, 3])]),
    exact("Reshape", "int4", [:], [.given(int4([3, 5])), known([5, 3])]),
    exact("Flatten", "default", [:], [floats([5, 7, 13])]),
    exact("Flatten", "axis 0", ["axis": .int(0)], [floats([5, 7, 13])]),
    exact("Flatten", "axis rank", ["axis": .int(3)], [floats([5, 7, 13])]),
    exact("Flatten", "negative axis", ["axis": .int(-1)], [floats([5, 7, 13])]),
    exact("Flatten", "scalar", ["axis": .int(0)], [floats([])]),
    exact("Flatten", "empty", [:], [floats([5, 0, 3])]),
    exact("Squeeze", "all", [:], [floats([1, 5, 1, 7])]),
    exact("Squeeze", "axes", [:], [floats([1, 5, 1, 7]), known([2])]),
    exact("Squeeze", "negative axes", [:], [floats([1, 5, 1]), known([-1, 0])]),
    exact("Squeeze", "to scalar", [:], [floats([1, 1])]),
    exact("Squeeze", "empty", [:], [floats([0, 1]), known([1])]),
    exact("Unsqueeze", "front", [:], [floats([5, 7]), known([0])]),
    exact("Unsqueeze", "several", [:], [floats([5, 7]), known([1, 3])]),
    exact("Unsqueeze", "negative", [:], [floats([5, 7]), known([-1, 0])]),
    exact("Unsqueeze", "scalar", [:], [floats([]), known([0])]),
    exact("Unsqueeze", "empty", [:], [random(.int64, [0]), known([0])]),
]

private let transposingCases: [OperatorCase] =
    [[2, 0, 1], [0, 2, 1], [1, 0, 2], [2, 1, 0], [0, 1, 2]].map { (permutation: [Int64]) in
        exact("Transpose", "\(permutation)", ["perm": .ints(permutation)], [floats([5, 7, 13])])
    } + [
        exact("Transpose", "reversed", [:], [floats([2, 3, 5, 7])]),
        exact("Transpose", "channels last", ["perm": .ints([0, 2, 3, 1])], [floats([2, 5, 7, 3])]),
        exact("Transpose", "scalar", [:], [floats([])]),
        exact("Transpose", "empty", [:], [floats([0, 3])]),
        exact("Transpose", "int8", [:], [random(.int8, [5, 13], -9...9)]),
        exact("Transpose", "int64", [:], [random(.int64, [13, 7], -9...9)]),
        exact("Transpose", "bool", [:], [random(.bool, [5, 7])]),
        exact("Transpose", "int4", [:], [.given(int4([3, 5]))]),
        exact("DepthToSpace", "depth first", ["blocksize": .int(2)], [floats([2, 12, 5, 3])]),
        exact("DepthToSpace", "column first", ["blocksize": .int(2), "mode": text("CRD")], [floats([2, 12, 5, 3])]),
        exact("DepthToSpace", "block 3", ["blocksize": .int(3)], [floats([1, 9, 2, 7])]),
        exact("DepthToSpace", "block 1", ["blocksize": .int(1)], [floats([1, 5, 2, 3])]),
        exact("DepthToSpace", "empty", ["blocksize": .int(2)], [floats([0, 4, 5, 3])]),
        exact("SpaceToDepth", "block 2", ["blocksize": .int(2)], [floats([2, 3, 10, 6])]),
        exact("SpaceToDepth", "block 3", ["blocksize": .int(3)], [floats([1, 5, 3, 9])]),
        exact("SpaceToDepth", "block 1", ["blocksize": .int(1)], [floats([1, 5, 3, 7])]),
        exact("SpaceToDepth", "empty", ["blocksize": .int(2)], [floats([1, 3, 0, 6])]),
        exact("SpaceToDepth", "int8", ["blocksize": .int(2)], [random(.int8, [1, 3, 4, 6], -9...9)]),
        exact("Expand", "broadcast", [:], [floats([5, 1, 13]), known([7, 1])]),
        exact("Expand", "new axes", [:], [floats([13]), known([5, 7, 13])]),
        exact("Expand", "scalar", [:], [floats([]), known([3, 5])]),
        exact("Expand", "empty", [:], [floats([1, 3]), known([0, 3])]),
        exact("Expand", "same", [:], [random(.int64, [5, 7]), known([1])]),
        exact("Tile", "each axis", [:], [floats([5, 7]), known([2, 3])]),
        exact("Tile", "once", [:], [floats([5, 7]), known([1, 1])]),
        exact("Tile", "never", [:], [floats([5, 7]), known([0, 2])]),
        exact("Tile", "scalar", [:], [floats([]), known([])]),
        exact("Tile", "int64", [:], [random(.int64, [1, 3, 2], -9...9), known([5, 1, 7])]),
        exact("Trilu", "upper", [:], [floats([5, 7])]),
        exact("Trilu", "lower", ["upper": .int(0)], [floats([7, 5])]),
        exact("Trilu", "above", [:], [floats([2, 5, 5]), knownScalar(2)]),
        exact("Trilu", "below", ["upper": .int(0)], [floats([2, 5, 7]), knownScalar(-2)]),
        exact("Trilu", "far", [:], [random(.int64, [5, 7], 1...9), knownScalar(-100)]),
        exact("Trilu", "empty", [:], [floats([0, 5])]),
        exact("ReverseSequence", "time first", [:], [floats([5, 3, 2]), known([5, 1, 3])]),
        exact(
            "ReverseSequence",
            "batch first",
            ["batch_axis": .int(0), "time_axis": .int(1)],
            [floats([3, 7]), known([0, 7, 4])]
        ),
        exact("ReverseSequence", "int32", [:], [random(.int32, [7, 2], -9...9), known([3, 6])]),
        exact("ReverseSequence", "one", [:], [floats([1, 1]), known([1])]),
        exact("ReverseSequence", "lengths at run time", [:], [floats([5, 2, 3]), given([2], [Int64(2), 5])]),
    ]

private let slicingCases: [OperatorCase] = [
    exact("Concat", "axis 0", ["axis": .int(0)], [floats([5, 7]), floats([1, 7]), floats([3, 7])]),
    exact("Concat", "axis 1", ["axis": .int(1)], [floats([5, 7, 2]), floats([5, 13, 2])]),
    exact("Concat", "negative axis", ["axis": .int(-1)], [floats([5, 7]), floats([5, 1])]),
    exact("Concat", "one input", ["axis": .int(0)], [floats([5])]),
    exact("Concat", "empty part", ["axis": .int(0)], [floats([0, 3]), floats([2, 3])]),
    exact("Concat", "int64", ["axis": .int(0)], [random(.int64, [3], -9...9), known([1, 2])]),
    exact("Concat", "bool", ["axis": .int(0)], [random(.bool, [3, 5]), random(.bool, [2, 5])]),
    exact("Concat", "int4", ["axis": .int(1)], [.given(int4([3, 5])), .given(int4([3, 2]))]),
    exact("Split", "equal", ["axis": .int(1), "num_outputs": .int(2)], [floats([5, 14])], outputs: 2),
    exact("Split", "smaller last", ["num_outputs": .int(3)], [floats([7, 2])], outputs: 3),
    exact("Split", "given", ["axis": .int(-1)], [floats([5, 13]), known([6, 0, 7])], outputs: 3),
    exact("Split", "one", ["num_outputs": .int(1)], [floats([5])], outputs: 1),
    exact("Split", "int32", ["axis": .int(1)], [random(.int32, [3, 7, 2], -9...9), known([2, 5])], outputs: 2),
    exact("Split", "int4", [:], [.given(int4([5])), known([2, 3])], outputs: 2),
    exact("Slice", "front", [:], [floats([5, 7]), known([0]), known([3])]),
    exact("Slice", "axes", [:], [floats([5, 7, 13]), known([1, -4]), known([6, 100]), known([1, -1])]),
    exact("Slice", "steps", [:], [floats([13, 7]), known([1, 0]), known([12, 7]), known([0, 1]), known([3, 2])]),
    exact(
        "Slice",
        "negative steps",
        [:],
        [floats([13, 7]), known([-1, 5]), known([-100, 0]), known([0, 1]), known([-1, -2])]
    ),
    exact("Slice", "nothing", [:], [floats([5]), known([4]), known([2])]),
    exact(
        "Slice",
        "extremes",
        [:],
        [floats([5]), known([.max]), known([.min]), known([0]), known([.min])]
    ),
    exact("Slice", "int64", [:], [random(.int64, [7], -9...9), known([-3]), known([.max])]),
    exact("Slice", "int4", [:], [.given(int4([3, 5])), known([1]), known([4]), known([1])]),
]

private let paddingCases: [OperatorCase] =
    ["constant", "reflect", "edge", "wrap"].flatMap { mode in
        [
            exact("Pad", "\(mode) matrix", ["mode": text(mode)], [floats([5, 7]), known([1, 2, 3, 0])]),
            exact(
                "Pad",
                "\(mode) pixels",
                ["mode": text(mode)],
                [floats([1, 2, 5, 3]), known([0, 0, 2, 1, 0, 0, 1, 2])]
            ),
        ]
    } + [
        exact("Pad", "value", [:], [floats([5]), known([2, 3]), .constant(Tensor(scalar: Float(1.5)))]),
        exact("Pad", "axes", [:], [floats([5, 7]), known([1, 2]), .omitted, known([-1])]),
        exact("Pad", "cropped", [:], [floats([5, 7]), known([-1, 2, 0, -3])]),
        exact("Pad", "far reflection", ["mode": text("reflect")], [floats([3]), known([7, 8])]),
        exact("Pad", "far wrap", ["mode": text("wrap")], [floats([3]), known([7, 8])]),
        exact("Pad", "empty", [:], [floats([0, 2]), known([1, 0, 1, 0])]),
        exact("Pad", "scalar", [:], [floats([]), known([])]),
        exact("Pad", "int64", [:], [random(.int64, [3], 1...9), known([1, 1]), knownScalar(-7)]),
    ]

private let gatheringCases: [OperatorCase] = [
    exact("Gather", "rows", [:], [floats([5, 7]), known([4, 0, 4])]),
    exact(
        "Gather",
        "columns",
        ["axis": .int(1)],
        [floats([5, 7]), .constant(tensor([2, 2], [Int64(6), -1, 0, -7]))]
    ),
    exact("Gather", "scalar index", ["axis": .int(-1)], [floats([5, 7, 13]), knownScalar(3)]),
    exact("Gather", "at run time", [:], [floats([13, 5]), random(.int64, [2, 3], -13...12.9)]),
    exact("Gather", "int32 indices", [:], [floats([7, 2]), random(.int32, [5], 0...6.9)]),
    exact("Gather", "no indices", [:], [floats([7, 2]), known([])]),
    exact("Gather", "int64 data", [:], [known([5, 7, 13]), knownScalar(-1)]),
    exact("Gather", "int4 data", [:], [.given(int4([3, 5])), known([2, 0])]),
    exact("GatherElements", "axis 0", [:], [floats([5, 7]), random(.int64, [3, 7], -5...4.9)]),
    exact("GatherElements", "axis 1", ["axis": .int(1)], [floats([5, 7]), random(.int64, [5, 2], 0...6.9)]),
    exact("GatherElements", "smaller", ["axis": .int(-1)], [floats([5, 7, 3]), random(.int32, [2, 4, 5], 0...2.9)]),
    exact("GatherElements", "vector", [:], [random(.int64, [13]), known([12, 0, -1])]),
    exact("GatherElements", "empty", [:], [floats([5]), known([])]),
    exact("GatherND", "elements", [:], [floats([5, 7]), .constant(tensor([2, 2], [Int64(4), 0, -1, -7]))]),
    exact("GatherND", "rows", [:], [floats([5, 7]), .constant(tensor([3, 1], [Int64(4), 0, 2]))]),
    exact(
        "GatherND",
        "batches",
        ["batch_dims": .int(1)],
        [floats([2, 5, 7]), .constant(tensor([2, 1], [Int64(3), 1]))]
    ),
    exact(
        "GatherND",
        "batches of several",
        ["batch_dims": .int(1)],
        [floats([2, 5, 7, 3]), .constant(tensor([2, 2, 2], [Int64(3), 1, 0, 6, 4, -1, 2, 2]))]
    ),
    exact("GatherND", "no indices", [:], [floats([5, 7]), .constant(tensor([0, 1], [Int64]()))]),
    exact("GatherND", "int32 data", [:], [random(.int32, [5]), .constant(tensor([1], [Int64(-2)]))]),
    exact("Compress", "rows", ["axis": .int(0)], [floats([3, 5]), .constant(bools([3], [true, false, true]))]),
    exact("Compress", "columns", ["axis": .int(-1)], [floats([5, 3]), .constant(bools([2], [false, true]))]),
    exact("Compress", "elements", [:], [floats([2, 3]), .constant(bools([5], [true, false, true, true, false]))]),
    exact("Compress", "none", ["axis": .int(0)], [floats([3, 5]), .constant(bools([2], [false, false]))]),
    exact("Compress", "at run time", ["axis": .int(0)], [random(.int64, [5, 2]), random(.bool, [5])]),
]

private let scatteringCases: [OperatorCase] =
    ["none", "add", "mul", "max", "min"].flatMap { reduction in
        [
            exact(
                "ScatterElements",
                "\(reduction) rows",
                ["reduction": text(reduction), "axis": .int(1)],
                [
                    random(.int64, [3, 5], -9...9), known2([3, 2], [1, -1, 0, 4, 2, 3]),
                    random(.int64, [3, 2], -9...9),
                ]
            ),
            OperatorCase(
                "ScatterElements",
                "\(reduction) floats",
                attributes: ["reduction": text(reduction)],
                inputs: [
                    floats([5, 2]), known2([2, 2], reduction == "none" ? [1, 0, 4, 3] : [1, 0, 1, 3]), floats([2, 2]),
                ]
            ),
            exact(
                "ScatterND",
                "\(reduction) elements",
                ["reduction": text(reduction)],
                [random(.int32, [5, 7], -9...9), known2([2, 2], [1, 0, 4, -1]), random(.int32, [2], -9...9)]
            ),
            OperatorCase(
                "ScatterND",
                "\(reduction) slices",
                attributes: ["reduction": text(reduction)],
                inputs: [floats([5, 7]), known2([2, 1], reduction == "none" ? [3, -5] : [3, 3]), floats([2, 7])]
            ),
        ]
    } + [
        exact("ScatterElements", "vector", [:], [floats([7]), known([3, -1]), floats([2])]),
        exact("ScatterElements", "nothing", [:], [floats([5]), known([]), floats([0])]),
        exact("ScatterND", "nothing", [:], [floats([5]), known2([0, 1], []), floats([0])]),
        exact("ScatterND", "int4", [:], [.given(int4([5])), known2([2, 1], [0, 3]), .given(int4([2]))]),
    ]

/// One half as float16.
private let oneHalf = Tensor(TensorType(.float16, [1])) { $0.storeBytes(of: UInt16(0x3800), as: UInt16.self) }

private let generatingCases: [OperatorCase] =
    [
        exact("Constant", "float", ["value_float": .float(1.5)], []),
        exact("Constant", "floats", ["value_floats": .floats([1, 2, 3])], []),
        exact("Constant", "int", ["value_int": .int(-7)], []),
        exact("Constant", "ints", ["value_ints": .ints([1, 2])], []),
        exact("Constant", "tensor", ["value": .tensor(tensor([2, 1], [Int32(5), 7]))], []),
        exact("ConstantOfShape", "zeros", [:], [known([5, 7])]),
        exact("ConstantOfShape", "ones", ["value": .tensor(Tensor(vector: [Int64(1)]))], [known([13])]),
        exact("ConstantOfShape", "scalar", ["value": .tensor(Tensor(vector: [Float(2.5)]))], [known([])]),
        exact("ConstantOfShape", "empty", [:], [known([0, 3])]),
        exact("ConstantOfShape", "bool", ["value": .tensor(bools([1], [true]))], [known([3, 1])]),
        exact(
            "ConstantOfShape",
            "many floats",
            ["value": .tensor(Tensor(vector: [Float(-0.1)]))],
            [known([19, 1031])]
        ),
        exact("ConstantOfShape", "many bools", ["value": .tensor(bools([1], [true]))], [known([70_001])]),
        exact("ConstantOfShape", "many halves", ["value": .tensor(oneHalf)], [known([5, 7, 1009])]),
        exact("ConstantOfShape", "negative", ["value": .tensor(Tensor(vector: [Int64(-7)]))], [known([13, 733])]),
        exact("ConstantOfShape", "doubles", ["value": .tensor(Tensor(vector: [2.5]))], [known([13, 733])]),
        exact(
            "ConstantOfShape",
            "no double",
            ["value": .tensor(Tensor(vector: [Int64(1) << 60 + 1]))],
            [known([9001])]
        ),
        exact("Range", "up", [:], [knownScalar(1), knownScalar(14), knownScalar(3)]),
        exact("Range", "down", [:], [knownScalar(10), knownScalar(-3), knownScalar(-4)]),
        exact("Range", "nothing", [:], [knownScalar(5), knownScalar(5), knownScalar(1)]),
        exact("Range", "floats", [:], [0.5, 3, 0.5].map { .constant(Tensor(scalar: Float($0))) }),
        exact("Range", "int32", [:], [0, 7, 2].map { .constant(Tensor(scalar: Int32($0))) }),
        exact("EyeLike", "square", [:], [floats([5, 5])]),
        exact("EyeLike", "above", ["k": .int(2)], [floats([5, 7])]),
        exact("EyeLike", "below", ["k": .int(-3)], [floats([7, 5])]),
        exact("EyeLike", "type", ["dtype": .int(7)], [floats([1, 3])]),
        exact("EyeLike", "empty", ["k": .int(.max)], [random(.int32, [0, 3])]),
        exact("OneHot", "last", [:], [known([1, 0, -1]), knownScalar(5), given([2], [Float(0), 1])]),
        exact(
            "OneHot",
            "first",
            ["axis": .int(0)],
            [known2([2, 2], [1, 9, 2, -3]), knownScalar(3), given([2], [Float(2), 5])]
        ),
        exact(
            "OneHot",
            "middle",
            ["axis": .int(1)],
            [random(.int32, [5, 7], 0...2.9), knownScalar(3), given([2], [Int64(0), 1])]
        ),
        exact("OneHot", "scalar", [:], [knownScalar(2), knownScalar(7), given([2], [Float(0), 1])]),
        exact("OneHot", "empty", [:], [known([]), knownScalar(7), given([2], [Float(0), 1])]),
        exact("NonZero", "matrix", [:], [random(.int32, [5, 7], -1...1.9)]),
        exact("NonZero", "vector", [:], [given([5], [Float(0), -0.0, 1, .nan, 2])]),
        exact("NonZero", "bool", [:], [random(.bool, [3, 2, 5])]),
        exact("NonZero", "none", [:], [random(.int64, [5], 0...0)]),
        exact("NonZero", "scalar", [:], [given([], [Float(3)])]),
        exact("NonZero", "empty", [:], [floats([0, 3])]),
    ]

private let orderingCases: [OperatorCase] =
    [
        exact("TopK", "last", [:], [floats([5, 13]), known([3])], outputs: 2),
        exact("TopK", "smallest", ["axis": .int(0), "largest": .int(0)], [floats([13, 5]), known([4])], outputs: 2),
        exact("TopK", "ties", [:], [random(.int64, [7, 13], 0...3), known([5])], outputs: 2),
        exact("TopK", "middle axis", ["axis": .int(1)], [floats([2, 7, 3]), known([7])], outputs: 2),
        exact("TopK", "none", [:], [floats([5]), known([0])], outputs: 2),
        exact("TopK", "uint8", [:], [random(.uint8, [13], 0...255), known([1])], outputs: 2),
        exact("Unique", "elements", [:], [random(.int64, [5, 3], 0...4)], outputs: 4),
        exact("Unique", "unsorted", ["sorted": .int(0)], [random(.int32, [13], 0...4)], outputs: 4),
        exact("Unique", "rows", ["axis": .int(0)], [random(.int32, [7, 2], 0...1.9)], outputs: 4),
        exact("Unique", "columns", ["axis": .int(-1)], [random(.float32, [2, 1], 0...1)], outputs: 2),
        exact("Unique", "empty", [:], [floats([0])], outputs: 1),
    ]
    + ["CumSum", "CumProd"].flatMap { name in
        [
            OperatorCase(name, "axis 0", inputs: [floats([5, 7]), knownScalar(0)]),
            OperatorCase(
                name,
                "exclusive",
                attributes: ["exclusive": .int(1)],
                inputs: [floats([5, 7]), knownScalar(-1)]
            ),
            OperatorCase(
                name,
                "reverse",
                attributes: ["reverse": .int(1)],
                inputs: [floats([2, 13, 3]), knownScalar(1)]
            ),
            OperatorCase(
                name,
                "both",
                attributes: ["reverse": .int(1), "exclusive": .int(1)],
                inputs: [random(.int32, [5], -3...3), knownScalar(0)],
                tolerance: 0
            ),
            OperatorCase(name, "int64", inputs: [random(.int64, [5, 1], -9...9), knownScalar(0)], tolerance: 0),
            OperatorCase(name, "empty", inputs: [floats([0, 3]), knownScalar(0)]),
        ]
    }

private let coordinateModes = [
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
]

private let resizeCases: [OperatorCase] =
    ["nearest", "linear", "cubic"].flatMap { mode in
        coordinateModes.flatMap { coordinates in
            [
                OperatorCase(
                    "Resize",
                    "\(mode) \(coordinates) scales",
                    attributes: ["mode": text(mode), "coordinate_transformation_mode": text(coordinates)],
                    inputs: [floats([1, 2, 5, 7]), .omitted, .constant(Tensor(vector: [Float(1), 1, 2, 0.6]))]
                ),
                OperatorCase(
                    "Resize",
                    "\(mode) \(coordinates) sizes",
                    attributes: ["mode": text(mode), "coordinate_transformation_mode": text(coordinates)],
                    inputs: [floats([1, 2, 5, 7]), .omitted, .omitted, known([1, 2, 3, 13])]
                ),
            ]
        }
    }
    + ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map { nearest in
        OperatorCase(
            "Resize",
            nearest,
            attributes: ["nearest_mode": text(nearest), "axes": .ints([3, 2])],
            inputs: [floats([2, 1, 5, 4]), .omitted, .omitted, known([6, 8])]
        )
    }
    + ["linear", "cubic"].flatMap { mode in
        [
            OperatorCase(
                "Resize",
                "\(mode) antialias",
                attributes: ["mode": text(mode), "antialias": .int(1), "axes": .ints([2, 3])],
                inputs: [floats([1, 2, 13, 7]), .omitted, .omitted, known([5, 3])]
            ),
            OperatorCase(
                "Resize",
                "\(mode) exclude outside",
                attributes: ["mode": text(mode), "exclude_outside": .int(1)],
                inputs: [floats([5, 7]), .omitted, .constant(Tensor(vector: [Float(1.5), 0.7]))]
            ),
            OperatorCase(
                "Resize",
                "\(mode) crop",
                attributes: [
                    "mode": text(mode), "coordinate_transformation_mode": text("tf_crop_and_resize"),
                    "extrapolation_value": .float(10),
                ],
                inputs: [
                    floats([5, 7]), .constant(Tensor(vector: [Float(0.4), 0.6, 1.2, 0.8])), .omitted, known([3, 5]),
                ]
            ),
        ]
    }
    + ["not_larger", "not_smaller"].map { policy in
        OperatorCase(
            "Resize",
            policy,
            attributes: [
                "mode": text("linear"), "keep_aspect_ratio_policy": text(policy), "axes": .ints([0, 1]),
            ],
            inputs: [floats([5, 7, 2]), .omitted, .omitted, known([8, 9])]
        )
    }
    + [
        exact("Resize", "uint8", [:], [random(.uint8, [3, 5], 0...255), .omitted, .omitted, known([5, 3])]),
        OperatorCase(
            "Resize",
            "linear uint8",
            attributes: ["mode": text("linear")],
            inputs: [random(.uint8, [3, 5], 0...255), .omitted, .omitted, known([5, 3])],
            tolerance: 0
        ),
    ]

/// Int64 indices of a shape, known when shapes are bound.
private func known2(_ shape: [Int], _ values: [Int64]) -> OperatorCase.Input { .constant(tensor(shape, values)) }

/// The int4 values 0, 1, ... wrapped, of a shape.
private func int4(_ shape: [Int]) -> Tensor {
    let type = TensorType(.int4, shape)
    return Tensor(type) { bytes in
        for index in 0..<type.elementCount { bytes[index / 2] |= UInt8(index % 16) << UInt8(index % 2 * 4) }
    }
}
