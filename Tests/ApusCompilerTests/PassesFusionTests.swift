import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct PointwisePassTests {
    private func expression(_ node: Node) -> PointwiseExpression? {
        if case .expression(let expression)? = node.attributes["expression"] { expression } else { nil }
    }

    @Test func aDiamondBecomesOneOperand() throws {
        var check = PassCheck()
        let x = try check.input([2, 5, 7])
        check.graph.outputs = [check.node("Mul", [x, check.node("Sigmoid", [x])])]
        let result = try check.run([.pointwise])
        #expect(result.operators == ["apus.Pointwise"])
        #expect(result.nodes[0].inputs == [x])
        #expect(result.nodes[0].outputs == result.outputs)
    }

    @Test func erfGeluBecomesOneNodeWithoutConstants() throws {
        var check = PassCheck()
        let x = try check.input([2, 5, 7])
        let scaled = check.node("Div", [x, check.constant(Tensor(scalar: Float(2).squareRoot()))])
        let erf = check.node("Erf", [scaled])
        let sum = check.node("Add", [erf, check.constant(Tensor(scalar: Float(1)))])
        let product = check.node("Mul", [x, sum])
        check.graph.outputs = [check.node("Mul", [product, check.constant(try Tensor(shape: [1], [Float(0.5)]))])]
        let result = try check.run([.pointwise])
        #expect(result.operators == ["apus.Pointwise"])
        #expect(result.nodes[0].inputs == [x])
        #expect(expression(result.nodes[0])?.operationCount == 5)
    }

    @Test func producersWithOtherReadersStay() throws {
        var check = PassCheck()
        let x = try check.input([4])
        let shared = check.node("Exp", [x])
        let output = check.node("Tanh", [x])
        check.graph.outputs = [
            check.node("Relu", [shared]), check.node("Neg", [shared]), output, check.node("Abs", [output]),
        ]
        #expect(try check.run([.pointwise]).operators == check.graph.operators)
    }

    @Test func smallProducersAreNotRecomputed() throws {
        var check = PassCheck()
        let x = try check.input([4, 6])
        let bias = try check.input([6], seed: 5)
        check.graph.outputs = [check.node("Add", [x, check.node("Exp", [bias])])]
        #expect(try check.run([.pointwise]).operators == ["Exp", "Add"])
    }

    @Test func producersThatWidenMerge() throws {
        var check = PassCheck()
        let column = try check.input([4, 1])
        let row = try check.input([6], seed: 5)
        check.graph.outputs = [check.node("Relu", [check.node("Sub", [column, row])])]
        #expect(try check.run([.pointwise]).operators == ["apus.Pointwise"])
    }

    @Test func constantsThatWidenStayOperands() throws {
        var check = PassCheck()
        let x = try check.input([4])
        let one = check.constant(try Tensor(shape: [1, 1], [Float(3)]))
        check.graph.outputs = [check.node("Mul", [check.node("Neg", [x]), one])]
        let result = try check.run([.pointwise])
        #expect(result.operators == ["apus.Pointwise"])
        #expect(result.nodes[0].inputs.count == 2)
    }

    @Test func casts32BitIntegersStayApart() throws {
        var check = PassCheck()
        let x = try check.input([4])
        let integer = check.node("Cast", [x], ["to": .int(6)])
        let sum = check.node("Add", [integer, integer])
        check.graph.outputs = [check.node("Cast", [sum], ["to": .int(1)])]
        #expect(try check.run([.pointwise]).operators == ["Cast", "Add", "Cast"])
    }

    @Test func longChainsSplitAtTheLimits() throws {
        var check = PassCheck()
        var y = try check.input([4])
        for _ in 0..<100 { y = check.node("Neg", [y]) }
        check.graph.outputs = [y]
        #expect(try check.run([.pointwise]).operators == ["apus.Pointwise", "apus.Pointwise"])
        var wide = PassCheck()
        y = try wide.input([4])
        for seed in 0..<20 { y = wide.node("Add", [y, try wide.input([4], seed: seed)]) }
        wide.graph.outputs = [y]
        let result = try wide.run([.pointwise])
        #expect(result.nodes.allSatisfy { $0.inputs.count <= 8 })
        #expect(result.nodes.count == 3)
    }

    @Test func unknownShapesAreLeftAlone() throws {
        var check = PassCheck()
        let x = check.graph.addInput("x", type: .tensor(.float32, [.symbol("n")]))
        check.inputs = [.tensor(try PassCheck.tensor([3], seed: 1))]
        check.graph.outputs = [check.node("Relu", [check.node("Neg", [x])])]
        #expect(try check.run([.pointwise], bound: false).nodes.count == 2)
        #expect(try check.run([.pointwise]).nodes.count == 1)
    }
}

@Suite struct EpiloguePassTests {
    private func product(_ check: inout PassCheck) throws -> ValueID {
        check.node("MatMul", [try check.input([5, 7]), try check.weights([7, 3])])
    }

    @Test func biasActivationAndResidualJoinTheAnchor() throws {
        var check = PassCheck()
        let residual = try check.input([5, 3], seed: 9)
        let biased = check.node("Add", [try product(&check), try check.weights([3], seed: 4)])
        let active = check.node("Mul", [biased, check.node("Sigmoid", [biased])])
        let y = check.node("Add", [residual, active])
        check.graph.outputs = [y]
        let result = try check.run(PassPipeline.bound.passes)
        #expect(result.operators == ["MatMul"])
        #expect(result.nodes[0].outputs == [y])
        #expect(result.nodes[0].epilogue?.inputCount == 2)
        #expect(result.nodes[0].anchorInputs.count == 2)
    }

    @Test func residualsThatComeLaterMoveTheAnchor() throws {
        var check = PassCheck()
        let x = try check.input([5, 3], seed: 9)
        let anchor = try product(&check)
        let residual = check.node("ReduceMax", [x, nil], ["keepdims": .int(1)])
        let read = check.node("Relu", [residual])
        check.graph.outputs = [check.node("Add", [anchor, residual]), read]
        let result = try check.run([.epilogue])
        #expect(result.operators == ["ReduceMax", "Relu", "MatMul"])
    }

    @Test func theLaterOfTwoAnchorsTakesTheSum() throws {
        var check = PassCheck()
        let a = try product(&check)
        let b = try product(&check)
        check.graph.outputs = [check.node("Relu", [check.node("Add", [a, b])])]
        let result = try check.run([.epilogue])
        #expect(result.operators == ["MatMul", "MatMul"])
        #expect(result.nodes[0].epilogue == nil && result.nodes[1].epilogue?.inputCount == 1)
    }

    @Test func aProductWithItselfIsFused() throws {
        var check = PassCheck()
        let anchor = try product(&check)
        check.graph.outputs = [check.node("Mul", [anchor, anchor])]
        #expect(try check.run([.epilogue]).operators == ["MatMul"])
    }

    enum Refusal: CaseIterable { case readers, output, widening, rank, type, device, otherOperator }

    @Test(arguments: Refusal.allCases)
    func illegalCasesAreNotFused(_ refusal: Refusal) throws {
        var check = PassCheck()
        let anchor =
            refusal == .otherOperator
            ? check.node("Transpose", [try check.input([3, 5])], ["perm": .ints([1, 0])]) : try product(&check)
        switch refusal {
        case .readers:
            check.graph.outputs = [check.node("Relu", [anchor]), check.node("Neg", [anchor])]
        case .output: check.graph.outputs = [check.node("Relu", [anchor]), anchor]
        case .widening: check.graph.outputs = [check.node("Add", [anchor, try check.weights([2, 5, 3])])]
        case .rank: check.graph.outputs = [check.node("Add", [anchor, try check.weights([1, 1, 1])])]
        case .type: check.graph.outputs = [check.node("Cast", [anchor], ["to": .int(11)])]
        case .device, .otherOperator: check.graph.outputs = [check.node("Relu", [anchor])]
        }
        if refusal == .device {
            let types = KnownTypes(check.graph, PassContext()).types
            let result = try PassPipeline([.epilogue]).run(
                check.graph,
                context: PassContext(types: types, canFuse: { _, _ in false })
            )
            #expect(result.operators == check.graph.operators)
        }
        if refusal != .device { #expect(try check.run([.epilogue]).operators == check.graph.operators) }
    }
}
