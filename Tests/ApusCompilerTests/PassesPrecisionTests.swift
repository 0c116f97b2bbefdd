import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct PrecisionPassTests {
    /// The element types of every value of a run on the reference.
    private func elementTypes(_ graph: Graph, _ inputs: [RuntimeValue]) throws -> [ValueID: ElementType] {
        var types: [ValueID: ElementType] = [:]
        for (id, value) in graph.constants { if case .tensor(let tensor) = value { types[id] = tensor.elementType } }
        _ = try GraphInterpreter(graph).run(inputs) { id, value in
            if case .tensor(let tensor) = value { types[id] = tensor.elementType }
        }
        return types
    }

    private func narrowed(
        _ check: PassCheck,
        _ type: ElementType
    ) throws -> (graph: Graph, types: [ValueID: ElementType]) {
        let graph = try check.run(
            [.precision(type), .deadCode],
            bound: false,
            tolerance: type == .float16 ? 4e-3 : 3e-2
        )
        return (graph, try elementTypes(graph, check.inputs))
    }

    @Test(arguments: [ElementType.float16, .bfloat16])
    func valuesBetweenInputsAndOutputsAreStoredInSixteenBits(_ type: ElementType) throws {
        var check = PassCheck()
        let x = try check.input([2, 4, 5, 6])
        let y = check.node("Conv", [x, try check.weights([6, 4, 3, 3]), try check.weights([6], seed: 9)])
        let z = check.node("Relu", [y])
        let pooled = check.node("GlobalAveragePool", [z])
        check.graph.outputs = [check.node("Flatten", [pooled])]
        let (graph, types) = try narrowed(check, type)
        #expect(graph.operators == ["Cast", "Conv", "apus.Pointwise", "Relu", "GlobalAveragePool", "Flatten", "Cast"])
        for id in [y, z, pooled] { #expect(types[id] == type) }
        #expect(types[graph.outputs[0]] == .float32)
        #expect(graph.nodes[1].inputs.compactMap { $0 }.allSatisfy { types[$0] == type })
        let bias = try #require(graph.nodes[2].inputs[1])
        #expect(types[bias] == .float32 && graph.constantTensor(bias)?.shape == [6, 1, 1])
    }

    @Test func constantsOfFormulasStayInFloat32() throws {
        var check = PassCheck()
        let x = try check.input([3, 5])
        let y = check.node("MatMul", [x, try check.weights([5, 7])])
        let sum = check.node("Add", [y, try check.weights([7], seed: 3)])
        check.graph.outputs = [check.node("Mul", [sum, sum])]
        let (graph, types) = try narrowed(check, .bfloat16)
        #expect(graph.operators == ["Cast", "MatMul", "apus.Pointwise", "Mul", "Cast"])
        #expect(types[sum] == .bfloat16)
        #expect(types[try #require(graph.nodes[2].inputs[1])] == .float32)
    }

    @Test func whatComesFromShapesStaysAsItIs() throws {
        var check = PassCheck()
        let x = try check.input([1001, 3])
        let y = check.node("MatMul", [x, try check.weights([3, 2])])
        let shape = check.node("Shape", [y])
        let count = check.node("Cast", [shape], ["to": .int(Int64(ElementType.float32.rawValue))])
        let half = check.node("Mul", [count, check.constant(Tensor(scalar: Float(2)))])
        let size = check.node("Cast", [half], ["to": .int(Int64(ElementType.int64.rawValue))])
        check.graph.outputs = [y, size]
        let (graph, types) = try narrowed(check, .bfloat16)
        #expect(types[half] == .float32)
        #expect(graph.operators.filter { $0 == "Mul" }.count == 1)
    }

    @Test func operatorsOfOtherKindsKeepFloat32() throws {
        var check = PassCheck()
        let x = try check.input([4, 6])
        let y = check.node("MatMul", [x, try check.weights([6, 5])])
        let sums = check.node("CumSum", [y, check.constant(Tensor(scalar: Int64(1)))])
        check.graph.outputs = [check.node("Relu", [sums])]
        let (graph, types) = try narrowed(check, .float16)
        #expect(types[y] == .float16 && types[sums] == .float32)
        #expect(graph.operators == ["Cast", "MatMul", "Cast", "CumSum", "apus.Pointwise", "Cast"])
    }

    @Test func lookedUpRowsAndConditionsAreRight() throws {
        var check = PassCheck()
        let rows = check.constant(Tensor(vector: [Int64(2), 0, 1]))
        let mask = check.constant(try Tensor(TensorType(.bool, [3, 1]), wrapping: [1, 0, 1]))
        let places = check.node("Add", [rows, check.constant(Tensor(vector: [Int64(0), 0, 0]))])
        let table = check.node("Gather", [try check.weights([4, 5]), places])
        let x = try check.input([3, 5])
        check.graph.outputs = [check.node("Where", [mask, check.node("Add", [table, x]), table])]
        let (_, types) = try narrowed(check, .bfloat16)
        #expect(types[table] == .bfloat16)
    }

    @Test func aModelWithoutFloat32IsRefused() throws {
        var graph = Graph(name: "integers")
        let x = graph.addInput("x", type: .tensor(.int64, [.known(2)]))
        graph.outputs = graph.addNode("Neg", inputs: [x], outputNames: ["y"])
        #expect(throws: ModelError.self) { try PassPipeline([.precision(.bfloat16)]).run(graph) }
    }

    @Test func roundingIsToNearestEvenAndSaturates() throws {
        let values: [Float] = [1, -1.5, 1.00390625, 1.01171875, 3.4e38, -.infinity, .nan, 65520, 1e-8, 0x1p-24]
        let brain = try Tensor(vector: values).narrowed(to: .bfloat16).doubles()
        #expect(brain[..<4] == [1, -1.5, 1, 1.015625])
        #expect(brain[4] == Double(Float(bitPattern: 0x7f7f_0000)) && brain[5] == -.infinity && brain[6].isNaN)
        let half = try Tensor(vector: values).narrowed(to: .float16).doubles()
        #expect(half[4] == 65504 && half[5] == -.infinity && half[6].isNaN && half[7] == 65504)
        #expect(half[8] == 0 && half[9] == 0x1p-24)
    }
}
