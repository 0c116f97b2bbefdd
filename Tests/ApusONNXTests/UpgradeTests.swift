import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import Testing

@Suite struct UpgradeTests {
    /// The graph of one node with inputs of shape 2 x 3 x 4 and one output `y`.
    private func upgraded(
        _ opset: Int64,
        _ operatorType: String,
        _ attributes: [Onnx_AttributeProto] = [],
        inputs: [Onnx_ValueInfoProto] = [info("x", 1, [2, 3, 4])],
        constants: [Onnx_TensorProto] = [],
        operands: [String]? = nil,
        outputs: [String] = ["y"]
    ) throws -> Graph {
        try load(
            model(opset: opset, irVersion: 3) {
                $0.input = inputs
                $0.initializer = constants
                let names = inputs.map(\.name) + constants.map(\.name)
                $0.node = [node(operatorType, operands ?? names, outputs, attributes)]
                $0.output = [info("y", 1, nil)]
            }
        ).graph
    }

    @Test(arguments: ["Squeeze", "Unsqueeze"]) func axesOfSqueeze(_ name: String) throws {
        let graph = try upgraded(11, name, [ints("axes", [0, -1])])
        #expect(graph.nodes.count == 1 && graph.nodes[0].attributes.values.isEmpty)
        #expect(try graph.integers("y/axes") == [0, -1])
        #expect(graph.nodes[0].inputs.count == 2)
        #expect(try upgraded(12, "Squeeze").nodes[0].inputs.count == 1)
    }

    @Test(arguments: [
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSum", "ReduceSumSquare",
    ]) func axesOfReductions(_ name: String) throws {
        let graph = try upgraded(name == "ReduceSum" ? 12 : 17, name, [ints("axes", [1]), int("keepdims", 0)])
        #expect(try graph.integers("y/axes") == [1])
        #expect(try graph.nodes[0].attributes.int("keepdims") == 0)
        #expect(graph.nodes[0].attributes["axes"] == nil)
        #expect(try upgraded(6, name).nodes[0].inputs.count == 1)
    }

    @Test func slice() throws {
        let graph = try upgraded(9, "Slice", [ints("starts", [1]), ints("ends", [3]), ints("axes", [2])])
        #expect(graph.lines.contains("y = Slice(x y/starts y/ends y/axes)"))
        #expect(try graph.integers("y/ends") == [3])
        let short = try upgraded(9, "Slice", [ints("starts", [1]), ints("ends", [3])])
        #expect(short.lines.contains("y = Slice(x y/starts y/ends)"))
    }

    @Test func pad() throws {
        let pads = ints("pads", [0, 0, 1, 0, 0, 1])
        let graph = try upgraded(10, "Pad", [pads, float("value", 2), string("mode", "constant")])
        #expect(graph.lines.contains("y = Pad(x y/pads y/value)"))
        #expect(try graph.constant("y/value")?.array(of: Float.self) == [2])
        #expect(try upgraded(10, "Pad", [pads]).lines.contains("y = Pad(x y/pads)"))
        let double = try upgraded(10, "Pad", [pads, float("value", 2)], inputs: [info("x", 11, [2, 3, 4])])
        #expect(try double.constant("y/value")?.array(of: Double.self) == [2])
    }

    @Test func clip() throws {
        let both = try upgraded(6, "Clip", [float("min", 0), float("max", 6)])
        #expect(both.lines.contains("y = Clip(x y/min y/max)"))
        #expect(try upgraded(6, "Clip", [float("max", 6)]).lines.contains("y = Clip(x - y/max)"))
        #expect(try upgraded(10, "Clip").lines.contains("y = Clip(x)"))
        let half = try upgraded(6, "Clip", [float("min", 1)], inputs: [info("x", 10, [2])])
        #expect(try half.constant("y/min")?.withUnsafeBytes { Array($0) } == [0x00, 0x3C])
        #expect(try upgraded(13, "Clip", [float("min", 1)]).nodes[0].attributes["min"] != nil)
    }

    @Test func dropout() throws {
        let graph = try upgraded(6, "Dropout", [float("ratio", 0.5), int("is_test", 1)])
        #expect(graph.nodes[0].attributes.values.isEmpty)
        #expect(graph.lines.contains("y = Dropout(x)"))
    }

    @Test func softmaxOfTheLastAxis() throws {
        let graph = try upgraded(11, "Softmax", [int("axis", 2)])
        #expect(graph.lines.contains("y = Softmax(x)"))
        #expect(try graph.nodes[0].attributes.int("axis") == -1)
    }

    @Test(arguments: ["Softmax", "LogSoftmax", "Hardmax"]) func softmaxOfSeveralAxes(_ name: String) throws {
        let graph = try upgraded(9, name)
        #expect(
            graph.lines.dropFirst() == [
                "y/Shape = Shape(x)", "y/Flatten = Flatten(x)", "y/\(name) = \(name)(y/Flatten)",
                "y = Reshape(y/\(name) y/Shape)", "out y",
            ]
        )
        #expect(try graph.nodes[1].attributes.int("axis") == 1)
        #expect(try graph.nodes[2].attributes.int("axis") == -1)
    }

    @Test func softmaxAfterAMatrixProduct() throws {
        let graph = try load(
            model(opset: 9) {
                $0.input = [info("x", 1, [1, 8])]
                $0.node = [node("Gemm", ["x", "x"], ["g"]), node("Softmax", ["g"], ["y"])]
                $0.output = [info("y", 1, nil)]
            }
        ).graph
        #expect(graph.nodes.map(\.operatorType) == ["Gemm", "Softmax"])
    }

    @Test func split() throws {
        let sizes = try upgraded(11, "Split", [ints("split", [1, 1]), int("axis", 0)], outputs: ["y", "z"])
        #expect(try sizes.integers("y/split") == [1, 1])
        #expect(sizes.nodes[0].attributes["num_outputs"] == nil)
        let equal = try upgraded(13, "Split", outputs: ["y", "z", "w"])
        #expect(try equal.nodes[0].attributes.int("num_outputs") == 3)
    }

    @Test func topK() throws {
        let graph = try upgraded(9, "TopK", [int("k", 3)], outputs: ["y", "i"])
        #expect(try graph.integers("y/k") == [3])
        #expect(throws: ModelError.self) { try upgraded(9, "TopK", outputs: ["y", "i"]) }
    }

    @Test func broadcastAxisOfAConstant() throws {
        let graph = try upgraded(
            6,
            "Add",
            [int("broadcast", 1), int("axis", 1)],
            constants: [floats("b", [3], [1, 2, 3])]
        )
        #expect(graph.lines.contains("y = Add(x y/aligned)"))
        #expect(try graph.constant("y/aligned")?.shape == [3, 1])
        #expect(graph.nodes[0].attributes.values.isEmpty)
    }

    @Test func broadcastAxisOfAValue() throws {
        let graph = try upgraded(
            6,
            "Mul",
            [int("broadcast", 1), int("axis", 0)],
            inputs: [info("x", 1, [2, 3, 4]), info("b", 1, [2])]
        )
        #expect(graph.lines.contains("y = Mul(x y/Unsqueeze)"))
        #expect(try graph.integers("y/axes") == [1, 2])
        let suffix = try upgraded(
            6,
            "Mul",
            [int("broadcast", 1)],
            inputs: [info("x", 1, [2, 3, 4]), info("b", 1, [4])]
        )
        #expect(suffix.lines.contains("y = Mul(x b)"))
    }

    @Test func broadcastAxisOfUnknownRank() throws {
        let graph = try upgraded(
            6,
            "Sub",
            [int("broadcast", 1), int("axis", 1)],
            inputs: [info("x", 1, nil), info("b", 1, nil)]
        )
        #expect(
            graph.nodes.map(\.operatorType) == [
                "Shape", "Shape", "Shape", "Shape", "Add", "Sub", "ConstantOfShape", "Concat", "Reshape", "Sub",
            ]
        )
    }

    @Test func slopeOfPRelu() throws {
        let graph = try upgraded(6, "PRelu", constants: [floats("s", [3], [1, 2, 3])])
        #expect(try graph.constant("y/aligned")?.shape == [3, 1])
        let shared = try upgraded(6, "PRelu", constants: [floats("s", [1], [1])])
        #expect(shared.lines.contains("y = PRelu(x s)"))
    }

    @Test func upsample() throws {
        let attribute = try upgraded(
            7,
            "Upsample",
            [
                attribute("scales") {
                    $0.type = .floats
                    $0.floats = [1, 1, 2]
                }
            ]
        )
        #expect(attribute.lines.contains("y = Resize(x - y/scales)"))
        #expect(try attribute.nodes[0].attributes.string("coordinate_transformation_mode") == "asymmetric")
        #expect(try attribute.nodes[0].attributes.string("nearest_mode") == "floor")
        let input = try upgraded(
            9,
            "Upsample",
            [string("mode", "linear")],
            constants: [floats("s", [3], [1, 1, 2])]
        )
        #expect(input.lines.contains("y = Resize(x - s)"))
        #expect(try input.nodes[0].attributes.string("mode") == "linear")
    }

    @Test func resize() throws {
        let shrinking = try upgraded(10, "Resize", constants: [floats("s", [3], [1, 1, 0.5])])
        #expect(shrinking.lines.contains("y = Resize(x - s)"))
        #expect(try shrinking.nodes[0].attributes.string("nearest_mode") == "ceil")
        let empty = try upgraded(
            11,
            "Resize",
            constants: [floats("roi", [0], []), floats("s", [0], []), integers("sizes", [2, 3, 8])]
        )
        #expect(empty.lines.contains("y = Resize(x - - sizes)"))
    }

    @Test func batchNormalization() throws {
        let vectors = ["s", "b", "m", "v"].map { floats($0, [3], [1, 1, 1]) }
        let graph = try upgraded(
            7,
            "BatchNormalization",
            [int("spatial", 1), float("epsilon", 0.5)],
            constants: vectors,
            outputs: ["y", "mean"]
        )
        #expect(graph.nodes[0].outputs.count == 1)
        #expect(graph.nodes[0].attributes.values.keys.sorted() == ["epsilon"])
        #expect(throws: ModelError.self) {
            try upgraded(7, "BatchNormalization", [int("spatial", 0)], constants: vectors)
        }
    }

    @Test func groupNormalization() throws {
        let vectors = ["s", "b"].map { floats($0, [1], [1]) }
        let graph = try upgraded(18, "GroupNormalization", [int("num_groups", 1)], constants: vectors)
        #expect(graph.nodes.filter { $0.operatorType == "Expand" }.count == 2)
        #expect(throws: ModelError.self) {
            try upgraded(18, "GroupNormalization", [int("num_groups", 0)], constants: vectors)
        }
    }

    @Test func renamedOperatorsAndModes() throws {
        let scatter = try upgraded(9, "Scatter", constants: [integers("i", [0]), floats("u", [1], [0])])
        #expect(scatter.nodes[0].operatorType == "ScatterElements")
        let sample = try upgraded(16, "GridSample", [string("mode", "bicubic")])
        #expect(try sample.nodes[0].attributes.string("mode") == "cubic")
        let region = try upgraded(10, "RoiAlign")
        #expect(try region.nodes[0].attributes.string("coordinate_transformation_mode") == "output_half_pixel")
        let transform = try upgraded(17, "DFT")
        #expect(try transform.integers("y/axis") == [1])
        #expect(transform.nodes[0].inputs.count == 3)
        let cast = try upgraded(6, "Cast", [string("to", "INT64")])
        #expect(try cast.nodes[0].attributes.int("to") == 7)
    }

    @Test func constantFill() throws {
        let graph = try upgraded(6, "ConstantFill", [float("value", 3), int("input_as_shape", 1)])
        #expect(graph.lines.contains("y = ConstantOfShape(y/Cast)"))
        #expect(try graph.nodes[1].attributes.tensor("value")?.array(of: Float.self) == [3])
    }

    @Test func scanOverABatch() throws {
        let body = subgraph("body") {
            $0.input = [info("state"), info("element")]
            $0.node = [
                node("Add", ["state", "element"], ["next"]), node("Mul", ["next", "x"], ["partial"]),
            ]
            $0.output = [info("next"), info("partial")]
        }
        let graph = try upgraded(
            8,
            "Scan",
            [body, int("num_scan_inputs", 1)],
            inputs: [info("x", 1, []), info("initial", 1, [1, 2]), info("sequence", 1, [1, 3, 2])],
            operands: ["", "initial", "sequence"],
            outputs: ["y", "partials"]
        )
        #expect(graph.lines.contains("y partials = Scan(initial sequence)"))
        #expect(try graph.nodes[0].attributes.int("num_scan_inputs") == 2)
        let batch = try graph.nodes[0].attributes.requiredSubgraph("body")
        #expect(batch.captures.map { graph[$0].name } == ["x"])
        #expect(batch.graph.inputs.count == 3 && batch.graph.outputs.count == 2)
        let inner = try batch.graph.nodes[0].attributes.requiredSubgraph("body")
        #expect(inner.captures == [batch.graph.inputs[2]])
        #expect(try batch.graph.nodes[0].attributes.int("num_scan_inputs") == 1)
    }

    @Test func leavesTheNewestFormAlone() throws {
        for (name, attributes) in [
            ("Softmax", [int("axis", 1)]), ("Clip", []), ("Resize", []), ("Split", [int("num_outputs", 1)]),
            ("BatchNormalization", [int("training_mode", 0)]), ("Unknown", [int("k", 1)]),
        ] as [(String, [Onnx_AttributeProto])] {
            let graph = try upgraded(27, name, attributes)
            #expect(graph.nodes.count == 1 && graph.nodes[0].operatorType == name)
            #expect(graph.nodes[0].attributes.values.count == attributes.count)
        }
    }
}
