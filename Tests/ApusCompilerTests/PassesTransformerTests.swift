import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct LayerNormalizationPassTests {
    private func mean(_ check: inout PassCheck, _ x: ValueID) -> ValueID {
        check.node("ReduceMean", [x, check.constant(Tensor(vector: [Int64(-1)]))])
    }

    private func scalar(_ check: inout PassCheck, _ value: Float) -> ValueID { check.constant(Tensor(scalar: value)) }

    @Test(arguments: [false, true])
    func meansDifferencesAndARootBecomeOneNode(repeatsTheDifference: Bool) throws {
        var check = PassCheck()
        let x = try check.input([2, 3, 8])
        let average = mean(&check, x)
        let difference = check.node("Sub", [x, average])
        let again = repeatsTheDifference ? check.node("Sub", [x, average]) : difference
        let square = check.node("Pow", [again, scalar(&check, 2)])
        let variance = mean(&check, square)
        let root = check.node("Sqrt", [check.node("Add", [variance, scalar(&check, 1e-5)])])
        let normalized = check.node("Div", [difference, root])
        let scaled = check.node("Mul", [normalized, try check.weights([8])])
        check.graph.outputs = [check.node("Add", [scaled, try check.weights([8], seed: 3)])]
        let result = try check.run([.layerNormalization, .deadCode], tolerance: 1e-5)
        #expect(result.operators == ["LayerNormalization"])
        #expect(result.nodes[0].inputs.first == x)
    }

    @Test func aRootMeanSquareBecomesOneNode() throws {
        var check = PassCheck()
        let x = try check.input([3, 8])
        let square = check.node("Mul", [x, x])
        let variance = mean(&check, square)
        let root = check.node("Sqrt", [check.node("Add", [scalar(&check, 1e-6), variance])])
        let normalized = check.node("Mul", [x, check.node("Reciprocal", [root])])
        check.graph.outputs = [check.node("Mul", [try check.weights([8]), normalized])]
        let result = try check.run([.layerNormalization, .deadCode], tolerance: 1e-5)
        #expect(result.operators == ["RMSNormalization"])
    }

    @Test func aMeanOfSomethingElseStays() throws {
        var check = PassCheck()
        let x = try check.input([3, 8])
        let other = try check.input([3, 8], seed: 5)
        let difference = check.node("Sub", [x, mean(&check, x)])
        let variance = mean(&check, check.node("Pow", [other, scalar(&check, 2)]))
        let root = check.node("Sqrt", [check.node("Add", [variance, scalar(&check, 1e-5)])])
        check.graph.outputs = [check.node("Mul", [check.node("Div", [difference, root]), try check.weights([8])])]
        #expect(try check.run([.layerNormalization, .deadCode]).operators == check.graph.operators)
    }
}

@Suite struct GeluPassTests {
    private func scalar(_ check: inout PassCheck, _ value: Float) -> ValueID { check.constant(Tensor(scalar: value)) }

    @Test func theErfFormBecomesGelu() throws {
        var check = PassCheck()
        let x = check.node("Relu", [try check.input([2, 9])])
        let erf = check.node("Erf", [check.node("Div", [x, scalar(&check, Float(2).squareRoot())])])
        let product = check.node("Mul", [x, check.node("Add", [erf, scalar(&check, 1)])])
        check.graph.outputs = [check.node("Mul", [product, scalar(&check, 0.5)])]
        let result = try check.run([.gelu, .deadCode])
        #expect(result.operators == ["Relu", "Gelu"])
    }

    @Test func halfOfTheOperandMayComeFirst() throws {
        var check = PassCheck()
        let x = check.node("Add", [try check.input([2, 9]), try check.weights([9])])
        let erf = check.node("Erf", [check.node("Mul", [x, scalar(&check, Float(0.5).squareRoot())])])
        let half = check.node("Mul", [x, scalar(&check, 0.5)])
        check.graph.outputs = [check.node("Mul", [half, check.node("Add", [scalar(&check, 1), erf])])]
        #expect(try check.run([.gelu, .deadCode]).operators == ["Add", "Gelu"])
    }

    @Test(arguments: [false, true])
    func theTanhFormBecomesGelu(factorsTheCube: Bool) throws {
        var check = PassCheck()
        let x = check.node("Add", [try check.input([2, 9]), try check.weights([9])])
        let slope = scalar(&check, (2 / Float.pi).squareRoot())
        let argument: ValueID
        if factorsTheCube {
            let square = check.node("Mul", [check.node("Mul", [x, scalar(&check, 0.044715)]), x])
            let sum = check.node("Add", [scalar(&check, 1), square])
            argument = check.node("Mul", [check.node("Mul", [x, slope]), sum])
        } else {
            let cube = check.node("Pow", [x, scalar(&check, 3)])
            let sum = check.node("Add", [x, check.node("Mul", [cube, scalar(&check, 0.044715)])])
            argument = check.node("Mul", [sum, slope])
        }
        let sum = check.node("Add", [check.node("Tanh", [argument]), scalar(&check, 1)])
        check.graph.outputs = [check.node("Mul", [check.node("Mul", [x, scalar(&check, 0.5)]), sum])]
        let result = try check.run([.gelu, .deadCode], tolerance: 1e-5)
        #expect(result.operators == ["Add", "Gelu"])
    }

    @Test func anotherSlopeStays() throws {
        var check = PassCheck()
        let x = try check.input([2, 9])
        let erf = check.node("Erf", [check.node("Div", [x, scalar(&check, 1.5)])])
        let product = check.node("Mul", [x, check.node("Add", [erf, scalar(&check, 1)])])
        check.graph.outputs = [check.node("Mul", [product, scalar(&check, 0.5)])]
        #expect(try check.run([.gelu, .deadCode]).operators == check.graph.operators)
    }
}

@Suite struct AttentionPassTests {
    private let batch = 2
    private let heads = 3
    private let rows = 5
    private let size = 4

    private func shape(_ check: inout PassCheck, _ extents: [Int]) -> ValueID {
        check.constant(Tensor(vector: extents.map { Int64($0) }))
    }

    private func split(_ check: inout PassCheck, _ x: ValueID, _ permutation: [Int64]) -> ValueID {
        let reshaped = check.node("Reshape", [x, shape(&check, [batch, -1, heads, size])])
        return check.node("Transpose", [reshaped], ["perm": .ints(permutation)])
    }

    private func attention(
        _ check: inout PassCheck,
        masked: Bool = false,
        scalesBoth: Bool = false
    ) throws -> ValueID {
        let width = heads * size
        let x = try [1, 2, 3].map { try check.input([batch, rows, width], seed: $0) }
        var query = split(&check, x[0], [0, 2, 1, 3])
        var key = split(&check, x[1], [0, 2, 3, 1])
        let value = split(&check, x[2], [0, 2, 1, 3])
        if scalesBoth {
            let factor = check.constant(Tensor(scalar: Float(0.7)))
            query = check.node("Mul", [query, factor])
            key = check.node("Mul", [factor, key])
        }
        var scores = check.node("MatMul", [query, key])
        if !scalesBoth { scores = check.node("Div", [scores, check.constant(Tensor(scalar: Float(2)))]) }
        if masked { scores = check.node("Add", [scores, try check.input([batch, 1, 1, rows], seed: 9)]) }
        let probabilities = check.node("Softmax", [scores], ["axis": .int(-1)])
        let result = check.node("MatMul", [probabilities, value])
        let moved = check.node("Transpose", [result], ["perm": .ints([0, 2, 1, 3])])
        return check.node("Reshape", [moved, shape(&check, [batch, rows, width])])
    }

    @Test(arguments: [false, true], [false, true])
    func productsAroundASoftmaxBecomeOneNode(masked: Bool, scalesBoth: Bool) throws {
        var check = PassCheck()
        check.graph.outputs = [try attention(&check, masked: masked, scalesBoth: scalesBoth)]
        let result = try check.run([.attention, .deadCode])
        #expect(result.operators == ["apus.Attention"])
        #expect(result.nodes[0].inputs == check.graph.inputs)
    }

    @Test(arguments: [false, true], [false, true])
    func formulasOfANarrowedModelAreReadLikeTheNodesTheyStandFor(masked: Bool, scalesBoth: Bool) throws {
        var check = PassCheck()
        check.graph.outputs = [try attention(&check, masked: masked, scalesBoth: scalesBoth)]
        let passes: [GraphPass] = [.precision(.bfloat16), .deadCode, .attention, .deadCode]
        let operators = try check.run(passes, tolerance: 2e-2).operators
        #expect(operators.contains("apus.Attention"))
        #expect(Set(operators).isSubset(of: ["apus.Attention", "Cast"]))
    }

    @Test func packedProjectionsAreReadInPlace() throws {
        var check = PassCheck()
        let width = heads * size
        let x = try check.input([rows, 1, 3 * width])
        let unpacked = check.node("Reshape", [x, shape(&check, [rows, 1, 3, width])])
        let parts = [0, 1, 2].map { index in
            let part = check.node(
                "Gather",
                [unpacked, check.constant(Tensor(scalar: Int64(index)))],
                ["axis": .int(2)]
            )
            let reshaped = check.node("Reshape", [part, shape(&check, [rows, heads, size])])
            return check.node("Transpose", [reshaped], ["perm": .ints([1, 0, 2])])
        }
        let key = check.node("Transpose", [parts[1]], ["perm": .ints([0, 2, 1])])
        let probabilities = check.node("Softmax", [check.node("MatMul", [parts[0], key])])
        let result = check.node("MatMul", [probabilities, parts[2]])
        let moved = check.node("Transpose", [result], ["perm": .ints([1, 0, 2])])
        check.graph.outputs = [check.node("Reshape", [moved, shape(&check, [rows, width])])]
        let fused = try check.run([.attention, .deadCode])
        #expect(fused.operators == ["apus.Attention"])
        #expect(fused.nodes[0].inputs == [x, x, x])
    }

    @Test func scoresThatAreReadElsewhereStay() throws {
        var check = PassCheck()
        let output = try attention(&check)
        let softmax = try #require(check.graph.nodes.first { $0.operatorType == "Softmax" })
        check.graph.outputs = [output, try #require(softmax.outputs[0])]
        #expect(try check.run([.attention, .deadCode]).operators == check.graph.operators)
    }

    @Test func aPatternAcrossAnotherAxisStays() throws {
        var check = PassCheck()
        let x = try check.input([2, 4, 4])
        let probabilities = check.node("Softmax", [check.node("MatMul", [x, x])], ["axis": .int(1)])
        check.graph.outputs = [check.node("MatMul", [probabilities, x])]
        #expect(try check.run([.attention, .deadCode]).operators == check.graph.operators)
    }
}

@Suite struct EinsumPassTests {
    private func operators(_ equation: String, _ shapes: [[Int]]) throws -> Set<String> {
        var check = PassCheck()
        let operands = try shapes.enumerated().map { try check.input($1, seed: $0 + 1) }
        let attribute = AttributeValue.string(Array(equation.utf8))
        check.graph.outputs = [check.node("Einsum", operands, ["equation": attribute])]
        return Set(try check.run([.einsum], tolerance: 1e-5).operators)
    }

    @Test(
        arguments: [
            ("ij,jk->ik", [[3, 4], [4, 5]]), ("bhqd,bhkd->bhqk", [[2, 3, 5, 4], [2, 3, 6, 4]]),
            ("bqhd,bkhd->bhqk", [[2, 5, 3, 4], [2, 6, 3, 4]]), ("bhqk,bkhd->bqhd", [[2, 3, 5, 6], [2, 6, 3, 4]]),
            ("...ij,...jk", [[2, 3, 4], [2, 4, 5]]), ("i,j->ji", [[3], [4]]), ("ij,ij->", [[3, 4], [3, 4]]),
        ]
    )
    func twoOperandsBecomeAProduct(_ equation: String, _ shapes: [[Int]]) throws {
        let operators = try operators(equation, shapes)
        #expect(operators.contains("MatMul") && !operators.contains("Einsum"))
    }

    @Test(arguments: ["ijk->kij", "ijk->kj", "ijk->"])
    func oneOperandIsMoved(_ equation: String) throws {
        #expect(try operators(equation, [[2, 3, 4]]).isSubset(of: ["Transpose", "ReduceSum"]))
    }

    @Test func diagonalsStay() throws {
        #expect(try operators("ii->i", [[4, 4]]) == ["Einsum"])
    }
}
