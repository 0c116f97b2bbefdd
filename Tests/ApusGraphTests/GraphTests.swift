import ApusGraph
import ApusTensor
import Testing

@Suite struct GraphTests {
    /// x -> Neg -> a -> Abs -> b, and a dead Exp.
    private func makeGraph() -> Graph {
        var graph = Graph(name: "test")
        let x = graph.addInput("x", type: .tensor(.float32, [.known(3)]))
        let a = graph.addNode("Neg", inputs: [x], outputNames: ["a"])[0]
        graph.addNode("Exp", inputs: [a], outputNames: ["dead"])
        graph.outputs = graph.addNode("Abs", inputs: [a], outputNames: ["b"])
        _ = graph.addConstant("unused", .tensor(Tensor(scalar: Float(1))))
        return graph
    }

    @Test func usesKnowProducersAndReaders() {
        let graph = makeGraph()
        let uses = GraphUses(graph)
        let a = graph.nodes[0].outputs[0]!
        #expect(uses.producer[a] == 0)
        #expect(uses.readers[a] == [1, 2])
        #expect(!uses.hasSingleReader(a))
        #expect(uses.hasSingleReader(graph.inputs[0]))
        #expect(uses.isOutput(graph.outputs[0]) && !uses.hasSingleReader(graph.outputs[0]))
    }

    @Test func deadCodeGoes() {
        let graph = makeGraph().removingDeadCode()
        #expect(graph.nodes.map(\.operatorType) == ["Neg", "Abs"])
        #expect(graph.constants.isEmpty)
    }

    @Test func capturedValuesLive() {
        var graph = Graph()
        let condition = graph.addInput("condition", type: nil)
        let value = graph.addNode("Neg", inputs: [condition], outputNames: ["value"])[0]
        let body = Subgraph(graph: Graph(), captures: [value])
        graph.outputs = graph.addNode(
            "If",
            inputs: [condition],
            attributes: ["then_branch": .graph(body)],
            outputNames: ["y"]
        )
        #expect(graph.removingDeadCode().nodes.count == 2)
        graph.nodes[1].replaceReads { $0 == value ? condition : $0 }
        #expect(graph.nodes[1].reads == [condition, condition])
        #expect(graph.removingDeadCode().nodes.count == 1)
    }

    @Test func sortingKeepsOrDiscoversTheOrder() throws {
        var graph = makeGraph()
        #expect(try graph.topologicallySorted().nodes.map(\.operatorType) == ["Neg", "Exp", "Abs"])
        graph.nodes.reverse()
        #expect(try graph.topologicallySorted().nodes.map(\.operatorType) == ["Neg", "Abs", "Exp"])
    }

    @Test func cyclesAreRefused() {
        var graph = Graph()
        let a = graph.addValue("a")
        let b = graph.addValue("b")
        graph.nodes = [
            Node(name: "first", operatorType: "Neg", inputs: [b], outputs: [a]),
            Node(name: "second", operatorType: "Neg", inputs: [a], outputs: [b]),
        ]
        let error = #expect(throws: ModelError.self) { try graph.topologicallySorted() }
        #expect(error?.node == "first")
    }

    @Test func longChainsAreSorted() throws {
        var graph = Graph()
        var value = graph.addInput("x", type: nil)
        for index in 0..<2000 { value = graph.addNode("Neg", inputs: [value], outputNames: ["\(index)"])[0] }
        graph.outputs = [value]
        graph.nodes.reverse()
        #expect(try graph.topologicallySorted().nodes.first?.inputs == [graph.inputs[0]])
    }

    @Test func variablesAreNoConstants() {
        var graph = Graph()
        let weight = graph.addConstant("w", .tensor(Tensor(scalar: Float(1))))
        #expect(graph.constantTensor(weight) != nil)
        graph.variables.insert(weight)
        #expect(graph.constantTensor(weight) == nil)
        #expect(graph.constantTensor(nil) == nil)
    }

    @Test func attributesRefuseAWrongKind() throws {
        let attributes = Attributes(["axis": .int(2), "alpha": .float(0.5), "mode": .string(Array("edge".utf8))])
        #expect(try attributes.int("axis") == 2)
        #expect(try attributes.int("missing", default: 7) == 7)
        #expect(try attributes.string("mode") == "edge")
        #expect(throws: ModelError.self) { try attributes.int("alpha") }
        #expect(throws: ModelError.self) { try attributes.ints("axis") }
        #expect(throws: ModelError.self) { try attributes.requiredInt("missing") }
        #expect(throws: ModelError.self) { try attributes.requiredSubgraph("axis") }
    }
}

@Suite struct PointwiseExpressionTests {
    private let swish: PointwiseExpression =
        .input(0) / (.constant(1) + .unary(.exp, .unary(.negate, .input(0))))

    @Test func countsAndTypes() throws {
        #expect(swish.inputCount == 1)
        #expect(swish.operationCount == 4)
        #expect(try swish.resultType([.float16]) == .float16)
        #expect(try PointwiseExpression.constant(1).resultType([]) == nil)
        #expect(try PointwiseExpression.binary(.less, .input(0), .constant(0)).resultType([.int32]) == .bool)
        #expect(try PointwiseExpression.cast(.int8, swish).resultType([.float32]) == .int8)
        #expect(
            try PointwiseExpression.binary(.power, .input(0), .input(1)).resultType([.float32, .int64]) == .float32
        )
        #expect(throws: ModelError.self) {
            try (PointwiseExpression.input(0) + .input(1)).resultType([.float32, .int32])
        }
        #expect(throws: ModelError.self) { try PointwiseExpression.input(2).resultType([.float32]) }
        #expect(throws: ModelError.self) {
            try PointwiseExpression.select(.input(0), .input(0), .input(0)).resultType([.float32])
        }
    }

    @Test func substitutionComposes() {
        let composed = swish.substituting { _ in .input(1) * .input(2) }
        #expect(composed.inputCount == 3)
        #expect(composed.operationCount == 6)
        #expect(composed.substituting { .input($0) } == composed)
    }
}
