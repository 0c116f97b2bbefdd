import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import Testing

@Suite struct HostileModelTests {
    private static func model(opset: Int64 = 21, _ build: (inout Onnx_GraphProto) -> Void) -> Onnx_ModelProto {
        ApusONNXTests.model(opset: opset) {
            $0.input = [info("x")]
            build(&$0)
        }
    }

    private static func with(_ model: Onnx_ModelProto, _ change: (inout Onnx_ModelProto) -> Void) -> Onnx_ModelProto {
        var changed = model
        change(&changed)
        return changed
    }

    private static let relu = node("Relu", ["x"], ["y"])
    private static let plain = model {
        $0.node = [relu]
        $0.output = [info("y")]
    }

    /// What is wrong, the model, and the node that the error must name.
    static let refused: [(String, Onnx_ModelProto, String?)] = [
        ("opset 0", with(plain) { $0.opsetImport = [operatorSet("", 0)] }, nil),
        ("opset -1", with(plain) { $0.opsetImport = [operatorSet("", -1)] }, nil),
        ("opset 10^9", with(plain) { $0.opsetImport = [operatorSet("", 1_000_000_000)] }, nil),
        ("opset 2^63 - 1", with(plain) { $0.opsetImport = [operatorSet("ai.onnx", .max)] }, nil),
        ("opset -2^63 of another domain", with(plain) { $0.opsetImport.append(operatorSet("other", .min)) }, nil),
        ("two opsets", with(plain) { $0.opsetImport = [operatorSet("", 20), operatorSet("ai.onnx", 21)] }, nil),
        ("no opset", with(plain) { $0.opsetImport = [] }, "Relu of y"),
        ("a seed that is no number", with(plain) { $0.metadataProps = [entry("apus.seed", "x")] }, nil),
        (
            "an initializer twice",
            model { $0.initializer = [floats("w", [], [1]), floats("w", [], [1])] }, nil
        ),
        ("an input twice", model { $0.input.append(info("x")) }, nil),
        ("an input without a name", model { $0.input.append(info("")) }, nil),
        ("an input without a type", model { $0.input.append(with("z")) }, nil),
        ("an input of type 999", model { $0.input.append(info("z", 999)) }, nil),
        (
            "an input of 100,000 axes", model { $0.input.append(info("z", 1, [Int64](repeating: 1, count: 100_000))) },
            nil
        ),
        ("a value twice", model { $0.node = [relu, node("Neg", ["x"], ["y"])] }, "Neg of y"),
        ("an output that is an input", model { $0.node = [node("Neg", ["x"], ["x"])] }, "Neg of x"),
        ("a node that produces a value twice", model { $0.node = [node("Split", ["x"], ["a", "a"])] }, "Split of a"),
        ("an output twice", with(plain) { $0.graph.output.append(info("y")) }, nil),
        ("an output that nothing produces", model { $0.output = [info("z")] }, nil),
        ("an output without a name", model { $0.output = [info("")] }, nil),
        ("an input that nothing produces", model { $0.node = [node("Relu", ["z"], ["y"])] }, "Relu of y"),
        ("a node that reads itself", model { $0.node = [node("Relu", ["y"], ["y"])] }, "Relu of y"),
        (
            "a cycle",
            model { $0.node = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])] }, "Add of a"
        ),
        (
            "a cycle through a subgraph",
            model {
                $0.node = [
                    node("If", ["x"], ["y"], [subgraph("then_branch") { $0.output = [info("y")] }])
                ]
            }, "If of y"
        ),
        (
            "an attribute twice", model { $0.node = [node("Relu", ["x"], ["y"], [int("a", 1), int("a", 1)])] },
            "Relu of y"
        ),
        (
            "an attribute that is not of its type",
            model {
                $0.node = [
                    node(
                        "Relu",
                        ["x"],
                        ["y"],
                        [
                            attribute("a") {
                                $0.type = .int
                                $0.floats = [1]
                            }
                        ]
                    )
                ]
            }, "Relu of y"
        ),
        (
            "an attribute of two types",
            model {
                $0.node = [
                    node(
                        "Relu",
                        ["x"],
                        ["y"],
                        [
                            attribute("a") {
                                $0.i = 1
                                $0.f = 1
                            }
                        ]
                    )
                ]
            }, "Relu of y"
        ),
        (
            "an attribute of no type", model { $0.node = [node("Relu", ["x"], ["y"], [attribute("a") { _ in }])] },
            "Relu of y"
        ),
        (
            "a reference outside of functions",
            model { $0.node = [node("Relu", ["x"], ["y"], [reference("a", to: "b")])] }, "Relu of y"
        ),
        ("no operator", model { $0.node = [node("", ["x"], ["y"])] }, " of y"),
        ("a constant without a value", model { $0.node = [node("Constant", [], ["y"])] }, "Constant of y"),
        (
            "a constant of two values",
            model { $0.node = [node("Constant", [], ["y"], [int("value_int", 1), float("value_float", 1)])] },
            "Constant of y"
        ),
        (
            "a constant of the wrong kind", model { $0.node = [node("Constant", [], ["y"], [float("value_int", 1)])] },
            "Constant of y"
        ),
        (
            "a subgraph's input that is an initializer",
            model {
                $0.node = [
                    node(
                        "Loop",
                        ["x"],
                        ["y"],
                        [
                            subgraph("body") {
                                $0.input = [info("i")]
                                $0.initializer = [floats("i", [], [1])]
                            }
                        ]
                    )
                ]
            }, "Loop of y"
        ),
        (
            "a value of a batch's statistics",
            model(opset: 7) {
                $0.node = [
                    node("BatchNormalization", ["x", "x", "x", "x", "x"], ["y", "m"]), node("Relu", ["m"], ["z"]),
                ]
            }, "Relu of z"
        ),
        ("an upgrade without an input", model(opset: 6) { $0.node = [node("Clip", [], ["y"])] }, nil),
        (
            "an axis far outside",
            model(opset: 6) {
                $0.input.append(info("b", 1, [2]))
                $0.node = [node("Add", ["x", "b"], ["y"], [int("broadcast", 1), int("axis", .max)])]
            }, "Add of y"
        ),
        ("a function that calls itself", withFunctions([function("F", ["a"], ["b"], [call("F", "a", "b")])]), nil),
        (
            "functions in a circle",
            withFunctions([
                function("F", ["a"], ["b"], [call("G", "a", "b")]), function("G", ["a"], ["b"], [call("F", "a", "b")]),
            ]), nil
        ),
        (
            "functions in a circle through a subgraph",
            withFunctions([
                function(
                    "F",
                    ["a"],
                    ["b"],
                    [
                        node(
                            "If",
                            ["a"],
                            ["b"],
                            [
                                subgraph("then_branch") {
                                    $0.node = [call("F", "a", "c")]
                                    $0.output = [info("c")]
                                }
                            ]
                        )
                    ]
                )
            ]), nil
        ),
        ("a function twice", withFunctions([function("F", [], [], []), function("F", [], [], [])]), nil),
        (
            "a function with too many inputs", withFunctions([function("F", [], ["b"], [node("Relu", ["a"], ["b"])])]),
            "F of y"
        ),
        ("a function whose output nothing produces", withFunctions([function("F", ["a"], ["b"], [])]), "F of y"),
        (
            "a function's input twice",
            withFunctions([function("F", ["a", "a"], ["b"], [node("Relu", ["a"], ["b"])])]), "F of y"
        ),
        (
            "a function that reads its caller's values",
            withFunctions([function("F", ["a"], ["b"], [node("Relu", ["x"], ["b"])])]), "F#1/Relu of b"
        ),
        ("an expansion of 2^30 nodes", withFunctions(bomb(levels: 30)), nil),
    ]

    private static func with(_ name: String) -> Onnx_ValueInfoProto {
        var info = Onnx_ValueInfoProto()
        info.name = name
        return info
    }

    private static func call(_ name: String, _ input: String, _ output: String) -> Onnx_NodeProto {
        node(name, [input], [output], domain: "local")
    }

    private static func withFunctions(_ functions: [Onnx_FunctionProto]) -> Onnx_ModelProto {
        with(model { $0.node = [call("F", "x", "y")] }) { $0.functions = functions }
    }

    private static func bomb(levels: Int) -> [Onnx_FunctionProto] {
        (0...levels).map { level in
            let name = level == 0 ? "F" : "F\(level)"
            guard level < levels else { return function(name, ["a"], ["b"], [node("Relu", ["a"], ["b"])]) }
            return function(name, ["a"], ["b"], [call("F\(level + 1)", "a", "m"), call("F\(level + 1)", "m", "b")])
        }
    }

    @Test(arguments: refused.indices) func refuses(_ index: Int) throws {
        let (name, proto, node) = Self.refused[index]
        let error = try #require(try failure(proto), "\(name)")
        if let node { #expect(error.node == node, "\(name): \(error)") }
    }

    @Test func longChainsImport() throws {
        let count = 1_000_000
        let proto = Self.model {
            $0.node = (0..<count).map { index in
                var node = Onnx_NodeProto()
                node.opType = "Relu"
                node.input = [index == 0 ? "x" : "v\(index)"]
                node.output = ["v\(index + 1)"]
                return node
            }
            $0.output = [info("v\(count)")]
        }
        #expect(try load(proto).graph.nodes.count == count)
    }

    @Test func longChainsOfFunctionsImport() throws {
        let count = 5_000
        let functions = (0..<count).map { level in
            function(
                level == 0 ? "F" : "F\(level)",
                ["a"],
                ["b"],
                [level + 1 < count ? Self.call("F\(level + 1)", "a", "b") : node("Relu", ["a"], ["b"])]
            )
        }
        let graph = try load(Self.withFunctions(functions)).graph
        #expect(graph.lines == ["in x: float32[]", "y = Relu(x)"])
    }

    @Test(arguments: [10, 30]) func nestedSubgraphsImport(_ depth: Int) throws {
        var body: (inout Onnx_GraphProto) -> Void = {
            $0.node = [node("Relu", ["x"], ["y0"])]
            $0.output = [info("y0")]
        }
        for level in 1...depth {
            let inner = body
            body = {
                $0.node = [node("If", ["x"], ["y\(level)"], [subgraph("then_branch", inner)])]
                $0.output = [info("y\(level)")]
            }
        }
        #expect(try load(Self.model(body)).graph.nodes.count == 1)
    }

    @Test func strangeNamesArePlainNames() throws {
        let names = ["*/", "\"\n`", "a\0b", "../../x", "%s%n", "é", String(repeating: "n", count: 100_000)]
        for name in names {
            let graph = try load(
                Self.model {
                    $0.node = [node("Relu", ["x"], [name])]
                    $0.output = [info(name)]
                }
            ).graph
            #expect(graph[graph.outputs[0]].name == name)
            let error = try failure(Self.model { $0.node = [node("Relu", [name], ["y"])] })
            #expect(error?.description.contains("\n") == false)
            #expect(error.map { $0.description.utf8.count < 1000 } == true)
        }
    }

    @Test func unknownOperatorsAreLeftToTheTable() throws {
        let graph = try load(Self.model { $0.node = [node("Magic", ["x"], ["y"], domain: "com.example")] }).graph
        #expect(graph.nodes[0].displayType == "com.example.Magic")
    }
}
