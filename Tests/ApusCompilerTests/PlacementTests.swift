import ApusCompiler
import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct NamePatternTests {
    @Test(
        arguments: [
            ("*", "", true), ("*", "a/b", true), ("/layer1/*", "/layer1/0/Conv", true),
            ("/layer1/*", "/layer10", false),
            ("a?c", "abc", true), ("a?c", "ac", false), ("*Conv*", "my Conv 1", true), ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXcXb", false), ("\\*", "*", true), ("\\*", "x", false), ("\\u{41}b", "Ab", true),
            ("", "", true), ("é*", "école", true), ("**a", "bca", true),
        ]
    )
    func patternsFit(_ pattern: String, _ name: String, _ fits: Bool) throws {
        #expect(try #require(NamePattern(pattern)).matches(name) == fits)
    }

    @Test(arguments: ["\\", "a\\u{110000}", "\\u{", "\\u{xyz}", "\\u{D800}"])
    func othersAreNone(_ text: String) { #expect(NamePattern(text) == nil) }

    @Test func theLongestSearchEnds() throws {
        let pattern = try #require(NamePattern(String(repeating: "a*", count: 200) + "b"))
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }

    @Test(
        arguments: [
            "plain", "*", "a?b\\c", " edge ", "two\nlines", "tab\t", "\u{0}", "#x", "stage", "rest", "output:y", "",
        ]
    )
    func anExactPatternFitsItsNameAlone(_ name: String) throws {
        let pattern = NamePattern(exactly: name)
        #expect(pattern.exactName == name)
        let read = try #require(NamePattern(pattern.description))
        #expect(read.matches(name) && !read.matches(name + "x") && read.exactName == name)
    }
}

@Suite struct PlacementTests {
    /// `a -> b -> c -> d` with a branch `a -> e`, joined with `d` in `f`.
    private func branches() throws -> PassCheck {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let a = check.node("Relu", [x])
        let b = check.node("Neg", [a])
        let c = check.node("Exp", [b])
        let d = check.node("Abs", [c])
        let e = check.node("Sqrt", [a])
        let f = check.node("Add", [d, e])
        for (index, name) in ["a", "b", "c", "d", "e", "f"].enumerated() { check.graph.nodes[index].name = name }
        check.graph.outputs = [f]
        return check
    }

    private func placement(_ text: String, _ graph: Graph, devices: [Int]? = nil) throws -> Placement {
        let rules = try PlacementRules(text)
        return try rules.placement(of: graph, devices: devices ?? Array(rules.stages.indices))
    }

    /// Runs stage by stage with the interpreter and compares with the whole graph.
    private func expectEqual(_ check: PassCheck, _ staged: StagedGraph) throws {
        var values = Dictionary(uniqueKeysWithValues: zip(check.graph.inputs, check.inputs))
        for stage in staged.stages {
            let inputs = try stage.graph.inputs.map { try #require(values[$0]) }
            for (id, value) in zip(stage.graph.outputs, try GraphInterpreter(stage.graph).run(inputs)) {
                values[id] = value
            }
        }
        let expected = try GraphInterpreter(check.graph).run(check.inputs)
        for (id, value) in zip(check.graph.outputs, expected) {
            let found = try #require(values[id]).tensor()
            #expect(try found.array(of: Float.self) == value.tensor().array(of: Float.self))
        }
    }

    @Test func branchesRunOnDifferentDevices() throws {
        let check = try branches()
        let text =
            "stage start opencl:0\n a\nstage long opencl:1\n b\n c\n d\n"
            + "stage short reference\n e\nstage end opencl:0\n f"
        let staged = try StagedGraph(check.graph, placement(text, check.graph, devices: [0, 1, 2, 0]))
        #expect(staged.stages.map(\.graph.name) == ["start", "long", "short", "end"])
        #expect(staged.stages.map(\.level) == [0, 1, 1, 2])
        #expect(staged.stages.map(\.predecessors) == [[], [0], [0], [1, 2]])
        #expect(staged.transfers.map(\.source) == [0, 0, 1, 2])
        #expect(staged.transfers.map(\.target) == [1, 2, 3, 3])
        try expectEqual(check, staged)
    }

    @Test func stagesMayStandInAnyOrder() throws {
        let check = try branches()
        let staged = try StagedGraph(check.graph, placement("stage end x\n rest\nstage start y\n a\n e", check.graph))
        #expect(staged.stages.map(\.graph.name) == ["start", "end"])
        try expectEqual(check, staged)
    }

    @Test func stagesThatWaitForOneAnotherAreRefused() throws {
        let check = try branches()
        let placed = try placement("stage one x\n a\n c\nstage two y\n rest", check.graph)
        let error = #expect(throws: ModelError.self) { try StagedGraph(check.graph, placed) }
        #expect(error?.code == .invalidFile)
        for word in ["line 4", "\"one\"", "\"two\"", "two stages"] {
            #expect(error?.message.contains(word) == true, "\(String(describing: error))")
        }
    }

    @Test(
        arguments: [
            ("", ["no stage"]), ("a", ["line 1", "stage NAME DEVICE"]), ("stage x", ["line 1", "stage NAME DEVICE"]),
            ("stage x opencl:0", ["line 1", "no layer"]),
            ("# c\nstage x opencl:0\n*\nstage x opencl:1\n*", ["line 4", "\"x\"", "line 2"]),
            ("stage x opencl:0\n  a\\", ["line 2", "no pattern"]),
            ("stage x opencl:0\n  output:", ["line 2", "no pattern"]),
            ("stage x opencl:0\n  rest\n  nobody*", ["line 3", "nobody*", "fits no node"]),
            ("stage x opencl:0\n  a\n  b", ["4 nodes", "\"c\"", "rest"]),
            ("stage x opencl:0\n  *\nstage y opencl:1\n  b", ["line 4", "\"b\"", "twice", "line 2"]),
            ("stage x opencl:0\n  rest\nstage y opencl:1\n  rest", ["line 4", "line 2"]),
            ("stage x opencl:0\n  *\n  rest", ["line 3", "empty"]),
        ]
    )
    func badFilesAreNamedByLine(_ text: String, _ words: [String]) throws {
        let graph = try branches().graph
        let error = try #require(#expect(throws: ModelError.self) { try placement(text, graph) })
        #expect(error.code == .invalidFile)
        for word in words { #expect(error.message.contains(word), "\(error)") }
    }

    @Test func aSavedPlacementIsTheSameWhenLoaded() throws {
        var check = try branches()
        for (index, name) in ["", "twice", "twice", "a*b", "rest", " x\ny"].enumerated() {
            check.graph.nodes[index].name = name
        }
        let names = ["#0", "v 1", "v*2", "3", "4", "5"]
        for (node, name) in zip(check.graph.nodes, names) { check.graph[try #require(node.outputs[0])].name = name }
        var placed = Placement(stages: [.init(name: "p", device: 1), .init(name: "q", device: 0)], assignments: [])
        placed.assignments = [0, 0, 0, 1, 0, 1].map { Placement.Assignment(stage: $0, reason: "") }
        let saved = PlacementRules(placed, of: check.graph, devices: ["opencl:3", "opencl:some name"])
        let rules = try PlacementRules(saved.description)
        #expect(rules.stages.map(\.device) == ["opencl:some name", "opencl:3"])
        let loaded = try rules.placement(of: check.graph, devices: [1, 0])
        #expect(loaded.assignments.map(\.stage) == placed.assignments.map(\.stage))
        #expect(loaded.stages.map(\.name) == ["p", "q"])
        #expect(rules.description == saved.description)
    }

    /// Weights that nodes compute from constants stay constants of the stage that reads them.
    @Test func constantsDoNotCross() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let weights = check.node("Transpose", [try check.weights([4, 3])])
        let y = check.node("Relu", [x])
        check.graph.outputs = [check.node("MatMul", [y, weights])]
        let placed = try placement("stage first x\n node0\n node1\nstage second y\n node2", check.graph)
        let staged = try StagedGraph(check.graph, placed)
        #expect(staged.transfers.map(\.value) == [y])
        #expect(staged.stages[1].graph.operators == ["Transpose", "MatMul"])
        try expectEqual(check, staged)
    }

    @Test func valuesOfShapeArithmeticAreKnown() throws {
        var check = PassCheck()
        let x = try check.input([2, 6])
        let shape = check.node("Shape", [x])
        let half = check.node("Div", [shape, check.constant(Tensor(vector: [Int64(1), 2]))])
        let y = check.node("Relu", [x])
        check.graph.outputs = [check.node("Reshape", [y, check.constant(Tensor(vector: [Int64(-1)]))])]
        check.graph.outputs.append(check.node("Expand", [check.constant(Tensor(vector: [Float(1)])), half]))
        let placed = try placement("stage first x\n node0\n node1\n node2\nstage second y\n rest", check.graph)
        let staged = try StagedGraph(check.graph, placed)
        #expect(staged.stages[1].knownInputs == [half])
        #expect(Set(staged.transfers.map(\.value)) == [half, y])
    }

    private func chain(_ widths: [Int]) throws -> PassCheck {
        var check = PassCheck()
        var value = try check.input([8, widths[0]])
        for (index, (width, next)) in zip(widths, widths.dropFirst()).enumerated() {
            value = check.node("MatMul", [value, try check.weights([width, next], seed: index)])
            value = check.node("Add", [value, try check.weights([next], seed: index + 50)])
            value = check.node("Relu", [value])
        }
        check.graph.outputs = [value]
        return check
    }

    private func even(_ check: PassCheck, _ devices: [DeviceInfo]) throws -> Placement {
        let facts = try check.inputs.map { ValueFact(try $0.tensor().type) }
        return try EvenPlacement().place(check.graph, inputs: facts, on: devices)
    }

    @Test func evenStagesTakeEqualTimeAndKeepFusion() throws {
        let check = try chain([64, 64, 64, 64, 64, 64, 64, 64, 64])
        let device = DeviceInfo(name: "one", kind: .cpu)
        let placed = try even(check, [device, device])
        #expect(placed.assignments.map(\.stage) == [Int](repeating: 0, count: 12) + [Int](repeating: 1, count: 12))
        for stage in placed.stages { #expect(abs((stage.share ?? 0) - 0.5) < 1e-9) }
        try expectEqual(check, try StagedGraph(check.graph, placed))
        let four = try even(check, [device, device, device, device])
        #expect(four.assignments.map(\.stage) == (0..<4).flatMap { [Int](repeating: $0, count: 6) })
    }

    @Test func aQuickerDeviceGetsMore() throws {
        let check = try chain([64, 64, 64, 64, 64, 64, 64, 64, 64])
        let slow = DeviceInfo(name: "slow", kind: .cpu, computeUnits: 1)
        let quick = DeviceInfo(name: "quick", kind: .cpu, computeUnits: 3)
        let placed = try even(check, [slow, quick])
        #expect(placed.assignments.count { $0.stage == 0 } == 6)
    }

    @Test func aCutKeepsConvolutionsThatADeviceJoins() throws {
        var check = PassCheck()
        var value = try check.input([1, 8, 56, 56])
        value = check.node("Conv", [value, try check.weights([24, 8, 1, 1])])
        value = check.node("Relu", [value])
        let window: [String: AttributeValue] = ["group": .int(24), "pads": .ints([1, 1, 1, 1])]
        value = check.node("Conv", [value, try check.weights([24, 1, 3, 3])], window)
        value = check.node("Relu", [value])
        value = check.node("Conv", [value, try check.weights([8, 24, 1, 1])])
        check.graph.outputs = [value]
        let facts = try check.inputs.map { ValueFact(try $0.tensor().type) }
        let device = DeviceInfo(
            name: "fusing",
            kind: .cpu,
            computeUnits: 2,
            localMemoryBytes: 1 << 20,
            vectorWidth: 16
        )
        func lengthOfFirstStage(_ disabledPasses: Set<String>) throws -> Int {
            let placed = try EvenPlacement(disabledPasses: disabledPasses)
                .place(check.graph, inputs: facts, on: [device, device])
            return placed.assignments.count { $0.stage == 0 }
        }
        #expect(try lengthOfFirstStage(["depthwise"]) == 2)
        #expect(try lengthOfFirstStage([]) == 4)
    }

    @Test func tooFewPlacesToCutAreRefused() throws {
        let device = DeviceInfo(name: "one", kind: .cpu)
        let error = #expect(throws: ModelError.self) {
            try even(try chain([8, 8, 8]), [device, device, device])
        }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("1 places to cut") == true, "\(String(describing: error))")
    }
}
