import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import Testing

@Suite struct ImportTests {
    @Test func importsEveryPartOfAModel() throws {
        let imported = try load(compositeModel)
        #expect(
            imported.graph.lines == [
                "in x: float32[1,3,4,4]", "in condition: bool[]",
                "c = Conv(x w typed)", "y = Reshape(c shape)", "branch = If(condition)",
                "called = Mul(y Scaled#1/f)",
                "out y", "out branch", "out called",
            ]
        )
        #expect(imported.metadata == ["task": "test"])
        #expect(imported.opsets == ["": 21, "local": 1])
        #expect(imported.irVersion == 10)
        let graph = imported.graph
        #expect(try graph.constant("w")?.array(of: Float.self) == [1, 2, 3, 4, 5, 6])
        #expect(try graph.constant("w")?.shape == [2, 3, 1, 1])
        #expect(try graph.constant("typed")?.array(of: Float.self) == [0.5, -0.5])
        #expect(try graph.constant("sparse")?.array(of: Float.self) == [0, 0, 7, 0])
        #expect(try graph.integers("shape") == [1, -1])
        #expect(try graph.constant("Scaled#1/f")?.array(of: Float.self) == [3])
        #expect(try graph.constant("half")?.elementType == .float16)
        #expect(try graph.constant("packed")?.withUnsafeBytes { Array($0) } == [0x21, 0x03])
        #expect(try graph.nodes[0].attributes.ints("kernel_shape") == [1, 1])
        #expect(try graph.nodes[0].attributes.string("auto_pad") == "NOTSET")
        #expect(graph[graph.nodes[0].outputs[0]!].type == .tensor(.float32, [1, 2, 4, 4].map { .known($0) }))
        #expect(graph[graph.nodes[3].outputs[0]!].isImported)
    }

    @Test func makesCapturesExplicit() throws {
        let graph = try load(compositeModel).graph
        let subgraphs = graph.nodes[2].attributes.subgraphs
        #expect(subgraphs.map(\.name) == ["else_branch", "then_branch"])
        #expect(subgraphs[0].subgraph.captures.map { graph[$0].name } == ["y"])
        #expect(subgraphs[1].subgraph.captures.map { graph[$0].name } == ["c"])
        #expect(subgraphs[0].subgraph.graph.lines == ["in y: float32[...]", "e = Mul(y two)", "out e"])
        #expect(subgraphs[1].subgraph.graph.lines == ["in c: float32[1,2,4,4]", "t = Relu(c)", "out t"])
    }

    @Test func liftsCapturesLevelByLevel() throws {
        let inner = subgraph("then_branch") {
            $0.node = [node("Add", ["x", "k"], ["sum"])]
            $0.output = [info("sum")]
        }
        let outer = subgraph("then_branch") {
            $0.node = [node("If", ["condition"], ["result"], [inner])]
            $0.output = [info("result")]
        }
        let graph = try load(
            model {
                $0.input = [info("x"), info("condition", 9)]
                $0.initializer = [floats("k", [], [1])]
                $0.node = [node("If", ["condition"], ["y"], [outer])]
                $0.output = [info("y")]
            }
        ).graph
        let first = try graph.nodes[0].attributes.requiredSubgraph("then_branch")
        #expect(first.captures.map { graph[$0].name } == ["condition", "x"])
        let second = try first.graph.nodes[0].attributes.requiredSubgraph("then_branch")
        #expect(second.captures.map { first.graph[$0].name } == ["x"])
        #expect(second.graph.inputs.count == 1)
        #expect(try second.graph.constant("k")?.array(of: Float.self) == [1])
    }

    @Test func defaultsOfInputsAreConstants() throws {
        let graph = try load(
            model(irVersion: 3) {
                $0.input = [info("x", 1, [2]), info("w", 1, [2])]
                $0.initializer = [floats("w", [2], [1, 2])]
                $0.node = [node("Add", ["x", "w"], ["y"])]
                $0.output = [info("y")]
            }
        ).graph
        #expect(graph.inputs.map { graph[$0].name } == ["x"])
    }

    @Test func sortsNodes() throws {
        let graph = try load(
            model {
                $0.input = [info("x")]
                $0.node = [node("Relu", ["a"], ["y"]), node("Neg", ["x"], ["a"])]
                $0.output = [info("y")]
            }
        ).graph
        #expect(graph.nodes.map(\.operatorType) == ["Neg", "Relu"])
    }

    @Test func readsDeclaredTypes() throws {
        var dynamic = info("x", 1, [0, 3])
        dynamic.type.tensorType.shape.dim[0].dimParam = "batch"
        dynamic.type.tensorType.shape.dim[1].value = nil
        var sequence = Onnx_ValueInfoProto()
        sequence.name = "s"
        sequence.type.sequenceType.elemType = info("", 8, nil).type
        var optional = Onnx_ValueInfoProto()
        optional.name = "o"
        optional.type.optionalType.elemType = sequence.type
        let graph = try load(model { $0.input = [dynamic, sequence, optional] }).graph
        #expect(
            graph.inputs.map { graph[$0].type } == [
                .tensor(.float32, [.symbol("batch"), .unknown]), .sequence(.tensor(.string, nil)),
                .optional(.sequence(.tensor(.string, nil))),
            ]
        )
    }

    @Test func expandsFunctions() throws {
        var proto = model {
            $0.input = [info("x"), info("condition", 9)]
            $0.node = [
                node("Outer", ["x"], ["y", "copy"], [float("alpha", 2)], domain: "local"),
                node(
                    "If",
                    ["condition"],
                    ["z"],
                    [
                        subgraph("then_branch") {
                            $0.node = [node("Inner", ["y"], ["t"], domain: "local")]
                            $0.output = [info("t")]
                        }
                    ]
                ),
            ]
            $0.output = [info("y"), info("copy"), info("z")]
        }
        var inner = function(
            "Inner",
            ["a", "missing"],
            ["b"],
            [
                node("LeakyRelu", ["a"], ["l"], [reference("alpha", to: "alpha")]),
                node("Clip", ["l", "missing"], ["b"]),
            ]
        )
        inner.attributeProto = [float("alpha", 0.5)]
        proto.functions = [
            function(
                "Outer",
                ["v"],
                ["w", "v"],
                attributes: ["alpha"],
                [
                    node("Inner", ["v"], ["m"], [reference("alpha", to: "alpha")], domain: "local"),
                    node("Inner", ["m"], ["w"], domain: "local"),
                ]
            ), inner,
        ]
        let graph = try load(proto).graph
        #expect(
            graph.lines == [
                "in x: float32[]", "in condition: bool[]", "copy = Identity(x)",
                "Inner#2/l = LeakyRelu(x)", "Outer#1/m = Clip(Inner#2/l)",
                "Inner#3/l = LeakyRelu(Outer#1/m)", "y = Clip(Inner#3/l)", "z = If(condition)",
                "out y", "out copy", "out z",
            ]
        )
        #expect(try graph.nodes[1].attributes.float("alpha") == 2)
        #expect(try graph.nodes[3].attributes.float("alpha") == 0.5)
        let branch = try graph.nodes[5].attributes.requiredSubgraph("then_branch").graph
        #expect(branch.nodes.map(\.operatorType) == ["LeakyRelu", "Clip"])
    }

    @Test func makesWeightsFromASeed() throws {
        var proto = model {
            $0.initializer = [tensor("layer.weight", 1, [5]) { _ in }]
            $0.node = [node("Identity", ["layer.weight"], ["y"])]
            $0.output = [info("y")]
        }
        proto.metadataProps = [entry("apus.seed", "42"), entry("apus.range:layer.weight", "-0.5,0.25")]
        let values = try load(proto).graph.constant("layer.weight")?.array(of: Float.self)
        #expect(
            values == [
                0.027646780014038086, -0.48609355092048645, -0.23472315073013306, -0.49165475368499756,
                -0.4244385063648224,
            ]
        )
        proto.graph.initializer[0].dataType = 11
        #expect(try failure(proto)?.code == .unsupported)
        proto.graph.initializer[0].dataType = 1
        proto.metadataProps.removeLast()
        #expect(try failure(proto)?.code == .invalidModel)
        proto.metadataProps = []
        #expect(try failure(proto)?.code == .invalidModel)
    }

    @Test func refersToTheMappedFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("model.onnx")
        let values = (0..<4096).map { Float($0) }
        let proto = model {
            $0.initializer = [floats("w", [4096], values), tensor("flags", 9, [2]) { $0.rawData = Data([0, 7]) }]
        }
        try directory.write("model.onnx", proto.bytes())
        let graph = try ONNXImporter.load(path: path).graph
        let weights = try #require(try graph.constant("w"))
        #expect(weights.storage.isMapped)
        #expect(try weights.array(of: Float.self) == values)
        #expect(try graph.constant("flags")?.withUnsafeBytes { Array($0) } == [0, 1])
        #expect(throws: ModelError.self) { try ONNXImporter.load(path: directory.path("missing.onnx")) }
        #expect(throws: ModelError.self) { try ONNXImporter.load(path: directory.path("")) }
    }
}
