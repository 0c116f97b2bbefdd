import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct ControlFlowTests {
    /// A loop body that adds a captured value to what it carries, and never asks to stop.
    private func makeGraph(count: Int64?) throws -> (Graph, [RuntimeValue]) {
        var body = Graph(name: "body")
        _ = body.addInput("iteration", type: .tensor(.int64, []))
        let going = body.addInput("going", type: .tensor(.bool, []))
        let carried = body.addInput("carried", type: .tensor(.float32, [.known(2)]))
        let captured = body.addInput("captured", type: .tensor(.float32, []))
        let sum = body.addNode("Add", inputs: [carried, captured], outputNames: ["sum"])[0]
        body.outputs = [going, sum, sum]
        var graph = Graph(name: "outer")
        let start = graph.addInput("start", type: .tensor(.float32, [.known(2)]))
        let step = graph.addInput("step", type: .tensor(.float32, []))
        let bound = count.map { graph.addConstant("count", .tensor(Tensor(scalar: $0))) }
        let condition = graph.addConstant("condition", .tensor(try bools([true])))
        graph.outputs = graph.addNode(
            "Loop",
            name: "loop",
            inputs: [bound, condition, start],
            attributes: ["body": .graph(Subgraph(graph: body, captures: [step]))],
            outputNames: ["last", "all"]
        )
        return (graph, [.tensor(Tensor(vector: [Float(1), 2])), .tensor(Tensor(scalar: Float(10)))])
    }

    @Test func loopsCarryAndCollect() throws {
        let (graph, inputs) = try makeGraph(count: 3)
        let results = try GraphInterpreter(graph).run(inputs)
        #expect(try results[0].tensor().array(of: Float.self) == [31, 32])
        #expect(try results[1].tensor().shape == [3, 2])
        #expect(try results[1].tensor().array(of: Float.self) == [11, 12, 21, 22, 31, 32])
    }

    @Test func endlessLoopsStop() throws {
        let (graph, inputs) = try makeGraph(count: nil)
        let interpreter = try GraphInterpreter(graph, limits: EvaluationLimits(maximumIterations: 50))
        let error = #expect(throws: ModelError.self) { try interpreter.run(inputs) }
        #expect(error?.code == .limitExceeded && error?.node == "loop")
    }

    @Test func loopsCanBeCancelled() throws {
        let (graph, inputs) = try makeGraph(count: nil)
        let limits = EvaluationLimits { throw ModelError(.cancelled, "stopped") }
        let error = #expect(throws: ModelError.self) { try GraphInterpreter(graph, limits: limits).run(inputs) }
        #expect(error?.code == .cancelled)
    }

    @Test func branchesCaptureValues() throws {
        func branch(_ operatorType: String) -> AttributeValue {
            var graph = Graph()
            let x = graph.addInput("x", type: nil)
            graph.outputs = graph.addNode(operatorType, inputs: [x], outputNames: ["y"])
            return .graph(Subgraph(graph: graph, captures: [ValueID(1)]))
        }
        var graph = Graph()
        let condition = graph.addInput("condition", type: nil)
        _ = graph.addInput("x", type: nil)
        graph.outputs = graph.addNode(
            "If",
            inputs: [condition],
            attributes: ["then_branch": branch("Neg"), "else_branch": branch("Abs")],
            outputNames: ["y"]
        )
        let interpreter = try GraphInterpreter(graph)
        let x = RuntimeValue.tensor(Tensor(scalar: Float(3)))
        for (flag, expected) in [(true, Float(-3)), (false, 3)] {
            let result = try interpreter.run([.tensor(try bools([flag])), x])
            #expect(try result[0].tensor().array(of: Float.self) == [expected])
        }
    }

    @Test func scansRunBackwards() throws {
        var body = Graph()
        let state = body.addInput("state", type: .tensor(.float32, [.known(2)]))
        let slice = body.addInput("slice", type: .tensor(.float32, [.known(2)]))
        let sum = body.addNode("Add", inputs: [state, slice], outputNames: ["sum"])[0]
        body.outputs = [sum, sum]
        let initial = RuntimeValue.tensor(Tensor(vector: [Float(0), 0]))
        let rows = RuntimeValue.tensor(try Tensor(shape: [3, 2], [Float(1), 2, 3, 4, 5, 6]))
        let attributes: [String: AttributeValue] = [
            "body": .graph(Subgraph(graph: body, captures: [])), "num_scan_inputs": .int(1),
        ]
        let forward = try evaluate("Scan", [initial, rows], attributes, outputs: 2)
        #expect(try forward[0].tensor().array(of: Float.self) == [9, 12])
        #expect(try forward[1].tensor().array(of: Float.self) == [1, 2, 4, 6, 9, 12])
        let backward = try evaluate(
            "Scan",
            [initial, rows],
            attributes.merging(["scan_input_directions": .ints([1]), "scan_output_directions": .ints([1])]) { $1 },
            outputs: 2
        )
        #expect(try backward[1].tensor().array(of: Float.self) == [9, 12, 8, 10, 5, 6])
    }

    @Test func wrongBodiesAreRefused() throws {
        var body = Graph()
        body.outputs = [body.addInput("x", type: nil)]
        let attributes: [String: AttributeValue] = ["body": .graph(Subgraph(graph: body, captures: []))]
        #expect(throws: ModelError.self) { try evaluate("Loop", [nil, nil], attributes, outputs: 1) }
        #expect(throws: ModelError.self) { try evaluate("Loop", [], [:], outputs: 1) }
    }

    @Test func sequencesAreEditedByPosition() throws {
        let values = (0..<3).map { RuntimeValue.tensor(Tensor(scalar: Float($0))) }
        let nine = RuntimeValue.tensor(Tensor(scalar: Float(9)))
        func position(_ value: Int64) -> RuntimeValue { .tensor(Tensor(scalar: value)) }
        func numbers(_ value: RuntimeValue) throws -> [Float] {
            guard case .sequence(let elements) = value else { return [] }
            return try elements.map { try $0.tensor().array(of: Float.self)[0] }
        }
        let sequence = RuntimeValue.sequence(values)
        #expect(try numbers(evaluate("SequenceInsert", [sequence, nine, position(-1)])[0]) == [0, 1, 9, 2])
        #expect(try numbers(evaluate("SequenceInsert", [sequence, nine])[0]) == [0, 1, 2, 9])
        #expect(try numbers(evaluate("SequenceErase", [sequence, position(-3)])[0]) == [1, 2])
        #expect(try numbers(evaluate("SequenceErase", [sequence])[0]) == [0, 1])
        #expect(try evaluate("SequenceLength", [sequence])[0].tensor().array(of: Int64.self) == [3])
        #expect(throws: ModelError.self) { try evaluate("SequenceAt", [sequence, position(3)]) }
        #expect(throws: ModelError.self) { try evaluate("SequenceInsert", [sequence, nine, position(4)]) }
        #expect(throws: ModelError.self) { try evaluate("SequenceErase", [.sequence([])]) }
        #expect(throws: ModelError.self) { try evaluate("ConcatFromSequence", [.sequence([])], ["axis": .int(0)]) }
        let stacked = try evaluate("ConcatFromSequence", [sequence], ["axis": .int(0), "new_axis": .int(1)])
        #expect(try stacked[0].tensor().array(of: Float.self) == [0, 1, 2])
    }

    @Test func optionalsKnowWhetherTheyAreFull() throws {
        let full = RuntimeValue.optional(.tensor(Tensor(scalar: Float(5))))
        #expect(try evaluate("OptionalHasElement", [full])[0].tensor().integers() == [1])
        #expect(try evaluate("OptionalHasElement", [.optional(nil)])[0].tensor().integers() == [0])
        #expect(try evaluate("OptionalGetElement", [full])[0].tensor().array(of: Float.self) == [5])
        #expect(throws: ModelError.self) { try evaluate("OptionalGetElement", [.optional(nil)]) }
    }
}
