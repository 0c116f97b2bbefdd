import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

/// Sums before normalizations under `GraphPass.precision`, and the passes that give them kernels.
@Suite struct ResidualStreamTests {
    /// x + x W, normalized and multiplied again, as a transformer with its normalizations behind the sums does it.
    private func block(_ check: inout PassCheck) throws -> (sum: ValueID, normalized: ValueID) {
        let x = check.node("Relu", [try check.input([5, 16])])
        let product = check.node("MatMul", [x, try check.weights([16, 16])])
        let biased = check.node("Add", [product, try check.weights([16], seed: 3)])
        let sum = check.node("Add", [biased, x])
        let normalized = check.node(
            "LayerNormalization",
            [sum, try check.weights([16], seed: 5), try check.weights([16], seed: 6)]
        )
        let hidden = check.node("MatMul", [normalized, try check.weights([16, 16], seed: 8)])
        let second = check.node("Add", [hidden, normalized])
        check.graph.outputs = [check.node("RMSNormalization", [second, try check.weights([16], seed: 9)])]
        return (sum, normalized)
    }

    private func types(_ graph: Graph, _ inputs: [RuntimeValue]) throws -> [ValueID: ElementType] {
        var types: [ValueID: ElementType] = [:]
        for (id, value) in graph.constants { types[id] = try value.tensor().elementType }
        _ = try GraphInterpreter(graph).run(inputs) { types[$0] = (try? $1.tensor())?.elementType }
        return types
    }

    @Test(arguments: [ElementType.float16, .bfloat16])
    func sumsAndParametersStayInFloat32AndProductsDoNot(_ type: ElementType) throws {
        var check = PassCheck()
        let (sum, normalized) = try block(&check)
        let graph = try check.run([.precision(type), .deadCode], bound: false, tolerance: 3e-2)
        let types = try types(graph, check.inputs)
        #expect(types[sum] == .float32 && types[normalized] == .float32)
        for node in graph.nodes where node.operatorType == "MatMul" {
            #expect(node.inputs.allSatisfy { $0.flatMap { types[$0] } == type })
        }
        for node in graph.nodes where node.operatorType.hasSuffix("Normalization") {
            #expect(node.inputs.allSatisfy { $0.flatMap { types[$0] } == .float32 })
        }
    }

    @Test func productsStoreFloat32AndNormalizationsBoth() throws {
        var check = PassCheck()
        _ = try block(&check)
        let narrow = try check.run([.precision(.bfloat16), .deadCode], bound: false, tolerance: 3e-2)
        check.graph = narrow
        let graph = try check.run([.castNormalization, .epilogue, .deadCode], tolerance: 1e-2)
        #expect(
            graph.operators == [
                "apus.Pointwise", "Cast", "MatMul", "apus.LayerNormalization", "MatMul", "RMSNormalization",
            ] || graph.operators == ["Relu", "Cast", "MatMul", "apus.LayerNormalization", "MatMul", "RMSNormalization"]
        )
        #expect(graph.nodes.first { $0.operatorType == "LayerNormalization" }?.outputs.count == 2)
        let types = try types(graph, check.inputs)
        for node in graph.nodes where node.operatorType == "MatMul" {
            #expect(node.outputs.first?.flatMap { types[$0] } == .float32)
        }
    }

    @Test func whatOnlyProductsReadIsStoredInSixteenBitsAlone() throws {
        var check = PassCheck()
        let x = check.node("Relu", [try check.input([5, 16])])
        let normalized = check.node("LayerNormalization", [x, try check.weights([16], seed: 5)])
        check.graph.outputs = [check.node("MatMul", [normalized, try check.weights([16, 16])])]
        check.graph = try check.run([.precision(.bfloat16), .deadCode], bound: false, tolerance: 3e-2)
        let graph = try check.run([.castNormalization, .deadCode])
        let node = try #require(graph.nodes.first { $0.displayType == "apus.LayerNormalization" })
        #expect(node.outputs.count == 1)
    }

    @Test func formsOfTheSameValueAreFollowedToItsSource() throws {
        var check = PassCheck()
        let x = try check.input([5, 16])
        let product = check.node("MatMul", [x, try check.weights([16, 16])])
        let moved = check.node("Transpose", [product])
        let sum = check.node("Add", [check.node("Transpose", [x]), moved])
        let line = check.node("Transpose", [sum])
        check.graph.outputs = [check.node("LayerNormalization", [line, try check.weights([16], seed: 5)])]
        let graph = try check.run([.precision(.bfloat16), .deadCode], bound: false, tolerance: 3e-2)
        let types = try types(graph, check.inputs)
        #expect(types[sum] == .float32 && types[line] == .float32 && types[moved] == .bfloat16)
    }

    @Test func rowsOfAConvolutionAreNormalizedInSixteenBits() throws {
        var check = PassCheck()
        let y = check.node("Conv", [try check.input([1, 3, 6, 4]), try check.weights([8, 3, 3, 3])])
        let rows = check.node("Transpose", [y], ["perm": .ints([0, 2, 3, 1])])
        let scale = try check.weights([8], seed: 5)
        let normalized = check.node("LayerNormalization", [rows, scale])
        check.graph.outputs = [check.node("Relu", [normalized])]
        let graph = try check.run([.precision(.bfloat16), .deadCode], bound: false, tolerance: 3e-2)
        let types = try types(graph, check.inputs)
        #expect(types[rows] == .bfloat16 && types[normalized] == .bfloat16 && types[scale] == .float32)
    }

    @Test func castsOfOtherTypesAndResultsStay() throws {
        var check = PassCheck()
        let x = try check.input([5, 16])
        let normalized = check.node("LayerNormalization", [x, try check.weights([16], seed: 5)])
        check.graph.outputs = [
            check.node("Cast", [normalized], ["to": .int(Int64(ElementType.float64.rawValue))]),
            check.node("Cast", [check.node("Relu", [x])], ["to": .int(Int64(ElementType.float16.rawValue))]),
        ]
        #expect(try check.run([.castNormalization]).operators == check.graph.operators)
    }
}
