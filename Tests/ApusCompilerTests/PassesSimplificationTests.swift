import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct PassPipelineTests {
    @Test func unknownNamesAreRefusedWithTheList() throws {
        do {
            _ = try PassPipeline.shapeFree.run(Graph(), disabled: ["fusion"])
            Issue.record("an unknown pass was accepted")
        } catch {
            #expect(error.code == .invalidInput)
            for pass in PassPipeline.standard { #expect(error.message.contains(pass.name)) }
        }
    }

    @Test func disabledPassesDoNothing() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let sum = check.node(
            "Add",
            [check.constant(Tensor(scalar: Float(1))), check.constant(Tensor(scalar: Float(2)))]
        )
        let y = check.node("Mul", [check.node("Relu", [check.node("Identity", [x])]), sum])
        _ = check.node("Neg", [x])
        check.graph.outputs = [y]
        let names = Set(PassPipeline.standard.map(\.name))
        let passes = PassPipeline.shapeFree.passes + PassPipeline.bound.passes
        #expect(try check.run(passes, disabled: names).operators == check.graph.operators)
        #expect(try check.run(passes).operators == ["apus.Pointwise"])
    }

    @Test func reportsSayWhatChanged() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        check.graph.outputs = [check.node("Relu", [check.node("Identity", [x])])]
        var reports: [PassReport] = []
        _ = try PassPipeline([.identity, .deadCode]).run(check.graph) { reports.append($0) }
        #expect(reports.map(\.pass) == ["identity", "dead-code"])
        #expect(reports[0].removed == ["Identity": 1] && reports[0].added.isEmpty)
        #expect(reports[0].nodesBefore == 2 && reports[0].nodesAfter == 1)
        #expect(!reports[1].isChange)
    }

    @Test func brokenGraphsAreRefused() throws {
        var check = PassCheck()
        let x = try check.input([2])
        check.graph.outputs = [check.node("Relu", [x])]
        var twice = check.graph
        twice.nodes.append(twice.nodes[0])
        var dangling = check.graph
        dangling.nodes[0].inputs = [dangling.addValue("nowhere")]
        var unsorted = check.graph
        unsorted.outputs = unsorted.addNode("Neg", inputs: [unsorted.outputs[0]], outputNames: ["z"])
        unsorted.nodes.reverse()
        for graph in [twice, dangling, unsorted] {
            #expect(throws: ModelError.self) { try PassPipeline.shapeFree.run(graph) }
        }
    }
}

@Suite struct IdentityPassTests {
    @Test func chainsDisappear() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        var y = check.node("Identity", [x])
        y = check.node("Dropout", [y])
        y = check.node("Cast", [y], ["to": .int(1)])
        y = check.node("Sum", [y])
        y = check.node("Clip", [y])
        check.graph.outputs = [check.node("Relu", [y])]
        let result = try check.run([.identity])
        #expect(result.operators == ["Relu"])
        #expect(result.nodes[0].inputs == [x])
    }

    @Test func outputsKeepTheirIdentity() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let relu = check.node("Relu", [x])
        let neg = check.node("Neg", [relu])
        let y = check.node("Identity", [relu])
        check.graph.outputs = [y, neg]
        let result = try check.run([.identity])
        #expect(result.operators == ["Relu", "Neg"])
        #expect(result.nodes[0].outputs == [y] && result.nodes[1].inputs == [y])
    }

    @Test func inputsAndOtherOutputsAreNotRenamed() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let relu = check.node("Relu", [x])
        check.graph.outputs = [check.node("Identity", [x]), relu, check.node("Identity", [relu])]
        #expect(try check.run([.identity]).operators == ["Relu", "Identity", "Identity"])
    }

    @Test func castsThatConvertStay() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let half = check.node("Cast", [x], ["to": .int(10)])
        check.graph.outputs = [check.node("Cast", [half], ["to": .int(1)])]
        #expect(try check.run([.identity]).operators == ["Cast", "Cast"])
    }
}

@Suite struct ConstantPassTests {
    @Test func trianglesOfConstantsFold() throws {
        var check = PassCheck()
        let x = try check.input([2, 3])
        let a = check.node("Add", [try check.weights([2, 1]), try check.weights([3], seed: 3)])
        let b = check.node("Exp", [a])
        check.graph.outputs = [check.node("Mul", [x, b]), a]
        let result = try check.run([.constants, .deadCode])
        #expect(result.operators == ["Mul"])
        #expect(result.constants.count == 2)
    }

    @Test func variablesAreNotFolded() throws {
        var check = PassCheck()
        let weights = try check.weights([3])
        check.graph.outputs = [check.node("Neg", [weights])]
        check.graph.variables = [weights]
        #expect(try check.run([.constants]).operators == ["Neg"])
    }

    @Test func theBudgetBoundsBytesAndOperations() throws {
        var check = PassCheck()
        let weights = try check.weights([100])
        check.graph.outputs = (0..<3).map { _ in check.node("Neg", [weights]) }
        let bytes = try PassPipeline([.constants]).run(check.graph, context: PassContext(foldingBytes: 1000))
        #expect(bytes.nodes.count == 1)
        let operations = try PassPipeline([.constants]).run(check.graph, context: PassContext(foldingOperations: 150))
        #expect(operations.nodes.count == 2)
    }

    @Test func wrongNodesAreLeftForTheBinder() throws {
        var check = PassCheck()
        let a = try check.weights([3])
        let b = try check.weights([2])
        check.graph.outputs = [check.node("Add", [a, b])]
        #expect(try PassPipeline([.constants]).run(check.graph).nodes.count == 1)
    }

    @Test func subgraphsFold() throws {
        var body = Graph()
        let captured = body.addInput("captured", type: nil)
        let two = body.addConstant("two", .tensor(Tensor(scalar: Float(2))))
        let folded = body.addNode("Neg", inputs: [two], outputNames: ["folded"])[0]
        body.outputs = body.addNode("Mul", inputs: [folded, two], outputNames: ["result"])
        var graph = Graph()
        let condition = graph.addInput("condition", type: .tensor(.bool, []))
        let x = graph.addInput("x", type: .tensor(.float32, [.known(3)]))
        let relu = graph.addNode("Relu", inputs: [x], outputNames: ["relu"])[0]
        let branch = AttributeValue.graph(Subgraph(graph: body, captures: [relu]))
        graph.outputs = graph.addNode(
            "If",
            inputs: [condition],
            attributes: ["then_branch": branch, "else_branch": branch],
            outputNames: ["y"]
        )
        #expect(captured.index == 0)
        let result = try PassPipeline.shapeFree.run(graph)
        #expect(result.operators == ["If"])
        for (_, subgraph) in result.nodes[0].attributes.subgraphs {
            #expect(subgraph.captures.isEmpty && subgraph.graph.inputs.isEmpty)
            #expect(subgraph.graph.nodes.isEmpty && subgraph.graph.constants.count == 1)
        }
    }
}

@Suite struct DeadCodePassTests {
    @Test func unreadNodesAndConstantsGo() throws {
        var check = PassCheck()
        let x = try check.input([3])
        _ = check.node("Add", [check.node("Neg", [x]), try check.weights([3])])
        check.graph.outputs = [check.node("Relu", [x])]
        let result = try check.run([.deadCode])
        #expect(result.operators == ["Relu"] && result.constants.isEmpty)
    }

    @Test func unreadMasksGo() throws {
        var check = PassCheck()
        let x = try check.input([3])
        check.graph.outputs = [check.nodes("Dropout", [x], count: 2)[0]]
        #expect(try check.run([.deadCode]).nodes[0].outputs.count == 1)
        #expect(try check.run([.identity]).operators == ["Dropout"])
    }
}

@Suite struct TransposePassTests {
    @Test func transposesCompose() throws {
        var check = PassCheck()
        let x = try check.input([2, 3, 4, 5])
        let a = check.node("Transpose", [x], ["perm": .ints([0, 2, 3, 1])])
        let b = check.node("Transpose", [a], ["perm": .ints([3, 0, 1, 2])])
        check.graph.outputs = [b, check.node("Relu", [a])]
        let result = try check.run([.transpose])
        #expect(result.operators == ["Transpose", "Transpose", "Relu"])
        #expect(result.nodes[1].inputs == [x])
        #expect(try result.nodes[1].attributes.ints("perm") == [1, 0, 2, 3])
    }

    @Test func transposesThatCancelDisappear() throws {
        var check = PassCheck()
        let x = try check.input([2, 3, 4])
        let a = check.node("Transpose", [x], ["perm": .ints([0, 2, 1])])
        let b = check.node("Transpose", [a], ["perm": .ints([0, 2, 1])])
        check.graph.outputs = [check.node("Relu", [b])]
        #expect(try check.run([.transpose, .identity]).operators == ["Relu"])
    }

    @Test func reshapesCompose() throws {
        var check = PassCheck()
        let x = try check.input([2, 3, 4])
        let a = check.node("Reshape", [x, check.constant(Tensor(vector: [Int64(6), 4]))])
        let b = check.node("Reshape", [a, check.constant(Tensor(vector: [Int64(-1), 8]))])
        let copied = check.node("Reshape", [a, check.constant(Tensor(vector: [Int64(0), 2, 2]))])
        check.graph.outputs = [b, copied]
        let result = try check.run([.transpose])
        #expect(result.nodes[1].inputs[0] == x && result.nodes[2].inputs[0] == a)
    }
}

@Suite struct ControlFlowPassTests {
    private func branch(_ type: String, _ capture: ValueID) -> AttributeValue {
        var body = Graph()
        let x = body.addInput("captured", type: nil)
        let y = body.addNode(type, inputs: [x], outputNames: ["inner"])[0]
        let two = body.addConstant("two", .tensor(Tensor(scalar: Float(2))))
        body.outputs = [body.addNode("Mul", inputs: [y, two], outputNames: ["result"])[0], x, two]
        return .graph(Subgraph(graph: body, captures: [capture]))
    }

    @Test(arguments: [false, true], [false, true])
    func constantConditionsChooseTheBranch(value: Bool, isConstant: Bool) throws {
        var check = PassCheck()
        let x = try check.input([3])
        let flag = Tensor(TensorType(.bool, [])) { $0[0] = value ? 1 : 0 }
        let condition = check.constant(flag)
        if !isConstant { check.graph.variables = [condition] }
        check.graph.outputs = check.nodes(
            "If",
            [condition],
            [
                "then_branch": branch("Neg", x),
                "else_branch": branch("Exp", x),
            ],
            count: 3
        )
        let result = try check.run([.controlFlow])
        #expect(
            result.operators == (isConstant ? [value ? "Neg" : "Exp", "Mul", "Identity", "Identity"] : ["If"])
        )
    }
}
